"""Columns of the tables that users bring (CSV, Parquet, JSON lines), read lazily, found by name.

Values of CSV and JSON stay text until something asks for a number (`numbers`): an id such as `094`
is no 94.
"""

import codecs
import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import polars as pl
from pydantic import AfterValidator, Field

from musecl.runtime.errors import InputError
from musecl.runtime.section import LARGEST, Section
from musecl.sources.files import (
    CSV,
    JSON,
    PARQUET,
    UNREADABLE,
    kind_of,
    not_readable,
    only_file_in,
    unpacked,
)

UTF8 = {"utf-8", "utf-8-sig", "ascii"}
KEYS_LOOKED_AT = 1_000  # JSON lines; a key that is null may be left out of a line


def _known_encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError as error:
        raise ValueError(f"no encoding {name!r}; try utf-8 or iso-8859-1") from error


Encoding = Annotated[str, AfterValidator(_known_encoding)]


class TableFile(Section):
    """A table of the user's: a CSV file, plain or packed, Parquet, or JSON lines."""

    path: str = Field(min_length=1, description="the file, below inputs/{city}/{layer}")
    encoding: Encoding = Field("utf-8-sig", description="of text, such as iso-8859-1")
    separator: str = Field(
        ",",
        min_length=1,
        max_length=1,
        description="of the fields of a CSV; where it is a semicolon, 1,5 is a number",
    )
    skip_rows: int = Field(
        0, ge=0, le=LARGEST, description="lines of a CSV before the names of its columns"
    )

    @property
    def decimal_comma(self) -> bool:
        """Whether a comma may part decimals."""
        return self.separator == ";"


def scan_columns(
    path: Path, names: Iterable[str], table: TableFile, optional: Iterable[str] = ()
) -> pl.LazyFrame:
    """Scan columns of a table by name, without reading it yet.

    Parameters
    ----------
    path : Path
        CSV (also in a .gz, a .zst, or alone in a .zip), Parquet, or JSON (an object a line, or an
        array of them).
    names : iterable of str
        Columns; `a.b` stands for the field `b` of the column `a`. Blanks around the name of a
        column in the file do not matter.
    table : TableFile
        How text is written.
    optional : iterable of str
        Further columns, which the file may lack.

    Returns
    -------
    LazyFrame
        A column for each name, without repetition, and for each optional one that the file has.
        Text in CSV and JSON, where empty is null; of Parquet the type that the file has, of a list
        its first entry.

    Raises
    ------
    InputError
        The file is of another kind, damaged, or lacks a column; the message lists both sides.
    """
    wanted = list(dict.fromkeys(names))
    try:
        if kind_of(path) == CSV:
            frame = _scan_csv(path, table)
        elif kind_of(path) == PARQUET:
            frame = pl.scan_parquet(path)
        elif kind_of(path) == JSON:
            return _scan_json(path, wanted, table, list(optional))
        else:
            raise InputError(f"{path}: no table; give a CSV, Parquet or JSON lines file")
        schema = frame.collect_schema()
    except UNREADABLE as error:
        raise not_readable(path, error) from error
    chosen = [_column(schema, name) for name in wanted]
    _require(path, wanted, [column is not None for column in chosen], list(schema))
    also = [name for name in optional if _column(schema, name) is not None]
    chosen += [_column(schema, name) for name in also]
    return frame.select(
        column.alias(name)
        for name, column in zip([*wanted, *also], chosen, strict=True)
        if column is not None
    )


def collect(frame: pl.LazyFrame, path: Path) -> pl.DataFrame:
    """Read what was scanned.

    Raises
    ------
    InputError
        The file is damaged or of another encoding.
    """
    try:
        return frame.collect()
    except UNREADABLE as error:
        raise not_readable(path, error) from error


