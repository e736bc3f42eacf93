"""Zones shared out among regions: every person goes somewhere, and only once."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from shapely import MultiPoint, Point, box

from musecl.geography.geo import equal_area_crs
from musecl.geography.sharing import share_zones
from own_files import boxes, cells

DISK = cells(50.5, 10.5, 4)
SQUARES = boxes(10.45, 50.46, 10.55, 50.54, steps=5)
INNER = (10.47, 50.48, 10.53, 50.52)
positions = st.tuples(st.floats(INNER[0], INNER[2]), st.floats(INNER[1], INNER[3]))


@st.composite
def polygons(draw):
    hull = MultiPoint(draw(st.lists(positions, min_size=3, max_size=8))).convex_hull
    assume(hull.area > 1e-7)
    return hull


@st.composite
def weighted(draw):
    """Points, or polygons, with weights of which some are 0."""
    shapes = draw(
        st.one_of(
            st.lists(positions.map(Point), min_size=1, max_size=12),
            st.lists(polygons(), min_size=1, max_size=4),
        )
    )
    amounts = st.floats(0, 1e6, allow_subnormal=False).map(lambda amount: round(amount, 3))
    weight = draw(st.lists(amounts, min_size=len(shapes), max_size=len(shapes)))
    return gpd.GeoDataFrame({"weight": weight}, geometry=shapes, crs=4326)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(polygons(), min_size=1, max_size=4),
    st.one_of(st.none(), weighted()),
    st.sampled_from([DISK, SQUARES]),
)
def test_the_shares_of_a_zone_inside_the_city_add_up(shapes, weights, regions):
    zones = gpd.GeoSeries(shapes, crs=4326)
    met = share_zones(zones, regions, weights)
    total = met.groupby("zone")["share"].sum()
    assert total.index.tolist() == list(range(len(shapes)))
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert (met["share"] >= 0).all()
    assert not met.duplicated(["zone", "region_id"]).any()


def test_areas_and_shares_of_two_boxes():
    zones = gpd.GeoSeries([box(10.45, 50.4601, 10.48, 50.4759)], index=["a"], crs=4326)
    met = share_zones(zones.to_crs(25832), SQUARES)
    assert met["zone"].tolist() == ["a", "a"]
    assert met["region_id"].tolist() == ["box_00", "box_05"]
    np.testing.assert_allclose(met["share"], [2 / 3, 1 / 3], atol=1e-4)
    region = SQUARES.to_crs(equal_area_crs(SQUARES.geometry)).area.iloc[0]
    np.testing.assert_allclose(met["area"], [region, region / 2], rtol=0.02)
    assert met["part"].tolist() == met["area"].tolist()


def test_what_lies_in_no_region_is_not_shared_out():
    zones = gpd.GeoSeries([box(10.44, 50.461, 10.46, 50.47)], crs=4326)
    (share,) = share_zones(zones, SQUARES)["share"]
    assert share == pytest.approx(0.5, abs=1e-4)
    west, east = Point(10.441, 50.465), Point(10.459, 50.465)
    for shapes in ([west, east], [point.buffer(0.0005) for point in (west, east)]):
        weights = gpd.GeoDataFrame({"weight": [3, 1]}, geometry=shapes, crs=4326)
        (share,) = share_zones(zones, SQUARES, weights)["share"]
        assert share == pytest.approx(0.25)


@pytest.mark.parametrize("size", [None, 0.001])
def test_weights_decide_where_people_of_a_zone_live(size):
    zones = gpd.GeoSeries([box(10.45, 50.4601, 10.49, 50.4759)], crs=4326)
    points = [Point(10.46, 50.47), Point(10.48, 50.47), Point(10.48, 50.465), Point(10.6, 50.5)]
    shapes = points if size is None else [point.buffer(size) for point in points]
    weights = gpd.GeoDataFrame({"weight": [1.0, 2.0, 5.0, 99.0]}, geometry=shapes, crs=4326)
    met = share_zones(zones, SQUARES, weights.to_crs(25832))
    np.testing.assert_allclose(met["share"], [1 / 8, 7 / 8], atol=1e-9)
    np.testing.assert_allclose(met["part"], [1, 7], atol=1e-9)


def test_a_zone_without_weight_is_shared_by_area():
    zones = gpd.GeoSeries([box(10.45, 50.4601, 10.48, 50.4759)], crs=4326)
    weights = gpd.GeoDataFrame({"weight": [1.0]}, geometry=[Point(10.5, 50.5)], crs=4326)
    met = share_zones(zones, SQUARES, weights)
    np.testing.assert_allclose(met["share"], [2 / 3, 1 / 3], atol=1e-4)
    assert met["part"].tolist() == [0, 0]


def test_order_of_regions_and_weights_changes_no_bit():
    generator = np.random.default_rng(0)
    zones = gpd.GeoSeries([box(*INNER)], crs=4326)
    spots = gpd.points_from_xy(*generator.uniform(INNER[:2], INNER[2:], (300, 2)).T)
    weights = gpd.GeoDataFrame({"weight": generator.lognormal(0, 3, 300)}, geometry=spots, crs=4326)
    for shaped in (weights, weights.to_crs(25832).set_geometry(weights.to_crs(25832).buffer(100))):
        first = share_zones(zones, SQUARES, shaped)
        again = share_zones(
            zones, SQUARES.sample(frac=1, random_state=1), shaped.sample(frac=1, random_state=2)
        )
        pd.testing.assert_frame_equal(first, again, check_exact=True)
