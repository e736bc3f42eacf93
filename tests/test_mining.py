"""Positives and negatives of every kind: who they are, and who they never are."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musecl.pair_mining.mining import (
    Similarity,
    cosine,
    draw_negatives,
    mobility_pairs,
    most_similar,
    pair_regions,
    poi_pairs,
)
from musecl.pair_mining.settings import MobilityPairSettings, PoiPairSettings
from musecl.runtime.errors import InputError
from small_city import disk_of_regions, random_category_counts, random_trips

REGIONS = disk_of_regions()
IDS = REGIONS["region_id"].to_list()
NEIGHBOURS = dict(zip(IDS, map(set, REGIONS["neighbours"]), strict=True))
TOP = 3
POIS = PoiPairSettings(
    positives="similar",
    fallback="neighbours",
    negatives="random",
    top=TOP,
    k_rings=2,
    ignored_categories=[],
)
MOBILITY = MobilityPairSettings(
    positives="similar",
    fallback="same_region",
    negatives="random",
    top=TOP,
    profile="origin_destination",
    minimum_trips=3,
)


def on_a_line(known=None, name="pois"):
    """Regions in a row by id, the gaps growing: the nearest of each are its predecessors."""
    values = np.arange(len(IDS), dtype=float)[:, None] ** 2
    known = np.ones(len(IDS), dtype=bool) if known is None else known
    return Similarity(name, values, known, np.negative)


def paired(similarity=None, regions=REGIONS, seed=1, **changes):
    changed = POIS.model_copy(update=changes)
    similarity = on_a_line() if similarity is None else similarity
    return pair_regions(changed, regions, similarity, np.random.default_rng(seed))


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
    ("known", "expected"),
    [
        ([1, 1, 1, 1], [[2, 1], [3, 2], [0, 1], [1, 2]]),
        ([1, 1, 1, 0], [[2, 1], [2, 0], [0, 1], [3, 3]]),
        ([1, 0, 1, 0], [[2, 0], [1, 1], [0, 2], [3, 3]]),
        ([1, 0, 0, 0], [[0, 0], [1, 1], [2, 2], [3, 3]]),
    ],
)
def test_a_region_without_a_profile_is_its_own_positive_and_nobody_elses(known, expected):
    angles = np.radians([0, 80, 10, 100])
    profiles = np.column_stack([np.cos(angles), np.sin(angles)])
    similarity = Similarity("mobility", profiles, np.array(known, dtype=bool), cosine)
    rows, distances = most_similar(similarity, 2)
    assert rows.tolist() == expected
    found = np.einsum("id,ikd->ik", profiles, profiles[rows])
    np.testing.assert_allclose(similarity.of_distance(distances), found, atol=1e-5)


def test_similar_positives_keep_their_rank_and_say_why():
    known = np.arange(len(IDS)) != 5
    table = paired(on_a_line(known, "mobility"))
    assert table["anchor"].to_list() == [region for region in IDS for _ in range(TOP)]
    groups = table.groupby("anchor")
    assert groups.get_group(IDS[10])["positive"].to_list() == [IDS[9], IDS[11], IDS[8]]
    assert groups.get_group(IDS[10])["similarity"].to_list() == [-19, -21, -36]
    assert groups.get_group(IDS[5])["positive"].to_list() == [IDS[5]] * TOP
    own = table["anchor"] == table["positive"]
    assert table["reason"].to_list() == ["same region" if same else "mobility" for same in own]


def test_neighbours_are_adjacent_and_an_island_is_its_own():
    lonely = REGIONS.assign(
        neighbours=[
            [] if region == IDS[0] else sorted(set(others) - {IDS[0]})
            for region, others in zip(IDS, REGIONS["neighbours"], strict=True)
        ]
    )
    for top in (2, 10):
        table = paired(regions=lonely, positives="neighbours", top=top)
        positives = table.groupby("anchor")["positive"].agg(list)
        assert positives[IDS[0]] == [IDS[0]]
        assert table.loc[table["anchor"] == IDS[0], "reason"].to_list() == ["same region"]
        for region in IDS[1:]:
            allowed = NEIGHBOURS[region] - {IDS[0]}
            assert len(set(positives[region])) == len(positives[region]) == min(top, len(allowed))
            assert set(positives[region]) <= allowed
        assert table["similarity"].isna().all()


def test_every_neighbour_is_drawn_sometime():
    drawn = [paired(positives="neighbours", top=1, seed=seed) for seed in range(60)]
    for region in IDS[::6]:
        seen = {table.loc[table["anchor"] == region, "positive"].item() for table in drawn}
        assert seen == NEIGHBOURS[region]


def test_the_same_region_is_every_positive():
    table = paired(positives="same_region")
    assert (table["anchor"] == table["positive"]).all()
    assert (table["reason"] == "same region").all()
    assert len(table) == TOP * len(IDS)


def test_random_positives_are_any_other_regions():
    drawn = [paired(positives="random", seed=seed) for seed in range(80)]
    for table in drawn:
        assert (table["anchor"] != table["positive"]).all()
        assert (table.groupby("anchor")["positive"].nunique() == TOP).all()
        assert (table["reason"] == "random").all()
    for region in (IDS[0], IDS[-1]):
        seen = {other for table in drawn for other in table.loc[table["anchor"] == region].positive}
        assert seen == set(IDS) - {region}


@pytest.mark.parametrize("positives", ["similar", "neighbours", "random", "same_region"])
@pytest.mark.parametrize("negatives", ["random", "hard"])
def test_a_negative_of_any_kind_is_neither_anchor_nor_positive(positives, negatives):
    known = np.arange(len(IDS)) % 4 > 0
    table = paired(on_a_line(known), positives=positives, negatives=negatives)
    for anchor, rows in table.groupby("anchor"):
        assert not {anchor, *rows["positive"]} & set(rows["negative"])


def test_hard_negatives_are_the_ranks_after_the_positives():
    known = np.arange(len(IDS)) != 5
    drawn = [paired(on_a_line(known), negatives="hard", seed=seed) for seed in range(40)]

    def seen(region):
        return {other for table in drawn for other in table.loc[table["anchor"] == region].negative}

    # Squares around 10 * 10: 9, 11 and 8 are the positives; next are 12, 7 and 6.
    assert seen(IDS[10]) == {IDS[12], IDS[7], IDS[6]}
    assert len(seen(IDS[5])) > 2 * TOP


def test_hard_negatives_beside_adjacent_positives_are_the_most_similar_others():
    table = paired(positives="neighbours", negatives="hard", top=6)
    for anchor, rows in table.groupby("anchor"):
        row = IDS.index(anchor)
        ranked = sorted(range(len(IDS)), key=lambda other: abs(other**2 - row**2))
        others = [IDS[k] for k in ranked if IDS[k] not in {anchor, *rows["positive"]}]
        assert set(rows["negative"]) <= set(others[:6])


def test_the_same_seed_draws_the_same_pairs_in_any_order_of_regions():
    for changes in ({"positives": "neighbours"}, {"positives": "random"}, {"negatives": "hard"}):
        straight = paired(**changes)
        mixed = paired(regions=REGIONS.sample(frac=1, random_state=3), **changes)
        assert straight.equals(mixed)
        assert not straight.equals(paired(seed=2, **changes))


def test_poi_pairs_are_nearest_by_the_rings_that_the_settings_name():
    category_counts = random_category_counts(REGIONS)
    tables = [
        poi_pairs(
            POIS.model_copy(update={"k_rings": k_rings}),
            REGIONS,
            category_counts,
            np.random.default_rng(0),
        )
        for k_rings in (0, 2)
    ]
    counts = np.log1p(category_counts.set_index("region_id").loc[IDS].to_numpy())
    counts = (counts - counts.mean(axis=0)) / counts.std(axis=0)
    distances = np.linalg.norm(counts[:, None] - counts[None], axis=2) + np.diag([9.0] * len(IDS))
    found = tables[0]["similarity"].to_numpy().reshape(-1, TOP)
    np.testing.assert_allclose(-found, np.sort(distances, axis=1)[:, :TOP], atol=1e-6)
    assert not tables[0].equals(tables[1])


@pytest.mark.parametrize("profile", ["origin_destination", "origin_destination_rows", "flows"])
def test_mobility_pairs_are_nearest_by_the_profile_that_the_settings_name(profile):
    flows, od, _ = random_trips(REGIONS)
    changed = MOBILITY.model_copy(update={"profile": profile})
    table = mobility_pairs(changed, REGIONS, flows, od, np.random.default_rng(0))
    moving = set(flows["region_id"])
    own = table["anchor"] == table["positive"]
    assert set(table.loc[~own, "anchor"]) == moving
    own_similarity = 0 if profile == "flows" else 1
    assert (table.loc[own, "similarity"] == own_similarity).all()
    if profile == "flows":
        vectors = np.log1p(flows.set_index("region_id")[["inflow", "outflow"]].astype(float))
        for anchor in moving:
            distances = np.linalg.norm(vectors - vectors.loc[anchor], axis=1)
            found = table.loc[table["anchor"] == anchor, "similarity"].to_numpy()
            np.testing.assert_allclose(-found, np.sort(distances)[1 : TOP + 1], atol=1e-6)
    else:
        assert table.loc[~own, "similarity"].between(0, 1).all()


@pytest.mark.parametrize("fallback", ["neighbours", "same_region", "random"])
@pytest.mark.parametrize("negatives", ["random", "hard"])
def test_a_city_that_lacks_what_is_compared_is_paired_as_the_fallback_says(fallback, negatives):
    category_counts = random_category_counts(REGIONS).iloc[:0]
    flows, od, _ = random_trips(REGIONS)
    changes = {"fallback": fallback, "negatives": negatives}
    tables = [
        poi_pairs(
            POIS.model_copy(update=changes), REGIONS, category_counts, np.random.default_rng(1)
        ),
        mobility_pairs(
            MOBILITY.model_copy(update=changes),
            REGIONS,
            flows.iloc[:0],
            od.iloc[:0],
            np.random.default_rng(1),
        ),
    ]
    for table in tables:
        pd.testing.assert_frame_equal(table, paired(positives=fallback))


def test_more_positives_than_regions_are_refused():
    for positives in ("similar", "random"):
        with pytest.raises(InputError, match="leave no negative"):
            paired(positives=positives, top=len(IDS))
