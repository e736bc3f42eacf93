"""Chips of 1,000 regions from a COG: this pipeline beside a bare windowed read of the same ground.

    PYTHONPATH=workflow python benchmarks/chips.py

The COG has three bands of 1 m, deflated, with overviews; a chip is 1,120 m wide and has 224 pixels.
The bare read decodes the windows at full resolution with as many threads, and does nothing with
them; the other one reads them at the overview that the chips are cut from. Each way runs three
times; the median, in seconds of the processor, and our ratio to it are printed. The ratio to the
bare read is to stay under 1.2.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
from affine import Affine
from pyproj import CRS, Transformer
from rasterio.shutil import copy
from rasterio.windows import Window
from shapely import box

from musecl.imagery.chips import PIECE, ChipCutter, cut_chips
from musecl.imagery.settings import SatelliteSettings
from musecl.runtime.workers import given_workers, in_pieces
from musecl.sources.contract import Rasters

REGIONS, SIDE = 1000, 12_288
EAST, NORTH = 440_000.0, 4_475_000.0
SETTINGS = SatelliteSettings(ground_m=1120, pixels=224)


def write_cog(folder: Path) -> Path:
    """Write something like a city from above: large shapes, fine grain."""
    generator = np.random.default_rng(0)
    plain, cog = folder / "plain.tif", folder / "cog.tif"
    profile = {
        "driver": "GTiff",
        "count": 3,
        "height": SIDE,
        "width": SIDE,
        "dtype": "uint8",
        "crs": "EPSG:32630",
        "transform": Affine(1, 0, EAST, 0, -1, NORTH),
        "tiled": True,
    }
    with rasterio.open(plain, "w", **profile) as raster:
        for band in (1, 2, 3):
            coarse = generator.integers(40, 216, (SIDE // 16, SIDE // 16)).astype(np.uint8)
            shown = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
            raster.write(cv2.add(shown, generator.integers(0, 8, shown.shape, np.uint8)), band)
    copy(plain, cog, driver="COG", compress="deflate", overview_resampling="average")
    return cog


def regions() -> gpd.GeoDataFrame:
    """Centres at random, whose chips lie within the raster."""
    shifts = np.random.default_rng(1).uniform(800, SIDE - 800, (REGIONS, 2))
    to_degrees = Transformer.from_crs(32630, 4326, always_xy=True)
    longitude, latitude = to_degrees.transform(EAST + shifts[:, 0], NORTH - shifts[:, 1])
    # As the names of H3 cells: neighbours one after the other.
    order = np.lexsort([shifts[:, 0], shifts[:, 1] // 1000])
    names = pd.Series(np.argsort(order)).map("r{:04d}".format)
    shapes = [
        box(x - 1e-3, y - 1e-3, x + 1e-3, y + 1e-3)
        for x, y in zip(longitude, latitude, strict=True)
    ]
    table = {"region_id": names, "longitude": longitude, "latitude": latitude}
    return gpd.GeoDataFrame(table, geometry=shapes, crs=4326)


def bare_read(path: Path, table: gpd.GeoDataFrame, overview: int | None) -> None:
    """Decode the windows of all chips."""
    to_metres = Transformer.from_crs(4326, 32630, always_xy=True)
    table = table.sort_values("region_id")
    centres = np.column_stack(to_metres.transform(table["longitude"], table["latitude"]))
    more = {} if overview is None else {"overview_level": overview}

    def read(some: np.ndarray) -> None:
        with rasterio.open(path, **more) as raster:
            side = SETTINGS.ground_m / raster.res[0]
            for east, north in some:
                column, row = ~raster.transform @ (east, north)
                raster.read(
                    window=Window(round(column - side / 2), round(row - side / 2), side, side)
                )

    pieces = [centres[start : start + PIECE] for start in range(0, REGIONS, PIECE)]
    for _ in in_pieces(read, pieces):
        pass


def median_seconds(way: Callable[[], object]) -> float:
    """Median of three runs."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        way()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def main() -> None:
    """Time the ways on one COG."""
    with tempfile.TemporaryDirectory() as folder:
        path, table = write_cog(Path(folder)), regions()
        source = Rasters([path])
        overview = ChipCutter(source, CRS.from_epsg(32630), 1120, 224).sheets[0].overview
        if len(cut_chips(source, table, SETTINGS)) != REGIONS:
            raise SystemExit("a region has no chip")
        ways = {
            "musecl, chips as JPEG": lambda: cut_chips(source, table, SETTINGS),
            "bare windowed read": lambda: bare_read(path, table, None),
            f"bare read, overview {overview}": lambda: bare_read(path, table, overview),
        }
        seconds = {name: median_seconds(way) for name, way in ways.items()}
    ours = next(iter(seconds.values()))
    print(f"{REGIONS} regions, {given_workers()} threads")
    for name, value in seconds.items():
        print(f"{name:24} {value:7.2f} s, ours / this {ours / value:6.2f}")


if __name__ == "__main__":
    main()
