"""Pixels of a raster added up over regions, each by how much of it a region covers."""

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from exactextract import exact_extract
from exactextract.raster import RasterioRasterSource
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.errors import RasterioError

from musecl.runtime.errors import InputError
from musecl.runtime.tables import KEY
from musecl.sources.contract import Raster


class _Pixels(RasterioRasterSource):  # type: ignore[misc]
    """A band whose pixels without data are masked, also those that the file does not name."""

    def __init__(self, raster: Any, given: Raster):
        super().__init__(raster, given.band)
        self.given = given
        self.unnamed = given.nodata if raster.nodata is None else None

    def read_window(self, x0: int, y0: int, nx: int, ny: int) -> NDArray[np.generic]:
        pixels = super().read_window(x0, y0, nx, ny)
        values = np.ma.getdata(pixels)
        absent = np.ma.getmaskarray(pixels) | ~np.isfinite(values)
        if self.unnamed is not None:
            absent |= values == self.unnamed
        if self.given.statistic == "sum":
            absent |= values < 0
        return np.ma.array(values, mask=absent)


def measure_raster(given: Raster, regions: gpd.GeoDataFrame) -> pd.DataFrame:
    """Add up a raster's pixels over regions, in the raster's CRS and by exact coverage.

    Parameters
    ----------
    given : Raster
        In a sum, pixels below 0 have no data, whatever the file says.
    regions : GeoDataFrame
        `region_id`, `geometry` (EPSG:4326).

    Returns
    -------
    DataFrame
        By `region_id`, sorted: `sum` (pixels times their covered fractions), `pixels` (sum of these
        fractions, where there is data), `known` (share of the region that has data) and `within`
        (share that lies within the raster).

    Raises
    ------
    InputError
        A file is unreadable or damaged.
    """
    ordered = regions[[KEY, "geometry"]].sort_values(KEY, ignore_index=True)
    columns = ["sum", "pixels", "known", "within"]
    totals = pd.DataFrame(0.0, index=pd.Index(ordered[KEY], name=KEY), columns=columns)
    for path in given.paths:
        try:
            with rasterio.open(path) as raster:
                cells = ordered.to_crs(CRS.from_wkt(raster.crs.to_wkt()))
                found = exact_extract(
                    _Pixels(raster, given), cells, ["sum", "count"], include_cols=[KEY],
                    output="pandas",
                ).set_index(KEY)  # fmt: skip
                shapes = cells.geometry.to_numpy()
                size = pd.Series(shapely.area(shapes), index=totals.index)
                inside = shapely.area(shapely.intersection(shapes, shapely.box(*raster.bounds)))
                pixel = abs(raster.transform.a * raster.transform.e)
        except RasterioError as error:
            raise InputError(f"{path}: not readable ({error}); fetch the source again") from error
        totals["sum"] += found["sum"].where(found["count"] > 0, 0.0)
        totals["pixels"] += found["count"]
        totals["known"] += found["count"] * pixel / size
        totals["within"] += inside / size
    return totals
