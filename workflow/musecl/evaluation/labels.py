"""Indicators laid out for fitting: those that are known in the same regions beside each other."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from musecl.evaluation.backtransform import Scale
from musecl.runtime.errors import InputError
from musecl.runtime.job import Job
from musecl.runtime.tables import KEY, read_geotable, read_table, require_same_regions

SHARED_REGIONS = 0.99
# Of the largest value: means of equal values differ by so much, and no indicator is that fine.
ROUNDING = 1e-12
# The square of what is smaller is no number.
SMALLEST = 1e-100
# The square of what is larger is no number in the single precision that ridge computes in.
LARGEST = float(np.sqrt(np.finfo(np.float32).max))


@dataclass(frozen=True)
class IndicatorGroup:
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

    def only(self, names: Collection[str]) -> "IndicatorGroup":
        """Keep some of the indicators; all regions stay."""
        kept = [column for column, name in enumerate(self.names) if name in names]
        return IndicatorGroup(
            self.rows, [self.names[column] for column in kept], self.labels[:, kept]
        )


class CityLabels(NamedTuple):
    """What is to be predicted of a city.

    Attributes
    ----------
    regions : GeoDataFrame
        The region table of N regions, sorted by `region_id`.
    groups : list of IndicatorGroup
        Their rows count in the order of `regions`.
    primary : set of str
        The indicators whose mean R2 is told first.
    label_provenance : dict of str
        By indicator, the inputs that come from the same source.
    scales : dict of Scale
        By indicator, in the order of params.yaml: what its values mean.
    values : DataFrame
        What is fitted, a row per region in the order of `regions` and a column per indicator; NaN
        where there is no label.
    """

    regions: gpd.GeoDataFrame
    groups: list[IndicatorGroup]
    primary: set[str]
    label_provenance: dict[str, str]
    scales: dict[str, Scale]
    values: pd.DataFrame


def read_labelled(job: Job) -> CityLabels:
    """Read the regions and the indicators of a job's city.

    Raises
    ------
    InputError
        As `widen`.
    """
    regions = read_geotable(job.input("regions.parquet")).sort_values(KEY, ignore_index=True)
    return label_regions(regions, read_table(job.input("indicators.parquet")))


def label_regions(regions: gpd.GeoDataFrame, indicators: pd.DataFrame) -> CityLabels:
    """Lay out what is to be predicted of a city.

    Parameters
    ----------
    regions : GeoDataFrame
        `regions.parquet`, sorted by `region_id`.
    indicators : DataFrame
        `indicators.parquet`.

    Raises
    ------
    InputError
        As `widen`.
    """
    if indicators.empty:
        print("indicators.parquet: the city has no indicator; nothing can be judged", flush=True)
    about = indicators.drop_duplicates("indicator").set_index("indicator")
    values = widen(regions[KEY], indicators)
    return CityLabels(
        regions,
        group_indicators(values),
        set(about.index[about["primary"].astype(bool)]),
        dict(zip(about.index, about["label_provenance"], strict=True)),
        scales_of(about),
        values,
    )


def scales_of(about: pd.DataFrame) -> dict[str, Scale]:
    """Read what the values of each indicator mean off a table indexed by indicator."""
    lowest = about["minimum_value"].astype(float).fillna(-np.inf)
    highest = about["maximum_value"].astype(float).fillna(np.inf)
    columns = (about["unit"], about["transform"], lowest, highest)
    return {str(name): Scale(*row) for name, *row in zip(about.index, *columns, strict=True)}


def widen(regions: pd.Series, indicators: pd.DataFrame) -> pd.DataFrame:
    """Lay out the values of `indicators.parquet` by region, a column per indicator.

    Parameters
    ----------
    regions : Series of str
        N region_ids, sorted.
    indicators : DataFrame
        `indicators.parquet`.

    Returns
    -------
    DataFrame
        N rows indexed by the region; NaN where an indicator has no value.

    Raises
    ------
    InputError
        A region is unknown or has two values of an indicator.
    """
    require_same_regions(regions, indicators[KEY], "indicators.parquet")
    if indicators.duplicated([KEY, "indicator"]).any():
        raise InputError("indicators.parquet: two values of one indicator in a region")
    return indicators.pivot(index=KEY, columns="indicator", values="value").reindex(regions)


def varies(values: NDArray[np.float64]) -> bool:
    """Whether some values differ by more than rounding."""
    return bool(np.ptp(values) > max(ROUNDING * np.abs(values).max(), SMALLEST))


def too_large(values: NDArray[np.float64]) -> str:
    """Say which value (n,) is too large to be fitted; nothing where none is."""
    largest = values[np.abs(values).argmax()]
    if abs(largest) <= LARGEST:
        return ""
    return (
        f"its value {largest:.4g} is too large to be fitted, more than {LARGEST:.2g}; where it "
        "stands for no value, take it out of the source's files"
    )


def group_indicators(wide: pd.DataFrame) -> list[IndicatorGroup]:
    """Group indicators by the regions that have a value, so that a fold is decomposed once.

    Those known in the same regions but for 1% share a group, of the regions that know them all: one
    region more or less would cost a decomposition, and tell nothing. A constant one stands alone.

    Parameters
    ----------
    wide : DataFrame
        As `widen` lays it out.
    """
    together: list[tuple[NDArray[np.bool_], list[str], int]] = []
    for name in sorted(wide.columns):
        known = wide[name].notna().to_numpy()
        for place, (others, names, largest) in enumerate(together):
            both, most = known & others, max(largest, int(known.sum()))
            varied = (wide.loc[both, [*names, name]].nunique() > 1).all()
            if both.sum() >= SHARED_REGIONS * most and varied:
                together[place] = (both, [*names, name], most)
                break
        else:
            together.append((known, [name], int(known.sum())))
    return [
        IndicatorGroup(np.flatnonzero(known), names, wide[names].to_numpy()[known])
        for known, names, _ in together
    ]
