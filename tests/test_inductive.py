"""Encoders and fusion of the training regions alone: what is held out must not reach them."""

from dataclasses import dataclass, replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from judged_city import EVALUATE, FUSE, lay_city
from musecl.encoding.features import Features, read_features, write_features
from musecl.evaluation.labels import IndicatorGroup, group_indicators, read_labelled
from musecl.evaluation.prediction import draw_trials
from musecl.evaluation.settings import EvaluateSettings
from musecl.fusion import several
from musecl.fusion.inputs import FusionInputs, read_inputs
from musecl.runtime.errors import InputError
from musecl.runtime.job import Job
from musecl.runtime.tables import KEY
from musecl.runtime.workers import GIVEN
from musecl.stages import inductive
from small_city import job_in, random_trips, write_small_encoder
from test_pairs import PAIRS
from test_pretraining import SETTINGS

VIEWS = {"satellite": 1, "street_view": 2}
SIDES = ("all", "training")
REPRESENTATIONS = ("fusion", "satellite", "street_view", "musecl")
TABLES = [
    "embeddings",
    "flows",
    "indicators",
    "origin_destination",
    "poi_category_counts",
    "regions",
    "satellite_pairs",
    "text_embeddings",
]
OF_A_VIEW = ["embeddings.parquet", "image_embeddings.parquet", "features"]


def lay_images_and_trips(root: Path) -> None:
    """Two images of each view of each region, drawn at random; a small encoder; trips."""
    data = root / "data/toy"
    regions = gpd.read_parquet(data / "regions.parquet")
    ids = sorted(regions[KEY])
    flows, origin_destination, _ = random_trips(regions)
    flows.to_parquet(data / "flows.parquet")
    origin_destination.to_parquet(data / "origin_destination.parquet")
    for view, views in VIEWS.items():
        index = pd.MultiIndex.from_product(
            [ids, range(views), range(2)], names=[KEY, "viewpoint", "orientation"]
        ).to_frame(index=False)
        hidden = np.random.default_rng(3).normal(size=(len(index), 3, 8, 8)).astype(np.float16)
        pooled = np.zeros((len(index), 3), np.float32)
        write_features(data / f"{view}_features", index, [(pooled, hidden)])
        write_small_encoder(data / f"models/{view}")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    root = lay_city(tmp_path_factory.mktemp("inductive"))
    lay_images_and_trips(root)
    encoder = {"weights": "folder", "trainable_blocks": 1}
    training = SETTINGS | {"steps": 3, "batch": 8}
    return job_in(
        root,
        [
            *(f"{name}.parquet" for name in TABLES),
            *(f"{view}_{name}" for view in VIEWS for name in OF_A_VIEW),
            *(f"models/{view}" for view in VIEWS),
        ],
        ["inductive.csv"],
        seed=1,
        pairs=PAIRS,
        encoders__satellite=encoder,
        encoders__street_view=encoder,
        pretrain_satellite=training,
        pretrain_street_view=training,
        embed_satellite={"output": "features"},
        embed_street_view={"output": "features"},
        fuse=FUSE,
        evaluate=EVALUATE,
    )


@dataclass(frozen=True)
class Run:
    """What the stage wrote; on the way the pairs and vectors of encoders, and what was fused."""

    table: pd.DataFrame
    pairs: list[pd.DataFrame]
    vectors: list[np.ndarray]
    fusions: list[tuple[FusionInputs, list[str]]]


@pytest.fixture(scope="module")
def done(job: Job) -> Run:
    pairs, vectors, fusions = [], [], []
    embed, fuse = inductive.pretrain_and_embed, several.represent

    def embedding(job, view, features, of_view, *others):
        pairs.append(of_view)
        vectors.append(embed(job, view, features, of_view, *others))
        return vectors[-1]

    def representing(inputs, settings, seed, scratch, fit_rows):
        fusions.append((inputs, [inputs.region_ids[row] for row in fit_rows]))
        return fuse(inputs, settings, seed, scratch, fit_rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inductive, "pretrain_and_embed", embedding)
        patch.setattr(several, "represent", representing)
        # What is fused in another process is not seen in this one.
        patch.setenv(GIVEN, "1")
        inductive.run(job)
    job.publish()
    table = pd.read_csv(job.root / "data/toy/inductive.csv")
    return Run(table, pairs, vectors, fusions)


