"""Boundaries out of OpenStreetMap: the one that is meant, its districts, and the land of both.

The boundary of a city at the sea reaches out into the water, so it is cut along the coastline.
"""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from musecl.runtime.errors import InputError
from musecl.sources.osm.collectors import Boundaries, Coast
from musecl.sources.osm.extract import Scan, scan

LISTED_AREAS = 8
OFFSET_DEGREES = 1e-6  # about 0.1 m: how far beside a coastline there is land, or water
SLIVER = 1e-4  # of the boundary: less than this outside of all districts is a rounding error


def find_boundary(
    path: Path, osm_id: str | None, name: str | None, admin_level: int | None
) -> tuple[gpd.GeoDataFrame, Scan]:
    """Find the one area that is meant.

    Parameters
    ----------
    path : Path
        An OpenStreetMap file.
    osm_id, name, admin_level : optional
        As in `Boundaries`.

    Returns
    -------
    GeoDataFrame, Scan
        One row: `osm_id`, `name`, `about`, polygon (EPSG:4326); and what the scan knows.

    Raises
    ------
    InputError
        None matches, or several do: they are listed. Or it is not complete in the file.
    """
    wanted = Boundaries(osm_id, name, admin_level)
    known = scan(path, wanted)
    found = wanted.table()
    if len(found) == 1:
        return found, known
    asked = osm_id or f"{name!r}" + (f" of admin_level {admin_level}" if admin_level else "")
    if len(found):
        rows = found.sort_values(["about", "osm_id"])[["osm_id", "name", "about"]].to_numpy()
        listed = "; ".join(f"{number}: {called} ({kind})" for number, called, kind in rows)
        raise InputError(f"{path}: {asked} is {len(found)} areas, choose by osm_id: {listed}")
    broken = {f"R{number}": called for number, called in known.incomplete.items()}
    if osm_id in broken or (name and name.casefold() in map(str.casefold, broken.values())):
        raise InputError(
            f"{path}: {asked} reaches out of this extract, so that its boundary is not closed; "
            "take a larger extract"
        )
    others = sorted(wanted.others.items(), key=lambda item: (item[1], item[0]))
    listed = "; ".join(f"{number}: {called}" for number, called in others[:LISTED_AREAS])
    more = f" and {len(others) - LISTED_AREAS} more" if len(others) > LISTED_AREAS else ""
    raise InputError(f"{path}: no area is {asked}; there is {listed or 'none at all'}{more}")


def find_inside(
    path: Path, boundary: BaseGeometry, district_level: int | None
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Find what divides a boundary (EPSG:4326): its districts, and the coastlines that cross it.

    Returns
    -------
    GeoDataFrame, GeoDataFrame
        As `Boundaries` and `Coast` give them; no district without a level.
    """
    coast = Coast(boundary)
    if district_level is None:
        scan(path, coast)
        return Boundaries().table(), coast.table()
    districts = Boundaries(admin_level=district_level, area=boundary)
    scan(path, coast, districts)
    table = districts.table()
    inside = shapely.contains(boundary, table.representative_point().to_numpy())
    return table[inside].reset_index(drop=True), coast.table()


def land_within(
    boundary: gpd.GeoDataFrame, districts: gpd.GeoDataFrame, coast: gpd.GeoDataFrame
) -> gpd.GeoDataFrame:
    """Cut the water off, and divide the land by districts.

    Parameters
    ----------
    boundary : GeoDataFrame
        One row with `name`, EPSG:4326.
    districts : GeoDataFrame
        `name` and polygons; may be empty.
    coast : GeoDataFrame
        Lines with the land to their left; may be empty.

    Returns
    -------
    GeoDataFrame
        Polygons of land, EPSG:4326; where there are districts, also `district` and the same as
        `name`, by which they can be regions. What belongs to none of them bears the name of the
        boundary.
    """
    land = on_land(boundary.geometry.iloc[0], coast.geometry.to_numpy())
    if districts.empty:
        return gpd.GeoDataFrame(geometry=[land], crs=4326)
    parts = districts[["name", "geometry"]].rename(columns={"name": "district"})
    parts["geometry"] = [polygons_of(shape.intersection(land)) for shape in parts.geometry]
    rest = polygons_of(land.difference(shapely.union_all(parts.geometry.to_numpy())))
    if rest.area > SLIVER * land.area:
        row = {"district": boundary["name"].iloc[0], "geometry": rest}
        parts = pd.concat([parts, gpd.GeoDataFrame([row], crs=4326)])
    parts = parts[~parts.geometry.is_empty].sort_values("district", ignore_index=True)
    return parts.assign(name=parts["district"])


def on_land(boundary: BaseGeometry, coast: NDArray[np.object_]) -> BaseGeometry:
    """Keep the land of a polygon (EPSG:4326), given coastlines with the land to their left.

    Returns
    -------
    Polygon or MultiPolygon
        All of it where no coastline crosses it.
    """
    lines = shapely.get_parts(shapely.intersection(coast, boundary))
    lines = lines[(shapely.get_type_id(lines) == 1) & ~shapely.is_empty(lines)]
    if not len(lines):
        return boundary
    # Whole coastlines: what is cut at the edge may end a hair before it, and divides nothing.
    network = shapely.union_all([boundary.boundary, *coast])
    faces = shapely.get_parts(shapely.polygonize([network]))
    faces = faces[shapely.contains(boundary, shapely.point_on_surface(faces))]
    corners, line = shapely.get_coordinates(lines, return_index=True)
    same = line[1:] == line[:-1]
    start, end = corners[:-1][same], corners[1:][same]
    along = end - start
    length = np.linalg.norm(along, axis=1, keepdims=True)
    # Of a longer stretch, two lines may meet in a node, but hardly in its middle.
    aside = (
        np.stack([-along[:, 1], along[:, 0]], axis=1)
        / np.maximum(length, OFFSET_DEGREES)
        * OFFSET_DEGREES
    )
    middle = (start + end) / 2
    tree = shapely.STRtree(faces)
    dry = tree.query(shapely.points(middle + aside), predicate="within")[1]
    wet = tree.query(shapely.points(middle - aside), predicate="within")[1]
    count = [np.bincount(side, minlength=len(faces)) for side in (dry, wet)]
    return polygons_of(shapely.union_all(faces[count[0] >= count[1]]))


def polygons_of(shape: BaseGeometry) -> BaseGeometry:
    """Leave out what has no area: points and lines where two shapes only touch."""
    parts = shapely.get_parts(shapely.get_parts([shape]))
    return shapely.union_all(parts[shapely.get_type_id(parts) == 3])
