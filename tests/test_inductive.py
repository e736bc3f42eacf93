"""Encoders and fusion of the training regions alone: what is held out must not reach them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from judged_city import EVALUATE, FUSE, lay_city
from musecl.encoding.features import Features, read_features, write_features
from musecl.evaluation.labels import Group, read_labelled
from musecl.evaluation.prediction import draw_trials
from musecl.evaluation.settings import EvaluateSettings
from musecl.fusion.inputs import read_inputs
from musecl.learning import pretraining
from musecl.stages import inductive
from musecl.step.job import Job
from musecl.step.tables import KEY
from small_city import job_in, write_small_encoder
from test_pretraining import SETTINGS

VIEWS = {"remote_view": 1, "street_view": 2}
REPRESENTATIONS = ("fusion", "remote_view", "street_view", "musecl")
TABLES = ["embeddings", "indicators", "regions", "text_embeddings"]
OF_A_VIEW = ["pairs.parquet", "embeddings.parquet", "view_embeddings.parquet", "features"]


def lay_images(root: Path) -> None:
    """Two images of each view of each region, drawn at random; pairs; a small encoder."""
    data = root / "data/toy"
    ids = sorted(pd.read_parquet(data / "regions.parquet", columns=[KEY])[KEY])
    pairs = {"anchor": ids, "positive": np.roll(ids, 1), "negative": np.roll(ids, 2)}
    for view, views in VIEWS.items():
        pd.DataFrame(pairs).to_parquet(data / f"{view}_pairs.parquet")
        index = pd.MultiIndex.from_product(
            [ids, range(views), range(2)], names=[KEY, "view", "orientation"]
        ).to_frame(index=False)
        hidden = np.random.default_rng(3).normal(size=(len(index), 3, 8, 8)).astype(np.float16)
        pooled = np.zeros((len(index), 3), np.float32)
        write_features(data / f"{view}_features", index, [(pooled, hidden)])
        write_small_encoder(data / f"models/{view}")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    root = lay_city(tmp_path_factory.mktemp("inductive"))
    lay_images(root)
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
        encoders__remote_view=encoder,
        encoders__street_view=encoder,
        pretrain_remote_view=training,
        pretrain_street_view=training,
        embed_remote_view={"output": "features"},
        embed_street_view={"output": "features"},
        fuse=FUSE,
        evaluate=EVALUATE,
    )


@pytest.fixture(scope="module")
def trained(job: Job) -> tuple[pd.DataFrame, dict[str, set[str]]]:
    """The table that the stage writes, and the regions that each encoder's batches come from."""
    seen = {}
    original = pretraining.PairSampler

    class Recording(original):
        def __init__(self, features, pairs, *settings):
            seen[len(seen)] = set(pairs.to_numpy().ravel())
            super().__init__(features, pairs, *settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretraining, "PairSampler", Recording)
        inductive.run(job)
    job.publish()
    return pd.read_csv(job.root / "data/toy/inductive.csv"), seen


def first_trials(job: Job) -> list[tuple[list[str], list[str]]]:
    """Region ids of the training and of the test fold that encoders are trained for, by split."""
    regions, groups, *_ = read_labelled(job)
    group = max(groups, key=lambda one: len(one.rows))
    settings = EvaluateSettings(**EVALUATE | {"seeds": 1})
    parents = regions["parent"].to_numpy(dtype=str)[group.rows]
    ids = regions[KEY].to_numpy()[group.rows]
    folds = [
        draw_trials(split, units, len(group.rows), settings, seed=1)[0].fold
        for split, units in (("random", None), ("spatial", parents))
    ]
    return [(list(ids[fold.train]), list(ids[fold.test])) for fold in folds]


def test_both_sides_of_every_representation_stand_beside_each_other(trained):
    table, _ = trained
    assert set(zip(table["method"], table["split"], strict=True)) == {
        (f"{name}_{side}", split)
        for name in REPRESENTATIONS
        for side in ("all_regions", "training_regions")
        for split in ("random", "spatial")
    }
    assert (table["n_seeds"] == 1).all()
    of_fusion = table["method"].str.startswith("fusion")
    assert set(table.loc[of_fusion, "folds"]) == {"all"}
    assert set(table.loc[~of_fusion, "folds"]) == {"first"}
    score = table.set_index(["method", "split"])["r2_headline"]
    for split in ("random", "spatial"):
        assert score["fusion_training_regions", split] > 0.3
        for name in REPRESENTATIONS:
            ahead = table.set_index(["method", "split"])["reference_ahead"]
            sides = [score[f"{name}_{side}", split] for side in ("all_regions", "training_regions")]
            found = ahead[f"{name}_training_regions", split]
            assert found == pytest.approx(sides[0] - sides[1], abs=2e-5)


def test_an_encoder_is_trained_on_pairs_of_training_regions_alone(job, trained):
    _, seen = trained
    folds = [fold for fold in first_trials(job) for _ in VIEWS]
    assert len(seen) == len(folds) == 4
    for regions, (train, test) in zip(seen.values(), folds, strict=True):
        assert len(regions) > len(train) / 2
        assert regions <= set(train)
        assert not regions & set(test)


@pytest.mark.parametrize("view", VIEWS)
def test_images_of_what_is_held_out_change_no_vector_of_the_others(job, tmp_path, view):
    features = read_features(job.input(f"{view}_features"))
    train, test = first_trials(job)[1]
    held_out = features.index[KEY].isin(test).to_numpy()
    hidden = features.hidden.copy()
    hidden[held_out] = 7
    vectors = [
        inductive.train_and_embed(job, view, images, train, tmp_path / name)
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
    assert changed.views["remote_view"] is inputs.views["remote_view"]


def test_labels_change_no_vector(job, tmp_path, monkeypatch):
    regions, groups, *_ = read_labelled(job)
    group = max(groups, key=lambda one: len(one.rows))
    trials = draw_trials("random", None, len(group.rows), EvaluateSettings(**EVALUATE), seed=1)
    fused: list[np.ndarray] = []
    original = inductive.fuse

    def recording(*arguments):
        part = original(*arguments)
        fused.append(part.vectors)
        return part

    monkeypatch.setattr(inductive, "fuse", recording)
    for name, labels in (("as", group.labels), ("permuted", group.labels[::-1])):
        inputs = read_inputs(job)
        predict = inductive.by_everything(job, inputs, regions[KEY], tmp_path / name)
        list(predict(Group(group.rows, group.names, labels), trials))
    np.testing.assert_array_equal(*fused)
