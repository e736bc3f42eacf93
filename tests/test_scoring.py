import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from musecl.evaluation.scoring import mae, r2, rmse, scored_rows, summarise


@pytest.fixture
def answers():
    generator = np.random.default_rng(2)
    observed = generator.normal(3, 2, size=(50, 4))
    return observed, observed + generator.normal(0, 1, size=(3, 50, 4))


def test_scores_are_those_of_scikit_learn(answers):
    observed, predicted = answers
    for ours, theirs in (
        (r2, r2_score),
        (rmse, root_mean_squared_error),
        (mae, mean_absolute_error),
    ):
        for seed in range(3):
            for column in range(4):
                expected = theirs(observed[:, column], predicted[seed, :, column])
                assert ours(observed, predicted)[seed, column] == pytest.approx(expected, abs=1e-12)


def test_summary_is_mean_and_deviation_over_seeds(answers):
    observed, predicted = answers
    by_seed = np.array(
        [[r2_score(observed[:, t], predicted[s, :, t]) for t in range(4)] for s in range(3)]
    )
    summary = summarise(observed, predicted)
    np.testing.assert_allclose(summary["r2_mean"], by_seed.mean(axis=0))
    np.testing.assert_allclose(summary["r2_std"], by_seed.std(axis=0))
    np.testing.assert_allclose(summary["mae_mean"], np.abs(observed - predicted).mean(axis=(0, 1)))
    assert summary["rmse_std"].shape == (4,)


def test_regions_that_no_fold_tests_are_left_out(answers):
    observed, predicted = answers
    alone = summarise(observed[:20], predicted[:, :20])
    predicted[:, 20:] = np.nan
    assert scored_rows(predicted).tolist() == [True] * 20 + [False] * 30
    for name, values in summarise(observed, predicted).items():
        np.testing.assert_array_equal(values, alone[name])


def test_an_answer_that_is_no_number_is_not_taken_for_an_untested_region(answers):
    observed, predicted = answers
    predicted[1, 7, 2] = np.nan
    assert np.isnan(summarise(observed, predicted)["r2_mean"][2])


def test_folds_are_pooled_before_scoring():
    # Two folds of different level, each predicted by its own mean: within folds R2 is 0.
    observed = np.array([[0.0], [2.0], [10.0], [12.0]])
    predicted = np.array([[1.0], [1.0], [11.0], [11.0]])
    assert r2(observed, predicted)[0] == pytest.approx(1 - 4 / 104)
