"""What a user's table or geographic file holds, by its first rows: columns, kinds, CRS."""

import codecs
import gzip
import json
import re
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from musecl.runtime.errors import InputError
from musecl.sources.files import CSV, JSON, PARQUET
from musecl.sources.numbers import as_number

RASTER = {".tif", ".tiff"}
SEPARATORS = ",;\t|"
ROWS = 1000
SHOWN_COLUMNS = 30
BYTES = 1 << 18
MINIMUM_SHARE = 0.9
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
AXES = [
    ("longitude", "latitude"),
    ("lon", "lat"),
    ("lng", "lat"),
    ("long", "lat"),
    ("easting", "northing"),
    ("x", "y"),
]


@dataclass(frozen=True)
class FileSample:
    """What is seen of a file.

    Attributes
    ----------
    rows : DataFrame
        The first ones, every column as text, without geometry.
    options : dict
        What has to be set to read it: `encoding`, `separator`, `layer`.
    kind : str or None
        `Point`, `Polygon` or whatever else its shapes are; None for a table.
    crs : CRS or None
        Of the shapes.
    count : int or None
        Of all rows, where the file says so.
    """

    rows: pl.DataFrame
    options: dict[str, Any] = field(default_factory=dict)
    kind: str | None = None
    crs: CRS | None = None
    count: int | None = None

    @property
    def columns(self) -> list[str]:
        """Their names."""
        return self.rows.columns

    @property
    def about(self) -> str:
        """What the file holds, in a line."""
        parts = [] if self.count is None else [f"{self.count} rows"]
        parts += [self.kind] if self.kind else []
        parts += [crs_name(self.crs)] if self.crs else []
        more = (
            f" and {len(self.columns) - SHOWN_COLUMNS} more"
            if len(self.columns) > SHOWN_COLUMNS
            else ""
        )
        named = f"columns: {', '.join(self.columns[:SHOWN_COLUMNS])}{more}"
        return " ".join("; ".join([*parts, named]).split())

    def numbers(self, column: str) -> NDArray[np.float64]:
        """Read a column's first rows as numbers, nan where one is none; `$1,200.50` is one."""
        decimal_comma = self.options.get("separator") == ";"
        return as_number(self.rows[column], decimal_comma).fill_null(np.nan).to_numpy()

    def is_number(self, column: str) -> bool:
        """Whether nearly all of a column's first rows are numbers, or empty."""
        filled = int((self.rows[column].fill_null("").str.strip_chars() != "").sum())
        found = int(np.isfinite(self.numbers(column)).sum())
        return found > 0 and found >= MINIMUM_SHARE * filled


def crs_name(crs: CRS) -> str:
    """Name a CRS as params.yaml would: `EPSG:4326`, or in words where it has no number."""
    authority = crs.to_authority()
    return ":".join(authority) if authority else crs.name


def look(path: Path) -> FileSample:
    """Look at a table or a geographic file.

    Raises
    ------
    InputError
        It is neither, damaged, or holds no row.
    """
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    try:
        if suffix in CSV:
            seen = _text(path)
        elif suffix in PARQUET:
            seen = _parquet(path)
        elif suffix in JSON and not _is_geojson(path):
            seen = _lines(path)
        else:
            seen = _shapes(path)
    except InputError:
        raise
    except Exception as error:  # pyogrio's own errors have no common base
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not readable ({reason}); give another file") from error
    if seen.rows.is_empty():
        raise InputError(f"{path}: holds no row; give another file")
    return seen


def words_of(name: str) -> set[str]:
    """Split a column's name: `startLng`, `start_lng` and `Start Lng` are start and lng."""
    return {word.lower() for word in WORD.findall(name)}


def column_like(columns: list[str], *wanted: str) -> str | None:
    """Find the column whose name holds the first of some words that any column holds."""
    for word in wanted:
        exact = [name for name in columns if name.lower() == word]
        holding = [name for name in columns if word in words_of(name)]
        if exact or holding:
            return (exact or holding)[0]
    return None


def axes(seen: FileSample, of: set[str] | None = None) -> tuple[str, str] | None:
    """Find the columns of longitude and latitude, or of x and y.

    Parameters
    ----------
    seen : FileSample
        The file.
    of : set of str, optional
        Words of which both names hold one: the columns of a trip's origin.
    """
    names = [
        name
        for name in seen.columns
        if seen.is_number(name) and (of is None or words_of(name) & of)
    ]
    for east, north in AXES:
        pair = column_like(names, east), column_like(names, north)
        if pair[0] is not None and pair[1] is not None:
            return pair[0], pair[1]
    return None


