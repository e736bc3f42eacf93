"""Roads out of OpenStreetMap: asked online (`osm`), or read of an extract (`osm_extract`)."""

from pathlib import Path

import geopandas as gpd
from shapely.geometry.base import BaseGeometry

from musecl.sources.osm.taking import (
    CUT,
    Extract,
    Online,
    answered,
    ask,
    cut_out,
    osm_provider,
)
from musecl.sources.provider import Request

# Some hundred metres: a road that ends at the edge of the land would divide nothing.
MARGIN_DEGREES = 0.005


def _around(request: Request) -> BaseGeometry:
    assert request.area is not None
    return request.area.buffer(MARGIN_DEGREES)


def fetch_online(request: Request) -> None:
    """Ask Overpass for the roads of the city; errors as in `ask`."""
    from musecl.sources.osm.tags import ROADS

    ask(request, _around(request), {"highway": list(ROADS)})


def read_online(folder: Path, settings: Online) -> gpd.GeoDataFrame:
    """Read roads: lines (EPSG:4326); none where Overpass found none."""
    with answered(folder) as path:
        return _read(path)


def fetch_extract(request: Request) -> None:
    """Cut the roads of the city out of the user's extract; errors as in `cut_out`."""
    from musecl.sources.osm.collectors import Roads

    cut_out(request, Roads(_around(request)), "roads")


def read_extract(folder: Path, settings: Extract) -> gpd.GeoDataFrame:
    """Read roads: lines (EPSG:4326)."""
    return _read(folder / CUT)


def _read(path: Path) -> gpd.GeoDataFrame:
    from musecl.sources.osm.collectors import Roads
    from musecl.sources.osm.extract import scan

    roads = Roads()
    scan(path, roads)
    return roads.table()


ONLINE = osm_provider(
    layer="roads",
    name="osm",
    settings=Online,
    fetch=fetch_online,
    read=read_online,
    says="OpenStreetMap's roads for cars as they are today, asked by the Overpass API",
)
EXTRACT = osm_provider(
    layer="roads",
    name="osm_extract",
    settings=Extract,
    fetch=fetch_extract,
    read=read_extract,
    says="the roads for cars of an OpenStreetMap extract (.osm.pbf) of your own",
)
