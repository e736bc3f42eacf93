"""Readers of raw tables, a module a provider; what comes after never knows which one it was.

Every reader takes the word that params.yaml chose for the layer, and the folder that `fetch` wrote.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, TypeVar

import geopandas as gpd
import pandas as pd

from musecl.sources import sample, synth
from musecl.step.errors import ParameterError

Table = TypeVar("Table", bound=pd.DataFrame)
Readers: TypeAlias = dict[str, Callable[[Path], Table]]


def read_boundary(source: str, folder: Path) -> gpd.GeoDataFrame:
    """Read the land of the city: polygons in the provider's CRS, and `district` where named."""
    readers: Readers[gpd.GeoDataFrame] = {
        "sample": sample.read_boundary,
        "synth": synth.read_boundary,
    }
    return _choose("boundary", source, readers)(folder)


def read_open_areas(source: str, folder: Path) -> gpd.GeoDataFrame:
    """Read parks, cemeteries, airports and other open areas: name, kind, geometry (EPSG:4326)."""
    return _choose("open areas", source, {"sample": sample.read_open_areas})(folder)


def read_neighbourhoods(source: str, folder: Path) -> gpd.GeoDataFrame:
    """Read residential neighbourhoods: code, name, borough, geometry (EPSG:4326)."""
    return _choose("neighbourhoods", source, {"sample": sample.read_neighbourhoods})(folder)


def read_stations(source: str, folder: Path) -> pd.DataFrame:
    """Read stations: name, longitude, latitude (EPSG:4326)."""
    return _choose("stations", source, {"sample": sample.read_stations})(folder)


def read_lots(source: str, folder: Path) -> pd.DataFrame:
    """Read where tax lots lie: latitude, longitude, borough, block, lot; no label column."""
    return _choose("lots", source, {"sample": sample.read_lots})(folder)


def read_trips(source: str, folder: Path) -> pd.DataFrame:
    """Read trips; see `sample.read_trips` for the columns."""
    readers: Readers[pd.DataFrame] = {"sample": sample.read_trips, "synth": synth.read_trips}
    return _choose("trips", source, readers)(folder)


def read_lot_labels(source: str, folder: Path) -> pd.DataFrame:
    """Read what indicators are made of: latitude, longitude, neighbourhood, units, population."""
    return _choose("lot labels", source, {"sample": sample.read_lot_labels})(folder)


def read_census(source: str, folder: Path) -> pd.DataFrame:
    """Read census counts by neighbourhood code."""
    return _choose("census", source, {"sample": sample.read_census})(folder)


def _choose(layer: str, source: str, readers: Readers[Table]) -> Callable[[Path], Table]:
    if source not in readers:
        raise ParameterError(
            f"params.yaml: no source {source!r} for {layer}; there is {', '.join(readers)}"
        )
    return readers[source]
