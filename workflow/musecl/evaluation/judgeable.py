"""Which indicators can be judged on which split, with what folds; and what is left out, and why."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray

from musecl.evaluation.labels import IndicatorGroup, too_large, varies
from musecl.evaluation.prediction import SeededFold, draw_trials
from musecl.evaluation.settings import EvaluateSettings
from musecl.evaluation.splits import units_of
from musecl.runtime.errors import InputError

LEFT_OUT = pa.DataFrameSchema(
    {
        "indicator": pa.Column(str, description="the indicator that is not judged"),
        "split": pa.Column(str, description="the split that it is not judged on"),
        "reason": pa.Column(str, description="why it cannot be"),
    },
    strict=True,
    coerce=True,  # a table without rows has the same types
    unique=["indicator", "split"],
)


class LeftOut(NamedTuple):
    """An indicator that cannot be judged on a split."""

    indicator: str
    split: str
    reason: str


class Judgeable(NamedTuple):
    """Indicators of one group that can be judged on a split, and the folds to do it."""

    split: str
    group: IndicatorGroup
    trials: list[SeededFold]


def judgeable(
    regions: pd.DataFrame, groups: Iterable[IndicatorGroup], settings: EvaluateSettings, seed: int
) -> tuple[list[Judgeable], list[LeftOut]]:
    """Draw the folds of every split for every group, and say which indicators they cannot judge.

    Parameters
    ----------
    regions : DataFrame
        N regions, sorted.
    groups : iterable of IndicatorGroup
        The indicators; `rows` of what is returned are theirs.
    settings : EvaluateSettings
        Splits, folds and seeds.
    seed : int
        Of every draw.

    Returns
    -------
    judgeable : list of Judgeable
        Split by split, in the order of the settings.
    left_out : list of LeftOut
        The others; each is printed, too.

    Raises
    ------
    InputError
        There are indicators, and none of them can be judged on any of the splits.
    """
    found, left_out = sort_out(regions, groups, settings, seed)
    if left_out and not found:
        raise InputError(
            f"none of evaluate.splits ({', '.join(settings.splits)}) suits this city, for its "
            f"{left_out[0].indicator}: {left_out[0].reason}; choose other splits, or widen the "
            "extent of the city"
        )
    return found, sorted(left_out)


def first_judgeable(
    regions: pd.DataFrame, groups: Iterable[IndicatorGroup], settings: EvaluateSettings, seed: int
) -> list[Judgeable]:
    """Draw the folds for the first of some groups that any of the splits can judge.

    Takes what `judgeable` takes, for a stage whose splits are its own.

    Raises
    ------
    InputError
        There are indicators, and none of them can be judged on any of the splits.
    """
    first: LeftOut | None = None
    for group in groups:
        found, left_out = sort_out(regions, [group], settings, seed)
        if found:
            return found
        first = first or left_out[0]
    if first:
        raise InputError(
            f"none of the indicators can be judged on the splits {' and '.join(settings.splits)}, "
            f"{first.indicator} first: {first.reason}; widen the extent of the city, or give it "
            "another indicator"
        )
    return []


def sort_out(
    regions: pd.DataFrame, groups: Iterable[IndicatorGroup], settings: EvaluateSettings, seed: int
) -> tuple[list[Judgeable], list[LeftOut]]:
    """Do what `judgeable` does, also where nothing can be judged; what is left out is printed."""
    found: list[Judgeable] = []
    left_out: list[LeftOut] = []
    groups = list(groups)
    for split in settings.splits:
        for group in groups:
            trials: list[SeededFold] = []
            try:
                units = units_of(regions.iloc[group.rows], split)
                trials = draw_trials(split, units, len(group.rows), settings, seed)
                reasons = {
                    name: why_not(labels, trials)
                    for name, labels in zip(group.names, group.labels.T, strict=True)
                }
            except InputError as error:
                reasons = dict.fromkeys(group.names, str(error))
            kept = [name for name, reason in reasons.items() if not reason]
            if kept:
                found.append(Judgeable(split, group.only(kept), trials))
            left_out += [LeftOut(name, split, why) for name, why in reasons.items() if why]
    for one in left_out:
        print(f"{one.indicator} is left out of split {one.split}: {one.reason}", flush=True)
    return found, left_out


def why_not(labels: NDArray[np.float64], trials: list[SeededFold]) -> str:
    """Say why an indicator (n,) cannot be judged by some folds; nothing where it can."""
    if extreme := too_large(labels):
        return extreme
    if not varies(labels):
        return "it has one value only"
    if not all(varies(labels[trial.fold.fitting]) for trial in trials):
        return "it has one value only in a training fold"
    tested = np.unique(np.concatenate([trial.fold.test for trial in trials]))
    return "" if varies(labels[tested]) else "it has one value only in the regions it tests"


def tabulate_left_out(left_out: list[LeftOut]) -> pd.DataFrame:
    """Lay out what was left out as `LEFT_OUT`, a row each; none where nothing was."""
    return pd.DataFrame(left_out, columns=list(LEFT_OUT.columns), dtype=str)
