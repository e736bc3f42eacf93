"""Places out of OpenStreetMap: asked online (`osm`), or read of an extract (`osm_extract`)."""

import json
import tempfile
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
from pydantic import Field

from musecl.sources.provider import Provider, Request
from musecl.step.errors import InputError
from musecl.step.section import Section

LICENCE = "ODbL 1.0"
ATTRIBUTION = "(c) OpenStreetMap contributors, openstreetmap.org/copyright"
CUT = "cut.osm.pbf"
OVERPASS = "https://overpass-api.de/api"
NOMINATIM = "https://nominatim.openstreetmap.org"


class OnlinePlaces(Section):
    """Places as OpenStreetMap has them today."""

    provider: Literal["osm"]
    overpass_url: str = Field(default=OVERPASS, description="of the Overpass API that is asked")


class ExtractPlaces(Section):
    """Places of an OpenStreetMap extract."""

    provider: Literal["osm_extract"]
    path: str = Field(
        description="a file .osm.pbf that covers the city, such as download.geofabrik.de has"
    )


def fetch_online(request: Request) -> None:
    """Ask Overpass for the places of the city; what it answers is kept as JSON.

    Raises
    ------
    InputError
        The service does not answer as it should.
    """
    from musecl.sources.osm.online import Services, fetch_features
    from musecl.sources.osm.tags import asked_places

    assert request.area is not None
    services = Services(request.settings.overpass_url, NOMINATIM, request.folder)
    for path in fetch_features(services, request.area, asked_places()):
        record_answer(request, path)


def record_answer(request: Request, path: Path) -> None:
    """Record an answer of Overpass: who gave it, and as of when its data are."""
    about = json.loads(path.read_bytes()).get("osm3s", {})
    timestamp = about.get("timestamp_osm_base", "")
    request.record(path, source=request.settings.overpass_url, timestamp=timestamp)


def read_online(folder: Path, settings: OnlinePlaces) -> gpd.GeoDataFrame:
    """Read places: points, and polygons of ground (EPSG:4326); none where Overpass found none."""
    from musecl.sources.osm.answers import write_file

    with tempfile.TemporaryDirectory(prefix="musecl-") as temporary:
        path = Path(temporary) / CUT
        write_file((folder / "overpass").glob("*.json"), path)
        return _read(path)


def fetch_extract(request: Request) -> None:
    """Cut the places of the city out of the user's extract.

    Raises
    ------
    InputError
        There is no such file, it is damaged, or has no place in the city.
    """
    from musecl.sources.osm.collectors import Places
    from musecl.sources.osm.extract import cut, scan

    source = find_extract(request)
    places = Places(request.area)
    known = scan(source, places)
    table = places.table()
    print(f"places: {len(table)} in {source.name}, as of {known.timestamp or 'no date'}")
    if known.skipped or known.incomplete:
        print(
            f"places: {known.skipped} objects and {len(known.incomplete)} relations left out: "
            "they reach out of the extract"
        )
    if table.empty:
        raise InputError(
            f"{source}: no place of it lies in the city; take an extract that covers the city"
        )
    cut(source, request.folder / CUT, table["osm_id"].to_list())
    record_cut(request, source, known.timestamp)


def find_extract(request: Request) -> Path:
    """Name the one file of the user's that the setting `path` stands for.

    Raises
    ------
    InputError
        There is none, or there are several.
    """
    found = request.find(request.settings.path)
    if len(found) > 1:
        raise InputError(
            f"{request.inputs / request.settings.path}: {len(found)} files; name one of them"
        )
    return found[0]


def record_cut(request: Request, source: Path, timestamp: str) -> None:
    """Record what was cut out of an extract: its name, and as of when its data are."""
    request.record(request.folder / CUT, source=source.name, timestamp=timestamp)


def read_extract(folder: Path, settings: ExtractPlaces) -> gpd.GeoDataFrame:
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


def _provider(**more: Any) -> Provider:
    return Provider(layer="places", licence=LICENCE, attribution=ATTRIBUTION, **more)


ONLINE = _provider(
    name="osm",
    settings=OnlinePlaces,
    fetch=fetch_online,
    read=read_online,
    says="OpenStreetMap as it is today, asked by the Overpass API",
)
EXTRACT = _provider(
    name="osm_extract",
    settings=ExtractPlaces,
    fetch=fetch_extract,
    read=read_extract,
    says="an OpenStreetMap extract (.osm.pbf) of your own, such as Geofabrik's",
)
