"""Predictions with intervals for every region of a city, in the unit of each indicator.

A region with a label is predicted out of fold, so that the prediction can be compared with what was
observed. A region without one is predicted by a model of all labels; its interval comes from
residuals of parts that are left out as the split leaves them out.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray

from musecl.evaluation.backtransform import Scale, correct_each, land_of
from musecl.evaluation.judgeable import Judgeable
from musecl.evaluation.labels import CityLabels
from musecl.evaluation.methods import RegionFeatures
from musecl.evaluation.prediction import (
    RidgeFit,
    SeededFold,
    choose_by_place,
    collect,
    fit_ridge,
)
from musecl.evaluation.settings import EvaluateSettings
from musecl.evaluation.splits import SPLITS, Fold, draw_numbers, units_of
from musecl.runtime.tables import KEY
from musecl.runtime.workers import in_processes

Array = NDArray[np.float64]
DRAW_PARTS = 72
OUT_OF_FOLD, ALL_LABELS = "out of fold", "all labels"
IN_THE_UNIT = {"unit": "that of the column `unit`"}

ESTIMATES = {
    "observed": pa.Column(
        float,
        nullable=True,
        description="the label; null where there is none",
        metadata=IN_THE_UNIT,
    ),
    "prediction": pa.Column(
        float,
        pa.Check(np.isfinite, name="finite"),
        description="the prediction, a mean: sums over regions mean something",
        metadata=IN_THE_UNIT,
    ),
    "lower_90": pa.Column(
        float, description="lower bound of the 90% interval", metadata=IN_THE_UNIT
    ),
    "upper_90": pa.Column(
        float,
        description="upper bound of the 90% interval; infinite where labels are too few for one",
        metadata=IN_THE_UNIT,
    ),
    "unit": pa.Column(str, description="of the four numbers, as params.yaml names it"),
}
PREDICTIONS = pa.DataFrameSchema(
    {
        KEY: pa.Column(str, description="the region"),
        "indicator": pa.Column(str, description="what is predicted"),
        "split": pa.Column(
            str,
            pa.Check.isin(list(SPLITS)),
            description="how regions were held out; `paper` tests a fifth of those with a label",
        ),
        "made_by": pa.Column(
            str,
            pa.Check.isin([OUT_OF_FOLD, ALL_LABELS]),
            description="`out of fold`: models that did not see the region's label, the mean over "
            "repetitions; `all labels`: one model of every region that has a label",
        ),
        **{name: ESTIMATES[name] for name in ("observed", "prediction")},
        "prediction_from_coordinates": pa.Column(
            float,
            nullable=True,
            description="what position alone tells: the nearest regions or a random forest, first "
            "repetition",
            metadata=IN_THE_UNIT,
        ),
        **{name: ESTIMATES[name] for name in ("lower_90", "upper_90", "unit")},
    },
    strict=True,
    coerce=True,  # a table without rows has the same types
    unique=[KEY, "indicator", "split"],
)


def predict_everywhere(
    labelled: CityLabels,
    block: RegionFeatures,
    coordinates: Array,
    task: Judgeable,
    settings: EvaluateSettings,
    seed: int,
) -> pd.DataFrame:
    """Predict the indicators of a group in every region, by the folds of a split.

    Parameters
    ----------
    labelled : CityLabels
        Of a city of N regions.
    block : RegionFeatures
        Vectors of the N regions.
    coordinates : array of shape (N, 2)
        Metres, in a metric CRS.
    task : Judgeable
        T indicators, the split and its folds.
    settings : EvaluateSettings
        Folds and repetitions.
    seed : int
        Of every draw.

    Returns
    -------
    DataFrame
        As `PREDICTIONS`, not sorted.
    """
    group = task.group
    scales = [labelled.scales[name] for name in group.names]
    labels = labelled.values[group.names].to_numpy()
    trials = trials_everywhere(labelled.regions, task, settings, seed)
    first = [trial for trial in trials if trial.repetition == 0]

    land = land_of(labelled.regions)

    def fit(trial: SeededFold) -> Array:
        return estimate(fit_ridge((block,), labels, trial.fold), scales, land)

    def fit_by_place(trial: SeededFold) -> Array:
        chosen = choose_by_place(coordinates, labels, trial)
        rows, largest = trial.fold.validation, labels[trial.fold.train].max(axis=0)
        known = labels[rows]
        return correct_each(scales, chosen.test, known, chosen.validation, land[rows], largest)

    fits = list(in_processes(fit, trials))
    kinds = [collect(trials, list(of_kind), labels.shape) for of_kind in zip(*fits, strict=True)]
    by_place = collect(first, list(in_processes(fit_by_place, first)), labels.shape)
    averaged = np.stack([average(values) for values in kinds])
    tested = ~np.isnan(averaged[0]).any(axis=1)
    ids = labelled.regions[KEY].to_numpy()
    made_by = np.full(len(ids), ALL_LABELS, dtype=object)
    made_by[group.rows] = OUT_OF_FOLD
    tables = []
    for column, name in enumerate(group.names):
        scale = scales[column]
        table = tabulate(ids, scale, averaged[:, :, column], scale.original(labels[:, column]))
        table["prediction_from_coordinates"] = scale.back(by_place[0, :, column])
        tables.append(table.assign(indicator=name, split=task.split, made_by=made_by)[tested])
    predictions: pd.DataFrame = pd.concat(tables, ignore_index=True)
    return predictions


def trials_everywhere(
    regions: pd.DataFrame, task: Judgeable, settings: EvaluateSettings, seed: int
) -> list[SeededFold]:
    """Count the rows of a group's trials in all N regions, and add a trial for those outside.

    The last trial is fitted to every region of the group and tests all others, in repetition 0.
    """
    rows, split = task.group.rows, task.split
    trials = [
        replace(one, fold=replace(one.fold, train=rows[one.fold.train], test=rows[one.fold.test]))
        for one in task.trials
    ]
    fold = fold_of_all_labels(regions, task, settings, seed)
    if len(fold.test):
        trials.append(SeededFold(0, fold, (seed, list(SPLITS).index(split), DRAW_PARTS)))
    return trials


def fold_of_all_labels(
    regions: pd.DataFrame, task: Judgeable, settings: EvaluateSettings, seed: int
) -> Fold:
    """Fit to every region of a group, and test all others of N regions.

    The parts that choose a penalty are divided as the split divides regions.
    """
    rows = task.group.rows
    folds = len(rows) if task.split == "district" else settings.folds
    units = units_of(regions.iloc[rows], task.split)
    generator = np.random.default_rng([seed, DRAW_PARTS, list(SPLITS).index(task.split)])
    parts = draw_numbers(units, np.arange(len(rows)), folds, generator)
    return Fold(rows, np.setdiff1d(np.arange(len(regions)), rows), parts)


def estimate(fitted: RidgeFit, scales: Sequence[Scale], land: Array) -> Array:
    """Predict the test rows of a fit, with the bounds of their intervals.

    Parameters
    ----------
    fitted : RidgeFit
        Of T indicators.
    scales : sequence of T Scale
    land : array of shape (N,)
        Of all regions, in km2.

    Returns
    -------
    array of shape (3, rows, T)
        The prediction, and the lower and the upper bound, on the fitted scale: there their mean
        over repetitions is taken.
    """
    said, width = fitted.predictions, fitted.half_width
    left_out = fitted.known - fitted.residuals
    middle = correct_each(scales, said, fitted.known, left_out, land[fitted.fold.train])
    return np.stack([middle, said - width, said + width])


def average(collected: Array) -> Array:
    """Mean (N, T) over the repetitions (S, N, T) that predict a region; NaN where none does."""
    count = (~np.isnan(collected)).sum(axis=0)
    return np.asarray(np.nansum(collected, axis=0) / np.where(count, count, np.nan))


def tabulate(
    ids: NDArray[np.object_], scale: Scale, estimated: Array, observed: Array
) -> pd.DataFrame:
    """Lay out predictions of one indicator in its unit: the key and the columns of `ESTIMATES`.

    Parameters
    ----------
    ids : array of shape (n,)
        The regions.
    scale : Scale
        Of the indicator.
    estimated : array of shape (3, n)
        As `estimate` gives it.
    observed : array of shape (n,)
        In the unit; NaN where there is no label.
    """
    middle, low, high = (scale.back(values) for values in estimated)
    columns = {
        KEY: ids,
        "observed": observed,
        "prediction": np.clip(middle, low, high),
        "lower_90": low,
        "upper_90": high,
    }
    return pd.DataFrame(columns).assign(unit=scale.unit)
