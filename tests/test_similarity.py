"""Profiles of POIs and of mobility, entry by entry against loops."""

from typing import get_args

import numpy as np
import pandas as pd
import pytest

from musecl.pair_mining.settings import MobilityProfile
from musecl.pair_mining.similarity import mobility_profiles, poi_profiles
from musecl.runtime.errors import InputError
from small_city import disk_of_regions, random_category_counts, random_trips

REGIONS = disk_of_regions()
IDS = REGIONS["region_id"].tolist()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_poi_profile_is_the_standardised_logarithm_of_its_rings(count):
    table, neighbours = (
        random_category_counts(REGIONS),
        dict(zip(IDS, REGIONS["neighbours"], strict=True)),
    )
    counts = table.set_index("region_id")[["park", "subway station"]]
    raw = []
    for region in IDS:
        first = set(neighbours[region])
        second = {far for near in first for far in neighbours[near]} - first - {region}
        k_rings = [[region], sorted(first), sorted(second)][: count + 1]
        raw.append(np.concatenate([np.log1p(counts.loc[ring].mean()) for ring in k_rings]))
    raw = np.array(raw)
    expected = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    found = poi_profiles(table, REGIONS, ["trip end on *"], count)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_ignored_categories_do_not_matter_and_others_do():
    first, second = random_category_counts(REGIONS), random_category_counts(REGIONS)
    second["trip end on street"] = second["trip end on street"].to_numpy()[::-1]
    ignored = ["trip end on *"]
    same = poi_profiles(first, REGIONS, ignored, 2), poi_profiles(second, REGIONS, ignored, 2)
    np.testing.assert_array_equal(*same)
    assert not np.array_equal(
        poi_profiles(first, REGIONS, [], 2), poi_profiles(second, REGIONS, [], 2)
    )


def test_a_category_that_every_region_has_alike_is_left_out():
    table = random_category_counts(REGIONS)
    with_constant = poi_profiles(table.assign(constant=2.0), REGIONS, [], 2)
    assert with_constant.shape == (len(IDS), 9)
    np.testing.assert_array_equal(with_constant, poi_profiles(table, REGIONS, [], 2))


@pytest.mark.parametrize(
    ("table", "ignored", "message"),
    [
        (random_category_counts(REGIONS), ["*"], "no category is left"),
        (random_category_counts(REGIONS).iloc[1:], [], "1 regions are absent"),
        (random_category_counts(REGIONS).assign(region_id=["x", *IDS[1:]]), [], "first 'x'"),
    ],
)
def test_poi_profiles_refuse_tables_that_do_not_fit(table, ignored, message):
    with pytest.raises(InputError, match=message):
        poi_profiles(table, REGIONS, ignored, 2)


@pytest.mark.parametrize("profile", ["origin_destination", "origin_destination_rows"])
def test_mobility_profile_counts_trips_by_the_cell_of_their_other_end_and_outside(profile):
    flows, od, pairs = random_trips(REGIONS)
    cells = REGIONS["spatial_block" if profile == "origin_destination" else "region_id"]
    cell = dict(zip(IDS, cells, strict=True))
    columns = [*sorted(set(cell.values())), "outside"]
    expected = np.zeros((len(IDS), 2 * len(columns)))
    for origin, destination in pairs:
        if origin:
            expected[IDS.index(origin), columns.index(cell.get(destination, "outside"))] += 1
        if destination:
            column = len(columns) + columns.index(cell.get(origin, "outside"))
            expected[IDS.index(destination), column] += 1
    ends = expected.sum(axis=1)
    expected = np.log1p(expected)
    profiles, counted = mobility_profiles(profile, REGIONS, flows, od)
    length = np.maximum(np.linalg.norm(expected, axis=1, keepdims=True), 1e-12)
    np.testing.assert_allclose(profiles, expected / length, atol=1e-12)
    np.testing.assert_array_equal(counted, ends)


def by_hour(flows, od):
    """The tables with half of each count at 8 and the rest at 17 o'clock."""
    halves = [
        table.assign(hour=hour, **numbers)
        for table, names in ((flows, ["inflow", "outflow"]), (od, ["trips"]))
        for hour, numbers in (
            (8, {name: table[name] // 2 for name in names}),
            (17, {name: table[name] - table[name] // 2 for name in names}),
        )
    ]
    return pd.concat(halves[:2]), pd.concat(halves[2:])


@pytest.mark.parametrize("profile", ["origin_destination", "origin_destination_rows"])
def test_hours_are_added_up(profile):
    flows, od, _ = random_trips(REGIONS)
    split = mobility_profiles(profile, REGIONS, *by_hour(flows, od))
    np.testing.assert_array_equal(split[0], mobility_profiles(profile, REGIONS, flows, od)[0])


@pytest.mark.parametrize("hours_known", [True, False])
def test_flow_profile_is_the_logarithm_of_inflow_and_outflow_by_hour(hours_known):
    flows, od, _ = random_trips(REGIONS)
    table = by_hour(flows, od)[0] if hours_known else flows
    hours = [8, 17] if hours_known else [None]
    expected = np.zeros((len(IDS), 2 * len(hours)))
    for row in table.itertuples():
        column = hours.index(row.hour)
        expected[IDS.index(row.region_id), column] = np.log1p(row.inflow)
        expected[IDS.index(row.region_id), len(hours) + column] = np.log1p(row.outflow)
    profiles, trips = mobility_profiles("flows", REGIONS, table, od)
    np.testing.assert_allclose(profiles, expected, atol=1e-12)
    np.testing.assert_array_equal(trips, mobility_profiles("flows", REGIONS, flows, od)[1])


@pytest.mark.parametrize("profile", get_args(MobilityProfile))
def test_the_order_of_rows_changes_no_bit(profile):
    flows, od, _ = random_trips(REGIONS)
    mixed = [frame.sample(frac=1, random_state=1) for frame in (REGIONS, flows, od)]
    for one, other in zip(
        mobility_profiles(profile, REGIONS, flows, od),
        mobility_profiles(profile, *mixed),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(
        poi_profiles(random_category_counts(REGIONS), REGIONS, [], 2),
        poi_profiles(random_category_counts(REGIONS).iloc[::-1], mixed[0], [], 2),
    )


def test_mobility_profiles_refuse_tables_of_different_trips():
    flows, od, _ = random_trips(REGIONS)
    with pytest.raises(InputError, match="more trips than the outflow"):
        mobility_profiles("origin_destination", REGIONS, flows.assign(outflow=0), od)
    with pytest.raises(InputError, match="flows: 1 regions are not in the region table"):
        mobility_profiles(
            "flows", REGIONS[REGIONS["region_id"] != flows["region_id"][0]], flows, od
        )
