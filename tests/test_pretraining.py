"""Which pairs a batch holds, and that training on them learns what they say."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import nn

from musecl.encoding.encoders import Encoder, load_encoder
from musecl.encoding.features import Features, write_features
from musecl.encoding.settings import PretrainSettings
from musecl.runtime.errors import InputError, ParameterError
from musecl.runtime.job import Job, run_job
from musecl.runtime.pipeline import Declaration
from musecl.stages import pretrain_satellite, pretrain_street_view
from musecl.training.contrastive import ContrastiveEncoder, read_encoder, write_encoder
from musecl.training.losses import infonce, triplet
from musecl.training.pretraining import PairSampler, Pretraining, pretrain, usable_pairs
from small_city import write_small_encoder

STAGES = {"satellite": pretrain_satellite, "street_view": pretrain_street_view}
SEED = 5
SETTINGS = {
    "loss": "infonce",
    "temperature": 0.1,
    "margin": 5.0,
    "pooling": "mean",
    "embedding_size": 8,
    "batch": 6,
    "steps": 30,
    "learning_rate": 0.01,
}


class TinyEncoder(Encoder):
    """Its top is a linear layer over the average of the hidden pixels."""

    def __init__(self, channels=4, size=6):
        super().__init__()
        torch.manual_seed(0)
        self.size = size
        self.layer = nn.Linear(channels, size)
        self.unused = nn.Linear(1, 1).requires_grad_(False)

    def trunk(self, images):
        raise NotImplementedError

    def top(self, hidden):
        return self.layer(hidden.float().mean((2, 3)))


def features_of(viewpoints, orientations=4, channels=4, seed=0):
    """Features of regions `a`, `b`, ..; the first value of `hidden` is the row's number."""
    rows = [
        (chr(97 + region), view, orientation)
        for region, count in enumerate(viewpoints)
        for view in range(count)
        for orientation in range(orientations)
    ]
    index = pd.DataFrame(rows, columns=["region_id", "viewpoint", "orientation"])
    hidden = np.random.default_rng(seed).normal(size=(len(rows), channels, 2, 2))
    hidden[:, 0, 0, 0] = np.arange(len(rows))
    pooled = np.zeros((len(rows), 3), np.float32)
    return Features(index, pooled, hidden.astype(np.float16))


def shuffled(features, seed):
    order = np.random.default_rng(seed).permutation(len(features.index))
    index = features.index.iloc[order].reset_index(drop=True)
    return Features(index, features.pooled[order], features.hidden[order])


def pairs_of(*rows):
    return pd.DataFrame(rows, columns=["anchor", "positive", "negative"])


