"""Files of the user's: found by name, told apart by their ending, packed or not."""

import gzip
import stat
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

import polars as pl

from musecl.runtime.errors import InputError
from musecl.runtime.leftovers import without_leftovers

CSV = {".csv", ".tsv", ".txt"}
PARQUET = {".parquet", ".pq", ".geoparquet"}
JSON = {".json", ".jsonl", ".ndjson"}
PACKED = (".gz", ".zst", ".zip")
# Bytes that an archive may hold, unpacked: some go into memory whole.
LARGEST_ZIP = 64 << 30
# A larger one that unpacks to so many times its bytes is made to fill memory. Blanks in a small
# one, as those of a shapefile's table, may be packed as tightly.
SMALL_ZIP, MOST_PACKED = 64 << 20, 100
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
        names = [name for name in names_in_zip(path) if not name.endswith("/")]
    except (OSError, zipfile.BadZipFile) as error:
        raise not_readable(path, error) from error
    return names if len(names) == 1 else []


def names_in_zip(path: Path) -> list[str]:
    """List what a .zip holds, but what a Mac leaves, before anything of it is unpacked.

    Raises
    ------
    InputError
        A member lies outside of it or is a link, or it unpacks to far more than it should.
    OSError, BadZipFile
        It is no .zip.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if ".." in name.parts or name.is_absolute() or PureWindowsPath(name).drive:
            raise InputError(f"{path}: holds {str(name)!r}, a path out of it; pack it anew")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise InputError(f"{path}: holds the link {str(name)!r}; pack the file itself")
    # Nothing is unpacked beyond the size that the archive says of a member.
    size = sum(member.file_size for member in members)
    packed = max(1, path.stat().st_size)
    if size > LARGEST_ZIP or (size > SMALL_ZIP and size > MOST_PACKED * packed):
        raise InputError(
            f"{path}: unpacks to {size >> 20} MiB, {size // packed} times its bytes; unpack it "
            "yourself if that is right"
        )
    return [one.filename for one in members if not one.filename.startswith("__MACOSX/")]
