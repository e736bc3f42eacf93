"""Places out of OpenStreetMap: asked online (`osm`), or read of an extract (`osm_extract`)."""

from pathlib import Path

import geopandas as gpd

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


def fetch_online(request: Request) -> None:
    """Ask Overpass for the places of the city; errors as in `ask`."""
    from musecl.sources.osm.tags import asked_places

    assert request.area is not None
    ask(request, request.area, asked_places())


def read_online(folder: Path, settings: Online) -> gpd.GeoDataFrame:
    """Read places: points, and polygons of ground (EPSG:4326); none where Overpass found none."""
    with answered(folder) as path:
        return _read(path)


def fetch_extract(request: Request) -> None:
    """Cut the places of the city out of the user's extract; errors as in `cut_out`."""
    from musecl.sources.osm.collectors import Places

    cut_out(request, Places(request.area), "places")


def read_extract(folder: Path, settings: Extract) -> gpd.GeoDataFrame:
    """Read places: points, and polygons of ground (EPSG:4326)."""
    return _read(folder / CUT)


def _read(path: Path) -> gpd.GeoDataFrame:
    from musecl.sources.osm.collectors import Places
    from musecl.sources.osm.extract import scan
    from musecl.sources.osm.tags import GROUND

    places = Places()
    scan(path, places)
    table = places.table()
    if table.empty:
        print("places: OpenStreetMap has none here")
    inside = table.geometry.where(table["category"].isin(GROUND), table.representative_point())
    return table.set_geometry(inside)


ONLINE = osm_provider(
    layer="places",
    name="osm",
    settings=Online,
    fetch=fetch_online,
    read=read_online,
    says="OpenStreetMap as it is today, asked by the Overpass API",
)
EXTRACT = osm_provider(
    layer="places",
    name="osm_extract",
    settings=Extract,
    fetch=fetch_extract,
    read=read_extract,
    says="an OpenStreetMap extract (.osm.pbf) of your own, such as Geofabrik's",
)
