"""From the fitted scale back to the unit: means keep totals, bounds are quantiles."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musecl.evaluation import everywhere
from musecl.evaluation.backtransform import Scale, correct_each
from musecl.evaluation.judgeable import Judgeable
from musecl.evaluation.labels import CityLabels, IndicatorGroup
from musecl.evaluation.methods import RegionFeatures
from musecl.evaluation.prediction import SeededFold
from musecl.evaluation.selection import SelectedPredictions
from musecl.evaluation.splits import Fold

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
    # Where there is less land, more people live on a km2 than the place lets one think.
    land = np.exp(0.5 * (said - observed))
    raw = np.expm1(observed)
    assert DENSITY.back(said).sum() < 0.8 * raw.sum()
    found = DENSITY.back(DENSITY.corrected(said, observed, said, land))
    assert found @ land == pytest.approx(raw @ land, rel=1e-3)
    assert found.sum() < 0.9 * raw.sum()
    trips = Scale("trips", "ln(1+x)", minimum=0)
    found = trips.back(trips.corrected(said, observed, said, land))
    assert found.sum() == pytest.approx(raw.sum(), rel=1e-3)


def test_what_lies_beyond_all_labels_is_held_at_the_largest():
    observed, land = np.array([1.0, 2.0, 3.0]), np.ones(3)
    found = DENSITY.corrected(np.array([2.5, 3.0, 900.0]), observed, observed, land)
    np.testing.assert_allclose(found, [2.5, 3.0, 3.0])
    # A wild prediction in training is held, too, and does not undo the others.
    found = DENSITY.corrected(observed, observed, np.array([1.0, 2.0, 900.0]), land)
    np.testing.assert_allclose(found, observed)


def test_coordinates_may_say_as_much_as_any_training_label(monkeypatch):
    """They are corrected by a part of the training fold, whose largest label may be small."""
    labels = np.array([[1.0], [2.0], [9.0], [8.0], [3.0], [8.5]])
    fold = Fold(np.arange(5), np.array([5]), np.array([0, 0, 1, 1, 1]))
    said = SelectedPredictions(labels[:2], np.array([[8.5]]))
    monkeypatch.setattr(everywhere, "choose_by_place", lambda *_: said)
    monkeypatch.setattr(
        everywhere, "fold_of_all_labels", lambda *_: replace(fold, test=fold.test[:0])
    )
    ids = list("abcdef")
    regions = pd.DataFrame({"region_id": ids, "area_km2": 1.0, "land_share": 1.0})
    values = pd.DataFrame({"density": labels[:, 0]}, index=ids)
    group = IndicatorGroup(np.arange(6), ["density"], labels)
    labelled = CityLabels(regions, [group], set(), {}, {"density": DENSITY}, values)
    task = Judgeable("random", group, [SeededFold(0, fold, (1,))])
    block = RegionFeatures(labels, np.ones(6, dtype=bool))
    found = everywhere.predict_everywhere(labelled, block, np.zeros((6, 2)), task, None, 1)
    assert found["prediction_from_coordinates"].to_list() == [pytest.approx(np.expm1(8.5))]


def test_a_mean_that_was_not_transformed_is_not_corrected():
    said = np.array([1.0, 300.0])
    corrected = SHARE.corrected(said, np.array([10.0, 20.0]), np.array([1.0, 3.0]), np.ones(2))
    np.testing.assert_array_equal(corrected, said)


def test_each_indicator_is_corrected_by_its_own_scale():
    observed = np.array([[2.0, 40.0], [3.0, 60.0]])
    left_out = np.array([[1.0, 50.0], [2.0, 50.0]])
    said = np.array([[1.0, 120.0], [2.0, 30.0]])
    found = correct_each([DENSITY, SHARE], said, observed, left_out, np.array([1.0, 7.0]))
    # Left-out predictions are one below what was observed: e times too little.
    np.testing.assert_allclose(found, [[2, 120], [3, 30]])


def test_bounds_may_be_infinite():
    assert DENSITY.back(np.array([np.inf, -np.inf])).tolist() == [np.inf, 0]
    assert SHARE.back(np.array([np.inf, -np.inf])).tolist() == [100, 0]