def folds_of(job: Job) -> list[list[tuple[list[str], list[str]]]]:
    """Region ids of the training and of the test fold of each trial, by split."""
    regions, groups, *_ = read_labelled(job)
    group = max(groups, key=lambda one: len(one.rows))
    settings = EvaluateSettings(**EVALUATE | {"seeds": 1})
    blocks = regions["spatial_block"].to_numpy(dtype=str)[group.rows]
    ids = regions[KEY].to_numpy()[group.rows]
    return [
        [
            (list(ids[trial.fold.train]), list(ids[trial.fold.test]))
            for trial in draw_trials(split, units, len(group.rows), settings, seed=1)
        ]
        for split, units in (("random", None), ("spatial", blocks))
    ]


def folds_of_encoders(job: Job) -> list[tuple[list[str], list[str]]]:
    """Those folds that encoders are trained for: the first at random, then all of larger cells."""
    at_random, by_cells = folds_of(job)
    return [at_random[0], *by_cells]


def test_both_sides_of_every_representation_stand_beside_each_other(done):
    assert set(zip(done.table["method"], done.table["split"], strict=True)) == {
        (f"{name}_{side}", split)
        for name in REPRESENTATIONS
        for side in ("all_regions", "training_regions")
        for split in ("random", "spatial")
    }
    assert (done.table["n_seeds"] == 1).all()
    of_encoders = ~done.table["method"].str.startswith("fusion")
    once = of_encoders & (done.table["split"] == "random")
    assert set(done.table.loc[once, "folds"]) == {1}
    assert set(done.table.loc[~once, "folds"]) == {EVALUATE["folds"]}
    rows = done.table.set_index(["method", "split"])
    for split in ("random", "spatial"):
        assert rows.loc[("fusion_training_regions", split), "r2_primary"] > 0.3
        for name in REPRESENTATIONS:
            seen, unseen = (rows.loc[(f"{name}_{side}_regions", split)] for side in SIDES)
            ahead = seen["r2_primary"] - unseen["r2_primary"]
            assert seen["reference_ahead"] == 0
            assert unseen["reference_ahead"] == pytest.approx(ahead, abs=2e-5)


def test_pairs_are_of_training_regions_alone(job, done):
    folds = [trial for trial in folds_of_encoders(job) for _ in VIEWS]
    assert len(done.pairs) == len(folds) == 2 * (1 + EVALUATE["folds"])
    for pairs, (train, _) in zip(done.pairs, folds, strict=True):
        assert set(pairs["anchor"]) == set(train)
        assert set(pairs[["positive", "negative"]].to_numpy().ravel()) <= set(train)


def test_a_fusion_is_fitted_to_training_regions_and_sees_the_encoders_of_them(job, done):
    """First all regions; then, by split, a fusion of each fold; then those beside encoders."""
    of_splits, of_encoders = folds_of(job), folds_of_encoders(job)
    city, *others = done.fusions
    by_fold, by_encoders = others[: -len(of_encoders)], others[-len(of_encoders) :]
    everything, *_ = read_labelled(job)
    assert city[1] == list(everything[KEY])
    expected = [train for trials in of_splits for train, _ in trials]
    assert [fitted for _, fitted in by_fold] == expected
    assert [fitted for _, fitted in by_encoders] == [train for train, _ in of_encoders]
    for inputs, fitted in others:
        assert set(inputs.positives.to_numpy()[:, :2].ravel()) == set(fitted)
    for inputs, _ in [city, *by_fold]:
        assert not any("embedding" in name for name in inputs.parts)
    vectors = iter(done.vectors)
    for inputs, _ in by_encoders:
        for view in VIEWS:
            np.testing.assert_array_equal(inputs.views[view].kinds["embedding"], next(vectors))


def test_what_is_held_out_changes_no_pair_of_the_others(job):
    """POIs and trips of held-out regions neither pair nor shift the profiles of the others."""
    regions, *_ = read_labelled(job)
    city = inductive.read_city(job, regions)
    train, test = folds_of(job)[1][0]
    changed = city.category_counts.set_index(KEY)
    changed.loc[test] = 50
    flows = city.flows[~city.flows[KEY].isin(test)]
    other = replace(city, category_counts=changed.reset_index(), flows=flows)
    for view in VIEWS:
        found = [inductive.mine(job, one.of(set(train)), view) for one in (city, other)]
        pd.testing.assert_frame_equal(*found)
    whole = [inductive.mine(job, one, "satellite") for one in (city, other)]
    assert not whole[0].equals(whole[1])


