"""An indicator known by a raster: people or light per pixel."""

import glob
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import rasterio
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pyproj import CRS, Transformer
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window
from shapely.geometry.base import BaseGeometry

from musecl.runtime.errors import InputError
from musecl.runtime.section import Count, Section
from musecl.sources.contract import Raster
from musecl.sources.files import find_files
from musecl.sources.positions import DEGREES
from musecl.sources.provider import Provider, Request

# The widest regions that there are reach this far beyond the land.
MARGIN_M = 25_000
METRES_A_DEGREE = 111_320
# A file of so many times the pixels of the city's box is cut down to it.
MUCH_LARGER = 4
ROWS_AT_ONCE = 512


class RasterSettings(Section):
    """A raster's band, and what is made of its pixels in a region."""

    provider: Literal["raster"]
    path: str = Field(
        min_length=1, description="GeoTIFF; a pattern stands for many that do not overlap"
    )
    statistic: Literal["sum", "mean"] = Field(
        description="pixels weighed by how much of each a region covers; below 0 is none in a sum"
    )
    band: Count = Field(1, description="counted from 1")
    nodata: float | None = Field(
        None, allow_inf_nan=True, description="value without data, where the file has none"
    )
    per_km2: Literal["land", "region"] | None = Field(
        None, description="divide by the region's area, or by that of its land"
    )

    @model_validator(mode="after")
    def _only_sums_per_area(self) -> "RasterSettings":
        if self.per_km2 is not None and self.statistic == "mean":
            raise ValueError("a mean is not divided by an area: leave per_km2 out")
        return self


def fetch(request: Request) -> None:
    """Take what the rasters hold of the city: a copy, or where one is much larger a part of it.

    Raises
    ------
    InputError
        A raster is unreadable, is damaged over the city, has no CRS, is not upright, lacks the band
        or differs in its grid from the others; or none has data in the city.
    """
    settings = request.settings
    grids: dict[Path, object] = {}
    known = 0
    for path in request.find(settings.path):
        with _opened(path) as raster:
            _check(raster, path, settings.band)
            grids[path] = (raster.crs, np.round(raster.res, 12).tolist())
            window = window_around(request.area, raster)
            if window is None:
                print(f"{path}: lies outside the city and is left out")
                continue
            known += _take(request, path, raster, window)
    first = next(iter(grids))
    for path, grid in grids.items():
        if grid != grids[first]:
            raise InputError(f"{path}: its grid differs from that of {first.name}; warp it first")
    if known == 0:
        raise InputError(f"{settings.path}: no pixel in the city has data; check the file")


def read(folder: Path, settings: RasterSettings) -> Raster:
    """Name the rasters that were fetched.

    Raises
    ------
    InputError
        There is none.
    """
    paths = find_files(folder, settings.path)
    return Raster(paths, settings.statistic, settings.band, settings.nodata, settings.per_km2)


def window_around(area: BaseGeometry, raster: DatasetReader) -> Window | None:
    """Find the pixels around a city, with room for regions that reach beyond its land.

    Parameters
    ----------
    area : Polygon or MultiPolygon
        EPSG:4326.
    raster : DatasetReader
        Upright, with a CRS.

    Returns
    -------
    Window or None
        Whole pixels; None where the raster holds none of them.
    """
    west, south, east, north = area.bounds
    up = MARGIN_M / METRES_A_DEGREE
    aside = up / max(np.cos(np.radians(max(abs(south), abs(north)))), 0.01)
    to_raster = Transformer.from_crs(DEGREES, CRS.from_wkt(raster.crs.to_wkt()), always_xy=True)
    box = to_raster.transform_bounds(
        west - aside, max(south - up, -90), east + aside, min(north + up, 90), densify_pts=21
    )
    columns, rows = ~raster.transform @ (np.array(box[::2]), np.array(box[3::-2]))
    left, right = np.clip([np.floor(columns[0]), np.ceil(columns[1])], 0, raster.width)
    top, bottom = np.clip([np.floor(rows[0]), np.ceil(rows[1])], 0, raster.height)
    if not (left < right and top < bottom):
        return None
    return Window(int(left), int(top), int(right - left), int(bottom - top))


def _opened(path: Path) -> DatasetReader:
    try:
        return rasterio.open(path)
    except RasterioError as error:
        raise InputError(f"{path}: not readable as a raster ({error}); check the file") from error


def _check(raster: DatasetReader, path: Path, band: int) -> None:
    if raster.crs is None:
        raise InputError(f"{path}: names no coordinate reference system; set one by gdal_edit.py")
    step = raster.transform
    if step.b != 0 or step.d != 0 or step.a <= 0 or step.e >= 0:
        raise InputError(f"{path}: is rotated or upside down; warp it first (gdalwarp)")
    if band > raster.count:
        raise InputError(f"{path}: has no band {band}, only {raster.count}; set `band`")


def _take(request: Request, path: Path, raster: DatasetReader, window: Window) -> int:
    """Copy a raster, or the window of it, and count the pixels with data in the window."""
    settings = request.settings
    name = path.relative_to(request.inputs)
    much_larger = raster.width * raster.height >= MUCH_LARGER * window.width * window.height
    # A mask beside the pixels would be lost in the cut.
    masked = MaskFlags.per_dataset in raster.mask_flag_enums[settings.band - 1]
    if masked or not much_larger:
        request.take(glob.escape(str(name)))
        return sum(known for _, _, known in _strips(raster, path, window, settings))
    copy = request.folder / name
    copy.parent.mkdir(parents=True, exist_ok=True)
    total = 0
    with rasterio.open(
        copy,
        "w",
        driver="GTiff",
        width=window.width,
        height=window.height,
        count=raster.count,
        dtype=raster.dtypes[0],
        crs=raster.crs,
        transform=raster.window_transform(window),
        nodata=raster.nodata,
        compress="deflate",
    ) as part:
        part.scales, part.offsets = raster.scales, raster.offsets
        for strip, pixels, known in _strips(raster, path, window, settings):
            row = strip.row_off - window.row_off
            part.write(pixels, window=Window(0, row, strip.width, strip.height))
            total += known
    request.record(
        copy,
        source=path.name,
        source_bytes=path.stat().st_size,
        source_pixels=[raster.width, raster.height],
        window=[window.col_off, window.row_off, window.width, window.height],
    )
    return total


def _strips(
    raster: DatasetReader, path: Path, window: Window, settings: RasterSettings
) -> Iterator[tuple[Window, NDArray[np.generic], int]]:
    """Read a window in pieces: where each lies, its pixels (bands, H, W), how many have data."""
    for top in range(0, window.height, ROWS_AT_ONCE):
        height = min(ROWS_AT_ONCE, window.height - top)
        strip = Window(window.col_off, window.row_off + top, window.width, height)
        try:
            pixels = raster.read(window=strip)
            data = raster.read_masks(settings.band, window=strip) > 0
        except RasterioError as error:
            raise InputError(
                f"{path}: damaged in rows {strip.row_off} to {strip.row_off + height}, columns "
                f"{strip.col_off} to {strip.col_off + strip.width} ({error}); get the file again"
            ) from error
        if settings.nodata is not None:
            data &= pixels[settings.band - 1] != settings.nodata
        yield strip, pixels, int(data.sum())


PROVIDER = Provider(
    name="raster",
    layer="indicators",
    settings=RasterSettings,
    fetch=fetch,
    read=read,
    says="rasters of your own (GeoTIFF), summed or averaged by exact coverage",
)
