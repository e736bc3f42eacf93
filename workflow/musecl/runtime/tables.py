"""Tables on disk: Parquet, GeoParquet and CSV, a schema checked where they are written.

A region is keyed by `region_id` everywhere and joined by it, never by the position of a row.
"""

import io
from collections.abc import Mapping
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray
from pandera.errors import SchemaError, SchemaErrors

from musecl.runtime.errors import InputError

KEY = "region_id"


def write_table(frame: pd.DataFrame, schema: pa.DataFrameSchema, path: Path) -> None:
    """Check a table and write it as Parquet (GeoParquet where it has a geometry), without index.

    Parameters
    ----------
    frame : DataFrame or GeoDataFrame
        The table; its index is dropped.
    schema : pandera.pandas.DataFrameSchema
        Columns, their types and checks; columns are written in the schema's order. The description
        of a column, and the `unit` of its metadata, go into the metadata of the Parquet field.
    path : Path
        Where to.

    Raises
    ------
    InputError
        A column is missing, unknown or wrong; the message names it and the first bad value.
    """
    frame = frame.reset_index(drop=True)
    checked = _check(frame, schema, str(path))[list(schema.columns)]
    about = {
        name: {"description": column.description, "unit": (column.metadata or {}).get("unit")}
        for name, column in schema.columns.items()
    }
    _write_parquet(checked, about, path)


def _write_parquet(
    frame: pd.DataFrame, about: Mapping[str, Mapping[str, str | None]], path: Path
) -> None:
    """Write a table as Parquet, and beside each column what is said about it."""
    written = io.BytesIO()
    frame.to_parquet(written, index=False)
    if not any(value for said in about.values() for value in said.values()):
        path.write_bytes(written.getbuffer())
        return
    table = pyarrow.parquet.read_table(written)
    fields = [
        field.with_metadata(
            {key: value for key, value in about.get(field.name, {}).items() if value}
        )
        for field in table.schema
    ]
    described = pyarrow.schema(fields, table.schema.metadata)
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays(table.columns, schema=described), path)


def write_csv(frame: pd.DataFrame, path: Path, schema: pa.DataFrameSchema | None = None) -> None:
    """Write a table of results as CSV: no index, six decimals, the same bytes on every system.

    Parameters
    ----------
    frame : DataFrame
        The table.
    path : Path
        Where to.
    schema : pandera.pandas.DataFrameSchema, optional
        Columns, their types and checks.

    Raises
    ------
    InputError
        A column is missing, unknown or wrong; the message names it and the first bad value.
    """
    checked = frame if schema is None else _check(frame, schema, str(path))
    checked.to_csv(path, index=False, float_format="%.6f", lineterminator="\n")


def read_table(path: Path, schema: pa.DataFrameSchema | None = None) -> pd.DataFrame:
    """Read a table that `write_table` wrote.

    Raises
    ------
    InputError
        The file is damaged, or not of the schema.
    """
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: not readable as a table ({_one_line(error)}); build it again"
        ) from error
    return frame if schema is None else _check(frame, schema, str(path))


def read_by_region(path: Path, regions: pd.Series, what: str) -> pd.DataFrame:
    """Read a table with a row for each of the regions, in their order and indexed by them.

    Raises
    ------
    InputError
        The file is damaged, or a region has no `what` in it: a true zero must be written.
    """
    frame = read_table(path).set_index(KEY).reindex(regions)
    absent = frame.index[frame.isna().any(axis=1)]
    if len(absent):
        raise InputError(f"{path}: {len(absent)} regions have no {what}, first {absent[0]!r}")
    return frame


def read_geotable(path: Path) -> gpd.GeoDataFrame:
    """Read a GeoParquet table that `write_table` wrote, in the CRS it was written in.

    Raises
    ------
    InputError
        The file is damaged.
    """
    try:
        return gpd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: not readable as a geographic table ({_one_line(error)}); build it again"
        ) from error


def _check(frame: pd.DataFrame, schema: pa.DataFrameSchema, where: str) -> pd.DataFrame:
    try:
        checked: pd.DataFrame = schema.validate(frame)
    except (SchemaError, SchemaErrors) as error:
        raise InputError(f"{where}: {_one_line(error)}") from error
    return checked


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def key_column() -> pa.Column:
    """Build the column `region_id` of a table with one row per region."""
    return pa.Column(str, nullable=False, unique=True, description="the region")


def require_same_regions(known: pd.Series, found: pd.Series, where: str) -> None:
    """Refuse a table that names a region which the region table does not hold.

    Raises
    ------
    InputError
        With the number of unknown regions and the first of them.
    """
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise InputError(
            f"{where}: {len(unknown)} regions are not in the region table, first {unknown[0]!r}"
        )


def write_vectors(
    path: Path,
    keys: pd.DataFrame,
    about: Mapping[str, str] | None = None,
    /,
    **vectors: NDArray[np.floating],
) -> None:
    """Write vectors beside the keys they belong to, as Parquet lists of float32.

    Parameters
    ----------
    path : Path
        Where to.
    keys : DataFrame
        N rows; holds `region_id` and, for tables of single views, `viewpoint`.
    about : mapping of str to str, optional
        By column: what the metadata of the Parquet field says it is.
    **vectors : array of shape (N, D)
        A column each; D may differ between them.

    Raises
    ------
    InputError
        A vector's length is not N, or a value is not finite.
    """
    frame = keys.reset_index(drop=True).copy()
    for name, values in vectors.items():
        if len(values) != len(frame):
            raise InputError(f"{path}: {name} has {len(values)} rows for {len(frame)} keys")
        with np.errstate(over="ignore"):
            single = np.asarray(values, dtype=np.float32)
        if not np.isfinite(single).all():
            raise InputError(f"{path}: {name} holds values that are not finite")
        frame[name] = list(single)
    said = {name: {"description": text} for name, text in (about or {}).items()}
    _write_parquet(frame, said, path)


def read_vectors(path: Path, name: str) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """Read what `write_vectors` wrote: the keys (N rows) and one column as an (N, D) array.

    Of a modality that the city lacks, N and D are 0.

    Raises
    ------
    InputError
        The file is damaged or has no such column.
    """
    frame = read_table(path)
    if name not in frame.columns:
        raise InputError(f"{path}: has no column {name!r}; it has {', '.join(frame.columns)}")
    keys = frame[
        [column for column in frame.columns if column in (KEY, "viewpoint", "orientation")]
    ]
    if frame.empty:
        return keys, np.zeros((0, 0), np.float32)
    return keys, np.stack(frame[name].to_list()).astype(np.float32)
