"""What the defaults of the fusion owe to the labels that they were chosen by.

`python benchmarks/chosen_inside.py nyc`, in a checkout where `results/nyc/embeddings.parquet` is
built. The defaults were chosen by labels of the regions that are reported. Here the same choices
are made again inside every training fold: each variant of the fusion predicts the parts of the
training fold that ridge leaves out, and the best of them there predicts the test fold. Printed per
split: R2 of the shipped settings, that of the variant chosen inside and its ratio to the former,
that of the variant that is best on the test folds, and how often each was chosen.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from musecl.evaluation.labels import IndicatorGroup, read_labelled  # noqa: E402
from musecl.evaluation.methods import RegionFeatures, align  # noqa: E402
from musecl.evaluation.prediction import (  # noqa: E402
    RidgeFit,
    SeededFold,
    collect,
    draw_trials,
    fit_ridge,
)
from musecl.evaluation.ridge import left_out_residuals  # noqa: E402
from musecl.evaluation.scoring import r2  # noqa: E402
from musecl.evaluation.settings import EvaluateSettings  # noqa: E402
from musecl.evaluation.splits import possible_splits, units_of  # noqa: E402
from musecl.fusion.inputs import read_inputs  # noqa: E402
from musecl.fusion.representation import represent  # noqa: E402
from musecl.fusion.settings import FuseSettings  # noqa: E402
from musecl.runtime.job import Job  # noqa: E402
from musecl.runtime.pipeline import declaration  # noqa: E402
from musecl.runtime.tables import KEY  # noqa: E402
from musecl.runtime.workers import in_processes  # noqa: E402

SPLITS = ("random", "spatial")
# Every choice that docs/experiments.md tells of, one at a time, from the shipped settings.
VARIANTS = {
    "shipped": {},
    "k_rings 0": {"k_rings": 0},
    "k_rings 1": {"k_rings": 1},
    "k_rings 3": {"k_rings": 3},
    "scalar_attention": {"mode": "scalar_attention"},
    "add": {"mode": "add"},
    "concat": {"mode": "concat"},
    "no text as input": {"text_as_input": False},
    "mse": {"alignment": "mse"},
    "no residual": {"residual": False},
    "600 steps": {"steps": 600},
    "no text term": {"text_weight": 0.0},
    "no views term": {"views_weight": 0.0},
    "no POI term": {"pois_weight": 0.0},
}


def main() -> None:
    """Print a line per split."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("city")
    # The stage that reads the inputs of the fusion and the labels.
    job = Job(declaration(Path.cwd(), "ablations", parser.parse_args().city), Path.cwd())
    settings = job.settings("evaluate", EvaluateSettings)
    seed = int(job.value("seed"))
    regions, groups, primary, _ = read_labelled(job)
    blocks = represent_all(job, regions[KEY])
    for split in possible_splits(regions, SPLITS):
        shipped, chosen, best, chosen_names = [], [], [], Counter[str]()
        for group in groups:
            columns = [at for at, name in enumerate(group.names) if name in primary]
            if not columns:
                continue
            shown = IndicatorGroup(
                group.rows, [group.names[at] for at in columns], group.labels[:, columns]
            )
            units = units_of(regions.iloc[group.rows], split)
            trials = draw_trials(split, units, len(group.rows), settings, seed)
            predictions, inner = predict_all(blocks, shown, trials)
            picks = inner.argmax(axis=0)
            answers = [
                predictions[pick, trial.repetition, trial.fold.test]
                for trial, pick in zip(trials, picks, strict=True)
            ]
            picked = collect(trials, answers, shown.labels.shape)
            scores = r2(shown.labels, predictions).mean(axis=1)
            shipped += list(scores[0])
            best += list(scores[scores.mean(axis=1).argmax()])
            chosen += list(r2(shown.labels, picked).mean(axis=0))
            chosen_names.update(list(VARIANTS)[pick] for pick in picks)
        names = ", ".join(f"{name} {count}" for name, count in chosen_names.most_common())
        print(
            f"{split}: shipped {np.mean(shipped):.3f}, chosen inside {np.mean(chosen):.3f} "
            f"(ratio {np.mean(chosen) / np.mean(shipped):.3f}), best on the test folds "
            f"{np.mean(best):.3f}; chosen: {names}",
            flush=True,
        )


def represent_all(job: Job, regions: pd.Series) -> list[RegionFeatures]:
    """Fuse anew under each variant; no label is read."""
    inputs, ours = read_inputs(job), job.settings("fuse", FuseSettings)
    keys = pd.DataFrame({KEY: inputs.region_ids})
    blocks = []
    for name, changes in VARIANTS.items():
        print(f"fusing: {name}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            changed = FuseSettings(**{**ours.model_dump(), **changes})
            vectors = represent(inputs, changed, int(job.value("seed")), Path(folder)).embedding
        blocks.append(align(regions, keys, vectors, name))
    return blocks


def predict_all(
    blocks: list[RegionFeatures], group: IndicatorGroup, trials: list[SeededFold]
) -> tuple[np.ndarray, np.ndarray]:
    """Predict every trial from every variant, and score each inside the training fold.

    Returns
    -------
    predictions : array of shape (V, S, n, T)
        Out of fold, of V variants.
    inner : array of shape (V, trials)
        Mean R2 over the indicators of training rows, each predicted without its part.
    """
    predictions, inner = [], []
    for block in blocks:
        here = block.take(group.rows)

        def fit(trial: SeededFold, here: RegionFeatures = here) -> tuple[np.ndarray, float]:
            fitted = fit_ridge((here,), group.labels, trial.fold)
            return fitted.predictions, left_out_r2(fitted)

        fits = list(in_processes(fit, trials))
        answers = [predicted for predicted, _ in fits]
        predictions.append(collect(trials, answers, group.labels.shape))
        inner.append([score for _, score in fits])
    return np.stack(predictions), np.array(inner)


def left_out_r2(fitted: RidgeFit) -> float:
    """Mean R2 of the training rows by the fits that leave their part out."""
    known, parts = fitted.known, fitted.fold.parts
    residuals = left_out_residuals(fitted.decomposed, known, parts, fitted.penalties)
    return float(r2(known, known - residuals).mean())


if __name__ == "__main__":
    main()
