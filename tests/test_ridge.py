import numpy as np
import pytest
from sklearn.linear_model import Ridge

from musecl.evaluation.ridge import choose_penalties, coefficients, decompose, left_out_residuals

SHAPES = [(40, 7), (40, 120), (40, 40), (60, 1)]


def example(rows, columns):
    generator = np.random.default_rng(rows + columns)
    inputs = generator.normal(size=(rows, columns))
    inputs -= inputs.mean(axis=0)
    labels = inputs[:, :1] * [2, -1, 0] + generator.normal(size=(rows, 3)) + [5, 0, -3]
    return inputs, labels, generator.permutation(rows) % 5


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
@pytest.mark.parametrize("penalty", [1e-2, 1.0, 300.0])
def test_coefficients_are_those_of_scikit_learn(rows, columns, penalty):
    inputs, labels, _ = example(rows, columns)
    slopes = coefficients(decompose(inputs), labels, np.full(3, penalty))
    expected = Ridge(alpha=penalty, solver="svd").fit(inputs, labels)
    np.testing.assert_allclose(slopes, expected.coef_.T, atol=1e-8)
    np.testing.assert_allclose(labels.mean(axis=0), expected.intercept_, atol=1e-8)


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
@pytest.mark.parametrize("penalty", [1e-2, 1.0, 300.0])
def test_left_out_residuals_are_those_of_a_refit_without_the_part(rows, columns, penalty):
    inputs, labels, parts = example(rows, columns)
    slow = np.empty_like(labels)
    for part in range(5):
        out = parts == part
        model = Ridge(alpha=penalty, solver="svd").fit(inputs[~out], labels[~out])
        slow[out] = labels[out] - model.predict(inputs[out])
    found = left_out_residuals(decompose(inputs), labels, parts, penalty)
    np.testing.assert_allclose(found, slow, atol=1e-8)


def test_left_out_residuals_take_a_penalty_per_label():
    inputs, labels, parts = example(60, 30)
    penalties = np.array([1.0, 300.0, 1.0])
    found = left_out_residuals(decompose(inputs), labels, parts, penalties)
    for column, penalty in enumerate(penalties):
        alone = left_out_residuals(decompose(inputs), labels[:, [column]], parts, penalty)
        np.testing.assert_allclose(found[:, column], alone[:, 0], atol=1e-10)


def test_each_label_gets_its_own_penalty_and_noise_the_strongest():
    inputs, labels, parts = example(60, 30)
    penalties = np.array([1e6, 100.0, 10.0, 1.0, 0.1])
    chosen = choose_penalties(decompose(inputs), labels, parts, penalties)
    slow = [
        (left_out_residuals(decompose(inputs), labels, parts, a) ** 2).sum(axis=0)
        for a in penalties
    ]
    assert chosen.tolist() == penalties[np.argmin(slow, axis=0)].tolist()
    assert chosen[0] < chosen[2]
