"""The baselines: each its pairs, loss and vector, with the budget and the start of ours."""

import numpy as np
import pandas as pd
import pytest

from musecl.encoding.features import write_features
from musecl.runtime.tables import read_vectors
from musecl.stages import pretrain_baselines
from musecl.training import pretraining
from small_city import (
    disk_of_regions,
    job_in,
    random_category_counts,
    random_trips,
    write_small_encoder,
)
from test_pairs import PAIRS
from test_pretraining import SETTINGS

REGIONS = disk_of_regions()
IDS = REGIONS["region_id"].to_list()
TABLES = ["regions", "poi_category_counts", "flows", "origin_destination"]
# More trips than any region has: what is published asks for none.
OURS = PAIRS | {"street_view": PAIRS["street_view"] | {"minimum_trips": 1000}}
VARIANTS = {
    "satellite": ["tile2vec", "pg_simclr", "musecl_published", "random_pairs"],
    "street_view": ["urban2vec", "musecl_published", "random_pairs"],
}
BUDGET = {"steps": 2, "batch": 5, "learning_rate": 0.01, "embedding_size": 4, "margin": 1.0}
# No street in the last two regions, which have no trips either.
SEEN = {"satellite": IDS, "street_view": IDS[:-2]}


def features_of(view):
    """Two images of each of two viewpoints a region; of one in the first."""
    rows = [
        (region, viewpoint, orientation)
        for region in SEEN[view]
        for viewpoint in range(2 if region != IDS[0] else 1)
        for orientation in range(2)
    ]
    index = pd.DataFrame(rows, columns=["region_id", "viewpoint", "orientation"])
    hidden = np.random.default_rng(0).normal(size=(len(rows), 3, 16, 16)).astype(np.float16)
    return index, np.zeros((len(rows), 3), np.float32), hidden


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """The inputs of the stage, and the job that reads them."""
    root = tmp_path_factory.mktemp("town")
    (root / "data/toy").mkdir(parents=True)
    flows, od, _ = random_trips(REGIONS)
    for name, table in zip(
        TABLES, [REGIONS, random_category_counts(REGIONS), flows, od], strict=True
    ):
        table.to_parquet(root / f"data/toy/{name}.parquet")
    for view in VARIANTS:
        write_small_encoder(root / f"data/toy/models/{view}")
        index, pooled, hidden = features_of(view)
        write_features(root / f"data/toy/{view}_features", index, [(pooled, hidden)])
    encoder = {"weights": "folder", "trainable_blocks": 1}
    return job_in(
        root,
        [
            *(f"{name}.parquet" for name in TABLES),
            *(f"{view}_features" for view in VARIANTS),
            *(f"models/{view}" for view in VARIANTS),
        ],
        [f"baseline_{view}.parquet" for view in VARIANTS],
        seed=1,
        pairs=OURS,
        encoders__satellite=encoder,
        encoders__street_view=encoder,
        pretrain_satellite=SETTINGS | BUDGET,
        pretrain_street_view=SETTINGS | BUDGET | {"pooling": "attention"},
    )


@pytest.fixture(scope="module")
def trained(town):
    """What each variant was trained on and with, and the files that the stage wrote."""
    calls = {}
    original = pretraining.train

    def recording(module, sampler, steps, seed, scratch, every, description):
        assert seed == 1
        calls[scratch.parent.name, scratch.name] = (sampler, module.settings)
        return original(module, sampler, steps, seed, scratch, every, description)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretraining, "train", recording)
        pretrain_baselines.run(town)
    town.publish()
    return calls, {view: town.root / f"data/toy/baseline_{view}.parquet" for view in VARIANTS}


def pairs_of(calls, view, name):
    """Pairs that a variant draws its batches from, as region ids."""
    sampler, _ = calls[view, name]
    return np.array(SEEN[view])[sampler.pairs]


def test_every_variant_has_the_budget_of_ours(trained):
    calls, _ = trained
    assert list(calls) == [(view, name) for view, names in VARIANTS.items() for name in names]
    for (view, _), (sampler, settings) in calls.items():
        for key in ("steps", "learning_rate", "embedding_size"):
            assert getattr(settings, key) == BUDGET[key]
        assert sampler.batch == 5
        assert sampler.whole_viewpoints == (view == "street_view")


