"""Methods side by side on the same folds: the tables of baselines and ablations.

Every method is fitted to the same folds: ridge with a penalty chosen over all parts of the training
fold, or a predictor whose few settings are chosen on its validation part. One method is the
reference; the difference of every other to it comes with a paired interval.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from musecl.evaluation.bootstrap import DRAWS, draw_weights, paired_difference, resampled_r2
from musecl.evaluation.judgeable import Judgeable
from musecl.evaluation.labels import IndicatorGroup
from musecl.evaluation.prediction import MethodPredictions, SeededFold
from musecl.evaluation.scoring import scored_rows, summarise
from musecl.evaluation.splits import SPLITS
from musecl.runtime.progress import progress
from musecl.runtime.tables import write_csv

Array = NDArray[np.float64]
DRAW_CELLS = 41
# Columns of every comparison; three for each indicator follow: `NAME R2`, `NAME sd`, `NAME RMSE`.
COMPARED = {
    "split": "how regions are held out",
    "method": "what is predicted from",
    "r2_primary": "mean R2 over the primary indicators that the split judges",
    "r2_mean": "mean R2 over all indicators that it judges",
    "reference_ahead": "primary of the reference less that of the method",
    "ahead_low": "lower bound of the 95% interval of that difference",
    "ahead_high": "upper bound of the 95% interval of that difference",
    "n_seeds": "repetitions, each with other folds",
}
# From a group of indicators and the trials of a split to the answers of every method.
Predict = Callable[[IndicatorGroup, list[SeededFold]], Iterable[MethodPredictions]]


@dataclass(frozen=True)
class SplitResult:
    """One method on one split, over all indicators.

    Attributes
    ----------
    method, split : str
    scores : DataFrame
        Indexed by indicator; see `scoring.summarise`.
    resampled : array of shape (1 + B,)
        Mean R2 over the primary indicators in the sample and in B resamples of larger cells.
    cells : int
        How many larger cells there are to draw from: those of the regions that a fold tests.
    """

    method: str
    split: str
    scores: pd.DataFrame
    resampled: Array
    cells: int


def judge(
    predict: Predict,
    tasks: list[Judgeable],
    primary: set[str],
    regions: pd.DataFrame,
    seed: int,
    description: str,
) -> Iterator[SplitResult]:
    """Let every method predict every indicator on every split that can judge it.

    Parameters
    ----------
    predict : callable
        Yields the answers of each method, in the same order whenever it is called.
    tasks : list of Judgeable
        The indicators, split by split.
    primary : set of str
        Indicators whose mean R2 is compared.
    regions : DataFrame
        N regions, sorted.
    seed : int
        Of the cells that are drawn.
    description : str
        What the progress bar says.
    """
    with progress(description, total=len(tasks)) as shown:
        for split, of_split in groupby(tasks, key=lambda task: task.split):
            answers: dict[str, list[tuple[IndicatorGroup, Array]]] = {}
            for _, group, trials in of_split:
                for answer in predict(group, trials):
                    answers.setdefault(answer.method, []).append((group, answer.predictions))
                shown.update()
            tested = tested_regions(answers, len(regions))
            cells = cells_of(regions, split)[tested]
            weights = np.zeros((1 + DRAWS, len(regions)))
            weights[0] = 1
            weights[1:, tested] = draw_weights(cells, np.random.default_rng([seed, DRAW_CELLS]))
            for method, parts in answers.items():
                resampled = resample(parts, primary, weights)
                yield SplitResult(method, split, score(parts), resampled, len(np.unique(cells)))


def tested_regions(
    answers: dict[str, list[tuple[IndicatorGroup, Array]]], regions: int
) -> NDArray[np.bool_]:
    """Mark which of N regions a fold tests for some indicator."""
    tested = np.zeros(regions, dtype=np.bool_)
    for parts in answers.values():
        for group, predicted in parts:
            tested[group.rows[scored_rows(predicted)]] = True
    return tested


def cells_of(regions: pd.DataFrame, split: str) -> NDArray[np.str_]:
    """Name the larger cell of each region: what a split holds out whole, or its `spatial_block`."""
    return regions[SPLITS[split] or "spatial_block"].to_numpy(dtype=str)


def score(parts: list[tuple[IndicatorGroup, Array]]) -> pd.DataFrame:
    """Score the answers to all groups: a row per indicator."""
    tables = [
        pd.DataFrame(summarise(group.labels, predicted), index=group.names).assign(
            n_seeds=len(predicted)
        )
        for group, predicted in parts
    ]
    return pd.concat(tables).sort_index()


def resample(parts: list[tuple[IndicatorGroup, Array]], primary: set[str], weights: Array) -> Array:
    """Mean R2 over the primary indicators in each resample; weights (B, N) over all regions.

    NaN where no indicator of the primary indicators is judged on the split.
    """
    regions = weights.shape[1]
    observed, predicted = [], []
    for group, answers in parts:
        chosen = [column for column, name in enumerate(group.names) if name in primary]
        labels = np.full((regions, len(chosen)), np.nan)
        labels[group.rows] = group.labels[:, chosen]
        wide = np.full((len(answers), *labels.shape), np.nan)
        wide[:, group.rows] = answers[:, :, chosen]
        observed.append(labels)
        predicted.append(wide)
    if not any(labels.shape[1] for labels in observed):
        return np.full(len(weights), np.nan)
    return resampled_r2(np.hstack(observed), np.concatenate(predicted, axis=2), weights)


def lay_out(judged: list[SplitResult], primary: set[str], reference: str) -> pd.DataFrame:
    """Lay out a row per split and method: primary indicators, the difference to it, all of them.

    Parameters
    ----------
    judged : list of SplitResult
        Every method on every split.
    primary : set of str
        Indicators that `r2_primary` is the mean of.
    reference : str
        The method that `reference_ahead` compares with.

    Returns
    -------
    DataFrame
        `split`, `method`, `r2_primary`, `r2_mean` (over all indicators); `reference_ahead` is the
        primary of the reference less that of the method, with the bounds of its 95% interval; then
        for each indicator its R2, the standard deviation over seeds and the RMSE; `n_seeds`. An
        indicator that is left out of a split is empty there, and in no mean of it.
    """
    by_split = {one.split: one for one in judged if one.method == reference}
    rows = []
    for one in judged:
        ahead = paired_difference(by_split[one.split].resampled, one.resampled, one.cells)
        scores = one.scores
        row: dict[str, str | float] = {
            "split": one.split,
            "method": one.method,
            "r2_primary": scores.loc[scores.index.isin(primary), "r2_mean"].mean(),
            "r2_mean": scores["r2_mean"].mean(),
            "reference_ahead": ahead.mean,
            "ahead_low": ahead.low,
            "ahead_high": ahead.high,
            "n_seeds": int(scores["n_seeds"].iloc[0]),
        }
        for name, values in scores.iterrows():
            row |= {
                f"{name} R2": values["r2_mean"],
                f"{name} sd": values["r2_std"],
                f"{name} RMSE": values["rmse_mean"],
            }
        rows.append(row)
    return pd.DataFrame(rows, columns=None if rows else list(COMPARED))


def write_comparison(table: pd.DataFrame, city: str, path: Path) -> None:
    """Write a table of `lay_out` as CSV, the city first, and print what it compares."""
    table.insert(0, "city", city)
    write_csv(table, path)
    columns = ["split", "method", "r2_primary", "reference_ahead", "ahead_low", "ahead_high"]
    print(table[columns].to_string(index=False, float_format="%.3f"))
