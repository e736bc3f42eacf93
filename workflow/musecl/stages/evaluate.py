"""Score every method on every indicator by out-of-fold predictions, at random and by whole cells.

Reads what each modality says of a region, and what is to be predicted; writes the table of scores,
its figure, the regions each modality covers, and metrics for `dvc metrics diff`. A region without
a value of an indicator is left out for that indicator (`n_regions` counts those used); a region
without a modality stays in (`methods` says how).
"""

import json
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray
from tqdm import tqdm

from musecl.evaluation.labels import Group, read_labelled
from musecl.evaluation.methods import VECTORS, Block, build_methods, read_blocks
from musecl.evaluation.prediction import (
    Answers,
    draw_trials,
    predict_from_vectors,
    predict_without_vectors,
)
from musecl.evaluation.scoring import scored_rows, summarise
from musecl.evaluation.settings import EvaluateSettings
from musecl.evaluation.splits import SPLITS, possible_splits, units_of
from musecl.figures import plot_r2
from musecl.geography.geo import metric_coordinates
from musecl.imagery.images import COUNTED, imagery_of
from musecl.step.job import Job
from musecl.step.tables import KEY, read_by_region, write_csv

METHODS = ["mean", "coordinates", "lot_count", *list(VECTORS)[:-1], "concat", "musecl"]
MEAN_IN_METRICS = "mean_predictor"
# The perceptron takes most of a run's time; the other splits are judged by ridge.
NETWORK_SPLITS = ("random", "spatial", "paper")
IMAGERY = ("none", "photographic", "photographic+rendered", "rendered")

SCORES = pa.DataFrameSchema(
    {
        "city": pa.Column(str),
        "indicator": pa.Column(str),
        "method": pa.Column(str, pa.Check.isin(METHODS)),
        "predictor": pa.Column(str, pa.Check.isin(["mean", "nearest or forest", "ridge", "mlp"])),
        "split": pa.Column(str, pa.Check.isin(list(SPLITS))),
        **{
            name: pa.Column(float, pa.Check(np.isfinite, name="finite"))
            for name in ("r2_mean", "r2_std", "rmse_mean", "rmse_std", "mae_mean")
        },
        "n_regions": pa.Column(int),
        "n_seeds": pa.Column(int),
        "shares_source_with": pa.Column(str),
        "imagery": pa.Column(str, pa.Check.isin(IMAGERY)),
    },
    strict=True,
    unique=["indicator", "method", "predictor", "split"],
)


def run(job: Job) -> None:
    """Evaluate one city."""
    settings = job.settings("evaluate", EvaluateSettings)
    regions, groups, headline, shares_source_with = read_labelled(job)
    blocks = read_blocks(job.input, regions[KEY])
    views = [job.input(f"{job.city}/{view}") for view in ("remote_view", "street_view")]
    imagery = {imagery_of(view) for view in views} - {None}
    lots = read_counted(views[0] / COUNTED, regions[KEY])

    scores = score(groups, regions, blocks, lots, settings, job.value("seed"))
    scores["shares_source_with"] = scores["indicator"].map(shares_source_with)
    scores["imagery"] = "+".join(sorted(map(str, imagery))) or "none"
    scores.insert(0, "city", job.city)
    table = scores[list(SCORES.columns)]
    write_csv(table, job.output("r2.csv"), SCORES)
    plot_r2(table, job.city, job.output("r2.png"))
    write_csv(coverage(job.city, blocks), job.output("coverage.csv"))
    metrics = json.dumps(collect_metrics(table, headline), indent=2)
    job.output("metrics.json").write_text(metrics + "\n", encoding="utf-8")


def read_counted(path: Path, regions: pd.Series) -> NDArray[np.int64] | None:
    """Read the lots that the images of each region are drawn from; None where they are not drawn.

    In the order of the region table; see `read_by_region`.
    """
    if not path.exists():
        return None
    return read_by_region(path, regions, "lot count")["lots"].to_numpy().astype(np.int64)


