import numpy as np

from musecl.evaluation.bootstrap import DRAWS, draw_weights, paired_difference, resampled_r2
from musecl.evaluation.scoring import r2

UNITS = np.repeat([f"cell-{number:02d}" for number in range(25)], 8)


def example():
    generator = np.random.default_rng(4)
    observed = generator.normal(size=(200, 2))
    near = observed + 0.3 * generator.normal(size=(3, 200, 2))
    far = observed + 0.8 * generator.normal(size=(3, 200, 2))
    return observed, near, far


def both(observed, predicted):
    weights = draw_weights(UNITS, np.random.default_rng(1))
    return resampled_r2(observed, predicted, np.vstack([np.ones(200), weights]))


def test_with_every_region_once_it_is_the_mean_r2():
    observed, near, _ = example()
    np.testing.assert_allclose(both(observed, near)[0], r2(observed, near).mean(), atol=1e-12)


def test_whole_cells_are_drawn_and_as_many_as_there_are():
    weights = draw_weights(UNITS, np.random.default_rng(1))
    assert weights.shape == (DRAWS, 200)
    by_cell = weights.reshape(DRAWS, 25, 8)
    assert (by_cell == by_cell[:, :, :1]).all()
    assert (by_cell[:, :, 0].sum(axis=1) == 25).all()


def test_a_better_method_is_better_and_the_same_is_not():
    observed, near, far = example()
    better = paired_difference(both(observed, near), both(observed, far), 25)
    assert 0 < better.low < better.mean < better.high
    same = paired_difference(both(observed, near), both(observed, near), 25)
    assert (same.low, same.mean, same.high) == (0, 0, 0)


def test_what_has_no_value_is_not_read():
    observed, near, _ = example()
    observed[:40, 1] = np.nan
    before = both(observed, near)
    near[:, :40, 1] = 1e6
    np.testing.assert_array_equal(both(observed, near), before)
    assert np.isfinite(before).all()


def test_a_region_that_no_fold_tests_does_not_count():
    observed, near, _ = example()
    unknown = observed.copy()
    unknown[120:] = np.nan
    before = both(unknown, near)
    near[:, 120:] = np.nan
    np.testing.assert_array_equal(both(observed, near), before)
    assert np.isfinite(before).all()


def test_an_interval_holds_the_truth_about_as_often_as_it_says():
    """Two methods that are equally good: 0 lies in most of 95% intervals."""
    held = 0
    for number in range(40):
        generator = np.random.default_rng(number)
        cell = np.repeat(generator.normal(size=(25, 1)), 8, axis=0)
        observed = cell + generator.normal(size=(200, 1))
        first, second = (
            observed[None] + np.repeat(generator.normal(size=(1, 25, 1)), 8, axis=1)
            for _ in range(2)
        )
        found = paired_difference(both(observed, first), both(observed, second), 25)
        held += found.low <= 0 <= found.high
    assert 33 <= held <= 40


def test_a_handful_of_cells_gives_no_interval():
    observed, near, far = example()
    found = paired_difference(both(observed, near), both(observed, far), 5)
    assert found.mean > 0 and np.isnan(found.low) and np.isnan(found.high)
