"""The scores as the page tells them: methods side by side, intervals and districts in words."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from musecl.report.data import SPLIT_NAMES, title_of

PRIMARY = "mean of the primary indicators"


class Score(NamedTuple):
    """R2 of one method on one split: mean and spread over seeds; None where it was not judged."""

    mean: float | None
    spread: float | None


class Method(NamedTuple):
    """A line of a table of methods: its scores in the order of the table's splits."""

    name: str
    predictor: str
    scores: list[Score]


class MethodTable(NamedTuple):
    """All methods on one indicator, or on the mean of the primary indicators ones.

    Attributes
    ----------
    key, title, note : str
        `key` is the indicator's name, "" for the mean.
    splits : list of str
        The columns.
    methods : list of Method
        In the order of r2.csv.
    """

    key: str
    title: str
    note: str
    splits: list[str]
    methods: list[Method]


def tabulate_methods(scores: pd.DataFrame, primary: Sequence[str]) -> list[MethodTable]:
    """Lay out r2.csv: the mean of the primary indicators first, then a table per indicator.

    Parameters
    ----------
    scores : DataFrame
        r2.csv.
    primary : sequence of str
        The primary indicators. Their mean is that of the means over seeds; a method that lacks
        one of them on a split has no mean there, and a mean has no spread.
    """
    splits = [split for split in SPLIT_NAMES if (scores["split"] == split).any()]
    tables = []
    chosen = scores[scores["indicator"].isin(primary)]
    if not chosen.empty:
        count = chosen["indicator"].nunique()
        lines = chosen.groupby(["method", "predictor", "split"], sort=False)["r2_mean"]
        means = lines.agg(["mean", "size"]).reset_index()
        means["mean"] = means["mean"].where(means["size"] == count)
        means = means.rename(columns={"mean": "r2_mean"}).assign(r2_std=float("nan"))
        names = ", ".join(title_of(name).lower() for name in chosen["indicator"].unique())
        note = f"{names}; {_seeds(chosen)}"
        tables.append(MethodTable("", title_of(PRIMARY), note, splits, _lines(means, splits)))
    for indicator in dict.fromkeys(scores["indicator"]):
        rows = scores[scores["indicator"] == indicator]
        note = f"{rows['n_regions'].max():,} regions with a value; {_seeds(rows)}"
        shared = rows["label_provenance"].astype(object).fillna("").iloc[0]
        if shared:
            note += f"; made of the same source as {shared.replace(',', ', ').replace('_', ' ')}"
        tables.append(
            MethodTable(indicator, title_of(indicator), note, splits, _lines(rows, splits))
        )
    return tables


def _seeds(rows: pd.DataFrame) -> str:
    """Say how many repetitions each predictor had."""
    of = rows.groupby("predictor", sort=False)["n_seeds"].max()
    counts = sorted(set(of))
    if len(counts) == 1:
        return f"{counts[0]} seeds"
    return "seeds: " + ", ".join(f"{predictor} {seeds}" for predictor, seeds in of.items())


def _lines(rows: pd.DataFrame, splits: list[str]) -> list[Method]:
    lines = []
    for (method, predictor), of in rows.groupby(["method", "predictor"], sort=False):
        found = {row["split"]: row for row in of.to_dict("records")}
        scores = [
            Score(_known(found[split]["r2_mean"]), _known(found[split]["r2_std"]))
            if split in found
            else Score(None, None)
            for split in splits
        ]
        lines.append(Method(str(method), str(predictor), scores))
    return lines


def _known(value: float) -> float | None:
    return None if pd.isna(value) else float(value)


def group_intervals(intervals: pd.DataFrame) -> list[tuple[str, float, list[Any]]]:
    """Group intervals.csv by split: its words, the mean coverage, a row per indicator."""
    groups = []
    for split, words in SPLIT_NAMES.items():
        rows = intervals[intervals["split"] == split]
        if not rows.empty:
            title = words[:1].upper() + words[1:]
            groups.append((title, float(rows["coverage"].mean()), rows.to_dict("records")))
    return groups


def tabulate_districts(
    districts: pd.DataFrame, indicators: Iterable[str]
) -> list[tuple[str, pd.DataFrame]]:
    """Lay out R2 between districts: a title and a table per indicator that has any.

    A table has a row per district that was trained in, a column per one that was predicted; NaN
    where one has too few regions.
    """
    found = []
    for indicator in indicators:
        rows = districts[districts["indicator"] == indicator]
        if not rows.empty:
            table = rows.pivot(index="source", columns="target", values="r2")
            found.append((title_of(indicator), table))
    return found
