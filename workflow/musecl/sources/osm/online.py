"""OpenStreetMap's own services, asked by OSMnx: Nominatim for a boundary, Overpass for the rest.

OSMnx writes the question, keeps answers in a folder, and asks one at a time. Alone it would wait
for a busy server for ever, take a page of HTML or half an answer for an empty place, and change how
the process looks up addresses; so every response is looked at here before OSMnx sees it.
"""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import geopandas as gpd
import osmnx
import requests
import shapely
from osmnx._errors import CacheOnlyInterruptError, InsufficientResponseError
from shapely.geometry.base import BaseGeometry

from musecl.runtime.errors import InputError
from musecl.sources.addresses import without_secrets
from musecl.sources.patience import Patience, wish_of

DEADLINE = 1800.0  # seconds that one layer may wait for a server
TRIES = 3  # so often one is asked that cannot be reached, or whose line breaks
PAUSE = 30.0  # seconds before asking a busy server again, doubled each time; its own wish is more
TIMEOUT = 180  # seconds that Overpass may compute, and that nothing may come over the line
# Degrees: so much wider is what is asked for, so that its outline has few corners.
MARGIN = 0.002

Answer = TypeVar("Answer")


class BusyError(Exception):
    """The server asks to come again, in `pause` seconds at the earliest."""

    def __init__(self, address: str, status: int, pause: float) -> None:
        super().__init__(f"{address} is busy (HTTP {status})")
        self.pause = pause


@dataclass(frozen=True)
class Services:
    """Where to ask, and where to keep answers.

    Attributes
    ----------
    overpass_url, nominatim_url : str
        Without `/interpreter` and `/search`.
    folder : Path
        Of answers: what lies there is not asked for again.
    """

    overpass_url: str
    nominatim_url: str
    folder: Path

    @property
    def answers(self) -> Path:
        """Folder of what Overpass answers; Nominatim answers lists, in another form."""
        return self.folder / "overpass"


def find_place(services: Services, place: str | None, osm_id: str | None) -> gpd.GeoDataFrame:
    """Ask Nominatim for the outline of a place.

    Parameters
    ----------
    services : Services
    place : str, optional
        As one would write it: `Lisboa, Portugal`.
    osm_id : str, optional
        `R5400890` or `W...`, in its stead.

    Returns
    -------
    GeoDataFrame
        One row: `osm_id`, `name`, `display_name`, `importance`, polygons (EPSG:4326). Of a name it
        is the most important match that has an outline.

    Raises
    ------
    InputError
        There is no such place, it has no outline or an invalid one, or the service does not answer
        as it should.
    """
    asked = osm_id or place
    try:
        found = ask(
            services,
            services.folder / "nominatim",
            lambda: osmnx.geocoder.geocode_to_gdf(asked, by_osmid=osm_id is not None),
        )
    except InsufficientResponseError as error:
        raise InputError(
            f"OpenStreetMap knows no place {asked!r}; write it as openstreetmap.org finds it, or "
            "give its osm_id"
        ) from error
    except TypeError as error:
        raise InputError(_no_outline(asked)) from error
    if found.geom_type.iloc[0] not in ("Polygon", "MultiPolygon"):
        raise InputError(_no_outline(asked))
    if not found.is_valid.all():
        reason = shapely.is_valid_reason(found.geometry.iloc[0])
        raise InputError(
            f"OpenStreetMap's outline of {asked!r} is invalid ({reason}); take its boundary from a "
            "file, or of an extract"
        )
    number = found["osm_type"].str[0].str.upper() + found["osm_id"].astype(str)
    return found[["name", "display_name", "importance", "geometry"]].assign(osm_id=number)


def _no_outline(asked: str | None) -> str:
    return (
        f"OpenStreetMap has no outline of {asked!r}, only a point or a line; name what surrounds "
        "it, or give the osm_id of a relation"
    )


def fetch_features(
    services: Services, area: BaseGeometry, tags: dict[str, bool | list[str]]
) -> list[Path]:
    """Ask Overpass for what carries one of several tags in an area, and a bit around it.

    Parameters
    ----------
    services : Services
    area : Polygon or MultiPolygon
        EPSG:4326.
    tags : dict
        By key: any value (True), or which.

    Returns
    -------
    list of Path
        Every answer in the folder, as JSON.

    Raises
    ------
    InputError
        The service does not answer as it should.
    """
    around = shapely.simplify(shapely.buffer(area, MARGIN), MARGIN)

    def download() -> None:
        try:
            osmnx.features.features_from_polygon(around, tags)
        except CacheOnlyInterruptError:
            return

    ask(services, services.answers, download)
    return sorted(services.answers.glob("*.json"))


