"""The generated city as a provider of every layer (docs/synth.md)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from musecl.runtime.tables import read_geotable, read_table
from musecl.sources.contract import Drawn, Points, Trips
from musecl.sources.provider import Imagery, Provider, Request
from musecl.sources.synth.settings import Generated

TABLE = "table.parquet"
ORIENTATIONS = (0, 90, 180, 270)


class GeneratedIndicator(Generated):
    """What the generated city is to be predicted by."""

    measure: Literal[
        "population_density",
        "number_of_pois",
        "mobility_count",
        "no_vehicle_share",
        "bachelor_share",
    ] = Field(description="name of one of its indicators")


def fetch(layer: str) -> Callable[[Request], None]:
    """Make the fetch of a layer: it draws the city and writes the layer's table."""

    def draw(request: Request) -> None:
        # Whoever reads params.yaml imports this module, and never draws.
        from musecl.sources.synth.synthesis import table_of

        path = request.folder / TABLE
        table_of(layer, request.settings).to_parquet(path, index=False)
        request.record(path)

    return draw


def read_boundary(folder: Path, settings: Generated) -> gpd.GeoDataFrame:
    """Read the land of the city (EPSG:4326)."""
    return read_geotable(folder / TABLE)


def read_pois(folder: Path, settings: Generated) -> gpd.GeoDataFrame:
    """Read POIs: name, category, text and points (EPSG:4326)."""
    table = read_table(folder / TABLE)
    points = gpd.points_from_xy(table["longitude"], table["latitude"], crs=4326)
    return gpd.GeoDataFrame(table[["name", "category", "text"]], geometry=points)


def read_trips(folder: Path, settings: Generated) -> Trips:
    """Read trips, all without a time. No indicator is made of them."""
    trips = read_table(folder / TABLE)
    start = pd.Series(pd.NaT, index=trips.index, dtype="datetime64[us]")
    return Trips(trips.assign(start=start, trips=1.0))


def read_satellite(folder: Path, settings: Generated) -> Drawn:
    """Read what each chip shows."""
    from musecl.sources.synth.rendering import render_chip

    return _drawn(folder, render_chip, (0,))


def read_street_view(folder: Path, settings: Generated) -> Drawn:
    """Read what each viewpoint shows, in four headings."""
    from musecl.sources.synth.rendering import render_street

    return _drawn(folder, render_street, ORIENTATIONS)


def read_indicator(folder: Path, settings: GeneratedIndicator) -> Points:
    """Read an indicator: its value in the middle of each cell."""
    table = read_table(folder / TABLE)
    values = table[["longitude", "latitude"]].assign(value=table[settings.measure])
    return Points(values, "mean", minimum=1)


def _drawn(
    folder: Path, render: Callable[..., NDArray[np.uint8]], orientations: tuple[int, ...]
) -> Drawn:
    from musecl.sources.synth.rendering import FACTORS

    table = read_table(folder / TABLE).sort_values(["longitude", "latitude"], ignore_index=True)
    factors, draws = table[FACTORS].to_numpy(), table["draw"].to_numpy(np.int64)

    def draw(row: int, pixels: int) -> NDArray[np.uint8]:
        keys = [(draws[row], orientation) for orientation in orientations]
        images = [render(factors[row], pixels, np.random.default_rng(key)) for key in keys]
        return np.stack(images)

    return Drawn(table[["longitude", "latitude"]], draw, orientations)


def _provider(layer: str, read: Callable[[Path, Any], Any], **more: Any) -> Provider:
    return Provider(
        name="synth",
        layer=layer,
        settings=more.pop("settings", Generated),
        fetch=fetch(layer),
        read=read,
        says="a generated city, whose best reachable R2 is known",
        licence="none: generated",
        attribution="none: generated",
        **more,
    )


RENDERED: dict[str, Imagery] = {"imagery": "rendered"}
BOUNDARY = _provider("boundary", read_boundary)
POIS = _provider("pois", read_pois)
MOBILITY = _provider("mobility", read_trips)
SATELLITE = _provider("satellite", read_satellite, **RENDERED)
STREET_VIEW = _provider("street_view", read_street_view, **RENDERED)
INDICATORS = _provider("indicators", read_indicator, settings=GeneratedIndicator)
