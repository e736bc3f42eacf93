"""Score every method on every indicator by out-of-fold predictions, at random and by whole cells.

Reads what each modality says of a region, and what is to be predicted; writes the table of scores,
its figure, the regions each modality covers, and metrics for `dvc metrics diff`. A region without
a value of an indicator is left out for that indicator (`n_regions` counts those used); a region
without a modality stays in (`methods` says how).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray
from tqdm import tqdm

from musecl.evaluation import (
    Answers,
    draw_trials,
    predict_from_vectors,
    predict_without_vectors,
)
from musecl.figures import plot_r2
from musecl.geo import metric_crs
from musecl.methods import Block, align, build_methods
from musecl.scoring import summarise
from musecl.settings.evaluate import EvaluateSettings
from musecl.step.errors import InputError
from musecl.step.job import Job
from musecl.tables import KEY, read_geotable, read_table, read_vectors, require_same_regions

VECTORS = {
    "remote_view_pretrained": ("remote_view_embeddings.parquet", "pretrained"),
    "street_view_pretrained": ("street_view_embeddings.parquet", "pretrained"),
    "remote_view": ("remote_view_embeddings.parquet", "embedding"),
    "street_view": ("street_view_embeddings.parquet", "embedding"),
    "text": ("text_embeddings.parquet", "embedding"),
    "musecl": ("embeddings.parquet", "embedding"),
}
METHODS = ["mean", "coordinates", "lot_count", *list(VECTORS)[:-1], "concat", "musecl"]
RENDERED, PHOTOGRAPHIC = "rendered", "photographic"

SCORES = pa.DataFrameSchema(
    {
        "city": pa.Column(str),
        "indicator": pa.Column(str),
        "method": pa.Column(str, pa.Check.isin(METHODS)),
        "predictor": pa.Column(str, pa.Check.isin(["mean", "nearest or forest", "ridge", "mlp"])),
        "split": pa.Column(str, pa.Check.isin(["random", "spatial"])),
        **{
            name: pa.Column(float, pa.Check(np.isfinite, name="finite"))
            for name in ("r2_mean", "r2_std", "rmse_mean", "rmse_std", "mae_mean")
        },
        "n_regions": pa.Column(int),
        "n_seeds": pa.Column(int),
        "shares_source_with": pa.Column(str),
        "imagery": pa.Column(str, pa.Check.isin([RENDERED, PHOTOGRAPHIC])),
    },
    strict=True,
    unique=["indicator", "method", "predictor", "split"],
)


@dataclass(frozen=True)
class Group:
    """Indicators that are known in the same regions.

    Attributes
    ----------
    rows : int array of shape (n,)
        Which regions.
    names : list of str
        T indicators, in the order of the columns of `labels`.
    labels : array of shape (n, T)
    """

    rows: NDArray[np.int64]
    names: list[str]
    labels: NDArray[np.float64]


def run(job: Job) -> None:
    """Evaluate one city."""
    settings = job.settings("evaluate", EvaluateSettings)
    sources = job.value("cities.{city}.sources")
    regions = read_geotable(job.input("regions.parquet")).sort_values(KEY, ignore_index=True)
    indicators = read_table(job.input("indicators.parquet"))
    groups = group_indicators(regions[KEY], indicators)
    blocks = {
        name: align(regions[KEY], *read_vectors(job.input(file), column), where=file)
        for name, (file, column) in VECTORS.items()
    }
    rendered = bool({"sample", "synth"} & {sources["remote_view"], sources["street_view"]})
    lot_counts = job.input("scene") / "lot_counts.parquet"
    lots = read_lot_counts(lot_counts, regions[KEY]) if lot_counts.exists() else None

    scores = score(groups, regions, blocks, lots, settings, job.value("seed"), job.value("threads"))
    about = indicators.drop_duplicates("indicator").set_index("indicator")
    scores["shares_source_with"] = scores["indicator"].map(about["shares_source_with"])
    scores["imagery"] = RENDERED if rendered else PHOTOGRAPHIC
    scores.insert(0, "city", job.city)
    table = SCORES.validate(scores[list(SCORES.columns)])
    table.to_csv(job.output("r2.csv"), index=False, float_format="%.6f", lineterminator="\n")
    plot_r2(table, job.city, job.output("r2.png"))
    coverage(job.city, blocks).to_csv(job.output("coverage.csv"), index=False, lineterminator="\n")
    headline = set(about.index[about["headline"]])
    metrics = json.dumps(collect_metrics(table, headline), indent=2)
    job.output("metrics.json").write_text(metrics + "\n", encoding="utf-8")


def group_indicators(regions: pd.Series, indicators: pd.DataFrame) -> list[Group]:
    """Group indicators by the regions that have a value, so that a fold is decomposed once.

    Parameters
    ----------
    regions : Series of str
        N region_ids, sorted.
    indicators : DataFrame
        `indicators.parquet`.

    Raises
    ------
    InputError
        A region is unknown or has two values of an indicator, or an indicator is constant.
    """
    require_same_regions(regions, indicators[KEY], "indicators.parquet")
    if indicators.duplicated([KEY, "indicator"]).any():
        raise InputError("indicators.parquet: two values of one indicator in a region")
    wide = indicators.pivot(index=KEY, columns="indicator", values="value").reindex(regions)
    names_by_rows: dict[bytes, list[str]] = {}
    for name in sorted(wide.columns):
        if wide[name].nunique() < 2:
            raise InputError(f"indicators.parquet: {name!r} has one value only; nothing to predict")
        names_by_rows.setdefault(wide[name].notna().to_numpy().tobytes(), []).append(name)
    groups = []
    for names in names_by_rows.values():
        rows = np.flatnonzero(wide[names[0]].notna())
        groups.append(Group(rows, names, wide[names].to_numpy()[rows]))
    return groups


def read_lot_counts(path: Path, regions: pd.Series) -> NDArray[np.int64]:
    """Read the lots of each region, in the order of the region table.

    Raises
    ------
    InputError
        A region is missing: no lots is a true zero there, and must be written.
    """
    counts = read_table(path).set_index(KEY)["lots"].reindex(regions)
    if counts.isna().any():
        raise InputError(f"{path}: {counts.isna().sum()} regions have no lot count")
    return counts.to_numpy().astype(np.int64)


def score(
    groups: list[Group],
    regions: pd.DataFrame,
    blocks: dict[str, Block],
    lots: NDArray[np.int64] | None,
    settings: EvaluateSettings,
    seed: int,
    threads: int,
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
    seed, threads : int
        Of every draw; of the work.
    """
    coordinates = metric_coordinates(regions)
    parents = regions["parent"].to_numpy(dtype=str)
    runs = [(group, split) for group in groups for split in settings.splits]
    steps = len(runs) * (1 + len(build_methods(blocks, lots)))
    rows: list[dict[str, Any]] = []
    with tqdm(total=steps, desc="evaluate", mininterval=5) as progress:
        for group, split in runs:
            trials = draw_trials(split, parents[group.rows], settings, seed)
            here = {name: block.take(group.rows) for name, block in blocks.items()}
            answers = [
                predict_without_vectors(coordinates[group.rows], group.labels, trials, threads),
                *(
                    predict_from_vectors(method, group.labels, trials, settings.mlp, threads)
                    for method in build_methods(here, None if lots is None else lots[group.rows])
                ),
            ]
            for one_method in answers:
                for answer in one_method:
                    rows += [{**row, "split": split} for row in describe(group, answer)]
                progress.update()
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
            "n_regions": len(group.rows),
            "n_seeds": len(answer.predictions),
        }
        for column, name in enumerate(group.names)
    ]


