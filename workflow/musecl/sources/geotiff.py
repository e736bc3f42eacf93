"""GeoTIFF files of any kind: which bands are colours, where there is data, a part of a file.

A file of 8 bits shows its values; of any other type, they are stretched between two percentiles.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError
from rasterio.features import geometry_mask
from rasterio.io import DatasetReader
from rasterio.windows import Window, from_bounds
from shapely.geometry.base import BaseGeometry

from musecl.geography.geo import metric_crs
from musecl.runtime.errors import InputError
from musecl.sources.addresses import hide_secrets

EIGHT_BITS = "uint8"
# Longest side of what percentiles are computed of: four million pixels say enough of a city.
SAMPLED = 2048
# Share of an alpha that may lie between none and all: the edges of what it cuts out.
MAXIMUM_PARTIAL_SHARE = 0.05
BLOCK = 512


@contextmanager
def open_geotiff(
    path: Path | str, crs: str | None, name: str | None = None
) -> Iterator[DatasetReader]:
    """Open a GeoTIFF and see that it is georeferenced.

    Parameters
    ----------
    path : Path or str
        A file, or what GDAL calls one (`/vsicurl/...`).
    crs : str or None
        Where the file has none.
    name : str, optional
        What messages call it, where its path is not to be shown.

    Yields
    ------
    DatasetReader

    Raises
    ------
    InputError
        It is no GeoTIFF, lies nowhere on the ground, or a part of it cannot be read.
    """
    name = name or str(path)
    try:
        with rasterio.open(path, driver="GTiff") as raster:
            if raster.crs is None and crs is None:
                raise InputError(
                    f"{name}: has no coordinate reference system; georeference it, or set crs"
                )
            yield raster
    except RasterioError as error:
        reason = hide_secrets(str(error).replace(str(path), name).splitlines()[0])
        raise InputError(
            f"{name}: not readable as a GeoTIFF ({reason}); put a whole one there"
        ) from error


def colour_bands(
    raster: DatasetReader, bands: tuple[int, ...] | None, name: str
) -> tuple[int, ...]:
    """Say which bands of a raster are its colours: three, or one for a palette or gray.

    Parameters
    ----------
    raster : DatasetReader
        Open.
    bands : tuple of int or None
        As in `contract.Rasters`.
    name : str
        What messages call it.

    Raises
    ------
    InputError
        It lacks a band, holds complex numbers, or does not say itself what its bands are.
    """
    kinds = set(raster.dtypes)
    if any(np.dtype(kind).kind not in "iuf" for kind in kinds):
        raise InputError(f"{name}: holds {raster.dtypes[0]}; convert it to whole or real numbers")
    if bands is not None:
        if max(bands) > raster.count:
            raise InputError(
                f"{name}: has {raster.count} bands, not {max(bands)}; name others as bands"
            )
        return bands
    if kinds != {EIGHT_BITS}:
        raise InputError(
            f"{name}: holds {raster.dtypes[0]}; say which bands are red, green and blue, or gray"
        )
    if raster.count >= 3:
        return (1, 2, 3)
    if palette(raster) is None:
        raise InputError(
            f"{name}: {raster.count} bands without a palette; give red, green and blue, or say "
            "which band is gray"
        )
    return (1,)


def palette(raster: DatasetReader) -> NDArray[np.uint8] | None:
    """Colours (256, 3), RGB, of the numbers in the first band, if it has a palette."""
    try:
        entries = raster.colormap(1)
    except ValueError:
        return None
    colours = np.zeros((256, 3), np.uint8)
    for value, colour in entries.items():
        colours[value] = colour[:3]
    return colours


def mask_counts(raster: DatasetReader, bands: tuple[int, ...]) -> bool:
    """Say whether the mask of a raster tells where its colours have data.

    An alpha does not where it is a colour itself, or where it has more than a few values between
    none and all: near infrared is often written as if it were an alpha.

    Parameters
    ----------
    raster : DatasetReader
        Open.
    bands : tuple of int
        As `colour_bands` says.
    """
    if MaskFlags.alpha not in raster.mask_flag_enums[0]:
        return True
    alpha = raster.colorinterp.index(ColorInterp.alpha) + 1
    width, height = min(raster.width, SAMPLED // 2), min(raster.height, SAMPLED // 2)
    middle = Window((raster.width - width) // 2, (raster.height - height) // 2, width, height)
    values = raster.read(alpha, window=middle)
    between = (values > 0) & (values < values.max())
    return alpha not in bands and bool(between.mean() < MAXIMUM_PARTIAL_SHARE)


def read_valid(
    raster: DatasetReader,
    bands: tuple[int, ...],
    masked: bool,
    nodata: float | None,
    window: Window,
    shape: tuple[int, int] | None = None,
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """Read the colours of a window, and where there is data.

    Parameters
    ----------
    raster : DatasetReader
        Open.
    bands : tuple of int
        As `colour_bands` says.
    masked : bool
        As `mask_counts` says.
    nodata : float or None
        Where the file does not say itself: no data is where all the bands are this value.
    window : Window
        Inside the raster.
    shape : tuple of int, optional
        Height and width to read it in, coarser than it is.

    Returns
    -------
    array of shape (bands, height, width), of the raster's type
    array of bool, shape (height, width)
        By the file's alpha, mask or value for no data; what is no finite number is none either.
    """
    height, width = shape or (window.height, window.width)
    values = raster.read(list(bands), window=window, out_shape=(len(bands), height, width))
    valid = np.ones((height, width), bool)
    if masked:
        valid = raster.dataset_mask(window=window, out_shape=(height, width)) > 0
    if nodata is not None and raster.nodata is None:
        valid &= ~(values == nodata).all(axis=0)
    if values.dtype.kind == "f":
        valid &= np.isfinite(values).all(axis=0)
    return values, valid


def window_of(
    raster: DatasetReader, crs: str | None, area: BaseGeometry, margin_m: float = 0.0
) -> Window | None:
    """Pixels of a raster that an area and a margin around it touch, if any.

    Parameters
    ----------
    raster : DatasetReader
        Open.
    crs : str or None
        Where the file has none.
    area : Polygon or MultiPolygon
        EPSG:4326.
    margin_m : float
        Metres on the ground.
    """
    shapes = gpd.GeoSeries([area], crs=4326)
    metric = shapes.to_crs(metric_crs(shapes))
    around = metric.envelope.buffer(margin_m, join_style="mitre").segmentize(1000)
    bounds = around.to_crs(raster.crs or crs).total_bounds
    if not np.isfinite(bounds).all():
        return None
    window = from_bounds(*bounds, transform=raster.transform)
    left, top = max(int(np.floor(window.col_off)), 0), max(int(np.floor(window.row_off)), 0)
    right = min(int(np.ceil(window.col_off + window.width)), raster.width)
    bottom = min(int(np.ceil(window.row_off + window.height)), raster.height)
    if left >= right or top >= bottom:
        return None
    return Window(left, top, right - left, bottom - top)


def sample_area(
    raster: DatasetReader,
    bands: tuple[int, ...],
    nodata: float | None,
    crs: str | None,
    area: BaseGeometry,
) -> NDArray[np.float64]:
    """Read values (bands, N) of the pixels with data in an area (EPSG:4326), some millions at most.

    The parameters are those of `read_valid` and `window_of`.
    """
    window = window_of(raster, crs, area)
    if window is None:
        return np.empty((len(bands), 0))
    coarser = max(1.0, max(window.width, window.height) / SAMPLED)
    height, width = (max(1, round(side / coarser)) for side in (window.height, window.width))
    values, valid = read_valid(
        raster, bands, mask_counts(raster, bands), nodata, window, (height, width)
    )
    transform = raster.window_transform(window)
    transform @= Affine.scale(window.width / width, window.height / height)
    inside = gpd.GeoSeries([area], crs=4326).to_crs(raster.crs or crs).iloc[0]
    valid &= geometry_mask([inside], (height, width), transform, invert=True)
    return values[:, valid].astype(np.float64)


def percentiles(
    samples: list[NDArray[np.float64]], low: float, high: float
) -> tuple[tuple[float, float], ...]:
    """Compute two percentiles of each band over all samples (bands, N).

    Raises
    ------
    InputError
        There is no value at all, or but one.
    """
    values = np.concatenate(samples, axis=1)
    if values.shape[1] == 0:
        raise InputError("the rasters have no data within the city; check where they lie")
    ends = np.percentile(values, [low, high], axis=1).T
    if (ends[:, 0] == ends[:, 1]).any():
        raise InputError(
            f"the rasters have the same value from {low:g} to {high:g} percent of the city; widen "
            "the stretch, or name other bands"
        )
    return tuple((float(first), float(last)) for first, last in ends)


def write_part(raster: DatasetReader, window: Window, path: Path) -> None:
    """Write a window of a raster as a GeoTIFF of its own: all bands, palette, mask and all.

    It takes the memory of a row of blocks.
    """
    profile = {
        "driver": "GTiff",
        "count": raster.count,
        "dtype": raster.dtypes[0],
        "crs": raster.crs,
        "nodata": raster.nodata,
        "transform": raster.window_transform(window),
        "width": window.width,
        "height": window.height,
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "compress": "deflate",
        "bigtiff": "if_safer",
    }
    masked = MaskFlags.per_dataset in raster.mask_flag_enums[0]
    masked &= ColorInterp.alpha not in raster.colorinterp
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile) as part:
        part.colorinterp = raster.colorinterp
        colours = palette(raster)
        if colours is not None:
            part.write_colormap(1, raster.colormap(1))
        for top in range(0, window.height, BLOCK):
            height = min(BLOCK, window.height - top)
            there = Window(0, top, window.width, height)
            here = Window(window.col_off, window.row_off + top, window.width, height)
            part.write(raster.read(window=here), window=there)
            if masked:
                part.write_mask(raster.dataset_mask(window=here), window=there)
