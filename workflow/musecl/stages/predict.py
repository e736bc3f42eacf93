"""Predict every indicator in every region, out of fold and with a 90% interval: the map's data.

The representation `musecl` predicts by ridge. A region's prediction is the mean over repetitions,
each from a fold that did not hold it, and so are the bounds of its interval. How often the interval
holds the observed value is measured per split: it aims at 90%. The one fold of the split `paper`
tests a fifth of the regions; the others are not predicted there. `districts.csv` tells what a model
of one district (in New York: borough) says of each other.
"""

import geopandas as gpd
import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray
from tqdm import tqdm

from musecl.evaluation.conformal import COVERAGE
from musecl.evaluation.labels import Group, read_labelled
from musecl.evaluation.methods import Block, align
from musecl.evaluation.prediction import Trial, collect, draw_trials, fit_ridge
from musecl.evaluation.scoring import score_once, scored_rows
from musecl.evaluation.settings import EvaluateSettings
from musecl.evaluation.splits import SPLITS, Fold, parts_of, possible_splits, units_of
from musecl.step.job import Job
from musecl.step.tables import KEY, read_vectors, write_csv, write_table
from musecl.step.workers import in_processes

Array = NDArray[np.float64]
DRAW_PARTS = 71
# Regions that a district must have to be trained in, or judged.
FEWEST = 20

PREDICTIONS = pa.DataFrameSchema(
    {
        KEY: pa.Column(str),
        "geometry": pa.Column("geometry"),
        "indicator": pa.Column(str),
        "split": pa.Column(str, pa.Check.isin(list(SPLITS))),
        "observed": pa.Column(float, pa.Check(np.isfinite, name="finite")),
        "prediction": pa.Column(float, pa.Check(np.isfinite, name="finite")),
        "low": pa.Column(float),
        "high": pa.Column(float),
    },
    strict=True,
    unique=[KEY, "indicator", "split"],
)


def run(job: Job) -> None:
    """Write `predictions.parquet`, measured coverage and what carries over between districts."""
    settings = job.settings("evaluate", EvaluateSettings)
    seed = int(job.value("seed"))
    regions, groups, *_ = read_labelled(job)
    keys, vectors = read_vectors(job.input("embeddings.parquet"), "embedding")
    block = align(regions[KEY], keys, vectors, where="embeddings.parquet")
    splits = possible_splits(regions, settings.splits)
    tables = []
    known = [(group, block.take(group.rows).compact()) for group in groups]
    runs = [(*one, split) for one in known for split in splits]
    for group, compact, split in tqdm(runs, "predict", mininterval=5):
        here = regions.iloc[group.rows]
        trials = draw_trials(split, units_of(here, split), len(here), settings, seed)
        predicted, width = predict_with_intervals(compact, group, trials)
        tables.append(tabulate(here, group, split, predicted, width))
    predictions = pd.concat(tables, ignore_index=True)
    predictions = predictions.sort_values(["split", "indicator", KEY], ignore_index=True)
    write_table(
        gpd.GeoDataFrame(predictions, crs=regions.crs),
        PREDICTIONS,
        job.output("predictions.parquet"),
    )
    table = measure_coverage(predictions)
    write_csv(table, job.output("intervals.csv"))
    districts = between_districts(regions, block, groups, settings.folds, seed)
    write_csv(districts, job.output("districts.csv"))
    print(table.groupby("split")["coverage"].describe()[["mean", "min", "max"]].to_string())


def predict_with_intervals(block: Block, group: Group, trials: list[Trial]) -> tuple[Array, Array]:
    """Predict each region out of fold, with the half-width of its interval.

    Parameters
    ----------
    block : Block
        Vectors of the group's n regions.
    group : Group
        T indicators.
    trials : list of Trial
        S repetitions.

    Returns
    -------
    predictions, half_widths : arrays of shape (S, n, T)
        NaN where no fold tests a region.
    """

    def fit(trial: Trial) -> tuple[Array, Array]:
        fitted = fit_ridge((block,), group.labels, trial.fold)
        answers = fitted.predictions
        return answers, np.broadcast_to(fitted.half_width, answers.shape)

    fits = list(in_processes(fit, trials))
    shape = group.labels.shape
    predictions = collect(trials, [answers for answers, _ in fits], shape)
    return predictions, collect(trials, [width for _, width in fits], shape)


