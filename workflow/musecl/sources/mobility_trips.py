"""Trips of any city, out of tables of the user's: two points a row, or the stations at both ends.

Chicago's taxis and Citi Bike write positions; BiciMAD and Helsinki's bikes write stations.
"""

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, model_validator

from musecl.runtime.errors import InputError
from musecl.runtime.section import Section
from musecl.sources.columns import TableFile, as_text, collect, scan_columns
from musecl.sources.contract import Trips
from musecl.sources.files import find_file, find_files
from musecl.sources.located import LocatedFile, read_located
from musecl.sources.numbers import as_number
from musecl.sources.positions import DEGREES, known_positions, require_within
from musecl.sources.provider import Provider, Request
from musecl.sources.times import Time, local_times

ENDS = ["origin", "destination"]
Positions = dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]


class End(Section):
    """Columns that say where a trip starts or ends: a position, or a station."""

    longitude: str | None = Field(None, description="column, degrees (EPSG:4326)")
    latitude: str | None = Field(None, description="column, degrees (EPSG:4326)")
    station: str | None = Field(None, description="column of ids that `stations` knows")

    @model_validator(mode="after")
    def _one_way(self) -> "End":
        given = self.longitude is not None, self.latitude is not None, self.station is not None
        if given not in ((True, True, False), (False, False, True)):
            raise ValueError("give longitude and latitude, or station")
        return self


class Stations(LocatedFile):
    """A table of stations, or a geographic file of points."""

    id: str = Field(min_length=1, description="column of ids; text, so `094` is not 94")


class TripsTable(TableFile):
    """Tables with a row a trip, or a row for some trips of the same ends."""

    provider: Literal["trips"]
    origin: End
    destination: End
    stations: Stations | None = Field(None, description="where stations are")
    start: Time | None = Field(None, description="when a trip starts; null where unknown")
    count: str | None = Field(None, description="column of how many trips a row stands for")

    @model_validator(mode="after")
    def _stations_where_named(self) -> "TripsTable":
        named = self.origin.station is not None or self.destination.station is not None
        if named != (self.stations is not None):
            raise ValueError("an end that is a station needs `stations`, and nothing else does")
        return self


def fetch(request: Request) -> None:
    """Copy the files and check them.

    Raises
    ------
    InputError
        As `read` does, or too few ends lie in the city.
    """
    settings = request.settings
    request.take(settings.path)
    if settings.stations is not None:
        request.take(settings.stations.path)
    table = read(request.folder, settings).table
    if request.area is not None:
        ends = (table[[f"{end}_longitude", f"{end}_latitude"]].to_numpy() for end in ENDS)
        longitude, latitude = np.concatenate(list(ends)).T
        where = str(request.inputs / settings.path)
        require_within(longitude, latitude, request.area, where)


def read(folder: Path, settings: TripsTable) -> Trips:
    """Read the trips; those of which no end is known are left out and counted.

    Raises
    ------
    InputError
        A file is not readable or lacks a column, a station stands in its table twice, no trip
        has an end that is known, or most starts or counts cannot be read.
    """
    stations = None if settings.stations is None else read_stations(folder, settings.stations)
    paths = find_files(folder, settings.path)
    table = pd.concat([_read_file(path, settings, stations) for path in paths], ignore_index=True)
    known = {end: table[f"{end}_longitude"].notna() for end in ENDS}
    either = known["origin"] | known["destination"]
    if not either.any():
        raise InputError(f"{folder / settings.path}: no trip has an end that is known")
    print(
        f"mobility: {len(table)} rows, {(known['origin'] & known['destination']).sum()} with both "
        f"ends; {(~either).sum()} without any are left out; {table['start'].notna().sum()} with a "
        f"start, {table['trips'].sum():.10g} trips"
    )
    return Trips(table[either].reset_index(drop=True))


