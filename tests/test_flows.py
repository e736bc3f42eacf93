"""Flows and origin-destination counts against a loop over trips, and what must always hold."""

from collections import Counter
from fractions import Fraction

import geopandas as gpd
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Point, box
from shapely.affinity import translate

from musecl.flows import apportion, count_flows, count_origin_destination, locate
from musecl.geography.sharing import share_all
from musecl.sources.contract import Flows, Trips
from small_city import disk_of_regions, trips_between

END = st.sampled_from(["a", "b", "c", "d", None])
TRIPS = st.lists(st.tuples(END, END, st.sampled_from([None, 0, 8, 23])), max_size=60)
INSIDE = st.sampled_from(["a", "b", "c"])
INSIDE_TRIPS = st.lists(st.tuples(INSIDE, INSIDE, st.none()), min_size=1, max_size=60)


def frame(trips: list[tuple[str | None, str | None, int | None]]) -> pl.DataFrame:
    schema = {"origin": pl.String, "destination": pl.String, "hour": pl.Int8}
    return pl.DataFrame(trips, schema=schema, orient="row").with_columns(trips=pl.lit(1.0))


@given(TRIPS)
@settings(deadline=None)
def test_counts_equal_a_loop_over_the_trips(trips):
    outflow, inflow, between = Counter(), Counter(), Counter()
    for origin, destination, hour in trips:
        if origin is not None:
            outflow[origin, hour] += 1
        if destination is not None:
            inflow[destination, hour] += 1
        if origin is not None and destination is not None:
            between[origin, destination, hour] += 1
    flows = count_flows(frame(trips)).rows()
    assert {row[:2]: row[2:] for row in flows} == {
        key: (inflow[key], outflow[key]) for key in outflow | inflow
    }
    assert len(flows) == len(outflow | inflow)
    counted = count_origin_destination(frame(trips)).rows()
    assert {row[:3]: row[3] for row in counted} == dict(between)
    assert len(counted) == len(between)


@given(TRIPS)
@settings(deadline=None)
def test_totals_are_the_ends_inside_and_bound_the_origin_destination_table(trips):
    flows, pairs = count_flows(frame(trips)), count_origin_destination(frame(trips))
    assert flows["outflow"].sum() == sum(origin is not None for origin, _, _ in trips)
    assert flows["inflow"].sum() == sum(destination is not None for _, destination, _ in trips)
    assert pairs["trips"].sum() <= min(flows["outflow"].sum(), flows["inflow"].sum())


@given(INSIDE_TRIPS)
@settings(deadline=None)
def test_origin_destination_sums_are_the_flows_when_every_end_is_inside(trips):
    flows, pairs = count_flows(frame(trips)), count_origin_destination(frame(trips))
    for end, flow in (("origin", "outflow"), ("destination", "inflow")):
        sums = dict(pairs.group_by(end).agg(pl.col("trips").sum()).rows())
        assert {key: n for key, n in flows.select("region_id", flow).rows() if n} == sums


@given(TRIPS.flatmap(lambda trips: st.tuples(st.just(trips), st.permutations(trips))))
@settings(deadline=None)
def test_the_order_of_the_trips_changes_nothing(case):
    trips, shuffled = case
    assert count_flows(frame(trips)).equals(count_flows(frame(shuffled)))
    ordered = count_origin_destination(frame(trips))
    assert ordered.equals(count_origin_destination(frame(shuffled)))


@pytest.mark.parametrize("trips", [[], [(None, None, 3)]])
def test_no_end_inside_gives_no_row(trips):
    assert count_flows(frame(trips)).is_empty()
    assert count_origin_destination(frame(trips)).is_empty()


REGIONS = disk_of_regions(1)
IDS = REGIONS["region_id"].to_list()
WEST, SOUTH, EAST, NORTH = REGIONS.total_bounds


@given(TRIPS, st.data())
@settings(deadline=None)
def test_a_row_of_several_trips_is_that_many_rows(trips, data):
    counts = [data.draw(st.integers(1, 4)) for _ in trips]
    repeated = [trip for trip, count in zip(trips, counts, strict=True) for _ in range(count)]
    counted = frame(trips).with_columns(trips=pl.Series(counts, dtype=pl.Float64))
    assert count_flows(counted).equals(count_flows(frame(repeated)))
    pairs = count_origin_destination(counted)
    assert pairs.equals(count_origin_destination(frame(repeated)))
    assert pairs["trips"].dtype == pl.Int64


