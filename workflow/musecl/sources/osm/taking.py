"""How a layer is taken out of OpenStreetMap: asked online, or cut out of an extract."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field
from shapely.geometry.base import BaseGeometry

from musecl.runtime.errors import InputError
from musecl.runtime.section import Section
from musecl.sources.addresses import ServiceUrl
from musecl.sources.provider import Provider, Request

if TYPE_CHECKING:
    from musecl.sources.osm.collectors import Pois, Roads

LICENCE = "ODbL 1.0"
ATTRIBUTION = "(c) OpenStreetMap contributors, openstreetmap.org/copyright"
# A provider of OpenStreetMap, whatever else is said of it.
osm_provider = partial(Provider, licence=LICENCE, attribution=ATTRIBUTION)
CUT = "cut.osm.pbf"
OVERPASS = "https://overpass-api.de/api"
NOMINATIM = "https://nominatim.openstreetmap.org"


class Online(Section):
    """What OpenStreetMap has today."""

    provider: Literal["osm"]
    overpass_url: ServiceUrl = Field(
        default=OVERPASS, description="of the Overpass API that is asked"
    )


class Extract(Section):
    """What an OpenStreetMap extract has."""

    provider: Literal["osm_extract"]
    path: str = Field(
        description="a file .osm.pbf that covers the city, such as download.geofabrik.de has"
    )


def ask(request: Request, area: BaseGeometry, tags: dict[str, bool | list[str]]) -> None:
    """Ask Overpass for what has these tags in an area (EPSG:4326); its answers are kept as JSON.

    Raises
    ------
    InputError
        The service does not answer as it should.
    """
    from musecl.sources.osm.online import Services, fetch_features

    services = Services(request.settings.overpass_url, NOMINATIM, request.folder)
    for path in fetch_features(services, area, tags):
        record_answer(request, path)


def record_answer(request: Request, path: Path) -> None:
    """Record an answer of Overpass: who gave it, and as of when its data are."""
    about = json.loads(path.read_bytes()).get("osm3s", {})
    timestamp = about.get("timestamp_osm_base", "")
    request.record(path, source=request.settings.overpass_url, timestamp=timestamp)


@contextmanager
def answered(folder: Path) -> Iterator[Path]:
    """Lend a file that holds what Overpass answered, as an extract would."""
    from musecl.sources.osm.answers import write_file

    with tempfile.TemporaryDirectory(prefix="musecl-") as temporary:
        path = Path(temporary) / CUT
        write_file((folder / "overpass").glob("*.json"), path)
        yield path


def cut_out(request: Request, collector: "Pois | Roads", what: str) -> None:
    """Cut what a collector finds out of the user's extract.

    Parameters
    ----------
    request : Request
    collector : Pois or Roads
        Of those in the city.
    what : str
        Its name in the plural, for messages.

    Raises
    ------
    InputError
        There is no such file, it is damaged, or holds nothing of this in the city.
    """
    from musecl.sources.osm.extract import cut, scan

    source = find_extract(request)
    known = scan(source, collector)
    table = collector.table()
    print(f"{what}: {len(table)} in {source.name}, as of {known.timestamp or 'no date'}")
    if known.skipped or known.incomplete:
        print(
            f"{what}: {known.skipped} objects and {len(known.incomplete)} relations left out: "
            "they reach out of the extract"
        )
    if table.empty:
        raise InputError(
            f"{source}: none of its {what} lie in the city; take an extract that covers the city"
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
