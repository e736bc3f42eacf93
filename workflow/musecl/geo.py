"""Coordinate systems, and which region a point lies in."""

import geopandas as gpd
import h3
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyproj import CRS

from musecl.errors import InputError
from musecl.tables import KEY

DEGREES = CRS.from_epsg(4326)


def metric_crs(shapes: gpd.GeoDataFrame | gpd.GeoSeries) -> CRS:
    """Choose the UTM zone that the shapes lie in, in metres.

    Parameters
    ----------
    shapes : GeoDataFrame or GeoSeries
        Shapes in any CRS.

    Raises
    ------
    InputError
        The shapes carry no CRS, or there is none of them.
    """
    if shapes.crs is None:
        raise InputError("shapes without a coordinate reference system; set one, such as EPSG:4326")
    if len(shapes) == 0:
        raise InputError("no shape to choose a coordinate reference system for")
    return CRS.from_user_input(shapes.estimate_utm_crs())


def equal_area_crs(shapes: gpd.GeoSeries) -> CRS:
    """Build a Lambert azimuthal equal-area CRS, in metres, centred on the shapes (EPSG:4326)."""
    west, south, east, north = shapes.total_bounds
    return CRS.from_proj4(
        f"+proj=laea +lat_0={(south + north) / 2:.4f} +lon_0={(west + east) / 2:.4f} +units=m"
    )


def cells_of_points(
    longitude: NDArray[np.float64], latitude: NDArray[np.float64], regions: gpd.GeoDataFrame
) -> NDArray[np.object_]:
    """Name the region that each point lies in.

    Parameters
    ----------
    longitude, latitude : array of shape (N,)
        Points in degrees, EPSG:4326.
    regions : GeoDataFrame
        The region table, EPSG:4326.

    Returns
    -------
    array of object, shape (N,)
        `region_id`, or None where a point lies in no region of the table.
    """
    known = set(regions[KEY])
    first = next(iter(sorted(known)), "")
    if h3.is_valid_cell(first):
        resolution = h3.get_resolution(first)
        cells = (
            h3.latlng_to_cell(north, east, resolution)
            for north, east in zip(latitude, longitude, strict=True)
        )
        return np.array([cell if cell in known else None for cell in cells], dtype=object)
    points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(longitude, latitude), crs=DEGREES)
    joined = points.sjoin(regions[[KEY, "geometry"]], how="left", predicate="intersects")
    # A point on an edge lies in two cells: the first by name has it.
    named = joined[KEY].groupby(level=0).min().reindex(points.index)
    return np.array([None if pd.isna(name) else name for name in named], dtype=object)
