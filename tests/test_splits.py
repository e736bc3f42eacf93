import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from judged_city import MLP
from musecl.evaluation.prediction import draw_trials
from musecl.evaluation.settings import EvaluateSettings
from musecl.evaluation.splits import (
    Fold,
    draw_folds,
    paper_fold,
    unit_folds,
    units_of,
)
from musecl.runtime.errors import InputError

# No spatial block holds more than a third: half of the regions then lie in two or more.
CITIES = st.lists(st.integers(0, 12), min_size=40, max_size=120).filter(
    lambda blocks: len(set(blocks)) >= 6 and max(map(blocks.count, blocks)) * 3 <= len(blocks)
)


def named(blocks):
    return np.array([f"block-{number:02d}" for number in blocks])


def drawn_by(split, blocks, folds, seed):
    units = named(blocks) if split == "spatial" else None
    return draw_folds(units, len(blocks), folds, np.random.default_rng(seed))


@given(blocks=CITIES, folds=st.integers(2, 5), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("split", ["random", "spatial"])
def test_every_region_is_tested_once_and_never_trained_on(split, blocks, folds, seed):
    drawn = drawn_by(split, blocks, folds, seed)
    assert len(drawn) == folds
    tested = np.concatenate([fold.test for fold in drawn])
    assert sorted(tested) == list(range(len(blocks)))
    for fold in drawn:
        assert sorted([*fold.train, *fold.test]) == list(range(len(blocks)))
        assert sorted([*fold.fitting, *fold.validation]) == list(fold.train)
        assert len(fold.fitting) > 0 and len(fold.validation) > 0


@given(blocks=CITIES, folds=st.integers(2, 5), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_spatial_block_is_held_out_whole_also_inside_a_training_fold(blocks, folds, seed):
    names = named(blocks)
    for fold in drawn_by("spatial", blocks, folds, seed):
        assert not set(names[fold.train]) & set(names[fold.test])
        for block in set(names[fold.train]):
            assert len(set(fold.parts[names[fold.train] == block])) == 1


@given(blocks=CITIES, folds=st.integers(2, 6), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_spatial_folds_differ_by_the_largest_spatial_block_at_most(blocks, folds, seed):
    sizes = np.bincount(unit_folds(named(blocks), folds, np.random.default_rng(seed)))
    assert len(sizes) == folds
    assert sizes.max() - sizes.min() <= np.bincount(blocks).max()


@given(rows=st.integers(6, 200), folds=st.integers(2, 6), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_random_folds_differ_by_one_at_most(rows, folds, seed):
    drawn = draw_folds(None, rows, folds, np.random.default_rng(seed))
    sizes = [len(fold.test) for fold in drawn]
    assert len(sizes) == folds
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("split", ["random", "spatial"])
def test_a_seed_decides_the_folds(split):
    blocks = np.arange(200) // 8

    def tests(seed):
        drawn = drawn_by(split, blocks, 5, seed)
        return [fold.test.tolist() for fold in drawn], [fold.parts.tolist() for fold in drawn]

    assert tests(3) == tests(3)
    assert tests(3) != tests(4)


def test_random_folds_cut_through_spatial_blocks():
    blocks = named(np.arange(200) // 8)
    fold = draw_folds(None, 200, 5, np.random.default_rng(0))[0]
    assert set(blocks[fold.train]) & set(blocks[fold.test])


def test_fewer_units_than_folds_give_a_fold_each():
    drawn = drawn_by("spatial", [1, 1, 1, 2, 2, 3, 3], 5, 0)
    assert sorted(len(fold.test) for fold in drawn) == [2, 2, 3]


@pytest.mark.parametrize(
    ("split", "blocks", "message"),
    [
        ("random", [1, 2, 3, 4], r"4 regions have a value, fewer than evaluate\.folds \(5\)"),
        ("spatial", [1, 1, 1, 2, 2, 2], "its regions lie in 2 of the units .* takes 3 or more"),
    ],
)
def test_too_few_to_divide_is_refused(split, blocks, message):
    with pytest.raises(InputError, match=message):
        drawn_by(split, blocks, 5, 0)


def test_a_training_fold_of_one_larger_cell_is_refused():
    with pytest.raises(InputError, match="a training fold is a single region or larger cell"):
        drawn_by("spatial", [1, 1, 1, 2, 3], 2, 0)


def test_the_inner_fold_predicts_the_validation_part_and_never_sees_the_test():
    for fold in drawn_by("spatial", np.arange(200) // 8, 5, 0):
        inner = fold.inner
        assert inner.train.tolist() == fold.fitting.tolist()
        assert inner.test.tolist() == fold.validation.tolist()
        assert len(inner.parts) == len(inner.train) and len(set(inner.parts)) == 4


def test_an_inner_fold_of_a_single_larger_cell_still_has_parts():
    fold = Fold(np.arange(6), np.arange(6, 9), np.array([0, 0, 0, 1, 1, 1]))
    assert sorted(set(fold.inner.parts)) == [0, 1]


def test_a_region_in_no_district_is_refused_where_districts_are_held_out():
    regions = pd.DataFrame({"spatial_block": list("aabb"), "district": ["x", None, None, "y"]})
    assert units_of(regions, "spatial").tolist() == list("aabb")
    assert units_of(regions, "random") is None
    with pytest.raises(InputError, match="2 of its 4 regions lie in no district"):
        units_of(regions, "district")


def test_the_papers_split_is_60_20_20_and_the_same_each_time():
    fold = paper_fold(1111)
    assert (len(fold.fitting), len(fold.validation), len(fold.test)) == (666, 222, 223)
    assert sorted([*fold.train, *fold.test]) == list(range(1111))
    np.testing.assert_array_equal(fold.test, paper_fold(1111).test)


def test_the_papers_split_is_one_fold_of_one_repetition():
    settings = EvaluateSettings(seeds=5, folds=5, splits=["paper"], mlp=MLP)
    (trial,) = draw_trials("paper", None, 100, settings, seed=3)
    assert trial.repetition == 0
    np.testing.assert_array_equal(trial.fold.test, paper_fold(100).test)
    np.testing.assert_array_equal(trial.fold.parts, paper_fold(100).parts)


def test_the_papers_split_is_that_of_its_code():
    np.random.seed(1)  # noqa: NPY002  as the published code does
    rest, test = train_test_split(np.arange(1111), test_size=0.2)
    fitting, validation = train_test_split(rest, test_size=0.25)
    fold = paper_fold(1111)
    for ours, theirs in (
        (fold.test, test),
        (fold.fitting, fitting),
        (fold.validation, validation),
    ):
        np.testing.assert_array_equal(ours, np.sort(theirs))


def test_parts_of_the_papers_training_fold_are_each_a_fifth_of_the_regions():
    fold = paper_fold(1000)
    assert np.bincount(fold.parts).tolist() == [200, 200, 200, 200]
    assert len(set(fold.inner.parts)) == 3


def test_too_few_regions_for_the_papers_split_are_refused():
    assert len(paper_fold(6).fitting) == 3
    with pytest.raises(InputError, match="5 regions have a value, and the split takes 6 or more"):
        paper_fold(5)
