"""The pairs: positives by rank, the same region as a fallback, and negatives that are none."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musecl.settings.pairs import MobilityPairSettings
from musecl.stages.pairs import build_pairs, choose_by_mobility, draw_negatives, run
from musecl.step.errors import InputError
from small_city import disk_of_regions, job_in, random_histogram, random_trips

REGIONS = disk_of_regions()
INPUTS = [
    "regions.parquet",
    "place_histogram.parquet",
    "flows.parquet",
    "origin_destination.parquet",
]
OUTPUTS = ["remote_view_pairs.parquet", "street_view_pairs.parquet"]
PAIRS = {
    "remote_view": {"top": 4, "ignored_categories": ["trip end on *"]},
    "street_view": {"top": 3, "minimum_trips": 3},
}


def run_on(root, tables, seed=1):
    (root / "data" / "toy").mkdir(parents=True)
    for name, table in zip(INPUTS, tables, strict=True):
        table.to_parquet(root / "data" / "toy" / name, index=False)
    job = job_in(root, INPUTS, OUTPUTS, seed=seed, pairs=PAIRS)
    run(job)
    job.publish()
    return [pd.read_parquet(root / "data" / "toy" / name) for name in OUTPUTS]


def tables():
    flows, od, _ = random_trips(REGIONS)
    return [REGIONS, random_histogram(REGIONS), flows, od]


@given(st.integers(0, 999), st.integers(4, 30), st.data())
@settings(deadline=None, max_examples=50)
def test_a_negative_is_neither_anchor_nor_positive(seed, count, data):
    top = data.draw(st.integers(1, count - 2))
    generator = np.random.default_rng(seed)
    positives = np.array([generator.permutation(count)[:top] for _ in range(count)])
    negatives = draw_negatives(positives, np.random.default_rng(seed))
    for anchor in range(count):
        assert not {anchor, *positives[anchor]} & set(negatives[anchor])
    assert negatives.min() >= 0
    assert negatives.max() < count


def test_every_allowed_negative_is_drawn_about_as_often():
    positives = np.tile([[1, 2]], (8, 1))
    generator = np.random.default_rng(0)
    drawn = np.concatenate([draw_negatives(positives, generator)[0] for _ in range(2_000)])
    counts = np.bincount(drawn, minlength=8)
    assert counts[[0, 1, 2]].tolist() == [0, 0, 0]
    np.testing.assert_allclose(counts[3:] / 800, 1, atol=0.15)


def test_negatives_need_a_region_that_is_left_over():
    with pytest.raises(InputError, match="3 regions leave no negative beside 2 positives"):
        draw_negatives(np.array([[1, 2], [0, 2], [0, 1]]), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("trips_of_regions", "expected"),
    [
        ([9, 9, 9, 9], [[2, 1], [3, 2], [0, 1], [1, 2]]),
        ([9, 9, 9, 2], [[2, 1], [2, 0], [0, 1], [3, 3]]),
        ([9, 0, 9, 2], [[2, 0], [1, 1], [0, 2], [3, 3]]),
        ([9, 0, 0, 2], [[0, 0], [1, 1], [2, 2], [3, 3]]),
    ],
)
def test_a_region_with_few_trips_is_its_own_positive_and_nobody_elses(trips_of_regions, expected):
    angles = np.radians([0, 80, 10, 100])
    profiles = np.column_stack([np.cos(angles), np.sin(angles)])
    two = MobilityPairSettings(top=2, minimum_trips=3)
    positives, similarity = choose_by_mobility(profiles, np.array(trips_of_regions), two)
    assert positives.tolist() == expected
    cosine = np.einsum("id,ikd->ik", profiles, profiles[positives])
    np.testing.assert_allclose(similarity, cosine, atol=1e-5)


def test_build_pairs_keeps_rank_and_says_why():
    positives = np.array([[1, 0], [1, 1], [0, 1], [0, 2]])
    similarity = np.array([[0.9, 1], [1, 1], [0.5, 0.4], [0.3, 0.2]])
    table = build_pairs(list("abcd"), positives, similarity, "mobility", np.random.default_rng(0))
    assert table["anchor"].tolist() == list("aabbccdd")
    assert table["positive"].tolist() == list("babbabac")
    assert table["similarity"].tolist() == similarity.ravel().tolist()
    own = ["mobility", *["same region"] * 3, *["mobility"] * 4]
    assert table["reason"].tolist() == own


def test_the_stage_gives_every_region_its_most_similar_ones(tmp_path):
    by_places, by_mobility = run_on(tmp_path, tables())
    ids = sorted(REGIONS["region_id"])
    for pairs, top in ((by_places, 4), (by_mobility, 3)):
        assert pairs["anchor"].tolist() == [region for region in ids for _ in range(top)]
        assert (
            pairs.groupby("anchor")["similarity"].apply(lambda s: s.is_monotonic_decreasing).all()
        )
    assert (by_places["anchor"] != by_places["positive"]).all()
    own = by_mobility["reason"] == "same region"
    assert (own == (by_mobility["anchor"] == by_mobility["positive"])).all()
    assert set(by_mobility.loc[~own, "anchor"]) == set(random_trips(REGIONS)[0]["region_id"])


def test_the_stage_depends_on_the_seed_and_not_on_the_order_of_rows(tmp_path):
    first = run_on(tmp_path / "a", tables())
    mixed = [table.sample(frac=1, random_state=5) for table in tables()]
    for one, other in zip(first, run_on(tmp_path / "b", mixed), strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    reseeded = run_on(tmp_path / "c", tables(), seed=2)
    assert (first[0]["positive"] == reseeded[0]["positive"]).all()
    assert (first[0]["negative"] != reseeded[0]["negative"]).any()


def test_without_any_trip_every_region_is_its_own_street_view_positive(tmp_path):
    regions, histogram, flows, od = tables()
    _, by_mobility = run_on(tmp_path, [regions, histogram, flows.iloc[:0], od.iloc[:0]])
    assert (by_mobility["anchor"] == by_mobility["positive"]).all()
    assert (by_mobility["reason"] == "same region").all()
    assert len(by_mobility) == 3 * len(REGIONS)
