"""How much of a city rasters and photographs show, told by headers and a few of them."""

import contextlib
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from pyproj import CRS, Transformer
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.warp import transform_bounds
from rasterio.windows import Window
from shapely.geometry.base import BaseGeometry

from musecl.cities.contents import check_positions
from musecl.cities.pictures import about_raster, opened
from musecl.cities.report import FEW_REGIONS, Area, Report
from musecl.cities.sampling import sample_pictures
from musecl.geography.geo import DEGREES, cells_of_points, metric_crs
from musecl.imagery.settings import SatelliteSettings
from musecl.runtime.errors import InputError
from musecl.runtime.leftovers import without_leftovers
from musecl.sources.provider import Request
from musecl.sources.providers import chosen

MOST_FILES = 500
WINDOW = 256
# A chip of fewer pixels of the raster than this shows little, however large it is drawn.
MINIMUM_PIXELS = 32


def look_at_rasters(
    folder: Path, settings: Any, area: Area | None, chip: SatelliteSettings
) -> Report:
    """Look at the headers of rasters, and at the middle of the first that meets the city.

    Parameters
    ----------
    folder : Path
        Of the user's files.
    settings : Section
        With `path` and `crs`.
    area : Area or None
        Of the city.
    chip : SatelliteSettings
        How large a chip is.

    Raises
    ------
    InputError
        There is none, or one cannot be read.
    """
    named = without_leftovers(folder.glob(settings.path), folder)
    paths = sorted(path for path in named if path.is_file())
    if not paths:
        raise InputError(
            f"{folder / settings.path}: no such file; put it there, or name another one in "
            "params.yaml"
        )
    report = Report("")
    boxes: list[BaseGeometry] = []
    sizes: list[float] = []
    for number, path in enumerate(paths[:MOST_FILES]):
        with opened(path) as raster:
            if number == 0:
                report.what = f"files: {len(paths)}; {about_raster(raster)}"
            crs = raster.crs or settings.crs
            if crs is None:
                report.problems.append(f"{path.name}: names no CRS; set crs")
                continue
            box = shapely.box(*transform_bounds(crs, DEGREES, *raster.bounds))
            if area is not None and not box.intersects(shapely.box(*area.regions.total_bounds)):
                continue
            if not boxes:
                _read_middle(raster, path)
            boxes.append(box)
            if area is not None:
                sizes.append(_metres(raster, CRS.from_user_input(crs), area))
    if len(paths) > MOST_FILES:
        report.doubts.append(f"only the first {MOST_FILES} files were looked at")
    if area is None or report.problems:
        return report
    if not boxes:
        report.problems.append("none meets the city; check their CRS, and the boundary")
        return report
    middles = area.regions["longitude"].to_numpy(), area.regions["latitude"].to_numpy()
    covered = int(shapely.contains_xy(shapely.union_all(boxes), *middles).sum())
    report.what += f"; covers {covered} of {len(area.regions)} regions"
    pixels = chip.ground_m / max(sizes)
    report.what += f"; a chip of {chip.ground_m:g} m has {pixels:.0f} pixels"
    if covered < FEW_REGIONS:
        report.doubts.append(f"fewer than {FEW_REGIONS} regions are seen")
    if pixels < MINIMUM_PIXELS:
        report.doubts.append(
            f"the raster is coarse: {pixels:.0f} pixels are drawn as {chip.pixels}; take a finer "
            "one, or a larger satellite.ground_m"
        )
    return report


def look_at_photographs(folder: Path, settings: Any, area: Area | None) -> Report:
    """Let the provider fetch some photographs, and see where they were taken.

    Raises
    ------
    InputError
        As the provider.
    """
    provider, _ = chosen("street_view", settings.model_dump(mode="json"))
    said = io.StringIO()
    with tempfile.TemporaryDirectory(prefix="musecl-") as temporary:
        some, filled = Path(temporary) / "some", Path(temporary) / "filled"
        filled.mkdir()
        count, looked = sample_pictures(folder, settings.path, some)
        with contextlib.redirect_stdout(said):
            try:
                provider.fetch(Request(settings, some, area and area.regions, filled))
            except InputError as error:
                raise InputError(str(error).replace(str(some), str(folder))) from error
            table = provider.read(filled, settings).table
    report = Report(
        f"files: {count}; {len(table)} of {looked} looked at can be used, "
        f"{table['heading'].notna().sum()} with a heading",
        said=said.getvalue().splitlines(),
    )
    if area is not None:
        position = table["longitude"].to_numpy(), table["latitude"].to_numpy()
        inside = check_positions(*position, area, report)
        regions = pd.Series(cells_of_points(*position, area.regions), dtype=object).nunique()
        report.what += f"; {inside} inside, in {regions} regions"
    return report


def _read_middle(raster: DatasetReader, path: Path) -> None:
    size = min(WINDOW, raster.width), min(WINDOW, raster.height)
    middle = Window((raster.width - size[0]) // 2, (raster.height - size[1]) // 2, *size)
    try:
        raster.read(window=middle)
    except RasterioError as error:
        raise InputError(f"{path}: damaged ({error}); get the file again") from error


def _metres(raster: DatasetReader, crs: CRS, area: Area) -> float:
    """Say how many metres a pixel in the middle of a raster is wide."""
    row, column = raster.height // 2, raster.width // 2
    ends = [raster.xy(row, column), raster.xy(row, column + 1)]
    to_metric = Transformer.from_crs(crs, metric_crs(area.land.geometry), always_xy=True)
    (x, y), (beside_x, beside_y) = (to_metric.transform(*end) for end in ends)
    return float(np.hypot(beside_x - x, beside_y - y))
