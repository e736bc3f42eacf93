import numpy as np

from musecl.geography.k_rings import k_rings_of, means_of_k_rings

# a - b - c - d, and e apart.
LINE = {"a": ["b"], "b": ["a", "c"], "c": ["b", "d"], "d": ["c"], "e": []}


def test_each_ring_holds_what_no_nearer_one_does():
    assert k_rings_of("a", LINE, 3) == [{"b"}, {"c"}, {"d"}]
    assert k_rings_of("b", LINE, 2) == [{"a", "c"}, {"d"}]
    assert k_rings_of("e", LINE, 2) == [set(), set()]


def test_a_ring_is_averaged_and_an_empty_one_is_zero():
    vectors = np.array([[1.0], [2], [4], [8], [16]])
    first, second = means_of_k_rings(vectors, list("abcde"), LINE, 2, set("abcde"))
    assert first.ravel().tolist() == [2, 2.5, 5, 4, 0]
    assert second.ravel().tolist() == [4, 8, 1, 2, 0]


def test_a_fitted_region_sees_fitted_neighbours_alone():
    vectors = np.array([[1.0], [2], [4], [8]])
    (first,) = means_of_k_rings(vectors, list("abcd"), LINE, 1, set("ab"))
    assert first.ravel().tolist() == [2, 1, 5, 4]


def test_regions_without_a_vector_are_not_looked_at():
    (first,) = means_of_k_rings(np.array([[1.0], [4]]), ["a", "c"], LINE, 1, {"a", "c"})
    assert first.ravel().tolist() == [0, 0]
