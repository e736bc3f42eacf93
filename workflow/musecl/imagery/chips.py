"""Chips of imagery per region, cut from georeferenced rasters of any bands, type and CRS."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.errors import CRSError, RasterioError
from rasterio.io import DatasetReader
from rasterio.warp import Resampling, reproject, transform_bounds
from rasterio.windows import Window, from_bounds
from rasterio.windows import transform as window_transform
from scipy import sparse

from musecl.geography.geo import metric_crs
from musecl.imagery.images import encode_image
from musecl.imagery.settings import SatelliteSettings
from musecl.runtime.errors import InputError
from musecl.runtime.progress import progress
from musecl.runtime.tables import KEY
from musecl.runtime.workers import in_pieces
from musecl.sources.contract import Rasters
from musecl.sources.geotiff import (
    EIGHT_BITS,
    colour_bands,
    mask_counts,
    open_geotiff,
    palette,
    read_valid,
)

# Chips that one thread cuts from rasters that it opens for them.
PIECE = 32
DEGREE_M = 111_320
# Pixels; by less than that, positions differ after a projection.
ROUNDING = 1e-7
# An overview is read where it still has so many pixels along one of the chip's.
MINIMUM_OVERSAMPLING = 2
Bounds = tuple[float, float, float, float]
Chip = NDArray[np.uint8]


def cut_chips(
    source: Rasters, regions: gpd.GeoDataFrame, settings: SatelliteSettings
) -> pd.DataFrame:
    """Cut a chip around the centre of every region that the rasters cover.

    Parameters
    ----------
    source : Rasters
        Of any CRS.
    regions : GeoDataFrame
        The region table.
    settings : SatelliteSettings
        Size of a chip.

    Returns
    -------
    DataFrame
        Rows as `write_images` takes them, `viewpoint` and `orientation` 0; a region of whose chip
        nothing has data is left out.

    Raises
    ------
    InputError
        A raster is not what `source` says, or a part of it cannot be read.
    """
    cutter = ChipCutter(source, metric_crs(regions), settings.ground_m, settings.pixels)
    centres = list(
        regions.sort_values(KEY)[[KEY, "longitude", "latitude"]].itertuples(index=False, name=None)
    )

    def cut(some: list[tuple[str, float, float]]) -> list[tuple[Any, ...]]:
        chips = cutter.cut([(longitude, latitude) for _, longitude, latitude in some])
        return [
            (region, 0, 0, longitude, latitude, encode_image(chip))
            for (region, longitude, latitude), chip in zip(some, chips, strict=True)
            if chip is not None
        ]

    pieces = [centres[start : start + PIECE] for start in range(0, len(centres), PIECE)]
    cuts = progress("pieces of chips", in_pieces(cut, pieces), len(pieces))
    columns = [KEY, "viewpoint", "orientation", "longitude", "latitude", "image"]
    return pd.DataFrame([row for rows in cuts for row in rows], columns=columns)


class ChipCutter:
    """Cuts square, north-up chips from rasters, each pixel the mean of the ground it covers.

    Parameters
    ----------
    source : Rasters
        Of any CRS; none of them stays open.
    crs : CRS
        A metric one, that of the chips.
    ground_m : float
        Side of a chip on the ground.
    pixels : int
        Side of a chip in the image.

    Raises
    ------
    InputError
        A raster has no CRS, lacks a band, or does not say which bands are colours; a raster that
        is not of 8 bits comes without a stretch.
    """

    def __init__(self, source: Rasters, crs: CRS, ground_m: float, pixels: int) -> None:
        self.source, self.crs, self.ground_m, self.pixels = source, crs, ground_m, pixels
        self.sheets = [_sheet(path, source, ground_m / pixels) for path in source.paths]
        # Most rasters of a city are in its own CRS: their pixels are averaged without a warp, which
        # takes several times as long.
        self.aligned = {
            sheet.wkt: CRS.from_wkt(sheet.wkt).equals(crs, ignore_axis_order=True)
            for sheet in self.sheets
        }
        self._to_metric = Transformer.from_crs("EPSG:4326", crs, always_xy=True)

    def cut(self, centres: Sequence[tuple[float, float]]) -> list[Chip | None]:
        """Cut the chips centred at points (EPSG:4326); threads may do so side by side.

        Returns
        -------
        list of (array of shape (pixels, pixels, 3), uint8, or None)
            RGB, black where the rasters have no data; None if they have none at all.

        Raises
        ------
        InputError
            A part of a raster cannot be read.
        """
        # An open raster belongs to one thread.
        opened: dict[Path, DatasetReader] = {}
        with ExitStack() as stack:
            return [self._cut(*centre, opened, stack) for centre in centres]

    def _cut(
        self,
        longitude: float,
        latitude: float,
        opened: dict[Path, DatasetReader],
        stack: ExitStack,
    ) -> Chip | None:
        easting, northing = self._to_metric.transform(longitude, latitude)
        half = self.ground_m / 2
        bounds = (easting - half, northing - half, easting + half, northing + half)
        sums: NDArray[np.float32] | None = None
        for sheet, window in self._touched(bounds):
            if sheet.path not in opened:
                opened[sheet.path] = stack.enter_context(sheet.open())
            values = sheet.read(opened[sheet.path], window)
            plain = self.aligned[sheet.wkt] and sheet.surrounds(bounds)
            part = (self._average if plain else self._warp)(sheet, values, window, bounds)
            # What lies on top hides as much of what is below as it covers.
            sums = part if sums is None else sums + (1 - sums[-1]) * part
            if sums[-1].min() >= 1:
                break
        if sums is None or not sums[-1].any():
            return None
        means = sums[:-1] / np.where(sums[-1] > 0, sums[-1], 1)
        if self.source.stretch is not None:
            low, high = np.array(self.source.stretch, np.float32).T[:, :, None, None]
            means = ((means - low) / (high - low)).clip(0, 1) * 255 * (sums[-1] > 0)
        chip = means.round().astype(np.uint8).transpose(1, 2, 0)
        return np.ascontiguousarray(np.broadcast_to(chip, (*chip.shape[:2], 3)))

    def _touched(self, bounds: Bounds) -> list[tuple["Sheet", Window]]:
        """Rasters that a box of the chips' CRS touches, the top one first, and where."""
        around: dict[str, Bounds] = {}
        touched = []
        for sheet in reversed(self.sheets):
            if sheet.wkt not in around and self.aligned[sheet.wkt]:
                around[sheet.wkt] = bounds
            elif sheet.wkt not in around:
                around[sheet.wkt] = transform_bounds(self.crs, sheet.crs, *bounds, densify_pts=21)
            window = sheet.window(around[sheet.wkt])
            if window is not None:
                touched.append((sheet, window))
        return touched

    def _average(
        self, sheet: "Sheet", part: NDArray[np.float32], window: Window, bounds: Bounds
    ) -> NDArray[np.float32]:
        """Average the pixels of a raster whose axes are those of the chip."""
        to_window = ~window_transform(window, sheet.transform)
        left, top = to_window @ (bounds[0], bounds[3])
        right, bottom = to_window @ (bounds[2], bounds[1])
        rows = _shares(top, bottom, self.pixels, part.shape[1])
        columns = _shares(left, right, self.pixels, part.shape[2])
        averaged = np.ones((len(part), self.pixels, self.pixels), np.float32)
        # Where there is data everywhere, its mean is known.
        for number in range(len(part) - bool(part[-1].all())):
            averaged[number] = (columns @ (rows @ part[number]).T).T
        return averaged

    def _warp(
        self, sheet: "Sheet", part: NDArray[np.float32], window: Window, bounds: Bounds
    ) -> NDArray[np.float32]:
        scale = self.ground_m / self.pixels
        transform = Affine.translation(bounds[0], bounds[3]) @ Affine.scale(scale, -scale)
        warped = np.zeros((len(part), self.pixels, self.pixels), np.float32)
        reproject(
            part,
            warped,
            src_transform=window_transform(window, sheet.transform),
            src_crs=sheet.crs,
            dst_transform=transform,
            dst_crs=self.crs,
            resampling=Resampling.average,
        )
        return warped


