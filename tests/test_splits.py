import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musecl.splits import draw_folds, random_folds, spatial_folds
from musecl.step.errors import InputError

# No parent holds more than a third: half of the regions then lie in two or more.
CITIES = st.lists(st.integers(0, 12), min_size=40, max_size=120).filter(
    lambda parents: len(set(parents)) >= 6 and max(map(parents.count, parents)) * 3 <= len(parents)
)


def named(parents):
    return np.array([f"parent-{number:02d}" for number in parents])


@given(parents=CITIES, folds=st.integers(2, 5), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("split", ["random", "spatial"])
def test_every_region_is_tested_once_and_never_trained_on(split, parents, folds, seed):
    drawn = draw_folds(split, named(parents), folds, np.random.default_rng(seed))
    assert len(drawn) == folds
    tested = np.concatenate([fold.test for fold in drawn])
    assert sorted(tested) == list(range(len(parents)))
    for fold in drawn:
        assert sorted([*fold.train, *fold.test]) == list(range(len(parents)))
        assert sorted([*fold.fitting, *fold.validation]) == list(fold.train)
        assert len(fold.fitting) > 0 and len(fold.validation) > 0


@given(parents=CITIES, folds=st.integers(2, 5), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_parent_is_held_out_whole_also_inside_a_training_fold(parents, folds, seed):
    names = named(parents)
    for fold in draw_folds("spatial", names, folds, np.random.default_rng(seed)):
        assert not set(names[fold.train]) & set(names[fold.test])
        for parent in set(names[fold.train]):
            assert len(set(fold.parts[names[fold.train] == parent])) == 1


@given(parents=CITIES, folds=st.integers(2, 6), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_spatial_folds_differ_by_the_largest_parent_at_most(parents, folds, seed):
    sizes = np.bincount(spatial_folds(named(parents), folds, np.random.default_rng(seed)))
    assert len(sizes) == folds
    assert sizes.max() - sizes.min() <= np.bincount(parents).max()


@given(rows=st.integers(6, 200), folds=st.integers(2, 6), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_random_folds_differ_by_one_at_most(rows, folds, seed):
    sizes = np.bincount(random_folds(rows, folds, np.random.default_rng(seed)), minlength=folds)
    assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("split", ["random", "spatial"])
def test_a_seed_decides_the_folds(split):
    parents = named(np.arange(200) // 8)

    def tests(seed):
        drawn = draw_folds(split, parents, 5, np.random.default_rng(seed))
        return [fold.test.tolist() for fold in drawn], [fold.parts.tolist() for fold in drawn]

    assert tests(3) == tests(3)
    assert tests(3) != tests(4)


def test_random_folds_cut_through_parents():
    parents = named(np.arange(200) // 8)
    fold = draw_folds("random", parents, 5, np.random.default_rng(0))[0]
    assert set(parents[fold.train]) & set(parents[fold.test])


@pytest.mark.parametrize(
    ("split", "parents", "message"),
    [
        ("random", [1, 2, 3], "3 regions for 5 folds"),
        ("spatial", [1, 1, 1, 2, 2, 2], "2 parent cells for 5 folds"),
    ],
)
def test_too_few_to_divide_is_refused(split, parents, message):
    with pytest.raises(InputError, match=message):
        draw_folds(split, named(parents), 5, np.random.default_rng(0))
