"""Dasymetric interpolation and the median of classes, person by person and dollar by dollar."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musecl.sources.sample.interpolation import interpolate_counts, median_of_classes

LOT = st.tuples(
    st.sampled_from(["r1", "r2", "r3", None]),
    st.sampled_from(["zone a", "zone b", "unknown zone"]),
    st.floats(0, 500),
)
COUNTS = pd.DataFrame({"people": [900.0, 400.0], "poor": [90.0, 200.0]}, index=["zone a", "zone b"])


def lots_of(rows):
    lots = pd.DataFrame(rows, columns=["region_id", "neighbourhood", "population"])
    return lots.astype({"region_id": object})


def test_a_city_of_three_lots_worked_out_by_hand():
    lots = lots_of(
        [
            ("r1", "zone a", 30.0),
            ("r2", "zone a", 60.0),
            ("r2", "zone b", 10.0),
            ("r1", "zone a", 0),
        ]
    )
    result = interpolate_counts(lots, COUNTS)
    assert result.loc["r1"].to_dict() == pytest.approx({"people": 300, "poor": 30})
    assert result.loc["r2"].to_dict() == pytest.approx({"people": 1000, "poor": 260})


@given(st.lists(LOT, max_size=40))
@settings(deadline=None)
def test_equals_a_loop_that_moves_counts_lot_by_lot(rows):
    expected: dict[str, dict[str, float]] = {}
    for region, zone, population in rows:
        if region is None or zone not in COUNTS.index or population == 0:
            continue
        everyone = sum(p for _, z, p in rows if z == zone)
        moved = expected.setdefault(region, {"people": 0.0, "poor": 0.0})
        for column in moved:
            moved[column] += COUNTS.loc[zone, column] * (population / everyone)
    result = interpolate_counts(lots_of(rows), COUNTS)
    assert list(result.index) == sorted(expected)
    for region, values in expected.items():
        assert result.loc[region].to_dict() == pytest.approx(values)


@given(
    st.lists(LOT, min_size=2, max_size=20).flatmap(
        lambda rows: st.tuples(st.just(rows), st.permutations(rows))
    )
)
@settings(deadline=None)
def test_the_order_of_lots_and_zones_changes_no_bit(case):
    rows, shuffled = case
    first = interpolate_counts(lots_of(rows), COUNTS)
    second = interpolate_counts(lots_of(shuffled), COUNTS.iloc[::-1])
    pd.testing.assert_frame_equal(first, second, check_exact=True)


@pytest.mark.parametrize(
    ("counts", "median"),
    [
        ([10, 0, 0], 5.0),
        ([0, 10, 0], 15.0),
        ([5, 0, 5], 10.0),
        ([1, 2, 1], 15.0),
        ([0, 0, 8], 30.0),
        ([0, 0, 0], np.nan),
    ],
)
def test_median_of_classes(counts, median):
    found = median_of_classes(np.array([counts], dtype=float), [0, 10, 20, 40])
    np.testing.assert_allclose(found, [median])


def test_median_is_near_that_of_the_people_in_the_classes():
    generator = np.random.default_rng(3)
    incomes = generator.uniform(0, 100, 5_000)
    edges = [0.0, 12, 30, 55, 80, 100]
    counts = np.histogram(incomes, edges)[0].astype(float)
    assert median_of_classes(counts[None], edges)[0] == pytest.approx(np.median(incomes), abs=2)
