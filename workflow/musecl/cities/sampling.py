"""A small part of a user's files, to look at in place of all of them."""

import gzip
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from musecl.runtime.errors import InputError
from musecl.runtime.leftovers import without_leftovers
from musecl.sources.files import CSV, JSON, PARQUET

ROWS = 100_000
LARGE_BYTES = 64 << 20
PHOTOGRAPHS = 50


def sample_files(folder: Path, to: Path) -> list[str]:
    """Link the files of a folder into another one; of large tables, write the first rows.

    Parameters
    ----------
    folder : Path
        Of the user's files of a layer.
    to : Path
        Existing and empty.

    Returns
    -------
    list of str
        The files that were cut.

    Raises
    ------
    InputError
        A table is damaged.
    """
    cut = []
    for path in sorted(without_leftovers(folder.rglob("*"), folder)):
        if not path.is_file():
            continue
        part = to / path.relative_to(folder)
        part.parent.mkdir(parents=True, exist_ok=True)
        if path.stat().st_size > LARGE_BYTES and _cut(path, part):
            cut.append(path.name)
        else:
            part.symlink_to(path.absolute())
    return cut


def sample_pictures(folder: Path, pattern: str, to: Path) -> tuple[int, int]:
    """Link some of the files that a pattern stands for, and every table beside them.

    Returns
    -------
    tuple of int
        How many there are, and how many of them were linked, evenly spread.

    Raises
    ------
    InputError
        There is none.
    """
    named = without_leftovers(folder.glob(pattern), folder)
    found = sorted(path for path in named if path.is_file())
    if not found:
        raise InputError(
            f"{folder / pattern}: no such file; put it there, or name another one in params.yaml"
        )
    some = found[:: -(-len(found) // PHOTOGRAPHS)]
    for path in {*some, *folder.glob("*.csv")}:
        part = to / path.relative_to(folder)
        part.parent.mkdir(parents=True, exist_ok=True)
        part.symlink_to(path.absolute())
    return len(found), len(some)


def _cut(path: Path, part: Path) -> bool:
    """Write the first rows of a table; False where it is none that can be cut."""
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    try:
        if suffix in PARQUET:
            file = pq.ParquetFile(path)
            batches = list(islice(file.iter_batches(ROWS), 1))
            # The schema of the file knows that a column is geometry.
            pq.write_table(pa.Table.from_batches(batches, file.schema_arrow), part)
        elif suffix in CSV or (suffix in JSON and _is_lines(path)):
            opened = gzip.open if path.suffix == ".gz" else open
            with opened(path, "rb") as source, opened(part, "wb") as target:
                target.writelines(islice(source, ROWS + 1))
        else:
            return False
    except (OSError, EOFError, pa.ArrowException) as error:
        raise InputError(f"{path}: damaged ({error}); get the file again") from error
    return True


def _is_lines(path: Path) -> bool:
    """Tell an object a line from an array of them, or a GeoJSON, which cannot be cut by lines."""
    with path.open("rb") as file:
        start = file.readline(1 << 16).strip()
    return start.startswith(b"{") and start.endswith(b"}")
