"""How the sample's POIs are named and told apart."""

import geopandas as gpd
import pandas as pd
import pytest
from shapely import box

from musecl.pois import locate_pois
from musecl.sources.sample.pois import (
    COLUMNS,
    describe_areas,
    describe_stations,
    describe_trip_ends,
    street_type,
)
from test_pois import IDS, REGIONS, stations, trips


def test_streets_at_trip_ends_stand_once_per_region():
    rows = locate_pois(describe_trip_ends(trips()), REGIONS)
    assert rows[["region_id", "name", "category"]].to_numpy().tolist() == [
        [IDS[0], "Broadway", "trip end on avenue"],
        [IDS[0], "Secret Street", "trip end on street"],
        [IDS[1], "5th Avenue", "trip end on avenue"],
        [IDS[5], "Secret Street", "trip end on street"],
    ]
    shuffled = describe_trip_ends(trips().sample(frac=1, random_state=2))
    pd.testing.assert_frame_equal(rows, locate_pois(shuffled, REGIONS))


def test_stations_and_areas_are_named_in_words():
    named = describe_stations(stations())
    assert named["text"].iloc[0] == "Subway station Alpha"
    assert set(named["category"]) == {"subway station"}
    assert not named["observed"].any()
    shape = box(0, 0, 1, 1)
    hoods = gpd.GeoDataFrame(
        {"code": ["MN01"], "name": ["Midtown"], "borough": ["MANHATTAN"]},
        geometry=[shape],
        crs=4326,
    )
    kinds = ["park", "cemetery", "airport", "other"]
    open_areas = gpd.GeoDataFrame(
        {"name": kinds, "kind": kinds}, geometry=[shape] * 4, crs=4326
    ).to_crs(2263)
    areas = describe_areas(hoods, open_areas)
    assert areas.crs == 4326
    assert areas[["category", "text"]].to_numpy().tolist() == [
        ["neighbourhood", "Neighbourhood Midtown, Manhattan"],
        ["park", "park, a park"],
        ["cemetery", "cemetery, a cemetery"],
        ["airport", "airport, an airport"],
        ["special area", "other, a special area"],
    ]


def test_a_city_may_lack_stations_and_trips():
    for nothing in (describe_stations(stations().iloc[:0]), describe_trip_ends(trips().iloc[:0])):
        assert set(COLUMNS) <= set(nothing.columns)
        assert locate_pois(nothing, REGIONS).empty


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("5th Avenue", "avenue"),
        ("Avenue B", "avenue"),
        ("Park Avenue South", "avenue"),
        ("Broadway", "avenue"),
        ("West 57th Street", "street"),
        ("Bridge Street", "street"),
        ("Park Avenue Tunnel", "bridge or tunnel"),
        ("Ed Koch Queensboro Bridge Upper Level", "bridge or tunnel"),
        ("Queens Boulevard", "boulevard"),
        ("JFK Access Road", "road"),
        ("Riverside Drive", "road"),
        ("Cathedral Parkway", "expressway or parkway"),
        ("FDR Drive", "expressway or parkway"),
        ("I 678 South", "expressway or parkway"),
        ("NY 9A North", "expressway or parkway"),
        ("Columbus Circle", "place"),
        ("Terminal B Arrivals", "terminal"),
        ("The Westin", "other way"),
    ],
)
def test_street_type(name, kind):
    assert street_type(name) == kind