def tabulate(
    regions: pd.DataFrame, group: Group, split: str, predicted: Array, width: Array
) -> pd.DataFrame:
    """Average over the repetitions, and lay out a row per tested region and indicator."""
    rows = scored_rows(predicted)
    regions, labels = regions.iloc[rows], group.labels[rows]
    predicted, width = predicted[:, rows], width[:, rows]
    low, high = (predicted - width).mean(axis=0), (predicted + width).mean(axis=0)
    middle = predicted.mean(axis=0)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    KEY: regions[KEY].to_numpy(),
                    "geometry": regions.geometry.to_numpy(),
                    "indicator": name,
                    "split": split,
                    "observed": labels[:, column],
                    "prediction": middle[:, column],
                    "low": low[:, column],
                    "high": high[:, column],
                }
            )
            for column, name in enumerate(group.names)
        ]
    )


def measure_coverage(predictions: pd.DataFrame) -> pd.DataFrame:
    """Count how often an interval holds the observed value, a row per split and indicator.

    Parameters
    ----------
    predictions : DataFrame
        As `PREDICTIONS`.

    Returns
    -------
    DataFrame
        `split`, `indicator`, `nominal`, `coverage` (shares), `mean_width` (in the indicator's
        units), `n_regions`.
    """
    held = predictions.assign(
        coverage=predictions["observed"].between(predictions["low"], predictions["high"]),
        mean_width=predictions["high"] - predictions["low"],
    )
    table = held.groupby(["split", "indicator"], as_index=False).agg(
        coverage=("coverage", "mean"),
        mean_width=("mean_width", "mean"),
        n_regions=(KEY, "size"),
    )
    table.insert(2, "nominal", COVERAGE)
    return table


def between_districts(
    regions: pd.DataFrame, block: Block, groups: list[Group], folds: int, seed: int
) -> pd.DataFrame:
    """Train in one district, predict another: a row per ordered pair and indicator.

    Parameters
    ----------
    regions : DataFrame
        N regions, sorted.
    block : Block
        Their vectors.
    groups : list of Group
        The indicators.
    folds : int
        Parts of a training district that choose the penalty.
    seed : int
        Of these parts.

    Returns
    -------
    DataFrame
        `from`, `to`, `indicator`, `r2`, `rmse`, `mae`, `correlation`, `n_from`, `n_to`; a region
        outside every district is in none, and a city without districts has no row.
    """
    district = regions["district"].fillna("").to_numpy()
    parent = regions["parent"].to_numpy(dtype=str)
    rows = []
    for source in sorted({*district} - {""}):
        for group in groups:
            here = district[group.rows]
            train = np.flatnonzero(here == source)
            if len(train) < FEWEST:
                continue
            generator = np.random.default_rng([seed, DRAW_PARTS])
            parts = parts_of(parent[group.rows][train], folds, generator)
            fold = Fold(train, np.flatnonzero(here != source), parts)
            answers = np.full(group.labels.shape, np.nan)
            answers[fold.test] = fit_ridge(
                (block.take(group.rows),), group.labels, fold
            ).predictions
            for target in sorted({*here[fold.test]} - {""}):
                there = here == target
                if there.sum() < FEWEST:
                    continue
                for column, name in enumerate(group.names):
                    scores = score_once(group.labels[there, column], answers[there, column])
                    row = {"from": source, "to": target, "indicator": name, **scores}
                    rows.append(row | {"n_from": len(train), "n_to": int(there.sum())})
    names = ["from", "to", "indicator", "r2", "rmse", "mae", "correlation", "n_from", "n_to"]
    return pd.DataFrame(rows, columns=names)
