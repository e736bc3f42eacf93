"""New York from above, drawn: a raster of classes with a palette. Rendered, not photographed."""

import tempfile
from pathlib import Path
from typing import Literal

from pydantic import Field

from musecl.runtime.section import Section
from musecl.runtime.tables import read_table
from musecl.sources.contract import Rasters
from musecl.sources.provider import Provider, Request
from musecl.sources.sample.packages import (
    ATTRIBUTION,
    LICENCE,
    PINS,
    fetch_files,
    require_new_york,
)
from musecl.sources.sample.tables import BOROUGHS, LOTS, NEIGHBOURHOODS, STOPS

DRAWN_FROM = [LOTS, BOROUGHS, NEIGHBOURHOODS, STOPS]


class SampleImagery(Section):
    """A drawing of New York from lots, shore, open areas and stations."""

    provider: Literal["sample"]
    metres_per_pixel: float = Field(ge=1, le=20, description="of its raster")


def fetch(request: Request) -> None:
    """Draw the city from the packages' files, which are not kept."""
    # Its libraries take seconds to import, and whoever reads params.yaml imports this module.
    from musecl.sources.sample.drawing import draw_sample

    require_new_york(request)
    with tempfile.TemporaryDirectory(prefix="musecl-") as folder:
        fetch_files(DRAWN_FROM, Path(folder))
        draw_sample(
            Path(folder), request.regions, request.settings.metres_per_pixel, request.folder
        )
    for path in sorted(request.folder.iterdir()):
        request.record(path, drawn_from=DRAWN_FROM, packages=PINS.name)


def read(folder: Path, settings: SampleImagery) -> Rasters:
    """Read the raster, and how many lots it was drawn from."""
    from musecl.sources.sample.drawing import LOT_COUNTS, RASTER

    return Rasters([folder / RASTER], counted=read_table(folder / LOT_COUNTS))


PROVIDER = Provider(
    "sample",
    "satellite",
    SampleImagery,
    fetch,
    read,
    "a drawing of New York from above",
    LICENCE,
    ATTRIBUTION,
    imagery="rendered",
)
