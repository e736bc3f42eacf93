"""Weights by which zones are shared out among regions: people, buildings, in the user's files."""

from pathlib import Path

import geopandas as gpd
import pandas as pd
import polars as pl
from pydantic import Field

from musecl.runtime.errors import InputError
from musecl.sources.files import find_files
from musecl.sources.located import LocatedFile, read_located
from musecl.sources.numbers import numbers
from musecl.sources.shapes import flat_polygons


class WeightsFile(LocatedFile):
    """Points or polygons by whose weight a zone is shared out: people, buildings."""

    weight: str = Field(min_length=1, description="column of the weight, 0 or more")


def read_weights(folder: Path, settings: WeightsFile, repair: bool) -> gpd.GeoDataFrame:
    """Read `weight` (float, 0 or more) and points or polygons, in the CRS of the first file.

    Rows without a position or a number are left out and counted.

    Raises
    ------
    InputError
        A file is not what `read_located` takes; a weight is below 0, or none is above; shapes are
        neither all points nor all valid polygons.
    """
    parts = [_read_file(path, settings, repair) for path in find_files(folder, settings.path)]
    together = in_one_crs(parts)
    if together["weight"].sum() == 0:
        raise InputError(f"{settings.path}: no weight above 0 in column {settings.weight}")
    return together


def in_one_crs(parts: list[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    """Put tables together, in the CRS of the first."""
    same = [part.to_crs(parts[0].crs) for part in parts]
    return gpd.GeoDataFrame(pd.concat(same, ignore_index=True), crs=parts[0].crs)


def _read_file(path: Path, settings: WeightsFile, repair: bool) -> gpd.GeoDataFrame:
    located = read_located(path, [settings.weight], settings)
    written = pl.Series(located[settings.weight], dtype=pl.String)
    what = f"{path.name}, column {settings.weight}"
    found = numbers(written, what, settings.decimal_comma).to_pandas()
    weight = pd.Series(found.to_numpy(dtype=float), index=located.index)
    if (weight < 0).any():
        raise InputError(f"{path}: row {weight.index[weight < 0][0]} has a weight below 0")
    known = located[weight.notna()]
    if not (known.geom_type == "Point").all():
        known = flat_polygons(known, path, None, repair)
    return gpd.GeoDataFrame(
        {"weight": weight[weight.notna()]}, geometry=known.geometry, crs=known.crs
    )
