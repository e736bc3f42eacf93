"""From the fitted scale back to the unit: means keep totals, bounds are quantiles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musecl.evaluation.backtransform import Scale, means

DENSITY = Scale("people per km2", "ln(1+x)", minimum=0)
SHARE = Scale("percent", "identity", minimum=0, maximum=100)
NUMBERS = st.lists(st.floats(-5, 12), min_size=1, max_size=30).map(np.array)


@given(values=NUMBERS)
def test_labels_come_back_as_they_were(values):
    raw = np.expm1(values)
    np.testing.assert_allclose(DENSITY.original(np.log1p(raw)), raw, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(SHARE.original(values), values)


@given(values=NUMBERS)
def test_order_is_kept_and_nothing_leaves_what_is_possible(values):
    for scale in (DENSITY, SHARE):
        found = scale.back(np.sort(values) * 20)
        assert (np.diff(found) >= 0).all()
        assert (found >= scale.minimum).all() and (found <= scale.maximum).all()


def test_the_ratio_brings_the_total_back_that_the_exponential_loses():
    generator = np.random.default_rng(3)
    said = generator.normal(8, 1, 4000)
    observed = said + generator.normal(0, 1, 4000)
    raw = np.expm1(observed)
    naive = DENSITY.back(said)
    assert naive.sum() < 0.7 * raw.sum()
    ratio = DENSITY.ratio_of_totals(observed, said)
    assert ratio == pytest.approx(np.exp(0.5), rel=0.1)
    np.testing.assert_allclose(DENSITY.mean(said, ratio).sum(), raw.sum(), rtol=1e-9)


def test_a_mean_that_was_not_transformed_is_not_corrected():
    observed, said = np.array([10.0, 20.0]), np.array([1.0, 3.0])
    assert SHARE.ratio_of_totals(observed, said) == 1
    np.testing.assert_array_equal(SHARE.mean(said, 1.0), said)


def test_each_indicator_is_brought_back_by_its_own_scale():
    observed = np.array([[2.0, 40.0], [3.0, 60.0]])
    left_out = np.array([[1.0, 50.0], [2.0, 50.0]])
    found = means([DENSITY, SHARE], np.array([[1.0, 120.0], [2.0, 30.0]]), observed, left_out)
    # Left-out predictions are one below what was observed: e times too little.
    np.testing.assert_allclose(found, [[np.e**2 - 1, 100], [np.e**3 - 1, 30]])


def test_a_wild_prediction_makes_no_nonsense_of_the_ratio():
    assert DENSITY.ratio_of_totals(np.array([1.0, 2.0]), np.array([1.0, 1e6])) >= 0
    assert DENSITY.back(np.array([np.inf, -np.inf])).tolist() == [np.inf, 0]
