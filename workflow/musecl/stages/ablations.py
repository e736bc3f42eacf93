"""What each part of MuseCL adds: the representation without it, on the same folds.

Rows by column `method`: `musecl`; without one modality (`without_remote_view`, ...); with random
regions for the pairs of places or of mobility (`random_place_pairs`, `random_mobility_pairs`: in
pretraining, and for places in the fusion's alignment too); with a linear layer for the attention
(`without_attention`); without what is around a region (`without_rings`); and what goes into the
fusion, reduced, without it (`without_fusion`).

With random mobility pairs the attention sees a region's street view as one token, where ours sees
each viewpoint; `region_tokens` is ours with one token, to compare with. Where a region has too few
trips, ours pairs it with itself, and random pairs replace that, too.

`inductive.csv` sets a fusion that has seen all regions (as the paper's, without labels) beside
one whose components, scales and training saw the training fold alone. Both see features of the
pretrained encoders, which know nothing of the city. To keep to few trainings it is one repetition,
on the splits `random` and `spatial` whatever `evaluate.splits` says, for the indicators that most
of the headline shares its regions with.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from musecl.evaluation.comparison import Predict, judge, lay_out, write_comparison
from musecl.evaluation.labels import Group, read_labelled
from musecl.evaluation.methods import Block, Method, align
from musecl.evaluation.prediction import Answers, Trial, collect, fit_ridge, predict_from_vectors
from musecl.evaluation.settings import EvaluateSettings
from musecl.fusion.inputs import read_inputs, sorted_part
from musecl.fusion.representation import (
    MODALITIES,
    FusionInputs,
    Vectors,
    represent,
    without_fused,
    without_rings,
)
from musecl.fusion.settings import FuseSettings
from musecl.step.job import Job
from musecl.step.tables import KEY, read_vectors

SHUFFLE = 51
INDUCTIVE_SPLITS = ("random", "spatial")


def run(job: Job) -> None:
    """Write `ablations.csv` and `inductive.csv`."""
    settings = job.settings("evaluate", EvaluateSettings)
    seed, threads = int(job.value("seed")), int(job.value("threads"))
    fuse = job.settings("fuse", FuseSettings)
    regions, groups, headline, _ = read_labelled(job)
    inputs = read_inputs(job)

    def block(vectors: Vectors) -> Block:
        return align(regions[KEY], pd.DataFrame({KEY: inputs.region_ids}), vectors, "ablations")

    with job.scratch() as scratch:
        keys, ours = read_vectors(job.input("embeddings.parquet"), "embedding")
        methods = {"musecl": align(regions[KEY], keys, ours, "embeddings.parquet")}
        for name, (changed, changes) in variants(job, inputs).items():
            folder = scratch / name
            folder.mkdir(exist_ok=True)
            as_changed = FuseSettings(**{**fuse.model_dump(), **changes})
            methods[name] = block(represent(changed, as_changed, seed, folder)[1])
        drops = {"without_rings": without_rings}
        if fuse.residual:
            drops["without_fusion"] = without_fused
        for name, drop in drops.items():
            methods[name] = align(regions[KEY], keys, drop(ours, fuse), "embeddings.parquet")

        def predict(group: Group, trials: list[Trial]) -> Iterator[Answers]:
            for name, vectors in methods.items():
                method = Method(name, (vectors.take(group.rows),), perceptron=False)
                yield from predict_from_vectors(method, group.labels, trials, None, threads)

        judged = list(judge(predict, groups, headline, regions, settings, seed, "ablations"))
        table = lay_out(judged, headline, reference="musecl")
        write_comparison(table, job.city, job.output("ablations.csv"))

        once = settings.model_copy(update={"seeds": 1, "splits": list(INDUCTIVE_SPLITS)})
        sides = both_sides(pretrained_alone(inputs), regions[KEY], fuse, seed, scratch)
        group = max(groups, key=lambda one: (len(headline & set(one.names)), len(one.rows)))
        shown = headline & set(group.names)
        judged = list(judge(sides, [group], shown, regions, once, seed, "inductive"))
        table = lay_out(judged, shown, reference="all_regions")
        write_comparison(table, job.city, job.output("inductive.csv"))


def variants(job: Job, inputs: FusionInputs) -> dict[str, tuple[FusionInputs, dict[str, str]]]:
    """List inputs and changed settings of the fusion, by method."""

    def random_pairs(view: str) -> FusionInputs:
        part = sorted_part(*read_vectors(job.input(f"baseline_{view}.parquet"), "random_pairs"))
        return inputs.replacing(f"{view} embedding", part)

    generator = np.random.default_rng([int(job.value("seed")), SHUFFLE])
    shuffled = inputs.positives.assign(
        positive=generator.permutation(inputs.positives["positive"].to_numpy())
    )
    changed: dict[str, tuple[FusionInputs, dict[str, str]]] = {
        f"without_{modality}": (inputs.without(modality), {}) for modality in MODALITIES
    }
    changed["random_place_pairs"] = (replace(random_pairs("remote_view"), positives=shuffled), {})
    changed["random_mobility_pairs"] = (random_pairs("street_view"), {})
    part = inputs.parts["street_view embedding"]
    changed["region_tokens"] = (inputs.replacing("street_view embedding", part), {})
    changed["without_attention"] = (inputs, {"mode": "concat"})
    return changed


def pretrained_alone(inputs: FusionInputs) -> FusionInputs:
    """Leave out what was trained on the city: the contrastive features of both views."""
    return replace(
        inputs,
        parts={name: part for name, part in inputs.parts.items() if not name.endswith("embedding")},
        views={
            view: one._replace(kinds={"pretrained": one.kinds["pretrained"]})
            for view, one in inputs.views.items()
        },
    )


def both_sides(
    inputs: FusionInputs, regions: pd.Series, fuse: FuseSettings, seed: int, scratch: Path
) -> Predict:
    """Predict by a fusion of all regions and by one per trial of its training fold.

    Parameters
    ----------
    inputs : FusionInputs
        Of the city; nothing in them was fitted to it.
    regions : Series of str
        N region_ids, sorted.
    fuse : FuseSettings
    seed : int
    scratch : Path
        Holds a checkpoint per training.
    """

    def train(name: str, rows: list[str]) -> Block:
        folder = scratch / name
        folder.mkdir(exist_ok=True)
        fit = pd.Index(inputs.region_ids).get_indexer(pd.Index(rows))
        _, vectors = represent(inputs, fuse, seed, folder, fit[fit >= 0])
        return align(regions, pd.DataFrame({KEY: inputs.region_ids}), vectors, "inductive")

    everything = train("all regions", list(regions))

    def predict(group: Group, trials: list[Trial]) -> Iterator[Answers]:
        ids = regions.to_numpy()[group.rows]
        answers: dict[str, list[np.ndarray]] = {"all_regions": [], "training_regions": []}
        for trial in trials:
            name = "fold " + " ".join(str(part) for part in trial.key)
            seen = train(name, list(ids[trial.fold.train]))
            for method, block in (("all_regions", everything), ("training_regions", seen)):
                here = (block.take(group.rows),)
                answers[method].append(fit_ridge(here, group.labels, trial.fold).predictions)
        for method, predictions in answers.items():
            yield Answers(method, "ridge", collect(trials, predictions, group.labels.shape))

    return predict
