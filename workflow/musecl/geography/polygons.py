"""Regions that are polygons of the boundary: census tracts, administrative areas, traffic zones."""

from collections.abc import Iterator

import geopandas as gpd
import h3
import shapely

from musecl.geography.geo import DEGREES
from musecl.geography.grid import Cell
from musecl.runtime.errors import InputError

# Corners that two files write down apart by this much (degrees, a metre) are one corner.
SLIT = 1e-5


def cells_of_polygons(areas: gpd.GeoDataFrame, resolution: int) -> Iterator[Cell]:
    """Take each area as a region.

    Parameters
    ----------
    areas : GeoDataFrame
        `name` (str) and valid polygons in any CRS; rows of one name are one region.
    resolution : int
        The spatial blocks are the H3 cells of two and three resolutions below, in which a point
        inside the area lies.

    Yields
    ------
    Cell
        Its neighbours are the areas that touch it.

    Raises
    ------
    InputError
        The areas have no names.
    """
    if "name" not in areas.columns:
        raise InputError(
            "regions.grid is polygons, and the polygons of the boundary have no names; set, in the "
            "boundary's settings, `name` (the column of them in a file) or `district_level` (of "
            "OpenStreetMap)"
        )
    named = areas[["name", "geometry"]].to_crs(DEGREES).dissolve("name").sort_index()
    shapes = named.geometry.to_numpy()
    grown = shapely.buffer(shapes, SLIT)
    near = shapely.STRtree(grown).query(grown, predicate="intersects").T
    around: dict[int, list[str]] = {row: [] for row in range(len(shapes))}
    for row, other in near:
        if row != other:
            around[row].append(str(named.index[other]))
    for row, (name, outline) in enumerate(zip(named.index, shapes, strict=True)):
        inside = shapely.point_on_surface(outline)
        cell = h3.latlng_to_cell(inside.y, inside.x, resolution)
        yield Cell(
            name=str(name),
            outline=outline,
            longitude=inside.x,
            latitude=inside.y,
            neighbours=tuple(sorted(around[row])),
            spatial_block=h3.cell_to_parent(cell, resolution - 2),
            wide_spatial_block=h3.cell_to_parent(cell, resolution - 3),
        )
