"""The stage of pairs, on a small city."""

import pandas as pd

from musecl.stages.pairs import run
from small_city import disk_of_regions, job_in, random_category_counts, random_trips

REGIONS = disk_of_regions()
INPUTS = [
    "regions.parquet",
    "poi_category_counts.parquet",
    "flows.parquet",
    "origin_destination.parquet",
]
OUTPUTS = ["satellite_pairs.parquet", "street_view_pairs.parquet"]
PAIRS = {
    "satellite": {
        "positives": "similar",
        "fallback": "neighbours",
        "negatives": "random",
        "top": 4,
        "k_rings": 2,
        "ignored_categories": ["trip end on *"],
    },
    "street_view": {
        "positives": "similar",
        "fallback": "same_region",
        "negatives": "random",
        "top": 3,
        "profile": "origin_destination",
        "minimum_trips": 3,
    },
}


def run_on(root, tables, seed=1, pairs=PAIRS):
    (root / "data" / "toy").mkdir(parents=True)
    for name, table in zip(INPUTS, tables, strict=True):
        table.to_parquet(root / "data" / "toy" / name, index=False)
    job = job_in(root, INPUTS, OUTPUTS, seed=seed, pairs=pairs)
    run(job)
    job.publish()
    return [pd.read_parquet(root / "data" / "toy" / name) for name in OUTPUTS]


def tables():
    flows, od, _ = random_trips(REGIONS)
    return [REGIONS, random_category_counts(REGIONS), flows, od]


def test_the_stage_gives_every_region_its_most_similar_ones(tmp_path):
    by_pois, by_mobility = run_on(tmp_path, tables())
    ids = sorted(REGIONS["region_id"])
    for pairs, top in ((by_pois, 4), (by_mobility, 3)):
        assert pairs["anchor"].tolist() == [region for region in ids for _ in range(top)]
        assert (
            pairs.groupby("anchor")["similarity"].apply(lambda s: s.is_monotonic_decreasing).all()
        )
    assert (by_pois["anchor"] != by_pois["positive"]).all()
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


def test_without_any_trip_every_region_is_its_own_street_view_positive(tmp_path, capsys):
    regions, category_counts, flows, od = tables()
    by_pois, by_mobility = run_on(tmp_path, [regions, category_counts, flows.iloc[:0], od.iloc[:0]])
    assert (by_mobility["anchor"] == by_mobility["positive"]).all()
    assert (by_mobility["reason"] == "same region").all()
    assert len(by_mobility) == 3 * len(REGIONS)
    assert set(by_pois["reason"]) == {"pois"}
    assert "no mobility; positives are same_region instead" in capsys.readouterr().out


def test_without_any_place_a_region_is_paired_with_its_neighbours(tmp_path, capsys):
    regions, _, flows, od = tables()
    nowhere = pd.DataFrame({"region_id": []}, dtype=str)
    by_pois, by_mobility = run_on(tmp_path, [regions, nowhere, flows, od])
    beside = dict(zip(regions["region_id"], map(set, regions["neighbours"]), strict=True))
    assert set(by_pois["anchor"]) == set(beside)
    for pair in by_pois.itertuples():
        assert pair.positive in beside[pair.anchor]
        assert pair.negative not in (pair.anchor, pair.positive)
    assert set(by_pois["reason"]) == {"neighbours"}
    assert by_pois["similarity"].isna().all()
    assert set(by_mobility["reason"]) == {"mobility", "same region"}
    assert "no pois; positives are neighbours instead" in capsys.readouterr().out


def test_the_stage_writes_pairs_that_no_similarity_chose(tmp_path):
    chosen = {"satellite": {"positives": "neighbours"}, "street_view": {"positives": "random"}}
    changed = {view: PAIRS[view] | change for view, change in chosen.items()}
    by_neighbours, by_chance = run_on(tmp_path, tables(), pairs=changed)
    assert (by_neighbours["reason"] == "neighbours").all()
    assert (by_chance["reason"] == "random").all()
    assert by_neighbours["similarity"].isna().all()
    assert by_chance["similarity"].isna().all()
