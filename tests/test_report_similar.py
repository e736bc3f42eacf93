import numpy as np
import pytest

from musecl.report.similar import PAIRS, TOP, find_similar

IDS = [f"r{number:02}" for number in range(16)]
# A street of regions: each beside the one before and the one after.
STREET = {
    name: [IDS[other] for other in (number - 1, number + 1) if 0 <= other < len(IDS)]
    for number, name in enumerate(IDS)
}


@pytest.fixture
def vectors():
    drawn = np.random.default_rng(2).normal(size=(len(IDS), 4))
    return drawn - drawn.mean(axis=0)


def cosine(one, other):
    return one @ other / np.linalg.norm(one) / np.linalg.norm(other)


def test_the_ten_nearest_by_cosine_come_first_and_never_itself(vectors):
    found = find_similar(vectors, np.arange(len(IDS)), IDS, STREET).everywhere
    for row, nearest in enumerate(found):
        others = [other for other in range(len(IDS)) if other != row]
        expected = sorted(others, key=lambda other: -cosine(vectors[row], vectors[other]))[:TOP]
        assert [other for other, _ in nearest] == expected
        assert nearest[0][1] == pytest.approx(cosine(vectors[row], vectors[expected[0]]), abs=1e-6)


def test_neither_scale_nor_what_all_share_matters(vectors):
    once = find_similar(vectors, np.arange(len(IDS)), IDS, STREET)
    assert find_similar(3 * vectors, np.arange(len(IDS)), IDS, STREET) == once
    assert find_similar(vectors + 1, np.arange(len(IDS)), IDS, STREET) == once


def test_neighbours_within_two_rings_can_be_left_out(vectors):
    vectors[3] = vectors[5] = vectors[6] = vectors[4]
    found = find_similar(vectors, np.arange(len(IDS)), IDS, STREET)
    assert {other for other, _ in found.everywhere[4][:3]} == {3, 5, 6}
    for row, elsewhere in enumerate(found.elsewhere):
        assert all(abs(other - row) > 2 for other, _ in elsewhere)


def test_regions_without_a_vector_are_like_none(vectors):
    rows = np.arange(0, len(IDS), 2)
    found = find_similar(vectors[rows], rows, IDS, STREET)
    assert found.everywhere[1] == found.elsewhere[1] == []
    assert all(other % 2 == 0 for nearest in found.everywhere for other, _ in nearest)


def test_pairs_are_far_apart_and_use_a_region_once(vectors):
    vectors[4] = vectors[5]  # alike, and beside each other
    vectors[15] = -vectors[0]
    vectors[1:15] -= vectors[1:15].mean(axis=0)
    found = find_similar(vectors, np.arange(len(IDS)), IDS, STREET)
    assert found.unlike[0] == (0, 15, -1.0)
    for pairs in (found.alike, found.unlike):
        used = [row for pair in pairs for row in pair[:2]]
        assert len(used) == len(set(used)) == 2 * PAIRS
        assert all(abs(one - other) > 2 for one, other, _ in pairs)
    assert found.alike[0][2] == max(nearest[0][1] for nearest in found.elsewhere)


def test_a_city_of_one_region_has_no_similar_one():
    found = find_similar(np.ones((1, 3)), np.array([0]), ["r00"], {"r00": []})
    assert found == ([[]], [[]], [], [])
