"""What a model of one city says of another: predictions for all of it, and scores where it can."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray

from musecl.evaluation.backtransform import Scale, land_of
from musecl.evaluation.everywhere import ESTIMATES, estimate, tabulate
from musecl.evaluation.labels import scales_of, too_large, varies
from musecl.evaluation.methods import RegionFeatures
from musecl.evaluation.prediction import fit_ridge
from musecl.evaluation.scoring import score_columns, score_once
from musecl.evaluation.splits import MINIMUM_ROWS, Fold, parts_of
from musecl.runtime.errors import InputError
from musecl.runtime.tables import KEY

Array = NDArray[np.float64]
DRAW_PARTS = 61
PREDICTING_METHOD = "musecl"

SCORES = pa.DataFrameSchema(
    {
        "source": pa.Column(str, description="the city whose labels are seen"),
        "target": pa.Column(str, description="the city that is predicted"),
        "indicator": pa.Column(str, description="what is predicted"),
        "method": pa.Column(str, description="what it is predicted from"),
        **score_columns(),
        "n_source": pa.Column(int, description="in training", metadata={"unit": "regions"}),
        "n_target": pa.Column(
            int, description="predicted, with a label", metadata={"unit": "regions"}
        ),
        "imagery": pa.Column(str, description="what the images of the target are"),
    },
    strict=True,
    coerce=True,  # a table without rows has the same types
    unique=["indicator", "method"],
)
PREDICTIONS = pa.DataFrameSchema(
    {
        KEY: pa.Column(str, description="a region of the target"),
        "indicator": pa.Column(str, description="an indicator of the source"),
        "made_by": pa.Column(str, description="`labels of` the source"),
        **ESTIMATES,
    },
    strict=True,
    coerce=True,
    unique=[KEY, "indicator"],
)
LEFT_OUT = pa.DataFrameSchema(
    {
        "indicator": pa.Column(str, description="an indicator of the source without a score"),
        "predicted": pa.Column(
            bool, description="whether predictions.parquet has it: the target alone lacks labels"
        ),
        "reason": pa.Column(str, description="why it has none"),
    },
    strict=True,
    coerce=True,
    unique=["indicator"],
)


class Carried(NamedTuple):
    """An indicator of the source city, laid out over the regions of both.

    Attributes
    ----------
    name : str
    scale : Scale
        That of the source.
    labels : array of shape (N,)
        As fitted, by the transform of the source where both have one unit; NaN where a region has
        none.
    observed : array of shape (N,)
        Labels of the target in the unit of the source; NaN elsewhere, or where its unit is another.
    """

    name: str
    scale: Scale
    labels: Array
    observed: Array


def labels_of_both(
    source: pd.DataFrame, target: pd.DataFrame, regions: pd.Series
) -> Iterator[Carried]:
    """Lay out each indicator of the source over the regions of both cities.

    Parameters
    ----------
    source, target : DataFrame
        `indicators.parquet` of the two; that of the target may be empty.
    regions : Series of str
        N region_ids of both.

    Raises
    ------
    InputError
        The source has no indicator.
    """
    if source.empty:
        raise InputError(
            "transfer: the city to train on has no indicator; give it one under `indicators`, or "
            "train on another"
        )
    scales, others = (
        scales_of(table.drop_duplicates("indicator").set_index("indicator"))
        for table in (source, target)
    )
    for name in sorted(scales):
        parts = [table[table["indicator"] == name] for table in (source, target)]
        here, there = (
            part.set_index(KEY)["value"].reindex(regions).to_numpy(dtype=float) for part in parts
        )
        observed = np.full(len(regions), np.nan)
        if name in others and others[name].unit == scales[name].unit:
            observed = others[name].original(there)
            if others[name].transform != scales[name].transform:
                there = scales[name].fitted(observed)
        yield Carried(name, scales[name], np.where(np.isnan(here), there, here), observed)


def why_not_trained(carried: Carried, inside: NDArray[np.bool_]) -> str:
    """Say why the labels of the source, `inside` of N regions, teach nothing; else nothing."""
    labels = carried.labels[inside & ~np.isnan(carried.labels)]
    if len(labels) < MINIMUM_ROWS or not np.ptp(labels):
        return f"{len(labels)} labels of {len({*labels})} values are too little to train on"
    if extreme := too_large(labels):
        return extreme
    return "" if varies(labels) else "the labels of the source differ by rounding alone"


def why_not_scored(carried: Carried, inside: NDArray[np.bool_]) -> str:
    """Say why the labels of the target, not `inside`, judge nothing; nothing where they do."""
    labels = carried.labels[~inside & ~np.isnan(carried.labels)]
    if len(labels) and (extreme := too_large(labels)):
        return extreme
    return "" if len(labels) and varies(labels) else "the target has no labels that differ"


def sort_out(
    carried: Iterable[Carried], inside: NDArray[np.bool_]
) -> tuple[list[Carried], pd.DataFrame]:
    """Divide indicators into those that can be trained on, and what has no score, and why.

    Parameters
    ----------
    carried : iterable of Carried
        Of N regions.
    inside : bool array of shape (N,)
        Which regions are the source's.

    Returns
    -------
    trainable : list of Carried
        In their order.
    left_out : DataFrame
        As `LEFT_OUT`; each row is printed, too.

    Raises
    ------
    InputError
        There is nothing to train on.
    """
    trainable: list[Carried] = []
    left_out: list[tuple[str, bool, str]] = []
    for one in carried:
        untrained = why_not_trained(one, inside)
        if not untrained:
            trainable.append(one)
        if reason := untrained or why_not_scored(one, inside):
            said = "left out" if untrained else "predicted and not judged"
            print(f"{one.name} is {said}: {reason}", flush=True)
            left_out.append((one.name, not untrained, reason))
    if not trainable:
        name, _, reason = left_out[0]
        raise InputError(
            f"transfer: {name}: {reason}; no indicator is left: give the source others, or train "
            "on another city"
        )
    return trainable, pd.DataFrame(left_out, columns=list(LEFT_OUT.columns))


def carry_over(
    carried: Carried,
    methods: Mapping[str, tuple[RegionFeatures, ...]],
    regions: pd.DataFrame,
    inside: NDArray[np.bool_],
    folds: int,
    seed: int,
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Train on the labels of the source, predict every region of the target.

    Parameters
    ----------
    carried : Carried
        Of N regions, trainable; no label of the target is read but to score.
    methods : mapping of str to tuple of RegionFeatures
        Vectors of the N regions by method; `musecl` makes the predictions.
    regions : DataFrame
        `region_id`, `spatial_block`, `area_km2` and `land_share` of the N regions.
    inside : bool array of shape (N,)
        Which regions are the source's.
    folds, seed : int
        Parts of the training regions that choose the penalty, and their draw.

    Returns
    -------
    predictions : DataFrame
        As `PREDICTIONS`, but `made_by`.
    scores : list of dict
        A row per method, keys of `SCORES`; none where the target's labels judge nothing.
    """
    labels = carried.labels
    known = ~np.isnan(labels)
    train, test = np.flatnonzero(inside & known), np.flatnonzero(~inside)
    generator = np.random.default_rng([seed, DRAW_PARTS])
    units = regions["spatial_block"].to_numpy(dtype=str)[train]
    fold = Fold(train, test, parts_of(units, folds, generator))
    fits = {name: fit_ridge(blocks, labels[:, None], fold) for name, blocks in methods.items()}
    estimated = estimate(fits[PREDICTING_METHOD], [carried.scale], land_of(regions))[:, :, 0]
    ids = regions[KEY].to_numpy()[test]
    predictions = tabulate(ids, carried.scale, estimated, carried.observed[test])
    predictions["indicator"] = carried.name
    if why_not_scored(carried, inside):
        return predictions, []
    judged = known[test]
    answers = {"dummy_mean": np.full(len(test), labels[train].mean())}
    answers |= {name: fitted.predictions[:, 0] for name, fitted in fits.items()}
    about = {"n_source": len(train), "n_target": int(judged.sum())}
    scores: list[dict[str, Any]] = [
        {"indicator": carried.name, "method": name, **about}
        | score_once(labels[test][judged], answer[judged])
        for name, answer in answers.items()
    ]
    return predictions, scores