def test_losses_are_those_of_their_papers(trained):
    calls, _ = trained
    for (view, name), (_, settings) in calls.items():
        if name == "random_pairs":
            ours = SETTINGS | BUDGET | {"pooling": "mean" if view == "satellite" else "attention"}
            assert settings.model_dump() == ours
        elif name == "pg_simclr":
            assert (settings.loss, settings.pooling) == ("infonce", "mean")
        else:
            published = ("triplet", 5.0, "mean")
            assert (settings.loss, settings.margin, settings.pooling) == published


def test_tile2vec_and_urban2vec_pair_adjacent_regions(trained):
    calls, _ = trained
    neighbours = dict(zip(IDS, map(set, REGIONS["neighbours"]), strict=True))
    for view, name in (("satellite", "tile2vec"), ("street_view", "urban2vec")):
        pairs = pairs_of(calls, view, name)
        assert set(pairs[:, 0]) == set(SEEN[view])
        for anchor, positive, negative in pairs:
            assert positive in neighbours[anchor]
            assert negative not in (anchor, positive)


def test_published_pairs_are_the_single_most_similar_region(trained):
    calls, _ = trained
    pois = random_category_counts(REGIONS).set_index("region_id").loc[IDS]
    counts = np.log1p(pois[["park", "subway station"]])
    totals = random_trips(REGIONS)[0].set_index("region_id")[["inflow", "outflow"]]
    for view, table in (
        ("satellite", (counts - counts.mean()) / counts.std(ddof=0)),
        ("street_view", np.log1p(totals.astype(float))),
    ):
        pairs = pairs_of(calls, view, "musecl_published")
        assert len(set(pairs[:, 0])) == len(pairs) > 10
        for anchor, positive, _ in pairs:
            if anchor not in table.index:
                assert positive == anchor
                continue
            distances = (table - table.loc[anchor]).pow(2).sum(axis=1).pow(0.5)
            assert positive != anchor
            assert distances[positive] == pytest.approx(distances.drop(anchor).min(), abs=1e-5)


def test_pg_simclr_pairs_by_pois_and_the_ablations_by_chance(trained):
    calls, _ = trained
    by_pois = {tuple(row) for row in pairs_of(calls, "satellite", "pg_simclr")}
    assert len(by_pois) == PAIRS["satellite"]["top"] * len(IDS)
    published = pairs_of(calls, "satellite", "musecl_published")
    assert {tuple(row) for row in published[:, :2]} <= by_pois
    for view in VARIANTS:
        by_chance = {tuple(row) for row in pairs_of(calls, view, "random_pairs")}
        assert all(anchor != positive for anchor, positive in by_chance)
        assert len(by_chance & by_pois) < len(by_chance) / 2


def test_vectors_are_of_regions_and_of_the_output_that_the_variant_names(trained):
    _, files = trained
    for view, path in files.items():
        assert pd.read_parquet(path).columns.to_list() == ["region_id", *VARIANTS[view]]
        found = {name: read_vectors(path, name) for name in VARIANTS[view]}
        for name, (keys, vectors) in found.items():
            assert keys["region_id"].to_list() == SEEN[view]
            length = 8 if name == "random_pairs" else BUDGET["embedding_size"]
            assert vectors.shape[1] == (2 * length if view == "street_view" else length)
            assert vectors.std(axis=0).max() > 0
        first, *others = [found[name][1] for name in VARIANTS[view][:-1]]
        assert all(not np.allclose(first, other) for other in others)
    # The single viewpoint of the first region deviates from itself by nothing.
    _, vectors = read_vectors(files["street_view"], "urban2vec")
    assert (vectors[0, 4:] == 0).all()
    assert (vectors[1, 4:] > 0).any()


def test_a_killed_run_goes_on_after_the_variants_that_it_had_finished(town, trained):
    _, files = trained
    expected = {view: path.read_bytes() for view, path in files.items()}
    original, done = pretrain_baselines.pretrain_and_embed, []

    def dying(*arguments):
        *_, scratch = arguments
        if len(done) == 5:
            raise RuntimeError("killed")
        done.append(scratch.name)
        return original(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrain_baselines, "pretrain_and_embed", dying)
        with pytest.raises(RuntimeError, match="killed"):
            pretrain_baselines.run(town)
        done.clear()
        pretrain_baselines.run(town)
    assert done == ["musecl_published", "random_pairs"]
    town.publish()
    assert {view: path.read_bytes() for view, path in files.items()} == expected
