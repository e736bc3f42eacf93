"""Flows of any city, out of tables of the user's: origin, destination and how many trips.

The ends are zones of a polygon file, as those of New York's taxis, or regions by name.
"""

from pathlib import Path
from typing import Literal

import geopandas as gpd
import polars as pl
from pydantic import Field, model_validator

from musecl.runtime.errors import InputError
from musecl.runtime.section import Section
from musecl.sources.columns import TableFile, as_text, collect, scan_columns
from musecl.sources.contract import Flows
from musecl.sources.files import find_file, find_files
from musecl.sources.mobility_trips import counts_of
from musecl.sources.numbers import as_number
from musecl.sources.positions import require_touching
from musecl.sources.provider import Provider, Request
from musecl.sources.shapes import CrsName, flat_polygons, read_shapes, text_ids, with_crs
from musecl.sources.times import Time, local_times
from musecl.sources.weights import WeightsFile, read_weights


class ZonesFile(Section):
    """A file of zones that GeoPandas reads."""

    path: str = Field(min_length=1, description="the file, below inputs/{city}/mobility")
    id: str = Field(min_length=1, description="column of ids; polygons of the same id are one zone")
    layer: str | None = Field(None, description="of a GeoPackage with several")
    crs: CrsName | None = Field(None, description="where the file names none, such as EPSG:4326")
    repair: bool = Field(False, description="make invalid rings valid instead of refusing them")


class FlowsTable(TableFile):
    """Tables of counts, or of single trips between zones."""

    provider: Literal["flows"]
    origin: str = Field(min_length=1, description="column of zones or region ids")
    destination: str = Field(min_length=1, description="column of zones or region ids")
    count: str | None = Field(None, description="column of trips; null: each row is one trip")
    hour: str | None = Field(None, description="column of the hour, 0 to 23, local")
    start: Time | None = Field(None, description="when a trip starts, instead of an hour")
    zones: ZonesFile | None = Field(None, description="null where the ends are region ids")
    weights: WeightsFile | None = Field(None, description="null: zones are shared out by area")

    @model_validator(mode="after")
    def _one_hour(self) -> "FlowsTable":
        if self.hour is not None and self.start is not None:
            raise ValueError("give hour or start, not both")
        if self.weights is not None and self.zones is None:
            raise ValueError("weights share out zones, and there are none")
        return self


def fetch(request: Request) -> None:
    """Copy the files and check them.

    Raises
    ------
    InputError
        As `read` does, or no zone or weight meets the city.
    """
    settings = request.settings
    request.take(settings.path)
    for further in (settings.zones, settings.weights):
        if further is not None:
            request.take(further.path)
    flows = read(request.folder, settings)
    if request.area is None or flows.zones is None:
        return
    require_touching(flows.zones, request.area, str(request.inputs / settings.zones.path))
    if flows.weights is not None:
        require_touching(flows.weights, request.area, str(request.inputs / settings.weights.path))


def read(folder: Path, settings: FlowsTable) -> Flows:
    """Read the counts; two rows may be of the same ends and hour.

    A row without one of its ends keeps the other one: the missing one is an empty text, which is
    no zone.

    Raises
    ------
    InputError
        A file is not readable or lacks a column; a zone is invalid or without id; an hour is out
        of range; or no end is a zone.
    """
    paths = find_files(folder, settings.path)
    table = pl.concat([_read_file(path, settings) for path in paths])
    zones = None if settings.zones is None else read_zones(folder, settings.zones)
    if zones is not None:
        _require_zones(table, zones, folder / settings.path)
    weights = None
    if settings.weights is not None and settings.zones is not None:
        weights = read_weights(folder, settings.weights, settings.zones.repair)
    print(f"mobility: {len(table)} rows, {table['trips'].sum():.10g} trips")
    return Flows(table.to_pandas().astype({"hour": "Int8"}), zones, weights)


def read_zones(folder: Path, settings: ZonesFile) -> gpd.GeoDataFrame:
    """Read zones: `zone` (str, unique, sorted) and polygons in the CRS of the file.

    Raises
    ------
    InputError
        The file is not readable, has no CRS or no such column, or a row that is empty, no polygon,
        invalid and not to be repaired, or without id.
    """
    path = find_file(folder, settings.path)
    shapes = read_shapes(path, [settings.id], settings.layer)
    shapes = flat_polygons(with_crs(shapes, settings.crs, path), path, settings.id, settings.repair)
    ids = text_ids(shapes[settings.id])
    if ids.isna().any():
        row = int(ids.isna().to_numpy().argmax()) + 1
        raise InputError(f"{path}: no {settings.id} in row {row}; leave the row out, or name it")
    zones = gpd.GeoDataFrame({"zone": ids}, geometry=shapes.geometry, crs=shapes.crs)
    repeated = int(zones["zone"].duplicated().sum())
    if repeated:
        print(f"{path.name}: {repeated} polygons repeat an id and are put together")
        zones = zones.dissolve("zone").reset_index()
    return zones.sort_values("zone", ignore_index=True)


def _read_file(path: Path, settings: FlowsTable) -> pl.DataFrame:
    start = None if settings.start is None else settings.start.column
    names = [settings.origin, settings.destination, settings.count, settings.hour, start]
    needed = [name for name in names if name is not None]
    raw = collect(scan_columns(path, needed, settings), path)
    ends = {"origin": settings.origin, "destination": settings.destination}
    table = raw.select(
        as_text(column, raw[column].dtype).fill_null("").alias(end) for end, column in ends.items()
    )
    hour = pl.Series([None], dtype=pl.Int8).new_from_index(0, len(raw))
    if settings.hour is not None:
        hour = _hours(raw[settings.hour], settings, path)
    elif settings.start is not None:
        hour = local_times(raw[settings.start.column], settings.start, str(path)).dt.hour()
    trips, right = counts_of(raw, settings.count, settings, path)
    return table.with_columns(hour.alias("hour"), pl.Series("trips", trips)).filter(right)


def _hours(written: pl.Series, settings: FlowsTable, path: Path) -> pl.Series:
    hours = as_number(written, settings.decimal_comma)
    wrong = hours.filter(~hours.is_between(0, 23) | (hours != hours.floor()))
    if len(wrong):
        raise InputError(
            f"{path}: {len(wrong)} hours in {settings.hour!r} are not 0 to 23, first "
            f"{wrong[0]:g}; give times as start instead"
        )
    return hours.cast(pl.Int8)


def _require_zones(table: pl.DataFrame, zones: gpd.GeoDataFrame, where: Path) -> None:
    known = zones["zone"].to_list()
    for end in ("origin", "destination"):
        strange = table.filter(~pl.col(end).is_in(known))
        if len(table) and len(strange) == len(table):
            raise InputError(
                f"{where}: no {end} is a zone; it holds {strange[end].head(3).to_list()}, the "
                f"zones are {known[:3]}"
            )
        if len(strange):
            print(
                f"mobility: {strange['trips'].sum():.10g} trips have an {end} that is no zone, as "
                f"{strange[end].unique().sort().head(3).to_list()}; it lies outside"
            )


PROVIDER = Provider(
    name="flows",
    layer="mobility",
    settings=FlowsTable,
    fetch=fetch,
    read=read,
    says="Counts of trips between zones or regions, in CSV, Parquet or JSON lines",
)