def _shares(start: float, end: float, count: int, size: int) -> sparse.csr_array:
    """Say which share of each of `count` steps from start to end each of `size` pixels has.

    Returns
    -------
    sparse array of shape (count, size)
        Rows add up to 1.
    """
    edges = start + (end - start) / count * np.arange(count + 1)
    touched = int(np.ceil((end - start) / count)) + 1
    pixel = np.floor(edges[:-1]).astype(np.int64)[:, None] + np.arange(touched)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    overlap = np.where((pixel >= 0) & (pixel < size) & (overlap > ROUNDING), overlap, 0)
    shares = overlap / overlap.sum(axis=1, keepdims=True)
    starts = np.arange(0, shares.size + 1, touched)
    return sparse.csr_array(
        (shares.ravel(), pixel.clip(0, size - 1).ravel(), starts), shape=(count, size)
    )


@dataclass(frozen=True)
class Sheet:
    """A raster that is not open: where its pixels lie, and which of them are colours.

    Attributes
    ----------
    path : Path
    overview : int or None
        The overview that stands for the raster, from 0 on.
    crs, wkt : CRS of rasterio, and its text
    transform : Affine
        From column and row of the overview to the CRS.
    height, width : int
        Of the overview.
    bands : tuple of int
        Red, green and blue, or one: gray, or a number in a palette.
    colours : array of shape (256, 3) or None
        The palette.
    masked : bool
        Whether its mask tells where there is data.
    nodata : float or None
        As in `Rasters`.
    """

    path: Path
    overview: int | None
    crs: rasterio.CRS
    wkt: str
    transform: Affine
    height: int
    width: int
    bands: tuple[int, ...]
    colours: NDArray[np.uint8] | None
    masked: bool
    nodata: float | None

    def surrounds(self, bounds: Bounds) -> bool:
        """Whether its rows run from west to east, the first in the north, on all sides of a box."""
        t = self.transform
        if not (t.b == t.d == 0 and t.a > 0 > t.e):
            return False
        left, top = ~t @ (bounds[0], bounds[3])
        right, bottom = ~t @ (bounds[2], bounds[1])
        return bool(
            min(left, top) > -ROUNDING
            and right < self.width + ROUNDING
            and bottom < self.height + ROUNDING
        )

    def open(self) -> DatasetReader:
        """Open it, at its overview."""
        return _open(self.path, self.overview)

    def window(self, bounds: Bounds) -> Window | None:
        """Pixels that a box of the raster's CRS touches, if any."""
        if not np.isfinite(bounds).all():
            return None
        window = from_bounds(*bounds, transform=self.transform)
        left, top = int(window.col_off) - 2, int(window.row_off) - 2
        right, bottom = int(left + window.width + 5), int(top + window.height + 5)
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, self.width), min(bottom, self.height)
        if left >= right or top >= bottom:
            return None
        return Window(left, top, right - left, bottom - top)

    def read(self, raster: DatasetReader, window: Window) -> NDArray[np.float32]:
        """Colours, and 1 where there is data, 0 in all of them where there is none.

        Raises
        ------
        InputError
            The window cannot be read; the message names it.
        """
        try:
            values, valid = read_valid(raster, self.bands, self.masked, self.nodata, window)
        except RasterioError as error:
            left, top, width, height = (round(side) for side in window.flatten())
            raise InputError(
                f"{self.path}: columns {left} to {left + width} and rows {top} to {top + height} "
                f"cannot be read ({_reason(error)}); put a whole file there"
            ) from error
        if self.colours is not None:
            # Colours can be averaged, class numbers cannot.
            values = self.colours[values[0]].transpose(2, 0, 1)
        part = np.empty((len(values) + 1, *valid.shape), np.float32)
        part[:-1] = values if valid.all() else np.where(valid, values, 0)
        part[-1] = valid
        return part


