"""Score every method on every indicator by out-of-fold predictions, at random and by whole cells.

Reads what each modality says of a region, and what is to be predicted; writes the table of scores,
its figure, the regions each modality covers, and metrics for `dvc metrics diff`. A region without
a value of an indicator is left out for that indicator (`n_regions` counts those used); a region
without a modality stays in (`methods` says how).
"""

import json
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray

from musecl.evaluation.judgeable import LEFT_OUT, Judgeable, judgeable, tabulate_left_out
from musecl.evaluation.labels import read_labelled
from musecl.evaluation.methods import VECTORS, RegionFeatures, build_methods, read_blocks
from musecl.evaluation.prediction import predict_from_vectors, predict_without_vectors
from musecl.evaluation.scoring import describe
from musecl.evaluation.settings import EvaluateSettings
from musecl.evaluation.splits import SPLITS
from musecl.figures import plot_r2
from musecl.geography.geo import metric_coordinates
from musecl.imagery.images import COUNTED, IMAGERY, imagery_of_views
from musecl.runtime.job import Job
from musecl.runtime.progress import progress
from musecl.runtime.tables import KEY, read_by_region, write_csv

METHODS = ["dummy_mean", "coordinates", "lot_count", *list(VECTORS)[:-1], "concat", "musecl"]
# The perceptron takes most of a run's time; the other splits are judged by ridge.
NETWORK_SPLITS = ("random", "spatial", "paper")
FITTED = {"unit": "as fitted: ln(1+x), or the unit itself"}
SCORES = pa.DataFrameSchema(
    {
        "city": pa.Column(str, description="the city"),
        "indicator": pa.Column(str, description="what is predicted"),
        "method": pa.Column(str, pa.Check.isin(METHODS), description="what it is predicted from"),
        "predictor": pa.Column(
            str,
            pa.Check.isin(["mean", "nearest or forest", "ridge", "mlp"]),
            description="what is fitted; `mlp`: the perceptron of the paper",
        ),
        "split": pa.Column(
            str, pa.Check.isin(list(SPLITS)), description="how regions are held out"
        ),
        **{
            name: pa.Column(
                float,
                pa.Check(np.isfinite, name="finite"),
                description=text,
                metadata=None if name.startswith("r2") else FITTED,
            )
            for name, text in {
                "r2_mean": "R2 out of fold, mean over repetitions",
                "r2_std": "its standard deviation over repetitions",
                "rmse_mean": "root mean squared error, mean over repetitions",
                "rmse_std": "its standard deviation over repetitions",
                "mae_mean": "mean absolute error, mean over repetitions",
            }.items()
        },
        "n_regions": pa.Column(
            int, description="regions that are tested", metadata={"unit": "regions"}
        ),
        "n_seeds": pa.Column(
            int, description="repetitions, each with other folds", metadata={"unit": "repetitions"}
        ),
        "label_provenance": pa.Column(
            str, description="inputs that come from the same source as the indicator"
        ),
        "imagery": pa.Column(str, pa.Check.isin(IMAGERY), description="what the images are"),
    },
    strict=True,
    coerce=True,  # a table without rows has the same types
    unique=["indicator", "method", "predictor", "split"],
)
COVERAGE = pa.DataFrameSchema(
    {
        "city": pa.Column(str, description="the city"),
        "modality": pa.Column(str, description="a view, the text, or the representation of all"),
        "present": pa.Column(
            int, description="regions that have a vector of it", metadata={"unit": "regions"}
        ),
        "missing": pa.Column(
            int, description="regions that have none", metadata={"unit": "regions"}
        ),
    },
    strict=True,
    unique=["modality"],
)


def run(job: Job) -> None:
    """Evaluate one city."""
    settings = job.settings("evaluate", EvaluateSettings)
    seed = int(job.value("seed"))
    labelled = read_labelled(job)
    regions = labelled.regions
    blocks = read_blocks(job.input, regions[KEY])
    views = [job.input(f"{job.city}/{view}") for view in ("satellite", "street_view")]
    lots = read_counted(views[0] / COUNTED, regions[KEY])
    tasks, left_out = judgeable(regions, labelled.groups, settings, seed)

    scores = score(tasks, regions, blocks, lots, settings)
    scores["label_provenance"] = scores["indicator"].map(labelled.label_provenance)
    scores["imagery"] = imagery_of_views(views)
    scores["city"] = job.city
    table = scores[list(SCORES.columns)]
    write_csv(table, job.output("r2.csv"), SCORES)
    plot_r2(table, job.city, job.output("r2.png"))
    write_csv(tabulate_left_out(left_out), job.output("left_out.csv"), LEFT_OUT)
    write_csv(coverage(job.city, blocks), job.output("coverage.csv"), COVERAGE)
    metrics = json.dumps(collect_metrics(table, labelled.primary), indent=2)
    job.output("metrics.json").write_text(metrics + "\n", encoding="utf-8")