def _scan_csv(path: Path, table: TableFile) -> pl.LazyFrame:
    source: Path | io.BytesIO = path
    if path.suffix.lower() == ".zip":
        names = only_file_in(path)
        if not names:
            raise ValueError("holds several files: unpack it")
        with zipfile.ZipFile(path) as archive:
            source = io.BytesIO(archive.read(names[0]))
    if table.encoding not in UTF8:
        packed = source.getvalue() if isinstance(source, io.BytesIO) else unpacked(path)
        source = io.BytesIO(packed.decode(table.encoding).encode())
    frame = pl.scan_csv(
        source,
        separator=table.separator,
        skip_lines=table.skip_rows,
        infer_schema=False,
        glob=False,
    )
    # A row of more cells than there are names is found out only where all columns are read.
    return frame.map_batches(lambda rows: rows, projection_pushdown=False, streamable=True)


def _scan_json(
    path: Path, wanted: list[str], table: TableFile, optional: list[str]
) -> pl.LazyFrame:
    """Scan text values of JSON; an object or array within stays as its JSON."""
    source: Path | io.BytesIO = path
    with path.open("rb") as file:
        start = file.read(64)
    array = start.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"[")
    try:
        if array or table.encoding not in UTF8 or start.startswith(codecs.BOM_UTF8):
            text = path.read_bytes().decode(table.encoding)
            lines = "\n".join(map(json.dumps, json.loads(text))) if array else text
            source = io.BytesIO(lines.encode())
        keys = _json_keys(source)
    except ValueError as error:
        raise not_readable(path, error) from error
    heads = {name: name if name in keys else name.split(".")[0] for name in wanted}
    _require(path, wanted, [head in keys for head in heads.values()], keys)
    heads |= {name: name for name in optional if name in keys}
    schema = dict.fromkeys(heads.values(), pl.String())
    frame = pl.scan_ndjson(source, schema=schema)
    return frame.select(
        (
            pl.col(head)
            if head == name
            else pl.col(head).str.json_path_match("$" + name.removeprefix(head))
        ).alias(name)
        for name, head in heads.items()
    )


def _json_keys(source: Path | io.BytesIO) -> list[str]:
    file = source.open("rb") if isinstance(source, Path) else io.BytesIO(source.getvalue())
    keys: dict[str, None] = {}
    with file:
        for _, line in zip(range(KEYS_LOOKED_AT), file, strict=False):
            row: Any = json.loads(line.decode("utf-8-sig") or "{}") if line.strip() else {}
            if not isinstance(row, dict):
                raise ValueError(f"a line that is no object: {line[:40]!r}")
            keys.update(dict.fromkeys(row))
    return list(keys)


def _column(schema: pl.Schema, name: str) -> pl.Expr | None:
    # A list of names may be written with blanks behind the commas.
    actual = {column.strip(): column for column in schema}.get(name.strip())
    if actual is not None:
        found, kind = pl.col(actual), schema[actual]
    else:
        head, *fields = name.split(".")
        if head not in schema:
            return None
        found, kind = pl.col(head), schema[head]
        for field in fields:
            inner = _fields(kind)
            if field not in inner:
                return None
            found, kind = found.struct.field(field), inner[field]
    if isinstance(kind, pl.List):
        return found.list.first()
    return found


def _fields(kind: pl.DataType) -> dict[str, Any]:
    return {one.name: one.dtype for one in kind.fields} if isinstance(kind, pl.Struct) else {}


def _require(path: Path, wanted: list[str], found: list[bool], known: list[str]) -> None:
    missing = [name for name, there in zip(wanted, found, strict=True) if not there]
    if missing:
        raise InputError(
            f"{path}: no column {', '.join(map(repr, missing))}; params.yaml names "
            f"{', '.join(wanted)}; the file has {', '.join(known)[:1000]}"
        )


def as_text(column: str, kind: pl.DataType) -> pl.Expr:
    """Read a column as ids or names; null where it is empty. A whole float is written without .0.

    A column of integers with gaps is often stored as floats.
    """
    if kind.is_float():
        number = pl.col(column)
        whole = number.cast(pl.Int64, strict=False)
        return (
            pl.when(whole.cast(pl.Float64) == number)
            .then(whole.cast(pl.String))
            .otherwise(number.fill_nan(None).cast(pl.String))
        )
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text)
