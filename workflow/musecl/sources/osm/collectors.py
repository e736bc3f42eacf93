"""What is read of an OpenStreetMap file: POIs, roads, boundaries, coastlines (EPSG:4326)."""

from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Geod
from shapely.geometry.base import BaseGeometry

from musecl.sources.osm.extract import Keys, Rows, Tags, osm_id
from musecl.sources.osm.tags import POIS, ROADS, describe

EARTH = Geod(ellps="WGS84")
NAMES = ("name", "official_name", "alt_name", "short_name")


class Pois:
    """POIs that meet an area (EPSG:4326): `osm_id`, `name`, `category`, `text`; see `tags`.

    Points, and polygons as a whole: a park that reaches out of the area is not cut.
    """

    def __init__(self, area: BaseGeometry | None = None) -> None:
        self.keys: Keys = {"n": POIS, "a": POIS}
        self.rows = Rows(("name", "category", "text"), area)

    def take(self, thing: Any, tags: Tags) -> None:
        """Keep the object if it is a POI."""
        described = describe(tags)
        if described is not None:
            self.rows.add(thing, *described)

    def table(self) -> gpd.GeoDataFrame:
        """Make the table, sorted by `osm_id`."""
        return self.rows.table()


class Roads:
    """Roads within an area (EPSG:4326), cut at its edge: `osm_id`, `name`, `kind`, `length_m`.

    A road that leaves the area and comes back is one row with several lines. `name` is empty where
    there is none, `length_m` is measured on the ellipsoid.
    """

    def __init__(self, area: BaseGeometry | None = None) -> None:
        self.keys: Keys = {"w": ("highway",)}
        self.rows, self.area = Rows(("name", "kind"), area), area

    def take(self, thing: Any, tags: Tags) -> None:
        """Keep the way if it is a road, and not the surface of one."""
        if tags.get("highway") in ROADS and tags.get("area") != "yes":
            self.rows.add(thing, tags.get("name", ""), tags["highway"])

    def table(self) -> gpd.GeoDataFrame:
        """Make the table, sorted by `osm_id`."""
        roads = self.rows.table()
        if self.area is not None:
            inside = shapely.intersection(roads.geometry.to_numpy(), self.area)
            roads.geometry = gpd.GeoSeries(inside, crs=roads.crs)
            # A road that only touches the area has no line in it.
            roads = roads[roads.geom_type.isin(["LineString", "MultiLineString"])]
            roads = roads[~roads.geometry.is_empty].reset_index(drop=True)
        return roads.assign(length_m=lengths(roads.geometry.to_numpy()))


class Boundaries:
    """Areas of a level of administration, or that bear a name, or the one with a number.

    Attributes
    ----------
    osm_id, name, admin_level : optional
        What a boundary must match, each where given; a name in any language, upper or lower case.
    others : dict of str to str
        What else there would be: `osm_id`, and name and level in words.
    """

    def __init__(
        self,
        osm_id: str | None = None,
        name: str | None = None,
        admin_level: int | None = None,
        area: BaseGeometry | None = None,
    ) -> None:
        self.keys: Keys = {"a": ("boundary", "place")}
        self.osm_id, self.name, self.admin_level = osm_id, name, admin_level
        self.rows = Rows(("name", "about"), area)
        self.others: dict[str, str] = {}

    def take(self, thing: Any, tags: Tags) -> None:
        """Keep the area if it matches."""
        if self._matches(thing, tags):
            self.rows.add(thing, tags.get("name", ""), about(tags))
        elif tags.get("boundary") == "administrative" and "name" in tags:
            self.others[osm_id(thing)] = f"{tags['name']} ({about(tags)})"

    def _matches(self, thing: Any, tags: Tags) -> bool:
        if self.osm_id is not None:
            return osm_id(thing) == self.osm_id
        if tags.get("boundary") != "administrative" and "place" not in tags:
            return False
        level = str(self.admin_level)
        if self.admin_level is not None and tags.get("admin_level") != level:
            return False
        names = (v for k, v in tags if k in NAMES or k.startswith("name:"))
        return self.name is None or self.name.casefold() in (name.casefold() for name in names)

    def table(self) -> gpd.GeoDataFrame:
        """Make the table: `osm_id`, `name`, `about` (level or kind, in words), polygons."""
        return self.rows.table()


class Coast:
    """Coastlines that meet an area (EPSG:4326), whole: `osm_id`; the land is to their left."""

    def __init__(self, area: BaseGeometry | None = None) -> None:
        self.keys: Keys = {"w": ("natural",)}
        self.rows = Rows((), area)

    def take(self, thing: Any, tags: Tags) -> None:
        """Keep the way if it is a coastline."""
        if tags.get("natural") == "coastline":
            self.rows.add(thing)

    def table(self) -> gpd.GeoDataFrame:
        """Make the table, sorted by `osm_id`."""
        return self.rows.table()


def about(tags: Tags) -> str:
    """Say what kind of area it is: `admin_level 8`, or `place city`."""
    level = tags.get("admin_level")
    return f"admin_level {level}" if level else f"place {tags.get('place', 'unknown')}"


def lengths(lines: NDArray[np.object_]) -> NDArray[np.float64]:
    """Measure lines (N,), EPSG:4326, in metres on the ellipsoid."""
    parts, line = shapely.get_parts(lines, return_index=True)
    corners, part = shapely.get_coordinates(parts, return_index=True)
    same = part[1:] == part[:-1]
    start, end = corners[:-1][same], corners[1:][same]
    metres = EARTH.inv(*start.T, *end.T)[2]
    total = np.bincount(line[part[1:][same]], metres, minlength=len(lines))
    return total.astype(np.float64)