def score(
    groups: list[Group],
    regions: pd.DataFrame,
    blocks: dict[str, Block],
    lots: NDArray[np.int64] | None,
    settings: EvaluateSettings,
    seed: int,
) -> pd.DataFrame:
    """Score every method on every indicator and split, one row each, sorted.

    Parameters
    ----------
    groups : list of Group
        The indicators.
    regions : GeoDataFrame
        N regions, sorted.
    blocks : dict of Block
        The vectors that `build_methods` asks for.
    lots : int array of shape (N,), optional
        Lots per region.
    settings : EvaluateSettings
        Splits, seeds, predictor.
    seed : int
        Of every draw.
    """
    coordinates = metric_coordinates(regions)
    splits = possible_splits(regions, settings.splits)
    perceptrons = settings.mlp.methods
    steps = len(groups) * len(splits) * (2 + len(build_methods(blocks, lots, perceptrons)))
    rows: list[dict[str, Any]] = []
    with tqdm(total=steps, desc="evaluate", mininterval=5) as progress:
        for group in groups:
            here = {name: block.take(group.rows).compact() for name, block in blocks.items()}
            counts = None if lots is None else lots[group.rows]
            methods = build_methods(here, counts, perceptrons)
            for split in splits:
                units = units_of(regions.iloc[group.rows], split)
                trials = draw_trials(split, units, len(group.rows), settings, seed)
                networks = settings.mlp if split in NETWORK_SPLITS else None
                for answer in chain(
                    predict_without_vectors(coordinates[group.rows], group.labels, trials),
                    predict_from_vectors(methods, group.labels, trials, networks),
                ):
                    rows += [{**row, "split": split} for row in describe(group, answer)]
                    progress.update(answer.predictor != "mlp")
    return sort_scores(pd.DataFrame(rows))


def describe(group: Group, answer: Answers) -> list[dict[str, Any]]:
    """Score one predictor's answers: a row per indicator, its keys columns of r2.csv."""
    values = summarise(group.labels, answer.predictions)
    return [
        {
            "indicator": name,
            "method": answer.method,
            "predictor": answer.predictor,
            **{score: float(value[column]) for score, value in values.items()},
            "n_regions": int(scored_rows(answer.predictions).sum()),
            "n_seeds": len(answer.predictions),
        }
        for column, name in enumerate(group.names)
    ]


def sort_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Order rows by indicator, the methods from the plainest on, ridge before the perceptron."""
    order = scores.assign(
        place=scores["method"].map(METHODS.index), last=scores["predictor"] == "mlp"
    )
    return scores.loc[order.sort_values(["indicator", "place", "last", "split"]).index].reset_index(
        drop=True
    )


def coverage(city: str, blocks: dict[str, Block]) -> pd.DataFrame:
    """Count the regions that each modality has a vector of, and those it has none of.

    A modality that the city lacks has none of any.
    """
    regions = len(blocks["musecl"].present)
    counts = {
        name: int(blocks[name].present.sum()) if name in blocks else 0
        for name in ("remote_view", "street_view", "text", "musecl")
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
    scores: pd.DataFrame, headline: set[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """Mean R2 over the headline indicators, by split and method, below `headline_r2`.

    By ridge; `mean` and `coordinates` by the only predictor they have. The first is called
    `mean_predictor` here: a metric `random.mean` would read as the mean of a split's scores.
    """
    chosen = scores[scores["indicator"].isin(headline) & (scores["predictor"] != "mlp")]
    means = {
        str(split): {
            MEAN_IN_METRICS if method == "mean" else str(method): round(
                float(scores_of_method["r2_mean"].mean()), 6
            )
            for method, scores_of_method in scores_of_split.groupby("method", sort=False)
        }
        for split, scores_of_split in chosen.groupby("split")
    }
    return {"headline_r2": means}
