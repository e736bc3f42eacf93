"""POIs out of OpenStreetMap: asked online (`osm`), or read of an extract (`osm_extract`)."""

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
    """Ask Overpass for the POIs of the city; errors as in `ask`."""
    from musecl.sources.osm.tags import asked_pois

    assert request.area is not None
    ask(request, request.area, asked_pois())


def read_online(folder: Path, settings: Online) -> gpd.GeoDataFrame:
    """Read POIs: points, and polygons of ground (EPSG:4326); none where Overpass found none."""
    with answered(folder) as path:
        return _read(path)


def fetch_extract(request: Request) -> None:
    """Cut the POIs of the city out of the user's extract; errors as in `cut_out`."""
    from musecl.sources.osm.collectors import Pois

    cut_out(request, Pois(request.area), "pois")


def read_extract(folder: Path, settings: Extract) -> gpd.GeoDataFrame:
    """Read POIs: points, and polygons of ground (EPSG:4326)."""
    return _read(folder / CUT)


def _read(path: Path) -> gpd.GeoDataFrame:
    from musecl.sources.osm.collectors import Pois
    from musecl.sources.osm.extract import scan
    from musecl.sources.osm.tags import GROUND

    pois = Pois()
    scan(path, pois)
    table = pois.table()
    if table.empty:
        print("pois: OpenStreetMap has none here")
    inside = table.geometry.where(table["category"].isin(GROUND), table.representative_point())
    return table.set_geometry(inside)


ONLINE = osm_provider(
    layer="pois",
    name="osm",
    settings=Online,
    fetch=fetch_online,
    read=read_online,
    says="OpenStreetMap as it is today, asked by the Overpass API",
)
EXTRACT = osm_provider(
    layer="pois",
    name="osm_extract",
    settings=Extract,
    fetch=fetch_extract,
    read=read_extract,
    says="an OpenStreetMap extract (.osm.pbf) of your own, such as Geofabrik's",
)
