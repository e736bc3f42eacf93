"""An indicator known by polygons: census tracts, statistical squares, districts."""

from pathlib import Path
from typing import Literal

import geopandas as gpd
import polars as pl
from pydantic import Field, model_validator

from musecl.runtime.errors import InputError
from musecl.runtime.section import Section
from musecl.sources.contract import Zones
from musecl.sources.files import find_files
from musecl.sources.numbers import numbers
from musecl.sources.positions import require_touching
from musecl.sources.provider import Provider, Request
from musecl.sources.shapes import CrsName, flat_polygons, read_shapes, text_ids, with_crs
from musecl.sources.weights import WeightsFile, in_one_crs, read_weights


class PolygonsSettings(Section):
    """Polygons of a file with a value each, and how the values go over to regions."""

    provider: Literal["polygons"]
    path: str = Field(min_length=1, description="whatever GeoPandas reads; a pattern for many")
    layer: str | None = Field(None, description="where the file has several")
    where: str | None = Field(None, description="SQL condition on the rows")
    crs: CrsName | None = Field(None, description="where the file has none")
    value: str = Field(description="column of numbers")
    missing: float | None = Field(None, description="number that means unknown, as 999999999")
    kind: Literal["extensive", "intensive"] = Field(
        description="counts, which are shared out, or shares and means, which are averaged"
    )
    weights: WeightsFile | None = Field(None, description="null: by area")
    repair: bool = Field(False, description="mend invalid polygons instead of refusing them")
    per_km2: Literal["land", "region"] | None = Field(
        None, description="divide by the region's area, or by that of its land"
    )

    @model_validator(mode="after")
    def _only_counts_per_area(self) -> "PolygonsSettings":
        if self.per_km2 is not None and self.kind == "intensive":
            raise ValueError("an intensive value is not divided by an area: leave per_km2 out")
        return self


def fetch(request: Request) -> None:
    """Copy the user's files, and refuse them where none of their polygons touches the city."""
    settings = request.settings
    request.take(settings.path)
    if settings.weights is not None:
        request.take(settings.weights.path)
    given = read(request.folder, settings)
    if given.table["value"].isna().all():
        raise InputError(f"{settings.path}: no polygon has a number in column {settings.value}")
    assert request.area is not None
    require_touching(given.table, request.area, settings.path)
    if given.weights is not None:
        require_touching(given.weights, request.area, settings.weights.path)


def read(folder: Path, settings: PolygonsSettings) -> Zones:
    """Read the polygons, valid and flat, and the weights.

    Raises
    ------
    InputError
        A file is absent, unreadable, lacks a column or a CRS; a polygon is empty, or invalid and
        not to be repaired; a weight is below 0.
    """
    parts = []
    for path in find_files(folder, settings.path):
        shapes = read_shapes(path, [settings.value], settings.layer, settings.where)
        shapes = flat_polygons(with_crs(shapes, settings.crs, path), path, None, settings.repair)
        written = pl.Series(text_ids(shapes[settings.value]), dtype=pl.String)
        values = numbers(written, f"{path.name}, column {settings.value}").to_numpy()
        table = gpd.GeoDataFrame({"value": values}, geometry=shapes.geometry.array, crs=shapes.crs)
        parts.append(table.assign(value=table["value"].mask(table["value"] == settings.missing)))
    weights = settings.weights
    return Zones(
        in_one_crs(parts),
        settings.kind,
        None if weights is None else read_weights(folder, weights, settings.repair),
        settings.per_km2,
    )


PROVIDER = Provider(
    name="polygons",
    layer="indicators",
    settings=PolygonsSettings,
    fetch=fetch,
    read=read,
    says="polygons of your own with a value each (whatever GeoPandas reads), by area or by weight",
)