@pytest.mark.parametrize("view", VIEWS)
def test_images_of_what_is_held_out_change_no_vector_of_the_others(job, done, tmp_path, view):
    features = read_features(job.input(f"{view}_features"))
    _, test = folds_of(job)[1][0]
    pairs = done.pairs[2 + list(VIEWS).index(view)]
    held_out = features.index[KEY].isin(test).to_numpy()
    hidden = features.hidden.copy()
    hidden[held_out] = 7
    vectors = [
        inductive.train_and_embed(job, view, images, pairs, tmp_path / name)
        for name, images in (("as", features), ("changed", replace(features, hidden=hidden)))
    ]
    rows = held_out[features.index["orientation"].to_numpy() == 0]
    np.testing.assert_array_equal(vectors[0][~rows], vectors[1][~rows])
    assert (vectors[0][rows] != vectors[1][rows]).any(axis=1).all()


def test_new_vectors_of_a_view_reach_its_tokens_and_its_regions(job):
    inputs = read_inputs(job)
    features: Features = read_features(job.input("street_view_features"))
    vectors = np.arange(len(features.index) / 2 * 3, dtype=np.float32).reshape(-1, 3)
    changed = inductive.with_vectors(inputs, "street_view", features, vectors)
    assert changed.views["street_view"].region_ids == inputs.views["street_view"].region_ids
    np.testing.assert_array_equal(changed.views["street_view"].kinds["embedding"], vectors)
    part = changed.parts["street_view embedding"]
    np.testing.assert_array_equal(part.vectors[0], [1.5, 2.5, 3.5, 1.5, 1.5, 1.5])
    assert changed.parts["street_view pretrained"] is inputs.parts["street_view pretrained"]
    assert changed.views["satellite"] is inputs.views["satellite"]


def test_a_constant_indicator_of_more_regions_does_not_end_the_stage(job, monkeypatch):
    labelled = read_labelled(job)
    values = labelled.values[["population_density"]].copy()
    values.iloc[0] = np.nan
    groups = group_indicators(values.assign(same=1.0))
    other = labelled._replace(groups=groups, primary={"population_density", "same"})
    judged = []
    monkeypatch.setattr(inductive, "read_labelled", lambda _: other)
    for name in ("read_city", "by_fusion", "by_everything", "write_comparison"):
        monkeypatch.setattr(inductive, name, lambda *_: None)
    monkeypatch.setattr(inductive, "judge", lambda _, tasks, *others: judged.extend(tasks) or [])
    inductive.run(job)
    assert [task.split for task in judged] == ["random", "spatial", "random", "spatial"]
    assert all(task.group.names == ["population_density"] for task in judged)


def test_features_of_other_viewpoints_are_refused(job):
    features = read_features(job.input("street_view_features"))
    fewer = replace(features, index=features.index.iloc[2:])
    with pytest.raises(InputError, match="street_view: features and embeddings are of other"):
        inductive.with_vectors(read_inputs(job), "street_view", fewer, np.zeros((167, 3)))


def test_labels_change_no_vector(job, tmp_path, monkeypatch):
    regions, groups, *_ = read_labelled(job)
    group = max(groups, key=lambda one: len(one.rows))
    trials = draw_trials("random", None, len(group.rows), EvaluateSettings(**EVALUATE), seed=1)[:1]
    fused: list[np.ndarray] = []
    original = inductive.fuse_each

    def recording(*arguments):
        for part in original(*arguments):
            fused.append(part.vectors)
            yield part

    monkeypatch.setattr(inductive, "fuse_each", recording)
    city = inductive.read_city(job, regions)
    for name, labels in (("as", group.labels), ("permuted", group.labels[::-1])):
        predict = inductive.by_everything(job, city, tmp_path / name)
        list(predict(IndicatorGroup(group.rows, group.names, labels), trials))
    np.testing.assert_array_equal(*fused)
