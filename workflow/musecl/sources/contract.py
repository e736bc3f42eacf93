"""What a provider's `read` gives, by layer; from here on nobody knows who the provider was.

boundary : GeoDataFrame
    Polygons of land in any CRS; `district` where parts of the city have names.
roads : GeoDataFrame
    Lines in any CRS.
POIs : GeoDataFrame
    `name`, `category`, `text` (the phrase that the text encoder reads), points or polygons in any
    CRS; `observed` (bool) where a row is an observation of a place that may come again: such a
    name counts once per region, at the position of its first row.
mobility : Trips or Flows
satellite : Rasters or Drawn
street_view : Photographs or Drawn
an indicator : Values, Points, Zones, Raster or OfRegions
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

Statistic = Literal["count", "distinct", "sum", "mean", "median"]


@dataclass(frozen=True)
class Trips:
    """Trips between points.

    Attributes
    ----------
    table : DataFrame
        `origin_longitude`, `origin_latitude`, `destination_longitude`, `destination_latitude`
        (degrees, EPSG:4326; nan where an end is unknown), `start` (datetime64 without zone, the
        local clock; NaT where unknown) and `trips` (float, how many the row stands for).
    """

    table: pd.DataFrame


@dataclass(frozen=True)
class Flows:
    """Counts of trips between zones, or between regions by name.

    Attributes
    ----------
    table : DataFrame
        `origin`, `destination` (str), `hour` (Int8, 0 to 23, or NA), `trips` (float).
    zones : GeoDataFrame or None
        `zone` (str, unique) and polygons in any CRS; None where the ends are region ids.
    weights : GeoDataFrame or None
        Points or polygons with a column `weight`, by which a zone's trips are shared among its
        regions; by area if None.
    """

    table: pd.DataFrame
    zones: gpd.GeoDataFrame | None = None
    weights: gpd.GeoDataFrame | None = None


@dataclass(frozen=True)
class Rasters:
    """Georeferenced rasters that a chip is cut from.

    Attributes
    ----------
    paths : list of Path
        The later one is on top where two overlap.
    bands : tuple of int or None
        Which bands (from 1 on) are red, green and blue; one number for gray; None for a palette, or
        for the first three bands.
    stretch : tuple of (float, float) or None
        Value of each of these bands that becomes 0, and that which becomes 255; None for 8 bits.
    nodata : float or None
        Where the file does not say itself which value means no data.
    crs : str or None
        Where the file does not say itself.
    counted : DataFrame or None
        `region_id` and a column of counts, where the raster is drawn from counted things: the
        plainest that it shows.
    """

    paths: list[Path]
    bands: tuple[int, ...] | None = None
    stretch: tuple[tuple[float, float], ...] | None = None
    nodata: float | None = None
    crs: str | None = None
    counted: pd.DataFrame | None = None


@dataclass(frozen=True)
class Photographs:
    """Photographs taken on streets.

    Attributes
    ----------
    table : DataFrame
        `path` (str, below `folder`), `longitude`, `latitude` (EPSG:4326), `heading` (degrees
        clockwise from north, nan where unknown), `taken` (datetime64 or NaT), `panorama` (bool).
    folder : Path
    """

    table: pd.DataFrame
    folder: Path


@dataclass(frozen=True)
class Drawn:
    """Images that a provider draws when they are asked for.

    Attributes
    ----------
    table : DataFrame
        A row per viewpoint, in an order of its own: `longitude`, `latitude` (EPSG:4326), and
        `weight` where viewpoints are drawn at random (how much more often one is), else the first
        ones of a region are taken.
    draw : callable
        From a row's number and a size in pixels to images (V, pixels, pixels, 3), uint8, RGB.
    orientations : tuple of V int
        Degrees clockwise from the first image.
    """

    table: pd.DataFrame
    draw: Callable[[int, int], NDArray[np.uint8]]
    orientations: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class OfRegions:
    """Values that a provider can tell of given regions only.

    Attributes
    ----------
    compute : callable
        From the region table to a Series of values by `region_id`.
    """

    compute: Callable[[gpd.GeoDataFrame], pd.Series]


@dataclass(frozen=True)
class Values:
    """Values by region: `table` holds `region_id` and `value`."""

    table: pd.DataFrame


@dataclass(frozen=True)
class Points:
    """Points that a value is counted from.

    Attributes
    ----------
    table : DataFrame
        `longitude`, `latitude` (EPSG:4326), `value` (float) where the statistic needs one, `key`
        (str) for `distinct`.
    statistic : str
    minimum : int
        Regions with fewer points (distinct keys) have no value. Where it is 0, a region without
        any counts as 0 by `count`, `distinct` and `sum`.
    per_km2 : str or None
        `land` or `region`: divided by the area of the region's land, or of the whole region.
    """

    table: pd.DataFrame
    statistic: Statistic
    minimum: int = 0
    per_km2: Literal["land", "region"] | None = None


@dataclass(frozen=True)
class Zones:
    """Values of polygons.

    Attributes
    ----------
    table : GeoDataFrame
        `value` (float, nan where unknown), polygons in any CRS.
    kind : str
        `extensive` (counts: shared out among regions, the sum conserved) or `intensive` (shares,
        means: averaged over a region).
    weights : GeoDataFrame or None
        As in `Flows`; by area if None.
    per_km2 : str or None
        As in `Points`.
    """

    table: gpd.GeoDataFrame
    kind: Literal["extensive", "intensive"]
    weights: gpd.GeoDataFrame | None = None
    per_km2: Literal["land", "region"] | None = None


@dataclass(frozen=True)
class Raster:
    """A raster of values, such as people per pixel.

    Attributes
    ----------
    paths : list of Path
        Rasters of the same kind that do not overlap.
    statistic : str
        `sum` or `mean`, pixels weighed by how much of them a region covers.
    band : int
        From 1 on.
    nodata : float or None
        Where the file does not say itself which value means no data.
    per_km2 : str or None
        As in `Points`.
    """

    paths: list[Path]
    statistic: Literal["sum", "mean"]
    band: int = 1
    nodata: float | None = None
    per_km2: Literal["land", "region"] | None = None