def ring(count):
    """Every region with the next one and itself as positives, and the one opposite as negative."""
    names = [chr(97 + number) for number in range(count)]
    return pairs_of(
        *[
            (names[i], names[j], names[(i + count // 2) % count])
            for i in range(count)
            for j in ((i + 1) % count, i)
        ]
    )


def regions_of_images(batch, features):
    """What each viewpoint of the batch shows: (region, view) and the orientations, by the mark."""
    rows = batch["hidden"][:, 0, 0, 0].numpy().astype(int)
    shown = features.index.iloc[rows].assign(place=batch["viewpoint"].numpy())
    return [
        (group["region_id"].unique(), group["viewpoint"].unique(), sorted(group["orientation"]))
        for _, group in shown.groupby("place")
    ]


@pytest.mark.parametrize("whole_viewpoints", [True, False])
@pytest.mark.parametrize("roles", [2, 3])
def test_a_batch_holds_pairs_of_the_table(whole_viewpoints, roles):
    features = features_of([2, 3, 1, 2, 4, 1])
    pairs = ring(6).iloc[:, :roles]
    table = {tuple(row) for row in pairs.to_numpy()}
    sampler = PairSampler(features, pairs, 5, whole_viewpoints, (SEED, 1))
    for step in range(20):
        batch = sampler(step)
        shown = regions_of_images(batch, features)
        assert len(shown) == 5 * roles
        by_role = [shown[5 * role : 5 * role + 5] for role in range(roles)]
        for row, members in enumerate(zip(*by_role, strict=True)):
            names = tuple(region for ((region,), _, _) in members)
            assert names in table
            assert names == tuple(chr(97 + number) for number in batch["regions"][row])
        assert len({region for ((region,), _, _) in by_role[0]}) == 5
        for _, views, orientations in shown:
            assert len(views) == 1
            assert orientations == [0, 1, 2, 3] if whole_viewpoints else len(orientations) == 1


def test_every_pair_viewpoint_and_turn_is_drawn_sometime():
    features = features_of([2, 3, 1, 2])
    sampler = PairSampler(features, ring(4), 4, False, (SEED, 1))
    seen, pairs = set(), set()
    for step in range(80):
        batch = sampler(step)
        seen |= set(batch["hidden"][:, 0, 0, 0].tolist())
        pairs |= {tuple(row) for row in batch["regions"].tolist()}
    assert seen == set(range(len(features.index)))
    assert len(pairs) == len(ring(4))


def test_of_the_same_region_another_viewpoint_is_the_positive():
    features = features_of([2, 3, 1])
    pairs = pairs_of(("a", "a", "b"), ("b", "b", "c"), ("c", "c", "a"))
    sampler = PairSampler(features, pairs, 3, True, (SEED, 1))
    for step in range(20):
        shown = regions_of_images(sampler(step), features)
        for anchor, positive in zip(shown[:3], shown[3:6], strict=True):
            assert anchor[0] == positive[0]
            assert (anchor[1] == positive[1]) == (anchor[0] == "c")


def test_a_batch_is_decided_by_its_number():
    features = features_of([2, 3, 1, 2])
    first = PairSampler(features, ring(4), 3, True, (SEED, 1))
    forward = [first(step) for step in range(4)]
    second = PairSampler(features, ring(4), 3, True, (SEED, 1))
    backward = [second(step) for step in reversed(range(4))][::-1]
    for left, right in zip(forward, backward, strict=True):
        assert all(torch.equal(left[name], right[name]) for name in left)
    assert not torch.equal(forward[0]["regions"], forward[1]["regions"])
    other = PairSampler(features, ring(4), 3, True, (SEED, 2))(0)
    assert not torch.equal(forward[0]["hidden"], other["hidden"])


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rows_never_matters(seed, tmp_path):
    features, pairs = features_of([2, 3, 1, 2, 4, 1]), ring(6)
    expected = PairSampler(features, pairs, 4, True, (SEED, 1))
    mixed = PairSampler(
        shuffled(features, seed), pairs.sample(frac=1, random_state=seed), 4, True, (SEED, 1)
    )
    for step in range(5):
        left, right = expected(step), mixed(step)
        assert all(torch.equal(left[name], right[name]) for name in left)


def test_regions_without_images_are_left_out_and_counted(capsys):
    index = features_of([1, 1, 1]).index
    pairs = pairs_of(("a", "b", "c"), ("a", "x", "b"), ("b", "c", "y"), ("c", "a", "b"))
    kept = usable_pairs(pairs, index, "street")
    assert kept.to_numpy().tolist() == [["a", "b", "c"], ["c", "a", "b"]]
    assert "street: 2 of 5 regions have no image; 2 anchors in 2 of 4" in capsys.readouterr().err
    kept = usable_pairs(pairs[["anchor", "positive"]], index, "street")
    assert kept.to_numpy().tolist() == [["a", "b"], ["b", "c"], ["c", "a"]]
    assert "street: 1 of 4 regions have no image; 3 anchors in 3 of 4" in capsys.readouterr().err


def test_pairs_of_another_city_are_an_error():
    with pytest.raises(InputError, match="0 anchors of pairs have images"):
        usable_pairs(pairs_of(("x", "y", "z")), features_of([1, 1]).index, "street")


def test_viewpoints_are_averages_of_their_images():
    model = ContrastiveEncoder(TinyEncoder(), 8, seed=1)
    hidden = torch.randn(6, 4, 2, 2)
    viewpoint = torch.tensor([2, 0, 0, 1, 2, 2])
    features, embedding = model(hidden, viewpoint, 3)
    for number in range(3):
        images = [
            model.encoder.top(hidden[i : i + 1])[0] for i in range(6) if viewpoint[i] == number
        ]
        torch.testing.assert_close(features[number], sum(images) / len(images))
    torch.testing.assert_close(embedding, model.projection(features))


def test_the_loss_masks_false_negatives():
    features = features_of([1, 1, 1])
    pairs = pairs_of(("a", "b", "c"), ("b", "c", "a"), ("c", "c", "b"))[["anchor", "positive"]]
    batch = PairSampler(features, pairs, 3, True, (SEED, 1))(0)
    module = Pretraining(ContrastiveEncoder(TinyEncoder(), 8, seed=1), PretrainSettings(**SETTINGS))
    _, embedding = module.model(batch["hidden"], batch["viewpoint"], 6)
    regions = batch["regions"].tolist()
    same = torch.tensor([[bool(set(one) & set(two)) for two in regions] for one in regions])
    expected = infonce(embedding[:3], embedding[3:], 0.1, same)
    assert torch.equal(module.loss(batch), expected)
    assert not torch.equal(expected, infonce(embedding[:3], embedding[3:], 0.1))


def test_the_triplet_loss_reads_the_negatives_of_the_pairs():
    features = features_of([1, 1, 1, 1])
    batch = PairSampler(features, ring(4), 4, True, (SEED, 1))(0)
    settings = PretrainSettings(**{**SETTINGS, "loss": "triplet", "margin": 2.0})
    module = Pretraining(ContrastiveEncoder(TinyEncoder(), 8, seed=1), settings)
    _, embedding = module.model(batch["hidden"], batch["viewpoint"], 12)
    expected = triplet(embedding[:4], embedding[4:8], embedding[8:], 2.0)
    assert torch.equal(module.loss(batch), expected)
    assert not torch.equal(expected, triplet(embedding[:4], embedding[4:8], embedding[:4], 2.0))


@pytest.mark.parametrize("sharpness", [1.0, 1e4])
def test_attention_is_a_softmax_over_the_images_of_a_viewpoint(sharpness):
    torch.manual_seed(2)
    model = ContrastiveEncoder(TinyEncoder(), 8, seed=1, pooling="attention")
    with torch.no_grad():
        model.attention[2].weight.copy_(torch.randn(1, 64) * sharpness)
    hidden = torch.randn(6, 4, 2, 2)
    viewpoint = torch.tensor([2, 0, 0, 1, 2, 2])
    features, embedding = model(hidden, viewpoint, 3)
    images = model.encoder.top(hidden)
    scores = model.attention(images)[:, 0]
    for number in range(3):
        mine = viewpoint == number
        torch.testing.assert_close(features[number], torch.softmax(scores[mine], 0) @ images[mine])
    assert not torch.allclose(features[2], images[viewpoint == 2].mean(0))
    torch.testing.assert_close(embedding, model.projection(features))


def test_attention_starts_as_the_mean_beside_the_same_projection():
    mean = ContrastiveEncoder(TinyEncoder(), 8, seed=1)
    attention = ContrastiveEncoder(TinyEncoder(), 8, seed=1, pooling="attention")
    hidden, viewpoint = torch.randn(6, 4, 2, 2), torch.tensor([2, 0, 0, 1, 2, 2])
    found = attention(hidden, viewpoint, 3)
    for left, right in zip(mean(hidden, viewpoint, 3), found, strict=True):
        torch.testing.assert_close(left, right)


def test_attention_is_trained_and_survives_the_disk(tmp_path):
    features, pairs = clusters()
    settings = PretrainSettings(**{**SETTINGS, "pooling": "attention"})
    random = SEED, 1
    model, _ = pretrain(TinyEncoder(), features, pairs, settings, True, random, tmp_path, "toy")
    assert model.attention[2].weight.abs().max() > 0.01
    write_encoder(tmp_path, model, settings.model_dump())
    found = read_encoder(tmp_path, TinyEncoder())
    hidden, viewpoint = torch.randn(4, 4, 2, 2), torch.tensor([0, 0, 1, 1])
    for left, right in zip(model(hidden, viewpoint, 2), found(hidden, viewpoint, 2), strict=True):
        assert torch.equal(left, right)


def test_attention_over_single_images_is_refused(tmp_path):
    job = pretraining_root(tmp_path, "satellite", {**SETTINGS, "pooling": "attention"})
    with pytest.raises(ParameterError, match=r"pretrain_satellite\.pooling: .* choose mean"):
        run_job(job, STAGES["satellite"])


def clusters(count=12):
    """Regions of two kinds, which one channel out of four tells apart; pairs within a kind."""
    features = features_of([2] * count)
    kind = np.array([ord(region) % 2 for region in features.index["region_id"]])
    hidden = np.random.default_rng(1).normal(size=features.hidden.shape)
    hidden[:, 3] += np.where(kind, 1.0, -1.0)[:, None, None]
    names = [chr(97 + number) for number in range(count)]
    pairs = pairs_of(
        *[
            (one, two, names[(i + 1) % count])
            for i, one in enumerate(names)
            for j, two in enumerate(names)
            if i != j and i % 2 == j % 2
        ]
    )
    return Features(features.index, features.pooled, hidden.astype(np.float16)), pairs


@pytest.mark.parametrize("loss", ["infonce", "triplet"])
def test_training_pulls_alike_regions_together(tmp_path, loss):
    features, pairs = clusters()
    settings = PretrainSettings(**{**SETTINGS, "loss": loss, "steps": 120, "temperature": 0.5})
    model, history = pretrain(
        TinyEncoder(), features, pairs, settings, True, (SEED, 1), tmp_path, "toy"
    )

    losses = history["loss"].to_numpy()
    assert losses[-20:].mean() < losses[:5].mean() * 0.9
    viewpoint = torch.arange(len(features.index)) // 4
    with torch.no_grad():
        _, embedding = model(torch.from_numpy(features.hidden), viewpoint, 24)
    embedding = nn.functional.normalize(embedding - embedding.mean(0), dim=1)
    kind = torch.arange(24) // 2 % 2
    similarity = embedding @ embedding.T
    within = similarity[kind[:, None] == kind[None]].mean()
    assert within > similarity[kind[:, None] != kind[None]].mean() + 0.5


def test_frozen_weights_stay_as_they_are(tmp_path):
    features, pairs = clusters()
    encoder = TinyEncoder()
    settings = PretrainSettings(**SETTINGS)
    before = {name: value.clone() for name, value in encoder.named_parameters()}
    pretrain(encoder, features, pairs, settings, True, (SEED, 1), tmp_path, "toy")
    assert torch.equal(encoder.unused.weight, before["unused.weight"])
    assert not torch.equal(encoder.layer.weight, before["layer.weight"])


def test_an_encoder_survives_the_disk(tmp_path):
    model = ContrastiveEncoder(TinyEncoder(), 8, seed=1)
    with torch.no_grad():
        for value in model.trained().values():
            value.normal_()
    write_encoder(tmp_path, model, SETTINGS)
    found = read_encoder(tmp_path, TinyEncoder())
    hidden, viewpoint = torch.randn(4, 4, 2, 2), torch.arange(4)
    for left, right in zip(model(hidden, viewpoint, 4), found(hidden, viewpoint, 4), strict=True):
        assert torch.equal(left, right)
    assert not any("unused" in name for name in load_file(tmp_path / "weights.safetensors"))


@pytest.mark.parametrize("changed", [{"size": 5}, {"channels": 3}])
def test_weights_of_another_encoder_are_an_error(tmp_path, changed):
    write_encoder(tmp_path, ContrastiveEncoder(TinyEncoder(), 8, seed=1), SETTINGS)
    with pytest.raises(InputError, match="another encoder or other trainable blocks"):
        read_encoder(tmp_path, TinyEncoder(**changed))


@pytest.mark.parametrize("name", ["weights.safetensors", "settings.json"])
@pytest.mark.parametrize("content", [None, b"damaged"])
def test_a_damaged_encoder_is_an_error(tmp_path, name, content):
    write_encoder(tmp_path, ContrastiveEncoder(TinyEncoder(), 8, seed=1), SETTINGS)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="not readable as an encoder"):
        read_encoder(tmp_path, TinyEncoder())


def pretraining_root(root: Path, view: str, settings=SETTINGS) -> Job:
    write_small_encoder(root / f"data/models/{view}")
    features = features_of([2, 1, 2, 2], channels=3)
    hidden = np.random.default_rng(0).normal(size=(len(features.index), 3, 16, 16))
    folder = root / f"data/town/{view}_features"
    folder.parent.mkdir(parents=True)
    write_features(folder, features.index, [(features.pooled, hidden.astype(np.float16))])
    ring(5).assign(similarity=1.0, reason="pois").to_parquet(
        root / f"data/town/{view}_pairs.parquet"
    )
    params = {
        "seed": SEED,
        "encoders": {view: {"weights": "folder", "trainable_blocks": 1}},
        f"pretrain_{view}": settings,
    }
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    declared = Declaration(
        stage=f"pretrain_{view}",
        city="town",
        command="",
        inputs=(
            f"data/town/{view}_features",
            f"data/town/{view}_pairs.parquet",
            f"data/models/{view}",
        ),
        outputs=(f"data/town/{view}_encoder",),
        parameters=("seed", f"encoders.{view}", f"pretrain_{view}"),
    )
    return Job(declared, root)


@pytest.mark.parametrize("view", list(STAGES))
def test_the_stage_writes_an_encoder(tmp_path, view, capsys):
    job = pretraining_root(tmp_path, view)
    run_job(job, STAGES[view])

    folder = tmp_path / f"data/town/{view}_encoder"
    history = pd.read_csv(folder / "history.csv")
    assert history.columns.tolist() == ["step", "loss"]
    assert len(history) == 30
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["trainable_blocks"] == 1
    assert settings["loss"] == "infonce"
    encoder = load_encoder(tmp_path / f"data/models/{view}", 1)
    before = {name: value.clone() for name, value in encoder.named_parameters()}
    trained = read_encoder(folder, encoder)
    changed = {
        name
        for name, value in trained.encoder.named_parameters()
        if not torch.equal(value, before[name])
    }
    assert changed
    assert all(name.startswith("model.encoder.stages.1.") for name in changed)
    assert "1 of 5 regions have no image" in capsys.readouterr().err

    weights = (folder / "weights.safetensors").read_bytes()
    run_job(job, STAGES[view])
    assert (folder / "weights.safetensors").read_bytes() == weights
