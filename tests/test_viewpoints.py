"""The middles of the drawn city's roads, and where they lie on its raster."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from pyproj import CRS, Transformer
from rasterio import Affine

from musecl.sources.sample.viewpoints import raster_positions, road_middles

UTM = CRS.from_epsg(32618)


def road_lines() -> gpd.GeoDataFrame:
    """Roads in metres in all eight directions of the compass, from the middle of the city."""
    middle = gpd.GeoSeries([shapely.Point(-73.95, 40.70)], crs=4326).to_crs(UTM).iloc[0]
    turns = np.deg2rad(np.arange(0, 360, 45))
    lines = [
        shapely.LineString(
            [
                (middle.x + 50 * np.sin(turn), middle.y + 50 * np.cos(turn)),
                (middle.x + 90 * np.sin(turn), middle.y + 90 * np.cos(turn)),
            ]
        )
        for turn in turns
    ]
    metric = gpd.GeoDataFrame({"length_m": [40.0] * 8}, geometry=lines, crs=UTM)
    return metric.to_crs(4326)


def test_the_middle_of_a_road_has_its_position_and_bearing() -> None:
    roads = road_lines()
    found = road_middles(roads, UTM)
    assert len(found) == 8
    # Every road runs away from the middle of the city, so its bearing is where it lies.
    middle = gpd.GeoSeries([shapely.Point(-73.95, 40.70)], crs=4326).to_crs(UTM).iloc[0]
    away = np.arctan2(found["easting"] - middle.x, found["northing"] - middle.y)
    assert np.cos(found["bearing"] - away).min() > 0.99999
    assert (found["weight"] == 40).all()
    to_metric = Transformer.from_crs(4326, UTM, always_xy=True)
    back = to_metric.transform(found["longitude"], found["latitude"])
    np.testing.assert_allclose(back, found[["easting", "northing"]].T, atol=1e-3)
    metric = roads.to_crs(UTM).geometry.interpolate(0.5, normalized=True)
    assert sorted(found["easting"]) == pytest.approx(sorted(metric.x))
    assert sorted(found["northing"]) == pytest.approx(sorted(metric.y))


def test_the_order_of_the_roads_does_not_matter() -> None:
    roads = road_lines()
    found = road_middles(roads, UTM)
    again = road_middles(roads.iloc[::-1], UTM)
    pd.testing.assert_frame_equal(found, again)


def test_no_road_has_no_middle() -> None:
    assert road_middles(road_lines().head(0), UTM).empty


def test_positions_count_from_the_corner_of_the_raster() -> None:
    viewpoints = pd.DataFrame({"easting": [105.0], "northing": [990.0], "bearing": [0.5]})
    transform = Affine(2.5, 0, 100, 0, -2.5, 1000)
    assert raster_positions(viewpoints, transform) == [pytest.approx((2.0, 4.0, 0.5))]
