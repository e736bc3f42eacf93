import numpy as np

from musecl.evaluation.conformal import half_width


def test_it_is_the_order_statistic_of_the_definition():
    residuals = np.arange(1, 20, dtype=float)[:, None] * [1, -2]
    assert half_width(residuals).tolist() == [18, 36]


def test_few_residuals_promise_nothing():
    assert np.isinf(half_width(np.ones((8, 2)))).all()
    assert np.isfinite(half_width(np.ones((9, 2)))).all()


def test_new_residuals_lie_within_as_often_as_promised():
    generator = np.random.default_rng(0)
    held = [
        abs(new) <= half_width(generator.standard_t(3, size=(60, 1)))[0]
        for new in generator.standard_t(3, size=4000)
    ]
    assert 0.89 < np.mean(held) < 0.93
