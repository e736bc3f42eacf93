"""An indicator counted from points: incidents, offers, sales, meters."""

from pathlib import Path
from typing import Literal

import pandas as pd
import polars as pl
from pydantic import Field, model_validator

from musecl.runtime.errors import InputError
from musecl.runtime.section import LARGEST
from musecl.sources.contract import Points, Statistic
from musecl.sources.files import find_files
from musecl.sources.located import LocatedFile, read_located
from musecl.sources.numbers import is_missing, numbers
from musecl.sources.positions import DEGREES, require_within
from musecl.sources.provider import Provider, Request


class PointsSettings(LocatedFile):
    """Points of a table or of a geographic file, and what is made of them."""

    provider: Literal["points"]
    statistic: Statistic = Field(description="of the points in a region")
    value: str | None = Field(None, description="column of numbers for sum, mean and median")
    key: str | None = Field(None, description="column for distinct: rows of one key count once")
    minimum: int = Field(
        0, ge=0, le=LARGEST, description="regions with fewer points (keys) have no value"
    )
    per_km2: Literal["land", "region"] | None = Field(
        None, description="divide by the region's area, or by that of its land"
    )

    @model_validator(mode="after")
    def _columns_that_belong_together(self) -> "PointsSettings":
        if (self.statistic in ("sum", "mean", "median")) != (self.value is not None):
            raise ValueError("sum, mean and median need `value`; count and distinct have none")
        if (self.statistic == "distinct") != (self.key is not None):
            raise ValueError("distinct needs `key`; the other statistics have none")
        if self.per_km2 is not None and self.statistic in ("mean", "median"):
            raise ValueError("a mean or median is not divided by an area: leave per_km2 out")
        return self


def fetch(request: Request) -> None:
    """Copy the user's files, and refuse them where too few of their points lie in the city."""
    settings = request.settings
    request.take(settings.path)
    rows = _rows(request.folder, settings)
    assert request.area is not None
    where = str(request.inputs / settings.path)
    require_within(rows["longitude"].to_numpy(), rows["latitude"].to_numpy(), request.area, where)
    if rows.dropna().empty:
        raise InputError(f"{where}: no row has both a position and what is counted")


def read(folder: Path, settings: PointsSettings) -> Points:
    """Read the points; those without a position, value or key are left out and counted.

    Raises
    ------
    InputError
        A file is absent or not what `read_located` takes, or holds other shapes than points.
    """
    rows = _rows(folder, settings)
    known = rows.dropna(ignore_index=True)
    if len(known) < len(rows):
        print(
            f"{settings.path}: {len(rows) - len(known)} of {len(rows)} points have no "
            f"{rows.columns[-1]} and are left out"
        )
    return Points(known, settings.statistic, settings.minimum, settings.per_km2)


def _rows(folder: Path, settings: PointsSettings) -> pd.DataFrame:
    """Read where points are, and their `value` or `key`, missing where unknown, of all files."""
    parts = [_read_file(path, settings) for path in find_files(folder, settings.path)]
    return pd.concat(parts, ignore_index=True)


def _read_file(path: Path, settings: PointsSettings) -> pd.DataFrame:
    names = [name for name in (settings.value, settings.key) if name is not None]
    located = read_located(path, names, settings)
    other = located.index[located.geom_type != "Point"]
    if len(other):
        raise InputError(
            f"{path}: row {other[0]} (and {len(other) - 1} more) is no point but a "
            f"{located.geom_type[other[0]]}; take the provider `polygons`, or centroids"
        )
    points = located.geometry.to_crs(DEGREES)
    part = {"longitude": points.x.to_numpy(), "latitude": points.y.to_numpy()}
    if settings.value is not None:
        written = pl.Series(located[settings.value], dtype=pl.String)
        what = f"{path.name}, column {settings.value}"
        part["value"] = numbers(written, what, settings.decimal_comma).to_numpy()
    if settings.key is not None:
        keys = pl.Series(located[settings.key], dtype=pl.String)
        part["key"] = located[settings.key].mask(is_missing(keys).to_numpy()).to_numpy()
    return pd.DataFrame(part)


PROVIDER = Provider(
    name="points",
    layer="indicators",
    settings=PointsSettings,
    fetch=fetch,
    read=read,
    says="points of your own (CSV, Parquet, GeoPackage, GeoJSON), counted, summed or averaged",
)
