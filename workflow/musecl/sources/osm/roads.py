"""Roads out of OpenStreetMap: asked online (`osm`), or read of an extract (`osm_extract`)."""

import tempfile
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
from pydantic import Field
from shapely.geometry.base import BaseGeometry

from musecl.sources.osm.places import (
    ATTRIBUTION,
    CUT,
    LICENCE,
    NOMINATIM,
    OVERPASS,
    find_extract,
    record_answer,
    record_cut,
)
from musecl.sources.provider import Provider, Request
from musecl.step.errors import InputError
from musecl.step.section import Section

# Degrees, some hundred metres: a road that ends at the edge of the land would divide nothing.
BEYOND = 0.005


class OnlineRoads(Section):
    """Roads as OpenStreetMap has them today."""

    provider: Literal["osm"]
    overpass_url: str = Field(default=OVERPASS, description="of the Overpass API that is asked")


class ExtractRoads(Section):
    """Roads of an OpenStreetMap extract."""

    provider: Literal["osm_extract"]
    path: str = Field(
        description="a file .osm.pbf that covers the city, such as download.geofabrik.de has"
    )


def _around(request: Request) -> BaseGeometry:
    assert request.area is not None
    return request.area.buffer(BEYOND)


def fetch_online(request: Request) -> None:
    """Ask Overpass for the roads of the city; what it answers is kept as JSON.

    Raises
    ------
    InputError
        The service does not answer as it should.
    """
    from musecl.sources.osm.online import Services, fetch_features
    from musecl.sources.osm.tags import ROADS

    services = Services(request.settings.overpass_url, NOMINATIM, request.folder)
    for path in fetch_features(services, _around(request), {"highway": list(ROADS)}):
        record_answer(request, path)


def read_online(folder: Path, settings: OnlineRoads) -> gpd.GeoDataFrame:
    """Read roads: lines (EPSG:4326); none where Overpass found none."""
    from musecl.sources.osm.answers import write_file

    with tempfile.TemporaryDirectory(prefix="musecl-") as temporary:
        path = Path(temporary) / CUT
        write_file((folder / "overpass").glob("*.json"), path)
        return _read(path)


def fetch_extract(request: Request) -> None:
    """Cut the roads of the city out of the user's extract.

    Raises
    ------
    InputError
        There is no such file, it is damaged, or has no road in the city.
    """
    from musecl.sources.osm.collectors import Roads
    from musecl.sources.osm.extract import cut, scan

    source = find_extract(request)
    roads = Roads(_around(request))
    known = scan(source, roads)
    table = roads.table()
    if table.empty:
        raise InputError(
            f"{source}: no road of it lies in the city; take an extract that covers the city"
        )
    print(f"roads: {len(table)} in {source.name}, as of {known.timestamp or 'no date'}")
    cut(source, request.folder / CUT, table["osm_id"].to_list())
    record_cut(request, source, known.timestamp)


def read_extract(folder: Path, settings: ExtractRoads) -> gpd.GeoDataFrame:
    """Read roads: lines (EPSG:4326)."""
    return _read(folder / CUT)


def _read(path: Path) -> gpd.GeoDataFrame:
    from musecl.sources.osm.collectors import Roads
    from musecl.sources.osm.extract import scan

    roads = Roads()
    scan(path, roads)
    return roads.table()


def _provider(**more: Any) -> Provider:
    return Provider(layer="roads", licence=LICENCE, attribution=ATTRIBUTION, **more)


ONLINE = _provider(
    name="osm",
    settings=OnlineRoads,
    fetch=fetch_online,
    read=read_online,
    says="OpenStreetMap's roads for cars as they are today, asked by the Overpass API",
)
EXTRACT = _provider(
    name="osm_extract",
    settings=ExtractRoads,
    fetch=fetch_extract,
    read=read_extract,
    says="the roads for cars of an OpenStreetMap extract (.osm.pbf) of your own",
)