def ask(services: Services, folder: Path, question: Callable[[], Answer]) -> Answer:
    """Put a question by OSMnx; ask again where the server is busy, until the deadline.

    One that cannot be reached, or whose line breaks, is asked `TRIES` times.

    Parameters
    ----------
    services : Services
    folder : Path
        Where answers are kept.
    question : callable
        Calls OSMnx.

    Raises
    ------
    InputError
        In one line: who did not answer, and how.
    """
    patience, broken = Patience(DEADLINE, PAUSE, LATER), 0
    with settings_of(services, folder, Watch(patience)):
        while True:
            try:
                return question()
            except BusyError as busy:
                patience.wait(str(busy), busy.pause)
            except requests.RequestException as error:
                sent = error.request
                address = services.overpass_url if sent is None else str(sent.url)
                why = f"{without_secrets(address)} does not answer ({type(error).__name__})"
                broken += 1
                # An address that is none stays so.
                if broken >= TRIES or isinstance(error, ValueError):
                    raise InputError(f"{why}; {LATER}") from error
                patience.wait(why)


LATER = "try again later, or take an extract (provider osm_extract)"


class Watch:
    """Looks at each response before OSMnx does, and refuses what it would wait or fall for."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience

    def __call__(self, response: requests.Response, *_: Any, **__: Any) -> None:
        """Raise BusyError or InputError unless the response is a whole answer."""
        address, status = without_secrets(response.url), response.status_code
        if response.is_redirect:
            return
        if urlsplit(response.url).path.endswith("/status"):
            self._wait_for_slot(address, response.text)
            return
        if status in (429, 503, 504):
            raise BusyError(address, status, wish_of(response.headers.get("Retry-After", "")))
        if status == 406:
            raise InputError(
                f"{address} refuses this client (HTTP 406): it wants another User-Agent"
            )
        try:
            content = response.json()
        except requests.JSONDecodeError as error:
            page = _words(response.text)
            raise InputError(f"{address} sent a page, no answer (HTTP {status}): {page}") from error
        if not response.ok:
            page = _words(response.text)
            raise InputError(f"{address} refused the question (HTTP {status}): {page}")
        if isinstance(content, dict) and "remark" in content:
            raise InputError(f"{address} broke off: {_words(content['remark'])}; {LATER}")

    def _wait_for_slot(self, address: str, status: str) -> None:
        """Refuse what the page /status would let OSMnx wait for beyond the deadline."""
        waits = [int(seconds) for seconds in re.findall(r"in (-?\d+) seconds", status)]
        if not self.patience.allows(min(waits, default=0)):
            raise InputError(f"{address} has no slot free before the deadline; {LATER}")


@contextmanager
def settings_of(services: Services, folder: Path, watch: Watch) -> Iterator[None]:
    """Set OSMnx up, and put back what it and this change for the whole process."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {
        "overpass_url": services.overpass_url,
        "nominatim_url": services.nominatim_url,
        "cache_folder": folder,
        "use_cache": True,
        "cache_only_mode": True,
        "http_user_agent": user_agent(),
        "doh_url_template": None,
        "requests_timeout": TIMEOUT,
        "requests_kwargs": {"hooks": {"response": watch}},
    }
    before = {name: getattr(osmnx.settings, name) for name in wanted}
    lookup = socket.getaddrinfo
    try:
        for name, value in wanted.items():
            setattr(osmnx.settings, name, value)
        yield
    finally:
        socket.getaddrinfo = lookup
        for name, value in before.items():
            setattr(osmnx.settings, name, value)


def user_agent() -> str:
    """Name the project, as both services ask of every client."""
    try:
        number = version("musecl")
    except PackageNotFoundError:
        number = "of a checkout"
    return f"musecl ({number}; embeddings of city regions, by OSMnx {version('osmnx')})"


def _words(text: str) -> str:
    """Give the first words of a page, without its tags."""
    body = re.sub(r"(?s)<(style|script|title).*?</\1>", " ", text)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())[:160] or "empty"