@given(TRIPS.filter(len), st.data())
@settings(deadline=None)
def test_parts_of_trips_are_added_up_in_any_order(trips, data):
    parts = [data.draw(st.integers(1, 99)) / 7 for _ in trips]
    counted = frame(trips).with_columns(trips=pl.Series(parts))
    shuffled = counted.sample(fraction=1, shuffle=True, seed=1)
    pairs, flows = count_origin_destination(counted), count_flows(counted)
    assert pairs.equals(count_origin_destination(shuffled))
    assert flows.equals(count_flows(shuffled))
    exact = sum(
        Fraction(part) for trip, part in zip(trips, parts, strict=True) if trip[0] is not None
    )
    assert float(flows["outflow"].sum()) == pytest.approx(float(exact))


def test_located_trips_keep_their_counts_and_hours():
    table = trips_between(REGIONS, [(0, 1), (2, None), (0, 1)], ["2020-01-01 05:59", None, None])
    table.loc[2, "origin_longitude"] = np.nan
    located = locate(Trips(table.assign(trips=[2.0, 1.0, 4.0])), REGIONS)
    assert located.rows() == [
        (IDS[0], IDS[1], 5, 2.0),
        (IDS[2], None, None, 1.0),
        (None, IDS[1], None, 4.0),
    ]


def squares(columns: int, rows: int) -> gpd.GeoDataFrame:
    """Zones that cover the regions and a rim around them."""
    width, height = (EAST - WEST) * 1.4 / columns, (NORTH - SOUTH) * 1.2 / rows
    west = WEST - 0.2 * (EAST - WEST)
    south = SOUTH - 0.1 * (NORTH - SOUTH)
    shapes = [
        box(west + i * width, south + j * height, west + (i + 1) * width, south + (j + 1) * height)
        for i in range(columns)
        for j in range(rows)
    ]
    names = [f"zone {number}" for number in range(len(shapes))]
    return gpd.GeoDataFrame({"zone": names}, geometry=shapes, crs=4326)


def weights_drawn(draw) -> gpd.GeoDataFrame | None:
    kind = draw(st.sampled_from(["area", "points", "polygons"]))
    if kind == "area":
        return None
    number = draw(st.integers(1, 12))
    generator = np.random.default_rng(draw(st.integers(0, 100)))
    points = gpd.points_from_xy(
        generator.uniform(WEST - 0.01, EAST, number), generator.uniform(SOUTH, NORTH, number)
    )
    shapes = gpd.GeoSeries(points) if kind == "points" else gpd.GeoSeries(points).buffer(0.004)
    weight = generator.integers(0, 5, number).astype(float)
    return gpd.GeoDataFrame({"weight": weight}, geometry=shapes.to_numpy(), crs=4326)


@st.composite
def flows_drawn(draw):
    zones = squares(draw(st.integers(1, 4)), draw(st.integers(1, 3)))
    end = st.sampled_from([*zones["zone"], "unknown", ""])
    rows = draw(
        st.lists(
            st.tuples(end, end, st.sampled_from([None, 0, 23]), st.floats(0.1, 100)), max_size=20
        )
    )
    table = pd.DataFrame(rows, columns=["origin", "destination", "hour", "trips"])
    table = table.astype({"hour": "Int8", "trips": float, "origin": str, "destination": str})
    return Flows(table, zones.to_crs(draw(st.sampled_from([4326, 2263]))), weights_drawn(draw))


@given(flows_drawn())
@settings(deadline=None, max_examples=40)
def test_apportioned_trips_are_conserved_and_follow_the_shares(flows):
    located = apportion(flows, REGIONS)
    by_hour = flows.table.fillna({"hour": -1}).groupby("hour")["trips"].sum().to_dict()
    found = located.with_columns(pl.col("hour").fill_null(-1)).group_by("hour")
    assert dict(found.agg(pl.col("trips").sum()).rows()) == pytest.approx(by_hour)
    shares = {}
    for row in share_all(flows.zones, REGIONS, flows.weights).itertuples():
        region = None if pd.isna(row.region_id) else row.region_id
        shares.setdefault(row.zone, []).append((region, row.share))
    expected = Counter()
    for row in flows.table.itertuples():
        for origin, one in shares.get(row.origin, [(None, 1)]):
            for destination, other in shares.get(row.destination, [(None, 1)]):
                key = (origin, destination, None if pd.isna(row.hour) else int(row.hour))
                expected[key] += row.trips * one * other
    assert {row[:3]: row[3] for row in located.rows()} == pytest.approx(dict(expected))
    shuffled = Flows(flows.table[::-1], flows.zones[::-1], flows.weights)
    assert apportion(shuffled, REGIONS).equals(located)


