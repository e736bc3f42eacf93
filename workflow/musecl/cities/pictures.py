"""The settings of rasters and photographs, as far as they can be read off their headers."""

from pathlib import Path
from typing import Any

import rasterio
from PIL import Image
from pyproj import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from musecl.cities.entry import Entry
from musecl.cities.guessing import described
from musecl.cities.looking import crs_name, look
from musecl.runtime.errors import InputError

EIGHT_BITS = "uint8"
COLOURS = ("red", "green", "blue")
SAMPLED_PHOTOGRAPHS = 20
GPS, LATITUDE, LONGITUDE = 0x8825, 2, 4
NEEDED = ["file", "longitude", "latitude"]


def guess_satellite(paths: list[Path], pattern: str) -> Entry:
    """Look at the first of the rasters that a city is seen in.

    Raises
    ------
    InputError
        It is no raster.
    """
    with opened(paths[0]) as raster:
        settings: dict[str, Any] = {"provider": "raster", "path": pattern}
        kinds = set(raster.dtypes)
        about = about_raster(raster)
        notes, missing = {}, None
        bands = _bands(raster)
        eight = kinds == {EIGHT_BITS}
        if bands is not None and not (eight and bands == {"red": 1, "green": 2, "blue": 3}):
            settings["bands"] = bands
            notes["bands"] = "check them: or {red: , green: , blue: }, or {gray: }"
        if raster.crs is None:
            settings["crs"] = None
            missing = "crs, which the file does not name"
        if raster.nodata is None and not eight:
            notes["path"] = "no value for no data is named in it: set nodata if there is one"
    more = f" (the first of {len(paths)} files)" if len(paths) > 1 else ""
    return Entry(settings, about + more, notes, missing=missing)


def guess_raster_indicator(paths: list[Path], pattern: str) -> Entry:
    """Look at the first of the rasters that an indicator is made of; errors as above."""
    with opened(paths[0]) as raster:
        about = about_raster(raster)
        if raster.crs is None:
            raise InputError(f"{paths[0]}: names no CRS; write one into it by gdal_edit.py -a_srs")
    settings = {"provider": "raster", "path": pattern, "statistic": "mean"}
    notes = {"statistic": "mean, or sum for counts per pixel such as people"}
    return described(Entry(settings, about, notes), "identity")


def guess_street_view(paths: list[Path], pattern: str, root: Path) -> tuple[Entry, list[Path]]:
    """Look at photographs: the entry, and the table of positions that is taken along.

    Parameters
    ----------
    paths : list of Path
        The photographs.
    pattern : str
        That stands for them below `root`.
    root : Path
        Folder that they lie in; a CSV there may say where they were taken.

    Raises
    ------
    InputError
        There is a CSV, and it cannot be read.
    """
    settings: dict[str, Any] = {"provider": "folder", "path": pattern}
    looked = paths[:: -(-len(paths) // SAMPLED_PHOTOGRAPHS)]
    located = sum(_has_position(path) for path in looked)
    about = f"files: {len(paths)}; {located} of {len(looked)} looked at have a position in them"
    tables = [path for path in sorted(root.glob("*.csv")) if set(NEEDED) <= set(look(path).columns)]
    if tables:
        settings["table"] = tables[0].name
    if located or tables:
        return Entry(settings, about), tables[:1]
    missing = f"table, a CSV of {', '.join(NEEDED)}, as no photograph looked at has a position"
    return Entry(settings, about, missing=missing), []


def opened(path: Path) -> DatasetReader:
    """Open a raster.

    Raises
    ------
    InputError
        It is none.
    """
    try:
        return rasterio.open(path)
    except RasterioError as error:
        raise InputError(f"{path}: not readable as a raster ({error}); give a GeoTIFF") from error


def about_raster(raster: DatasetReader) -> str:
    """Say in a line what a raster holds."""
    crs = "no CRS" if raster.crs is None else crs_name_of(raster)
    size = f"{raster.width} x {raster.height} pixels of {abs(raster.res[0]):g}"
    return f"{raster.count} bands of {raster.dtypes[0]}; {size}; {crs}"


def crs_name_of(raster: DatasetReader) -> str:
    """Name the CRS of a raster as params.yaml would."""
    return crs_name(CRS.from_wkt(raster.crs.to_wkt()))


def _bands(raster: DatasetReader) -> dict[str, int] | None:
    """Say which bands are colours, where the raster says so or there is no better guess."""
    roles = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
    if all(role in raster.colorinterp for role in roles):
        numbers = [raster.colorinterp.index(role) + 1 for role in roles]
        return dict(zip(COLOURS, numbers, strict=True))
    if raster.count >= 3:
        return dict(zip(COLOURS, (1, 2, 3), strict=True))
    return None if raster.colorinterp[0] == ColorInterp.palette else {"gray": 1}


def _has_position(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            place = image.getexif().get_ifd(GPS)
    # Pillow's readers have no common error for what is broken.
    except Exception:
        return False
    return LATITUDE in place and LONGITUDE in place