def _sheet(path: Path, source: Rasters, pixel_m: float) -> Sheet:
    with open_geotiff(path, source.crs) as raster:
        bands = colour_bands(raster, source.bands, str(path))
        colours = palette(raster) if source.bands is None and len(bands) == 1 else None
        if source.stretch is None and set(raster.dtypes) != {EIGHT_BITS}:
            raise InputError(
                f"{path}: holds {raster.dtypes[0]}, and nobody says which values are black and "
                "white; fetch it again"
            )
        masked = mask_counts(raster, bands)
        crs = raster.crs or rasterio.CRS.from_user_input(source.crs)
        overview = None if colours is not None else _overview(raster, crs, pixel_m)
    with _open(path, overview) as raster:
        return Sheet(
            path,
            overview,
            crs,
            crs.to_wkt(),
            raster.transform,
            raster.height,
            raster.width,
            bands,
            colours,
            masked,
            source.nodata,
        )


def _overview(raster: DatasetReader, crs: rasterio.CRS, pixel_m: float) -> int | None:
    """Find the coarsest overview that is finer than the chips: it is read in a part of the time."""
    try:
        unit_m = crs.linear_units_factor[1]
    except CRSError:
        unit_m = DEGREE_M
    # North to south: from west to east a degree is shorter, so that way it is finer still.
    side_m = raster.res[1] * unit_m
    fine = [
        number
        for number, factor in enumerate(raster.overviews(1))
        if side_m * factor * MINIMUM_OVERSAMPLING <= pixel_m
    ]
    return fine[-1] if fine else None


def _open(path: Path, overview: int | None) -> DatasetReader:
    more = {} if overview is None else {"overview_level": overview}
    return rasterio.open(path, driver="GTiff", **more)


def _reason(error: Exception) -> str:
    """Repeat what GDAL says; rasterio says only that the exception before does."""
    return str(error.__cause__ or error).splitlines()[0]