def _text(path: Path) -> FileSample:
    with path.open("rb") as raw:
        packed = path.suffix == ".gz"
        start = gzip.GzipFile(fileobj=raw).read(BYTES) if packed else raw.read(BYTES)
    encoding = "utf-8-sig"
    try:
        codecs.getincrementaldecoder(encoding)().decode(start)
    except UnicodeDecodeError:
        encoding = "iso-8859-1"
    lines = start.decode(encoding, "replace").splitlines()
    if len(start) == BYTES:
        lines.pop()
    header = lines[0] if lines else ""
    separator = max(SEPARATORS, key=header.count)
    rows = pl.read_csv(
        "\n".join(lines[: ROWS + 1]).encode(),
        separator=separator,
        infer_schema=False,
        truncate_ragged_lines=True,
    )
    options = {} if encoding == "utf-8-sig" else {"encoding": encoding}
    return FileSample(rows, options | ({} if separator == "," else {"separator": separator}))


def _parquet(path: Path) -> FileSample:
    file = pq.ParquetFile(path)
    geo = json.loads((file.schema_arrow.metadata or {}).get(b"geo", b"{}"))
    shapes = geo.get("columns", {})
    batches = list(islice(file.iter_batches(ROWS), 1))
    # A field of a column is named with a dot: `names.primary`.
    table = pa.Table.from_batches(batches, file.schema_arrow).drop(list(shapes)).flatten()
    plain = [one.name for one in table.schema if not _is_nested(one.type)]
    rows = pl.DataFrame(table.select(plain)).select(pl.all().cast(pl.String, strict=False))
    if not shapes:
        return FileSample(rows, count=file.metadata.num_rows)
    column = shapes[geo["primary_column"]]
    kinds = column.get("geometry_types") or [_first_kind(batches, geo["primary_column"])]
    crs = column.get("crs", "OGC:CRS84")
    return FileSample(
        rows,
        kind=kinds[0].removeprefix("Multi").removesuffix(" Z"),
        crs=None if crs is None else CRS.from_user_input(crs),
        count=file.metadata.num_rows,
    )


def _first_kind(batches: list[pa.RecordBatch], column: str) -> str:
    """Kind of the first shape, where the file does not say which kinds it holds."""
    shapes = [shape for batch in batches for shape in batch.column(column).to_pylist() if shape]
    return str(shapely.from_wkb(shapes[0]).geom_type) if shapes else "Unknown"


def _is_nested(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    )


def _is_geojson(path: Path) -> bool:
    with path.open("rb") as file:
        return b'"FeatureCollection"' in file.read(BYTES)


def _lines(path: Path) -> FileSample:
    with path.open("rb") as file:
        array = file.read(64).lstrip(codecs.BOM_UTF8).lstrip().startswith(b"[")
        file.seek(0)
        if array:
            found = json.load(file)[:ROWS]
        else:
            found = [json.loads(line) for _, line in zip(range(ROWS), file, strict=False)]
    columns = list(dict.fromkeys(key for row in found for key in row))
    texts = {
        key: [None if row.get(key) is None else str(row[key]) for row in found] for key in columns
    }
    return FileSample(pl.DataFrame(texts, schema=dict.fromkeys(columns, pl.String())))


def _shapes(path: Path) -> FileSample:
    layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
    if not layers:
        raise InputError(f"{path}: holds no shapes; give another file")
    options = {} if len(layers) == 1 else {"layer": layers[0]}
    found = gpd.read_file(path, layer=layers[0], rows=ROWS)
    kinds = found.geom_type.dropna()
    table = found.drop(columns=found.geometry.name)
    texts = {
        str(name): [None if value is None or value != value else str(value) for value in column]
        for name, column in table.items()
    }
    return FileSample(
        pl.DataFrame(texts, schema=dict.fromkeys(texts, pl.String()), height=len(found)),
        options,
        kind=str(kinds.iloc[0]).removeprefix("Multi") if len(kinds) else "Unknown",
        crs=found.crs,
        count=int(pyogrio.read_info(path, layer=layers[0])["features"]),
    )
