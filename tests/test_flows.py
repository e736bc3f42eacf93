"""Flows and origin-destination counts against a loop over trips, and what must always hold."""

from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musecl.flows import count_flows, count_origin_destination

END = st.sampled_from(["a", "b", "c", "d", None])
TRIPS = st.lists(st.tuples(END, END, st.sampled_from([None, 0, 8, 23])), max_size=60)
INSIDE = st.sampled_from(["a", "b", "c"])
INSIDE_TRIPS = st.lists(st.tuples(INSIDE, INSIDE, st.none()), min_size=1, max_size=60)


def frame(trips: list[tuple[str | None, str | None, int | None]]) -> pl.DataFrame:
    schema = {"origin": pl.String, "destination": pl.String, "hour": pl.Int8}
    return pl.DataFrame(trips, schema=schema, orient="row")


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