@given(st.integers(1, 4), st.integers(1, 3))
@settings(deadline=None, max_examples=8)
def test_shares_are_areas_over_that_of_the_zone(columns, rows):
    zones = squares(columns, rows)
    found = share_all(zones, REGIONS)
    assert found.groupby("zone")["share"].sum().to_list() == pytest.approx([1] * len(zones))
    flat, cells = zones.to_crs(32618), REGIONS.to_crs(32618)
    expected = {
        (zone, region): shape.intersection(cell).area / shape.area
        for zone, shape in zip(zones["zone"], flat.geometry, strict=True)
        for region, cell in zip(IDS, cells.geometry, strict=True)
        if shape.intersection(cell).area > 0
    }
    inside = found.dropna(subset="region_id").set_index(["zone", "region_id"])["share"]
    assert inside.to_dict() == pytest.approx(expected, abs=1e-4)


def test_a_zone_partly_outside_loses_that_share_and_says_so(capsys):
    cell = REGIONS.geometry.iloc[3]
    away = translate(cell, 0.1)
    zones = gpd.GeoDataFrame(
        {"zone": ["both", "away"]}, geometry=[cell.union(away), translate(away, 0.1)], crs=4326
    )
    rows = {"origin": ["both", "away"], "destination": ["both", "both"], "trips": [8.0, 4.0]}
    table = pd.DataFrame({**rows, "hour": pd.array([7, 7], dtype="Int8")})
    located = apportion(Flows(table, zones), REGIONS)
    ends = count_flows(located)
    assert ends["region_id"].to_list() == [IDS[3]]
    assert ends.select("outflow", "inflow").row(0) == pytest.approx((4, 6), rel=1e-3)
    assert (
        "of 12.0 trips between zones, in no region lie 8.0 origins, 6.0 dest"
        in capsys.readouterr().out
    )


def test_trips_go_where_the_weights_are_and_by_area_where_there_are_none(capsys):
    pair = REGIONS.geometry.iloc[0].union(REGIONS.geometry.iloc[1])
    zones = gpd.GeoDataFrame(
        {"zone": ["a", "b"]}, geometry=[pair, REGIONS.geometry.iloc[5]], crs=4326
    )
    centres = [Point(*REGIONS.loc[i, ["longitude", "latitude"]]) for i in (0, 0, 1)]
    points = gpd.GeoDataFrame({"weight": [1.0, 2.0, 1.0]}, geometry=centres, crs=4326)
    discs = points.set_geometry([point.buffer(0.001) for point in centres], crs=4326)
    for weights in (points, discs.to_crs(2263)):
        found = share_all(zones, REGIONS, weights)
        inside = found.dropna(subset="region_id")
        assert inside["region_id"].to_list() == [IDS[0], IDS[1], IDS[5]]
        assert inside["share"].to_list() == pytest.approx([0.75, 0.25, 1], abs=1e-6)
        assert "1 of 2 zones have no weight: shared out by area" in capsys.readouterr().out


def test_regions_by_name_stay_whole():
    rows = {"origin": [IDS[0], "elsewhere"], "destination": [IDS[1], IDS[1]], "trips": [3.0, 2.0]}
    flows = Flows(pd.DataFrame({**rows, "hour": pd.array([None, 8], dtype="Int8")}))
    located = apportion(flows, REGIONS)
    assert count_origin_destination(located).rows() == [(IDS[0], IDS[1], None, 3)]
    assert count_flows(located).rows() == [
        (IDS[0], None, 0, 3),
        (IDS[1], None, 3, 0),
        (IDS[1], 8, 2, 0),
    ]
    assert count_flows(located)["inflow"].dtype == pl.Int64


def test_no_flows_give_no_rows():
    table = pd.DataFrame(
        {"origin": [], "destination": [], "hour": pd.array([], dtype="Int8"), "trips": []}
    )
    assert apportion(Flows(table), REGIONS).is_empty()
    assert count_flows(apportion(Flows(table), REGIONS)).is_empty()
