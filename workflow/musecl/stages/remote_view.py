"""A chip of imagery per region, cut from any georeferenced raster of 8-bit colours or a palette.

Of a generated city, a chip is drawn from what it is to show.
"""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.io import DatasetReader
from rasterio.warp import Resampling, reproject, transform_bounds
from rasterio.windows import Window, from_bounds
from tqdm import tqdm

from musecl.geography.geo import metric_crs
from musecl.imagery.images import encode_image, write_images
from musecl.imagery.rendering import render_chip, render_views
from musecl.imagery.settings import RemoteViewSettings
from musecl.sources.synth import VIEWS
from musecl.step.errors import InputError
from musecl.step.job import Job
from musecl.step.tables import KEY, read_geotable, read_table
from musecl.step.workers import in_pieces

# Chips that one thread cuts from a raster that it opens for them.
PIECE = 32


def run(job: Job) -> None:
    """Cut a chip around the centre of every region that the raster covers."""
    regions = read_geotable(job.input("regions.parquet"))
    settings = job.settings("remote_view", RemoteViewSettings)
    if job.value("cities.{city}.sources.remote_view") == "synth":
        shown = read_table(job.input("scene") / VIEWS)
        rows = render_views(shown, regions, render_chip, settings.pixels)
    else:
        rows = cut_chips(job.input("scene") / "scene.tif", regions, settings)
    folder = job.output("remote_view")
    folder.mkdir()
    write_images(folder, rows)
    print(f"remote_view: {len(rows)} chips, {len(regions) - len(rows)} regions outside the raster")


def cut_chips(path: Path, regions: gpd.GeoDataFrame, settings: RemoteViewSettings) -> pd.DataFrame:
    """Cut a chip around the centre of every region that the raster covers: rows of images."""
    crs = metric_crs(regions)
    centres = list(
        regions.sort_values(KEY)[[KEY, "longitude", "latitude"]].itertuples(index=False, name=None)
    )

    def cut(some: list[tuple[str, float, float]]) -> list[tuple[Any, ...]]:
        # An open raster belongs to one thread.
        with rasterio.open(path) as raster:
            cutter = ChipCutter(raster, crs, settings.ground_m, settings.pixels)
            chips = [cutter.cut(longitude, latitude) for _, longitude, latitude in some]
        return [
            (region, 0, 0, longitude, latitude, encode_image(chip))
            for (region, longitude, latitude), chip in zip(some, chips, strict=True)
            if chip is not None
        ]

    pieces = [centres[start : start + PIECE] for start in range(0, len(centres), PIECE)]
    cuts = tqdm(in_pieces(cut, pieces), "chips", len(pieces), mininterval=5)
    columns = [KEY, "view", "orientation", "longitude", "latitude", "image"]
    return pd.DataFrame([row for rows in cuts for row in rows], columns=columns)


class ChipCutter:
    """Cuts square, north-up chips from a raster, each pixel the mean of the ground it covers.

    Parameters
    ----------
    raster : DatasetReader
        Open; any CRS; one band with a palette, or three and more 8-bit bands that begin with RGB.
    crs : CRS
        A metric one, that of the chips.
    ground_m : float
        Side of a chip on the ground.
    pixels : int
        Side of a chip in the image.

    Raises
    ------
    InputError
        The raster has no CRS, or neither a palette nor three 8-bit bands.
    """

    def __init__(self, raster: DatasetReader, crs: CRS, ground_m: float, pixels: int) -> None:
        self.raster, self.crs, self.ground_m, self.pixels = raster, crs, ground_m, pixels
        self.colours = _palette(raster)
        self._to_metric = Transformer.from_crs("EPSG:4326", crs, always_xy=True)

    def cut(self, longitude: float, latitude: float) -> NDArray[np.uint8] | None:
        """Cut the chip centred at a point (EPSG:4326).

        Returns
        -------
        array of shape (pixels, pixels, 3), uint8, or None
            RGB, black where the raster has no data; None if it has none at all.
        """
        easting, northing = self._to_metric.transform(longitude, latitude)
        half = self.ground_m / 2
        bounds = (easting - half, northing - half, easting + half, northing + half)
        window = self._window(bounds)
        if window is None:
            return None
        scale = self.ground_m / self.pixels
        transform = Affine.translation(bounds[0], bounds[3]) @ Affine.scale(scale, -scale)
        sums = np.zeros((4, self.pixels, self.pixels), np.float32)
        reproject(
            self._colours_and_weight(window),
            sums,
            src_transform=self.raster.window_transform(window),
            src_crs=self.raster.crs,
            dst_transform=transform,
            dst_crs=self.crs,
            resampling=Resampling.average,
        )
        if not sums[3].any():
            return None
        means = sums[:3] / np.where(sums[3] > 0, sums[3], 1)
        return np.ascontiguousarray(means.round().astype(np.uint8).transpose(1, 2, 0))

    def _window(self, bounds: tuple[float, float, float, float]) -> Window | None:
        """Pixels of the raster that a box of the chips' CRS touches, if any."""
        around = transform_bounds(self.crs, self.raster.crs, *bounds, densify_pts=21)
        window = from_bounds(*around, transform=self.raster.transform)
        left, top = int(window.col_off) - 2, int(window.row_off) - 2
        right, bottom = int(left + window.width + 5), int(top + window.height + 5)
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, self.raster.width), min(bottom, self.raster.height)
        if left >= right or top >= bottom:
            return None
        return Window(left, top, right - left, bottom - top)

    def _colours_and_weight(self, window: Window) -> NDArray[np.float32]:
        """Red, green, blue and 1 where the raster has data, 0 in all four where it has none."""
        valid = (self.raster.dataset_mask(window=window) > 0).astype(np.float32)
        if self.colours is None:
            colours = self.raster.read([1, 2, 3], window=window)
        else:
            # Colours can be averaged, class numbers cannot.
            colours = self.colours[self.raster.read(1, window=window)].transpose(2, 0, 1)
        return np.concatenate([colours * valid, valid[None]])


def _palette(raster: DatasetReader) -> NDArray[np.uint8] | None:
    if raster.crs is None:
        raise InputError(f"{raster.name}: has no coordinate reference system; georeference it")
    if set(raster.dtypes) != {"uint8"}:
        raise InputError(f"{raster.name}: holds {raster.dtypes[0]}; convert it to 8-bit colours")
    if raster.count >= 3:
        return None
    try:
        entries = raster.colormap(1)
    except ValueError as error:
        raise InputError(
            f"{raster.name}: {raster.count} bands without a palette; give red, green and blue"
        ) from error
    colours = np.zeros((256, 3), np.uint8)
    for value, colour in entries.items():
        colours[value] = colour[:3]
    return colours
