"""Files of the user's: found by name, told apart by their ending, packed or not."""

import gzip
import zipfile
from pathlib import Path

import polars as pl

from musecl.runtime.errors import InputError
from musecl.runtime.leftovers import without_leftovers

CSV = {".csv", ".tsv", ".txt"}
PARQUET = {".parquet", ".pq", ".geoparquet"}
JSON = {".json", ".jsonl", ".ndjson"}
PACKED = (".gz", ".zst", ".zip")
UNREADABLE = (OSError, ValueError, zipfile.BadZipFile, pl.exceptions.PolarsError)


def find_files(folder: Path, pattern: str) -> list[Path]:
    """Find the files that a name or pattern stands for, sorted.

    Raises
    ------
    InputError
        There is none.
    """
    found = sorted(
        path for path in without_leftovers(folder.glob(pattern), folder) if path.is_file()
    )
    if not found:
        raise InputError(f"{folder / pattern}: no such file; fetch it again")
    return found


def find_file(folder: Path, pattern: str) -> Path:
    """Find the one file that a name stands for.

    Raises
    ------
    InputError
        There is none, or more than one.
    """
    found = find_files(folder, pattern)
    if len(found) > 1:
        raise InputError(f"{folder / pattern}: {len(found)} files; name one of them in params.yaml")
    return found[0]


def kind_of(path: Path) -> set[str]:
    """Tell whether a file is `CSV`, `PARQUET` or `JSON` by its name; an empty set if none.

    A .zip whose own name does not tell is what the only file in it is.
    """
    name = path.name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    if path.suffix.lower() == ".zip" and not Path(name).suffix:
        name = (only_file_in(path) or [""])[0].lower()
    suffix = Path(name).suffix
    return next((kind for kind in (CSV, PARQUET, JSON) if suffix in kind), set())


def not_readable(path: Path, error: Exception) -> InputError:
    """Say in one line why a file cannot be read, and what may help."""
    reason = " ".join(str(error).split())[:200]
    encoded = isinstance(error, UnicodeError) or "utf-8" in reason.lower() or "utf8" in reason
    if encoded:
        help_ = "set its encoding, such as iso-8859-1"
    elif isinstance(error, pl.exceptions.PolarsError):
        help_ = "check its separator, its quotes and skip_rows, or give another file"
    else:
        help_ = "give another file"
    return InputError(f"{path}: not readable ({reason}); {help_}")


def unpacked(path: Path) -> bytes:
    """Read a file, or what a .gz holds."""
    if path.suffix.lower() == ".gz":
        with gzip.open(path) as file:
            return file.read()
    return path.read_bytes()


def only_file_in(path: Path) -> list[str]:
    """Name the only file in a .zip; none where there are several, as of a shapefile."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [
                name
                for name in archive.namelist()
                if not name.startswith("__MACOSX/") and not name.endswith("/")
            ]
    except (OSError, zipfile.BadZipFile) as error:
        raise not_readable(path, error) from error
    return names if len(names) == 1 else []
