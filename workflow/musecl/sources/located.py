"""Tables whose rows have a place: positions or shapes in columns, or a geographic file."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import shapely
from pydantic import Field, model_validator
from pyproj import CRS

from musecl.runtime.errors import InputError
from musecl.sources.columns import TableFile, as_text, collect, scan_columns
from musecl.sources.files import CSV, JSON, PARQUET, kind_of, not_readable
from musecl.sources.numbers import as_number
from musecl.sources.positions import DEGREES, known_positions
from musecl.sources.shapes import CrsName, read_shapes, text_ids, with_crs


class LocatedFile(TableFile):
    """A table whose rows have a position or a shape, or a file that GeoPandas reads."""

    layer: str | None = Field(None, description="of a GeoPackage with several")
    longitude: str | None = Field(None, description="column of it, or of x in the CRS given")
    latitude: str | None = Field(None, description="column of it, or of y in the CRS given")
    geometry: str | None = Field(
        None, description="column of WKT or WKB; a file that knows its geometry needs none"
    )
    crs: CrsName | None = Field(
        None, description="of positions, EPSG:4326 if null; or of a file that names none"
    )

    @model_validator(mode="after")
    def _one_position(self) -> "LocatedFile":
        if (self.longitude is None) != (self.latitude is None):
            raise ValueError("longitude and latitude go together")
        if self.longitude is not None and self.geometry is not None:
            raise ValueError("give longitude and latitude, or geometry, not both")
        return self


def read_located(path: Path, names: list[str], settings: LocatedFile) -> gpd.GeoDataFrame:
    """Read columns of a table, or of a geographic file, together with where its rows are.

    Parameters
    ----------
    path : Path
        CSV, Parquet, GeoParquet, JSON lines, or whatever GeoPandas reads.
    names : list of str
        Columns; their values become text.
    settings : LocatedFile
        Which columns hold the position, and the CRS.

    Returns
    -------
    GeoDataFrame
        The columns (str, missing where empty) and the geometry, in the CRS found, indexed by the
        number of the row, from 1. A row without a position, or at (0, 0), is left out; how many are
        is printed.

    Raises
    ------
    InputError
        The file is not readable, lacks a column, knows no CRS, or most positions are impossible.
    """
    if settings.longitude is not None and settings.latitude is not None:
        located = _by_position(path, names, settings.longitude, settings.latitude, settings)
    elif kind_of(path) in (CSV, JSON) or (kind_of(path) == PARQUET and not _knows_shapes(path)):
        located = _by_column(path, names, settings)
    else:
        located = _by_file(path, names, settings)
    located.index = range(1, len(located) + 1)
    geometry = located.geometry
    nowhere = shapely.equals(geometry.to_numpy(), shapely.Point(0, 0))
    left = geometry.isna() | geometry.is_empty | nowhere
    if left.any():
        print(f"{path.name}: {left.sum()} of {len(located)} rows have no position, left out")
    if left.all():
        raise InputError(f"{path}: no row has a position; name other columns in params.yaml")
    return located[~left]


def _by_position(
    path: Path, names: list[str], longitude: str, latitude: str, settings: LocatedFile
) -> gpd.GeoDataFrame:
    axes = (longitude, latitude)
    if kind_of(path):
        table = collect(scan_columns(path, [*names, *axes], settings), path)
        texts = _texts(table, names)
        written = [table[axis] for axis in axes]
    else:
        shapes = read_shapes(path, [*names, *axes], settings.layer)
        texts = pd.DataFrame({name: text_ids(shapes[name]) for name in names})
        written = [pl.Series(text_ids(shapes[axis]), dtype=pl.String) for axis in axes]
    x, y = (
        as_number(axis, settings.decimal_comma).fill_null(np.nan).to_numpy() for axis in written
    )
    crs = CRS.from_user_input(settings.crs or DEGREES)
    known = np.isfinite(x) & np.isfinite(y)
    if crs.is_geographic:
        known = known_positions(x, y, str(path))
    points = shapely.points(np.where(known, x, np.nan), np.where(known, y, np.nan))
    points[~known] = None
    return gpd.GeoDataFrame(texts, geometry=points, crs=crs)


def _by_column(path: Path, names: list[str], settings: LocatedFile) -> gpd.GeoDataFrame:
    """Read shapes that stand in a column as WKB (`geometry`, unless named otherwise) or WKT."""
    geometry = settings.geometry or "geometry"
    if settings.geometry is None and kind_of(path) != PARQUET:
        raise InputError(f"{path}: name the columns longitude and latitude, or geometry")
    table = collect(scan_columns(path, [*names, geometry], settings), path)
    read = shapely.from_wkb if table[geometry].dtype == pl.Binary else shapely.from_wkt
    try:
        shapes = read(table[geometry].to_numpy())
    except (shapely.errors.GEOSException, TypeError) as error:
        raise InputError(f"{path}: {geometry!r} is neither WKB nor WKT ({error})") from error
    return gpd.GeoDataFrame(_texts(table, names), geometry=shapes, crs=settings.crs or DEGREES)


def _by_file(path: Path, names: list[str], settings: LocatedFile) -> gpd.GeoDataFrame:
    parquet = kind_of(path) == PARQUET
    # A field of a column, as `names.primary`, is one to polars alone.
    columns = [] if parquet else names
    if settings.geometry is not None:
        columns = [*columns, settings.geometry]
    shapes = with_crs(read_shapes(path, columns, settings.layer), settings.crs, path)
    if settings.geometry is not None:
        shapes = shapes.set_geometry(settings.geometry)
    if parquet:
        texts = _texts(collect(scan_columns(path, names, settings), path), names)
    else:
        texts = pd.DataFrame({name: text_ids(shapes[name]) for name in names})
    return gpd.GeoDataFrame(texts, geometry=shapes.geometry.to_numpy(), crs=shapes.crs)


def _texts(table: pl.DataFrame, names: list[str]) -> pd.DataFrame:
    texts = table.select(as_text(name, table[name].dtype).alias(name) for name in names)
    return pd.DataFrame({name: texts[name].to_list() for name in names}, dtype=object)


def _knows_shapes(path: Path) -> bool:
    """Tell a GeoParquet file from a Parquet file."""
    try:
        return b"geo" in (pq.read_schema(path).metadata or {})
    except (OSError, ValueError) as error:
        raise not_readable(path, error) from error
