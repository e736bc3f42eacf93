"""Where the drawn city is looked at from: the middles of its roads."""

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from affine import Affine
from pyproj import CRS, Transformer


def road_middles(roads: gpd.GeoDataFrame, crs: CRS) -> pd.DataFrame:
    """Find the middle of each road, and the way the road runs there.

    Parameters
    ----------
    roads : GeoDataFrame
        Lines in any CRS, and `length_m`.
    crs : CRS
        Metric CRS of the raster that the views are rendered from.

    Returns
    -------
    DataFrame
        `longitude`, `latitude` (EPSG:4326), `easting`, `northing` (metres in `crs`), `bearing`
        (radians clockwise from the raster's north), `weight` (the length in metres); in an order
        that does not depend on the roads'.
    """
    lines = roads.geometry.to_crs(crs).to_numpy()
    before, middle, after = (
        shapely.get_coordinates(shapely.line_interpolate_point(lines, share, normalized=True))
        for share in (0.49, 0.5, 0.51)
    )
    to_degrees = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(*middle.T)
    found = pd.DataFrame(
        {
            "longitude": longitude,
            "latitude": latitude,
            "easting": middle[:, 0],
            "northing": middle[:, 1],
            "bearing": np.arctan2(*(after - before).T),
            "weight": roads["length_m"].to_numpy(),
        }
    )
    return found.sort_values(["easting", "northing", "bearing"], ignore_index=True)


def raster_positions(
    viewpoints: pd.DataFrame, transform: Affine
) -> list[tuple[float, float, float]]:
    """Bring N viewpoints to column, row (pixels) and bearing (radians) on the raster."""
    columns, rows = ~transform @ (
        viewpoints["easting"].to_numpy(),
        viewpoints["northing"].to_numpy(),
    )
    return list(zip(columns, rows, viewpoints["bearing"].to_numpy(), strict=True))
