"""Photographs in a folder of the user's: where each was taken stands in it, or in a table.

`photographs.csv` beside them names those that can be used.
"""

from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Literal, cast

import pandas as pd
from PIL import Image
from pydantic import Field

from musecl.runtime.errors import InputError
from musecl.runtime.workers import in_pieces
from musecl.sources.columns import TableFile, as_text, collect, scan_columns
from musecl.sources.contract import Photographs
from musecl.sources.numbers import numbers
from musecl.sources.photograph import MOST_PIXELS, Header, can_be_decoded, read_header
from musecl.sources.positions import known_positions, require_within
from musecl.sources.provider import Provider, Request

RECORD = "photographs.csv"
COLUMNS = ["path", "longitude", "latitude", "heading", "taken", "panorama"]
HEIC = (".heic", ".heif")
YES_OR_NO = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
BROKEN, TOO_LARGE, NOWHERE = "broken or no photograph", "too large", "without a position"


class FolderSettings(TableFile):
    """Photographs below `inputs/{city}/street_view`; how the text of their table is written."""

    provider: Literal["folder"]
    path: str = Field(min_length=1, description="photographs: a file or pattern, such as **/*.jpg")
    table: str | None = Field(
        default=None,
        description="a table of file, longitude, latitude; and heading, taken, panorama if known",
    )
    megapixels: float = Field(
        default=200,
        gt=0,
        le=MOST_PIXELS / 1e6,
        description="a larger photograph is left out, not decoded",
    )


def fetch(request: Request) -> None:
    """Copy the photographs and list those that can be used; the others are counted.

    Raises
    ------
    InputError
        There is no photograph, or none that can be used; one is HEIC; the table lacks a column;
        most positions are out of the range of degrees, or too few lie in the city.
    """
    settings = cast(FolderSettings, request.settings)
    found = request.find(settings.path)
    for path in found:
        if path.suffix.lower() in HEIC:
            raise InputError(f"{path}: HEIC is not read; save the photographs as JPEG")
    given = None
    if settings.table is not None:
        (table,) = request.take(settings.table)
        given = _read_positions(table, settings)
    taken = request.take(settings.path)
    names = [path.relative_to(request.folder).as_posix() for path in taken]

    def look(path: Path) -> Header | str:
        return _header(path, settings.megapixels)

    headers = dict(zip(names, in_pieces(look, taken), strict=True))
    usable = {name: header for name, header in headers.items() if isinstance(header, Header)}
    where = str(request.inputs / (settings.table or settings.path))
    rows = _locate(usable, given, where)
    left_out = Counter(reason for reason in headers.values() if isinstance(reason, str))
    left_out[NOWHERE] = len(usable) - len(rows)
    said = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()) if count)
    if rows.empty:
        raise InputError(
            f"{request.inputs / settings.path}: none of {len(taken)} photographs can be used "
            f"({said}); give a table of positions, or others"
        )
    if said:
        print(f"{len(taken)} photographs, left out: {said}")
    if request.area is not None:
        require_within(
            rows["longitude"].to_numpy(), rows["latitude"].to_numpy(), request.area, where
        )
    file = request.folder / RECORD
    rows.to_csv(file, index=False, lineterminator="\n")
    request.record(file, source="computed")


def read(folder: Path, settings: FolderSettings) -> Photographs:
    """Read which photographs there are, and where each was taken.

    Raises
    ------
    InputError
        The folder lacks its record.
    """
    path = folder / RECORD
    try:
        table = pd.read_csv(path, dtype={"path": str, "panorama": bool}, parse_dates=["taken"])
        table[["longitude", "latitude", "heading"]] = table[
            ["longitude", "latitude", "heading"]
        ].astype(float)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not readable as CSV ({error}); fetch it again") from error
    table["taken"] = pd.to_datetime(table["taken"])
    return Photographs(table[COLUMNS], folder)


def _header(path: Path, megapixels: float) -> Header | str:
    """Read what a photograph says of itself, or say why it is left out."""
    try:
        header = read_header(path, megapixels * 1e6)
    # Pillow's readers have no common error for what is broken.
    except Exception as error:
        return TOO_LARGE if isinstance(error, Image.DecompressionBombError) else BROKEN
    return header if can_be_decoded(path) else BROKEN


def _read_positions(path: Path, settings: FolderSettings) -> pd.DataFrame:
    """Read the table of positions: indexed by file, what is known of each; nan where blank."""
    required = ["file", "longitude", "latitude"]
    columns = scan_columns(path, required, settings, COLUMNS[3:])
    rows = collect(columns, path)
    rows = rows.with_columns(as_text(name, rows.schema[name]) for name in rows.columns)
    rows = rows.drop_nulls("file")
    files = [str(PurePosixPath(name)) for name in rows["file"]]
    table = pd.DataFrame({name: rows[name].to_pandas() for name in rows.columns[1:]})
    table.index = pd.Index(files, name="file")
    twice = table.index[table.index.duplicated()]
    if not twice.empty:
        raise InputError(f"{path}: names {twice[0]} twice; leave one row for each photograph")
    known = table.reindex(columns=COLUMNS[1:])
    for name in {"longitude", "latitude", "heading"} & set(rows.columns):
        what = f"{path.name}, column {name}"
        known[name] = numbers(rows[name], what, settings.decimal_comma).to_numpy()
    known["taken"] = pd.to_datetime(known["taken"], errors="coerce", format="ISO8601")
    # A column that the table lacks is of no text.
    known["panorama"] = known["panorama"].astype("string").str.lower().map(YES_OR_NO)
    return known


def _locate(headers: dict[str, Header], given: pd.DataFrame | None, where: str) -> pd.DataFrame:
    """Rows of `COLUMNS` of those with a position; what the table knows stands above the EXIF."""
    said = pd.DataFrame(
        {name: [getattr(one, name) for one in headers.values()] for name in COLUMNS[1:]},
        index=pd.Index(headers, name="path"),
    )
    said["taken"] = pd.to_datetime(said["taken"])
    if given is not None:
        told = given.reindex(said.index)
        both = told["longitude"].notna() & told["latitude"].notna()
        for name in COLUMNS[1:]:
            known = told[name].notna() & (both if name in ("longitude", "latitude") else True)
            said[name] = said[name].where(~known, told[name])
    longitude, latitude = (said[name].to_numpy(float) for name in ("longitude", "latitude"))
    here = known_positions(longitude, latitude, where)
    said["heading"] %= 360
    said["panorama"] = said["panorama"].astype(bool)
    return said[here].reset_index()[COLUMNS]


PROVIDER = Provider(
    "folder",
    "street_view",
    FolderSettings,
    fetch,
    read,
    "photographs of your own, flat or panoramas, with positions in their EXIF or in a table",
    imagery="photographic",
)
