"""Positions of the user's: which are real, and when too few of them lie in the city."""

import geopandas as gpd
import numpy as np
import pytest
from shapely import Point, box

from musecl.runtime.errors import InputError
from musecl.sources.positions import (
    known_positions,
    require_touching,
    require_within,
    share_inside,
)

MADRID = box(-3.9, 40.3, -3.5, 40.7)
TOKYO = box(139.5, 35.5, 140.0, 35.9)
# Malatya lies where longitude and latitude are alike.
MALATYA = box(38.2, 38.2, 38.5, 38.45)


def many(inside, elsewhere=(0, 1.0, 1.0), area=MADRID):
    """Positions of which some lie in the middle of an area, the others elsewhere, and one none."""
    x, y = area.centroid.coords[0]
    number, other_x, other_y = elsewhere
    longitude = np.r_[np.full(inside, x), np.full(number, other_x), np.nan]
    latitude = np.r_[np.full(inside, y), np.full(number, other_y), np.nan]
    return longitude, latitude


def test_positions_that_are_none():
    longitude = np.array([-73.9, 0, np.nan, 200, 0.0, 5.0])
    latitude = np.array([40.7, 0, 40, 40, 51.0, 0.0])
    found = known_positions(longitude, latitude, "x")
    assert found.tolist() == [True, False, False, False, True, True]
    with pytest.raises(InputError, match=r"2 of 2 positions .* exchange"):
        known_positions(np.array([39.9, 40.1]), np.array([116.3, 116.4]), "x")


@pytest.mark.parametrize("area", [MADRID, TOKYO])
def test_swapped_positions_are_recognised(area):
    longitude, latitude = many(9, area=area)
    require_within(longitude, latitude, area, "a.csv")
    with pytest.raises(
        InputError, match=r"a\.csv: only 0 of 9 positions .* swapped 9 would: exchange"
    ):
        require_within(latitude, longitude, area, "a.csv")


def test_swapped_ones_must_be_at_least_as_many(capsys):
    x, y = MADRID.centroid.coords[0]
    require_within(*many(40, (39, y, x)), MADRID, "a.csv")
    assert capsys.readouterr().out == "a.csv: 40 of 79 positions (50.6%) lie inside the city\n"
    with pytest.raises(InputError, match=r"only 40 of 80 .* swapped 40 would"):
        require_within(*many(40, (40, y, x)), MADRID, "a.csv")


def test_where_both_ways_fit_nothing_is_refused():
    assert share_inside(*many(9, area=MALATYA), MALATYA)[1] is None
    # Of the city's south alone fewer lie inside exchanged: the way they stand is right.
    longitude, latitude = np.array([38.3, 38.45, 38.22]), np.array([38.3, 38.22, 38.22])
    assert share_inside(longitude, latitude, box(38.2, 38.2, 38.5, 38.35))[1] is None
    assert share_inside(latitude, longitude, box(38.2, 38.2, 38.5, 38.35))[1] is not None


@pytest.mark.parametrize(
    ("inside", "outside", "refused"),
    [
        (1, 999, False),
        (1, 1000, True),
        (29, 29_000, True),
        (30, 99_970, False),
        (0, 3, True),
        (1, 3, False),
    ],
)
def test_a_country_around_the_city_is_no_error(inside, outside, refused):
    positions = many(inside, (outside, 2.1, 41.4))
    if refused:
        with pytest.raises(InputError, match=f"only {inside} of .*; check the columns, their CRS"):
            require_within(*positions, MADRID, "a.csv")
    else:
        require_within(*positions, MADRID, "a.csv")


def test_no_position_is_refused():
    with pytest.raises(InputError, match="no row has a position"):
        require_within(np.array([np.nan]), np.array([40.0]), MADRID, "x")


def test_one_shape_that_meets_the_city_is_enough():
    shapes = gpd.GeoDataFrame(geometry=[box(2, 41, 3, 42), box(-4, 40, -3.8, 41)], crs=4326)
    require_touching(shapes.to_crs(3857), MADRID, "z.gpkg")
    with pytest.raises(InputError, match=r"z\.gpkg: only 0 of 1 positions .* check the columns"):
        require_touching(shapes[:1], MADRID, "z.gpkg")
    swapped = gpd.GeoDataFrame(geometry=[Point(40.5, -3.7)], crs=4326)
    with pytest.raises(InputError, match="swapped 1 would"):
        require_touching(swapped, MADRID, "w.gpkg")
