"""The long tables as tables.html shows them: a part per split, a line per method."""

from typing import NamedTuple

import pandas as pd

from musecl.report.data import SPLIT_NAMES
from musecl.report.scores import Score


class About(NamedTuple):
    """What a long table is, and what `reference_ahead` compares its methods with."""

    title: str
    says: str
    reference: str


# By the name of the CSV; in the order of the page.
TABLES = {
    "baselines": About(
        "Baselines",
        "Published methods, and what a practitioner tries first, beside MuseCL.",
        "musecl",
    ),
    "ablations": About("Ablations", "MuseCL without each of its parts.", "musecl"),
    "inductive": About(
        "Inductive",
        "Encoders and fusion that have seen all regions, without labels, beside those that have "
        "seen the training regions alone.",
        "what has seen all regions",
    ),
}


class Line(NamedTuple):
    """A method: mean R2 of the primary indicators, how far the reference is ahead, each indicator.

    `low` and `high` bound the 95% interval of `ahead`; NaN where there are too few cells.
    """

    method: str
    primary: float
    ahead: float
    low: float
    high: float
    scores: list[Score]


class SplitLines(NamedTuple):
    """The methods on one split."""

    title: str
    lines: list[Line]


class LongTable(NamedTuple):
    """One CSV: its parts in the order of the file, and the indicators of its columns."""

    name: str
    about: About
    indicators: list[str]
    parts: list[SplitLines]


def lay_out_table(name: str, table: pd.DataFrame) -> LongTable:
    """Lay out baselines.csv, ablations.csv or inductive.csv.

    Parameters
    ----------
    name : str
        A key of `TABLES`.
    table : DataFrame
        As `evaluation.comparison.lay_out` makes it; with `folds`, how many of a split's folds were
        judged, in inductive.csv.
    """
    columns = [str(column) for column in table.columns]
    indicators = [column.removesuffix(" R2") for column in columns if column.endswith(" R2")]
    parts = []
    for keys, rows in table.groupby(
        ["split", "folds"] if "folds" in table else ["split"], sort=False
    ):
        folds = f", {keys[1]} of its folds" if len(keys) > 1 else ""
        parts.append(SplitLines(SPLIT_NAMES[str(keys[0])] + folds, _lines(rows, indicators)))
    return LongTable(name, TABLES[name], indicators, parts)


def _lines(rows: pd.DataFrame, indicators: list[str]) -> list[Line]:
    return [
        Line(
            row["method"],
            row["r2_primary"],
            row["reference_ahead"],
            row["ahead_low"],
            row["ahead_high"],
            [Score(row[f"{name} R2"], row[f"{name} sd"]) for name in indicators],
        )
        for row in rows.to_dict("records")
    ]