def read_counted(path: Path, regions: pd.Series) -> NDArray[np.int64] | None:
    """Read the lots that the images of each region are drawn from; None where they are not drawn.

    In the order of the region table; see `read_by_region`.
    """
    if not path.exists():
        return None
    return read_by_region(path, regions, "lot count")["lots"].to_numpy().astype(np.int64)


def score(
    tasks: list[Judgeable],
    regions: pd.DataFrame,
    blocks: dict[str, RegionFeatures],
    lots: NDArray[np.int64] | None,
    settings: EvaluateSettings,
) -> pd.DataFrame:
    """Score every method on every indicator and split, one row each, sorted.

    Parameters
    ----------
    tasks : list of Judgeable
        The indicators, by split.
    regions : GeoDataFrame
        N regions, sorted.
    blocks : dict of RegionFeatures
        The vectors that `build_methods` asks for.
    lots : int array of shape (N,), optional
        Lots per region.
    settings : EvaluateSettings
        Of the perceptron.
    """
    coordinates = metric_coordinates(regions)
    perceptrons = settings.mlp.methods
    steps = len(tasks) * (2 + len(build_methods(blocks, lots, perceptrons)))
    rows: list[dict[str, Any]] = []
    # The vectors of a group are made compact once, for all splits.
    together = sorted(tasks, key=lambda task: task.group.rows.tolist())
    with progress("evaluate", total=steps) as shown:
        for _, same in groupby(together, key=lambda task: task.group.rows.tolist()):
            of_group = list(same)
            known = of_group[0].group.rows
            here = {name: block.take(known).compact() for name, block in blocks.items()}
            methods = build_methods(here, None if lots is None else lots[known], perceptrons)
            for split, group, trials in of_group:
                networks = settings.mlp if split in NETWORK_SPLITS else None
                for answer in chain(
                    predict_without_vectors(coordinates[known], group.labels, trials),
                    predict_from_vectors(methods, group.labels, trials, networks),
                ):
                    rows += [{**row, "split": split} for row in describe(group, answer)]
                    shown.update(answer.predictor != "mlp")
    return sort_scores(pd.DataFrame(rows, columns=[*SCORES.columns]))


def sort_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Order rows by indicator, the methods from the plainest on, ridge before the perceptron."""
    order = scores.assign(
        place=scores["method"].map(METHODS.index), last=scores["predictor"] == "mlp"
    )
    return scores.loc[order.sort_values(["indicator", "place", "last", "split"]).index].reset_index(
        drop=True
    )


def coverage(city: str, blocks: dict[str, RegionFeatures]) -> pd.DataFrame:
    """Count the regions that each modality has a vector of, and those it has none of.

    A modality that the city lacks has none of any.
    """
    regions = len(blocks["musecl"].present)
    counts = {
        name: int(blocks[name].present.sum()) if name in blocks else 0
        for name in ("satellite", "street_view", "text", "musecl")
    }
    return pd.DataFrame(
        [
            {
                "city": city,
                "modality": name,
                "present": present,
                "missing": regions - present,
            }
            for name, present in counts.items()
        ]
    )


def collect_metrics(
    scores: pd.DataFrame, primary: set[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """Mean R2 over the primary indicators, by split and method, below `primary_r2`.

    By ridge; `dummy_mean` and `coordinates` by the only predictor they have.
    """
    chosen = scores[scores["indicator"].isin(primary) & (scores["predictor"] != "mlp")]
    means = {
        str(split): {
            str(method): round(float(scores_of_method["r2_mean"].mean()), 6)
            for method, scores_of_method in scores_of_split.groupby("method", sort=False)
        }
        for split, scores_of_split in chosen.groupby("split")
    }
    return {"primary_r2": means}
