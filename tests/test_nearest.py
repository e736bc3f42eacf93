"""The exact neighbours against a full sort, with ties and with doubles."""

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musecl.pair_mining import nearest
from musecl.pair_mining.nearest import nearest_rows
from musecl.runtime.errors import InputError


def by_full_sort(vectors, top):
    rows = []
    for anchor in range(len(vectors)):
        ranked = sorted(
            (round(float(np.sqrt(((vectors[other] - vectors[anchor]) ** 2).sum())), 6), other)
            for other in range(len(vectors))
            if other != anchor
        )
        rows.append([other for _, other in ranked[:top]])
    return np.array(rows)


@pytest.mark.parametrize("values", [2, 3, 50], ids=["many ties", "some ties", "few ties"])
@pytest.mark.parametrize("count", [12, 90])
def test_equals_a_full_sort(values, count):
    generator = np.random.default_rng(values)
    vectors = generator.integers(values, size=(count, 3)).astype(float)
    found, distances = nearest_rows(vectors, 5)
    np.testing.assert_array_equal(found, by_full_sort(vectors, 5))
    for anchor in range(count):
        exact = np.linalg.norm(vectors[found[anchor]] - vectors[anchor], axis=1)
        np.testing.assert_allclose(distances[anchor], exact, atol=1e-6)


def test_identical_rows_give_the_first_other_rows():
    found, distances = nearest_rows(np.ones((60, 4)), 3)
    assert found[0].tolist() == [1, 2, 3]
    assert found[1].tolist() == [0, 2, 3]
    assert found[59].tolist() == [0, 1, 2]
    assert not distances.any()


def test_differences_below_single_precision_are_told_apart():
    offsets = np.random.default_rng(0).permutation(200) * 2e-6
    vectors = np.column_stack([1000 + offsets, np.zeros(200)])
    found, _ = nearest_rows(vectors, 2)
    np.testing.assert_array_equal(found, by_full_sort(vectors, 2))


def test_what_is_closer_than_a_millionth_is_a_tie_in_the_order_of_rows():
    vectors = np.array([[0], [1 + 4e-7], [1 + 2e-7], [1.0], [1 - 3e-6]])
    found, _ = nearest_rows(vectors, 4)
    assert found[0].tolist() == [4, 1, 2, 3]


@given(st.integers(0, 10_000), st.integers(6, 40), st.integers(1, 5))
@settings(deadline=None, max_examples=30)
def test_no_row_is_its_own_neighbour_or_found_twice(seed, count, top):
    vectors = np.random.default_rng(seed).integers(3, size=(count, 2)).astype(float)
    found, _ = nearest_rows(vectors, top)
    for anchor, row in enumerate(found):
        assert anchor not in row
        assert len(set(row)) == top


def test_refuses_more_neighbours_than_there_are():
    with pytest.raises(InputError, match="3 regions can have 2 similar ones each, not 3"):
        nearest_rows(np.eye(3), 3)


@given(st.integers(0, 10_000), st.integers(8, 60), st.integers(1, 6), st.floats(0, 1))
@settings(deadline=None, max_examples=60)
def test_equals_a_full_sort_where_many_rows_are_the_same(seed, count, top, empty):
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(count, 4)) * 10 ** generator.uniform(-4, 3, (count, 1))
    vectors[generator.random(count) < empty] = 0.25
    found, _ = nearest_rows(vectors, top)
    np.testing.assert_array_equal(found, by_full_sort(vectors, top))


def test_rows_that_are_the_same_are_compared_once(monkeypatch):
    """Of a fine grid most regions have no POI: each would be compared with all others."""
    ranked = []
    rank = nearest._rank

    def counting(distinct, group, candidates, members, top):
        ranked.append(len(candidates))
        return rank(distinct, group, candidates, members, top)

    monkeypatch.setattr(nearest, "_rank", counting)
    vectors = np.zeros((5_000, 3))
    vectors[::100] = np.random.default_rng(0).normal(size=(50, 3))
    nearest_rows(vectors, 3)
    assert sum(ranked) <= 51 * 51
    assert len(ranked) <= 2 * 51


def test_one_row_far_away_makes_no_other_uncertain(monkeypatch):
    """A category that one region alone has stands far from all: single precision errs there."""
    searched = []
    search = faiss.IndexFlatL2.search

    def counting(index, single, wanted):
        searched.append(len(single))
        return search(index, single, wanted)

    monkeypatch.setattr(faiss.IndexFlatL2, "search", counting)
    vectors = np.random.default_rng(0).normal(size=(2_000, 3))
    vectors[0] = 3_000
    found, _ = nearest_rows(vectors, 3)
    far = np.linalg.norm(vectors - vectors[1], axis=1)
    far[1] = np.inf
    assert found[1].tolist() == far.argsort()[:3].tolist()
    assert sum(searched) < 2_100
