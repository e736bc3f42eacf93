"""Simulated taxi trips of New York, the half that no label is made of."""

from pathlib import Path
from typing import Literal

from musecl.runtime.section import Section
from musecl.sources.contract import Trips
from musecl.sources.provider import Provider, Request
from musecl.sources.sample.packages import ATTRIBUTION, LICENCE, fetch_into, require_new_york
from musecl.sources.sample.tables import ROUTES, read_trips


class SampleMobility(Section):
    """Taxi trips of New York, without a time."""

    provider: Literal["sample"]


def fetch(request: Request) -> None:
    """Fetch the routes."""
    require_new_york(request)
    fetch_into(request, [ROUTES])


def read(folder: Path, settings: SampleMobility) -> Trips:
    """Read the trips of the `input` half; see `tables.read_trips`."""
    trips = read_trips(folder)
    seen = trips[trips["half"] == "input"]
    print(f"mobility: {len(seen)} of {len(trips)} trips are input")
    return Trips(seen.drop(columns="half").assign(trips=1.0))


PROVIDER = Provider(
    "sample",
    "mobility",
    SampleMobility,
    fetch,
    read,
    "taxi trips of New York",
    LICENCE,
    ATTRIBUTION,
)
