"""Coordinate systems, and which region a point lies in."""

from itertools import repeat

import geopandas as gpd
import h3
import numpy as np
import pandas as pd
import shapely
from h3.api.basic_int import latlng_to_cell
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from musecl.runtime.errors import InputError
from musecl.runtime.tables import KEY

DEGREES = CRS.from_epsg(4326)
PIECE = 256  # corners; a shore of 80,000 costs its whole length in every intersection with a cell


def metric_crs(shapes: gpd.GeoDataFrame | gpd.GeoSeries) -> CRS:
    """Choose the UTM zone that the shapes lie in, in metres.

    Parameters
    ----------
    shapes : GeoDataFrame or GeoSeries
        Shapes in any CRS.

    Raises
    ------
    InputError
        The shapes carry no CRS, there is none of them, or they lie where no zone is: beyond 84
        degrees north or 80 south.
    """
    if shapes.crs is None:
        raise InputError("shapes without a coordinate reference system; set one, such as EPSG:4326")
    if len(shapes) == 0:
        raise InputError("no shape to choose a coordinate reference system for")
    try:
        return CRS.from_user_input(shapes.estimate_utm_crs())
    except RuntimeError as error:
        raise InputError(
            "the city lies beyond the UTM zones, which end at 84 degrees north and 80 south; choose"
            " another one, or check the CRS of its boundary"
        ) from error


def equal_area_crs(shapes: gpd.GeoSeries) -> CRS:
    """Build a Lambert azimuthal equal-area CRS, in metres, centred on the shapes (EPSG:4326)."""
    west, south, east, north = shapes.total_bounds
    return CRS.from_proj4(
        f"+proj=laea +lat_0={(south + north) / 2:.4f} +lon_0={(west + east) / 2:.4f} "
        "+datum=WGS84 +units=m"
    )


def area_within(shapes: NDArray[np.object_], ground: BaseGeometry) -> NDArray[np.float64]:
    """Measure how much of each shape lies on the ground.

    Parameters
    ----------
    shapes : array of geometry, shape (N,)
        In the CRS of the ground.
    ground : Polygon or MultiPolygon
        In an equal-area CRS.

    Returns
    -------
    array of shape (N,)
        In the square of the CRS's unit.
    """
    pieces = np.array(_cut_up(ground), dtype=object)
    shape, piece = shapely.STRtree(pieces).query(shapes, predicate="intersects")
    areas = shapely.area(shapely.intersection(shapes[shape], pieces[piece]))
    return np.bincount(shape, weights=areas, minlength=len(shapes)).astype(np.float64)


def _cut_up(ground: BaseGeometry) -> list[BaseGeometry]:
    """Halve a shape until each piece has few corners; the pieces cover it without overlap."""
    pieces, waiting = [], [ground]
    while waiting:
        shape = waiting.pop()
        if shapely.get_num_coordinates(shape) <= PIECE:
            pieces.append(shape)
            continue
        west, south, east, north = shape.bounds
        if east - west > north - south:
            middle = (west + east) / 2
            halves = (west, south, middle, north), (middle, south, east, north)
        else:
            middle = (south + north) / 2
            halves = (west, south, east, middle), (west, middle, east, north)
        waiting += [shapely.intersection(shape, shapely.box(*half)) for half in halves]
    return pieces


def cells_of_points(
    longitude: NDArray[np.float64], latitude: NDArray[np.float64], regions: gpd.GeoDataFrame
) -> NDArray[np.object_]:
    """Name the region that each point lies in.

    Parameters
    ----------
    longitude, latitude : array of shape (N,)
        Points in degrees, EPSG:4326; nan where unknown.
    regions : GeoDataFrame
        The region table, EPSG:4326.

    Returns
    -------
    array of object, shape (N,)
        `region_id`, or None where a point lies in no region of the table.
    """
    if h3.is_valid_cell(min(regions[KEY], default="")):
        return _h3_cells_of_points(longitude, latitude, regions[KEY].to_numpy(dtype=object))
    ordered = regions.sort_values(KEY)
    shapes = shapely.STRtree(ordered.geometry.to_numpy())
    points = shapely.points(longitude, latitude)
    point, region = shapes.query(points, predicate="intersects")
    # A point on an edge lies in two cells: the first by name has it.
    found = np.full(len(points), len(ordered))
    np.minimum.at(found, point, region)
    names = np.array([*ordered[KEY], None], dtype=object)
    return names.take(found)


def _h3_cells_of_points(
    longitude: NDArray[np.float64], latitude: NDArray[np.float64], names: NDArray[np.object_]
) -> NDArray[np.object_]:
    """Name the cell of each point, or None; a name is written once a cell, not once a point."""
    resolution = h3.get_resolution(min(names))
    known = np.array([h3.str_to_int(name) for name in names], dtype=np.uint64)
    order = np.argsort(known)
    known, names = known[order], np.array([*names[order], None], dtype=object)
    finite = np.isfinite(longitude) & np.isfinite(latitude)
    cells = np.zeros(len(longitude), dtype=np.uint64)
    cells[finite] = np.fromiter(
        map(latlng_to_cell, latitude[finite], longitude[finite], repeat(resolution)),
        dtype=np.uint64,
        count=int(finite.sum()),
    )
    place = np.minimum(np.searchsorted(known, cells), len(known) - 1)
    return names.take(np.where(known[place] == cells, place, len(known)))


def metric_coordinates(regions: pd.DataFrame) -> NDArray[np.float64]:
    """Metres (N, 2) east and north of the regions' centres, in the city's UTM zone."""
    centres = regions.geometry.to_crs(metric_crs(regions.geometry)).centroid
    return np.column_stack([centres.x, centres.y])
