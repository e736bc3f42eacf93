"""An indicator known by region: a table of the user's own."""

from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from musecl.runtime.errors import InputError
from musecl.sources.columns import TableFile, as_text, collect, scan_columns
from musecl.sources.contract import Values
from musecl.sources.files import find_files
from musecl.sources.numbers import numbers
from musecl.sources.provider import Provider, Request


class TableSettings(TableFile):
    """Which columns name the region and its value."""

    provider: Literal["table"]
    region_id: str = Field("region_id", description="column of the regions' names")
    value: str = Field(description="column of numbers")


def fetch(request: Request) -> None:
    """Copy the user's files, and refuse them where no region has a value."""
    request.take(request.settings.path)
    if read(request.folder, request.settings).table.empty:
        raise InputError(f"{request.settings.path}: no row has a region and a value")


def read(folder: Path, settings: TableSettings) -> Values:
    """Read values by region; rows without a value are left out and counted.

    Raises
    ------
    InputError
        A file is absent, unreadable or lacks a column.
    """
    tables = [_read_file(path, settings) for path in find_files(folder, settings.path)]
    return Values(pl.concat(tables).drop_nulls("value").to_pandas())


def _read_file(path: Path, settings: TableSettings) -> pl.DataFrame:
    region, value = settings.region_id, settings.value
    rows = collect(scan_columns(path, [region, value], settings), path)
    found = numbers(rows[value], f"{path.name}, column {value}", settings.decimal_comma)
    names = as_text(region, rows[region].dtype).fill_null("").alias("region_id")
    return rows.select(names).with_columns(found.alias("value"))


PROVIDER = Provider(
    name="table",
    layer="indicators",
    settings=TableSettings,
    fetch=fetch,
    read=read,
    says="values of your own by region_id (CSV, Parquet)",
)
