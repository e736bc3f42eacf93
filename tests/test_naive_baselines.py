"""The predictors without images, and the choice among settings."""

import numpy as np
import pytest

from musecl.evaluation.naive_baselines import NAIVE_BASELINES, Known
from musecl.evaluation.scoring import r2
from musecl.evaluation.selection import choose, stack
from musecl.evaluation.splits import draw_folds

GENERATOR = np.random.default_rng(3)
COORDINATES = GENERATOR.uniform(0, 20_000, size=(300, 2))
SMOOTH = np.sin(COORDINATES[:, :1] / 3000) + np.cos(COORDINATES[:, 1:] / 4000)
COUNTS = GENERATOR.poisson(3, size=(300, 5)).astype(float)
KNOWN = Known(COORDINATES, COUNTS, 1)
# A baseline that does not know where a region lies: it must find what was counted instead.
FROM_COUNTS = {"poi_counts"}
FOLDS = draw_folds(None, 300, 3, np.random.default_rng(0))


def labels():
    return np.hstack([SMOOTH, COUNTS[:, :1] - COUNTS[:, 1:2], GENERATOR.normal(size=(300, 1))])


@pytest.mark.parametrize("name", NAIVE_BASELINES)
def test_each_finds_its_signal_and_no_other(name):
    known = labels()
    answers = np.empty_like(known)
    for fold in FOLDS:
        answers[fold.test] = choose(NAIVE_BASELINES[name](KNOWN), known, fold).test
    smooth, counted, noise = r2(known, answers)
    if name in FROM_COUNTS:
        assert counted > 0.7 and smooth < 0.1
    else:
        assert smooth > 0.5 and counted < 0.1
    assert noise < 0.1


@pytest.mark.parametrize("name", NAIVE_BASELINES)
def test_labels_of_the_test_fold_are_not_read(name):
    known, fold = labels(), FOLDS[0]
    before = choose(NAIVE_BASELINES[name](KNOWN), known, fold)
    known[fold.test] = 1e6
    after = choose(NAIVE_BASELINES[name](KNOWN), known, fold)
    np.testing.assert_array_equal(before.test, after.test)
    np.testing.assert_array_equal(before.validation, after.validation)


def test_the_choice_is_per_label_and_by_the_validation_part():
    known, fold = labels(), FOLDS[0]

    def right(values, inner):
        return values[inner.test] * [1, 0, 0][: values.shape[1]]

    def wrong(values, inner):
        return np.full((len(inner.test), values.shape[1]), 9.0)

    chosen = choose([wrong, right], known[:, :1], fold)
    np.testing.assert_array_equal(chosen.test, known[fold.test, :1])
    np.testing.assert_array_equal(chosen.validation, known[fold.validation, :1])


def test_a_stack_is_no_worse_than_its_better_part_and_reads_no_test_label():
    known = np.hstack([SMOOTH + 0.5 * (COUNTS[:, :1] - 3), GENERATOR.normal(size=(300, 1))])
    answers, single = np.empty_like(known), np.empty_like(known)
    for fold in FOLDS:
        parts = [
            choose(NAIVE_BASELINES[name](KNOWN), known, fold)
            for name in ("coordinates_nearest", "poi_counts")
        ]
        answers[fold.test] = stack(parts, known, fold)
        single[fold.test] = parts[0].test
        spoiled = known.copy()
        spoiled[fold.test] = -5
        np.testing.assert_array_equal(stack(parts, spoiled, fold), answers[fold.test])
    assert r2(known, answers)[0] > r2(known, single)[0] + 0.1
    assert r2(known, answers)[1] < 0.1
