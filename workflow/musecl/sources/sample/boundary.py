"""New York's five boroughs, clipped to the shore."""

from pathlib import Path
from typing import Literal

import geopandas as gpd

from musecl.runtime.section import Section
from musecl.sources.provider import Provider, Request
from musecl.sources.sample.packages import ATTRIBUTION, LICENCE, fetch_into
from musecl.sources.sample.tables import BOROUGHS, read_boundary


class SampleBoundary(Section):
    """The land of New York."""

    provider: Literal["sample"]


def fetch(request: Request) -> None:
    """Fetch the boroughs."""
    fetch_into(request, [BOROUGHS])


def read(folder: Path, settings: SampleBoundary) -> gpd.GeoDataFrame:
    """Read the boroughs; see `tables.read_boundary`."""
    return read_boundary(folder)


PROVIDER = Provider(
    "sample", "boundary", SampleBoundary, fetch, read, "New York's boroughs", LICENCE, ATTRIBUTION
)