def metric_coordinates(regions: pd.DataFrame) -> NDArray[np.float64]:
    """Metres (N, 2) east and north of the regions' centres, in the city's UTM zone."""
    centres = regions.geometry.to_crs(metric_crs(regions.geometry)).centroid
    return np.column_stack([centres.x, centres.y])


def sort_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Order rows by indicator, the methods from the plainest on, ridge before the perceptron."""
    order = scores.assign(
        place=scores["method"].map(METHODS.index), last=scores["predictor"] == "mlp"
    )
    return scores.loc[order.sort_values(["indicator", "place", "last", "split"]).index].reset_index(
        drop=True
    )


def coverage(city: str, blocks: dict[str, Block]) -> pd.DataFrame:
    """Count the regions that each modality has a vector of, and those it has none of."""
    names = {name: name for name in ("remote_view", "street_view", "text", "musecl")}
    return pd.DataFrame(
        [
            {
                "city": city,
                "modality": name,
                "present": int(blocks[name].present.sum()),
                "missing": int((~blocks[name].present).sum()),
            }
            for name in names
        ]
    )


def collect_metrics(scores: pd.DataFrame, headline: set[str]) -> dict[str, dict[str, float]]:
    """Mean R2 over the headline indicators, by split and method.

    By ridge; `mean` and `coordinates` by the only predictor they have.
    """
    chosen = scores[scores["indicator"].isin(headline) & (scores["predictor"] != "mlp")]
    return {
        str(split): {
            str(method): round(float(scores_of_method["r2_mean"].mean()), 6)
            for method, scores_of_method in scores_of_split.groupby("method", sort=False)
        }
        for split, scores_of_split in chosen.groupby("split")
    }