def read_stations(folder: Path, settings: Stations) -> pl.DataFrame:
    """Read stations: `id` (str, unique), `longitude`, `latitude` (degrees, EPSG:4326).

    Raises
    ------
    InputError
        An id stands twice at different positions, or the file is not what `read_located` takes.
    """
    path = find_file(folder, settings.path)
    points = read_located(path, [settings.id], settings)
    points = points[points[settings.id].notna()].to_crs(DEGREES)
    inside = points.geometry.representative_point()
    stations = pl.DataFrame(
        {
            "id": points[settings.id].to_list(),
            "longitude": inside.x.to_numpy(),
            "latitude": inside.y.to_numpy(),
        },
        schema_overrides={"id": pl.String},
    ).unique(maintain_order=True)
    twice = stations.filter(pl.col("id").is_duplicated())
    if len(twice):
        raise InputError(
            f"{path}: {twice['id'].n_unique()} stations stand at several positions, first "
            f"{twice['id'][0]!r}; leave one row for each"
        )
    return stations


def _read_file(path: Path, settings: TripsTable, stations: pl.DataFrame | None) -> pd.DataFrame:
    ends = {"origin": settings.origin, "destination": settings.destination}
    start = None if settings.start is None else settings.start.column
    names = [one for end in ends.values() for one in end.model_dump().values()]
    needed = [name for name in [*names, start, settings.count] if name is not None]
    raw = collect(scan_columns(path, needed, settings), path)
    columns: dict[str, NDArray[np.float64] | pd.Series] = {}
    for name, end in ends.items():
        if end.station is not None and stations is not None:
            position = _of_stations(raw, end.station, stations, path)
        else:
            position = _of_columns(raw, str(end.longitude), str(end.latitude), settings, path)
        columns[f"{name}_longitude"], columns[f"{name}_latitude"] = position
    when = pl.Series([None], dtype=pl.Datetime("us")).new_from_index(0, len(raw))
    if settings.start is not None:
        when = local_times(raw[settings.start.column], settings.start, str(path))
    columns["start"] = when.to_pandas()
    trips, right = counts_of(raw, settings.count, settings, path)
    return pd.DataFrame(columns).assign(trips=trips)[right]


def _of_columns(
    raw: pl.DataFrame, longitude: str, latitude: str, table: TableFile, path: Path
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    east, north = (
        as_number(raw[column], table.decimal_comma).fill_null(float("nan")).to_numpy()
        for column in (longitude, latitude)
    )
    known = known_positions(east, north, f"{path}, {longitude} and {latitude}")
    if not known.all():
        print(f"{path.name}: {(~known).sum()} of {len(raw)} rows have no {longitude}, {latitude}")
    return np.where(known, east, np.nan), np.where(known, north, np.nan)


def _of_stations(
    raw: pl.DataFrame, station: str, stations: pl.DataFrame, path: Path
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    ids = raw.select(as_text(station, raw[station].dtype).alias("id"))
    found = ids.join(stations, on="id", how="left", maintain_order="left")
    known = found["longitude"].is_not_null()
    strange = ids.filter(~known)["id"].drop_nulls()
    if len(ids) and not known.any():
        raise InputError(
            f"{path}: no {station} is a station; it holds {strange.head(3).to_list()}, the "
            f"stations are {stations['id'].head(3).to_list()}"
        )
    if not known.all():
        print(
            f"{path.name}: {(~known).sum()} of {len(raw)} rows have no known {station}; "
            f"{strange.n_unique()} ids are not among the stations"
        )
    filled = found.select(pl.col("longitude", "latitude").fill_null(float("nan")))
    return filled["longitude"].to_numpy(), filled["latitude"].to_numpy()


def counts_of(
    raw: pl.DataFrame, count: str | None, table: TableFile, path: Path
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Read how many trips each row stands for: 1 where no column tells it.

    Returns
    -------
    array of float, shape (N,)
    array of bool, shape (N,)
        False for rows without a count above 0; those are counted and printed.

    Raises
    ------
    InputError
        No count is above 0.
    """
    if count is None:
        return np.ones(len(raw)), np.ones(len(raw), dtype=bool)
    trips = as_number(raw[count], table.decimal_comma).fill_null(0.0).to_numpy()
    right = trips > 0
    if len(trips) and not right.any():
        raise InputError(f"{path}: no {count} is a number above 0; name another column as count")
    if not right.all():
        print(f"{path.name}: {(~right).sum()} of {len(raw)} rows have no {count} above 0, left out")
    return trips, right


PROVIDER = Provider(
    name="trips",
    layer="mobility",
    settings=TripsTable,
    fetch=fetch,
    read=read,
    says="Trips between points or stations, in CSV, Parquet or JSON lines",
)
