"""Indicators laid out for fitting: those that are known in the same regions beside each other."""

from dataclasses import dataclass
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from musecl.step.errors import InputError
from musecl.step.job import Job
from musecl.step.tables import KEY, read_geotable, read_table, require_same_regions

ALIKE = 0.99


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


class Labelled(NamedTuple):
    """What is to be predicted of a city.

    Attributes
    ----------
    regions : GeoDataFrame
        The region table of N regions, sorted by `region_id`.
    groups : list of Group
        Their rows count in the order of `regions`.
    headline : set of str
        The indicators whose mean R2 is told first.
    shares_source_with : dict of str
        By indicator, the inputs that come from the same source.
    """

    regions: gpd.GeoDataFrame
    groups: list[Group]
    headline: set[str]
    shares_source_with: dict[str, str]


def read_labelled(job: Job) -> Labelled:
    """Read the regions and the indicators of a job's city.

    Raises
    ------
    InputError
        As `group_indicators`.
    """
    regions = read_geotable(job.input("regions.parquet")).sort_values(KEY, ignore_index=True)
    indicators = read_table(job.input("indicators.parquet"))
    about = indicators.drop_duplicates("indicator").set_index("indicator")
    return Labelled(
        regions,
        group_indicators(regions[KEY], indicators),
        set(about.index[about["headline"]]),
        dict(zip(about.index, about["shares_source_with"], strict=True)),
    )


def group_indicators(regions: pd.Series, indicators: pd.DataFrame) -> list[Group]:
    """Group indicators by the regions that have a value, so that a fold is decomposed once.

    Those known in the same regions but for 1% share a group, of the regions that know them all: one
    region more or less would cost a decomposition, and tell nothing.

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
    together: list[tuple[NDArray[np.bool_], list[str], int]] = []
    for name in sorted(wide.columns):
        if wide[name].nunique() < 2:
            raise InputError(f"indicators.parquet: {name!r} has one value only; nothing to predict")
        known = wide[name].notna().to_numpy()
        for place, (others, names, largest) in enumerate(together):
            both, most = known & others, max(largest, int(known.sum()))
            varied = (wide.loc[both, [*names, name]].nunique() > 1).all()
            if both.sum() >= ALIKE * most and varied:
                together[place] = (both, [*names, name], most)
                break
        else:
            together.append((known, [name], int(known.sum())))
    return [
        Group(np.flatnonzero(known), names, wide[names].to_numpy()[known])
        for known, names, _ in together
    ]
