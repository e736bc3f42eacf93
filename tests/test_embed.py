"""Embeddings of viewpoints and regions against loops over their images."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from musecl.encoding.encoders import load_encoder
from musecl.encoding.features import Features, write_features
from musecl.runtime.job import Job, run_job
from musecl.runtime.pipeline import Declaration
from musecl.runtime.tables import read_vectors, write_vectors
from musecl.runtime.workers import GIVEN
from musecl.stages import embed_satellite, embed_street_view, transfer
from musecl.training.contrastive import ContrastiveEncoder, write_encoder
from musecl.training.embedding import average_pooled, average_regions, embed_viewpoints
from small_city import write_small_encoder

KEYS = ["region_id", "viewpoint"]
STAGES = {"satellite": embed_satellite, "street_view": embed_street_view}
# More viewpoints than are embedded at once, and one region with headings missing.
VIEWPOINTS = [2, 1, 3, 17, 12]


def features(seed=None):
    """Features of regions `a`, `b`, .., in order or shuffled."""
    rows = [
        (chr(97 + region), view, orientation)
        for region, count in enumerate(VIEWPOINTS)
        for view in range(count)
        for orientation in ([0, 90] if region == 1 else [0, 90, 180, 270])
    ]
    index = pd.DataFrame(rows, columns=["region_id", "viewpoint", "orientation"])
    generator = np.random.default_rng(0)
    pooled = generator.normal(size=(len(rows), 5)).astype(np.float32)
    hidden = generator.normal(size=(len(rows), 3, 16, 16)).astype(np.float16)
    order = np.arange(len(rows))
    if seed is not None:
        order = np.random.default_rng(seed).permutation(len(rows))
    return Features(index.iloc[order].reset_index(drop=True), pooled[order], hidden[order])


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    write_small_encoder(folder)
    return folder


@pytest.fixture(scope="module")
def model(encoder_folder):
    model = ContrastiveEncoder(load_encoder(encoder_folder, 1), 6, seed=1)
    torch.manual_seed(1)
    with torch.no_grad():
        for value in model.trained().values():
            value.add_(torch.randn_like(value) * 0.1)
    return model


def viewpoints_by_loop(vectors, index):
    means = {}
    for region, view in sorted(set(zip(index["region_id"], index["viewpoint"], strict=True))):
        rows = [
            row
            for row in range(len(index))
            if index["region_id"][row] == region and index["viewpoint"][row] == view
        ]
        means[region, view] = sum(vectors[row].astype(np.float64) for row in rows) / len(rows)
    return means


def top_by_loop(model, found):
    with torch.no_grad():
        return [
            model.encoder.top(torch.from_numpy(found.hidden[row][None].copy()))[0].numpy()
            for row in range(len(found.index))
        ]


@pytest.mark.parametrize("seed", [None, 1])
def test_viewpoints_are_averages_of_their_images(model, seed):
    found = features(seed)
    expected = np.stack(list(viewpoints_by_loop(found.pooled, found.index).values()))
    np.testing.assert_allclose(average_pooled(found), expected, rtol=1e-4, atol=1e-5)
    expected = np.stack(list(viewpoints_by_loop(top_by_loop(model, found), found.index).values()))
    embedding = embed_viewpoints(model, found, "toy", "features")
    np.testing.assert_allclose(embedding, expected, rtol=1e-3, atol=1e-4)


@given(
    counts=st.lists(st.integers(1, 5), min_size=1, max_size=6),
    size=st.integers(1, 4),
    with_deviation=st.booleans(),
)
@settings(max_examples=50, deadline=None)
def test_regions_are_means_and_deviations_of_their_viewpoints(counts, size, with_deviation):
    regions = [f"r{number}" for number, count in enumerate(counts) for _ in range(count)]
    vectors = np.random.default_rng(0).normal(size=(len(regions), size)).astype(np.float32)
    keys, found = average_regions(pd.DataFrame({"region_id": regions}), vectors, with_deviation)
    assert keys["region_id"].tolist() == sorted(set(regions))
    for region, row in zip(keys["region_id"], found, strict=True):
        mine = vectors[[name == region for name in regions]].astype(np.float64)
        mean = mine.sum(axis=0) / len(mine)
        np.testing.assert_allclose(row[:size], mean, rtol=1e-4, atol=1e-5)
        if with_deviation:
            deviation = np.sqrt(((mine - mean) ** 2).sum(axis=0) / len(mine))
            np.testing.assert_allclose(row[size:], deviation, rtol=1e-4, atol=1e-5)
        else:
            assert len(row) == size


def embedding_job(root, view, encoder_folder, model, seed, output="features"):
    city = root / "data/town"
    city.mkdir(parents=True, exist_ok=True)
    (root / "data/models").mkdir(exist_ok=True)
    (root / "data/models" / view).symlink_to(encoder_folder)
    found = features(seed)
    write_features(city / f"{view}_features", found.index, [(found.pooled, found.hidden)])
    (city / f"{view}_encoder").mkdir()
    trained_by = {"embedding_size": 6, "pooling": "mean"}
    write_encoder(city / f"{view}_encoder", model, trained_by)
    params = {
        "encoders": {view: {"weights": "folder", "trainable_blocks": 1}},
        f"embed_{view}": {"output": output},
    }
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    declared = Declaration(
        stage=f"embed_{view}",
        city="town",
        command="",
        inputs=(
            f"data/town/{view}_features",
            f"data/town/{view}_encoder",
            f"data/models/{view}",
        ),
        outputs=(
            f"data/town/{view}_embeddings.parquet",
            f"data/town/{view}_image_embeddings.parquet",
        ),
        parameters=(f"encoders.{view}", f"embed_{view}"),
    )
    return Job(declared, root)


@pytest.mark.parametrize("view", list(STAGES))
def test_the_stage_embeds_regions_and_viewpoints(tmp_path, view, encoder_folder, model):
    run_job(embedding_job(tmp_path, view, encoder_folder, model, None), STAGES[view])
    found = features()
    vectors = {"pretrained": found.pooled, "embedding": top_by_loop(model, found)}
    for name, images in vectors.items():
        viewpoints = viewpoints_by_loop(images, found.index)
        keys, values = read_vectors(tmp_path / f"data/town/{view}_image_embeddings.parquet", name)
        assert [tuple(key) for key in keys.to_numpy()] == list(viewpoints)
        np.testing.assert_allclose(values, list(viewpoints.values()), rtol=1e-3, atol=1e-4)

        keys, values = read_vectors(tmp_path / f"data/town/{view}_embeddings.parquet", name)
        assert keys["region_id"].tolist() == ["a", "b", "c", "d", "e"]
        for region, row in zip(keys["region_id"], values, strict=True):
            mine = np.stack([value for key, value in viewpoints.items() if key[0] == region])
            expected = [mine.mean(axis=0)]
            if view == "street_view":
                expected.append(mine.std(axis=0))
            np.testing.assert_allclose(row, np.concatenate(expected), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("view", list(STAGES))
def test_the_stage_embeds_by_the_projection_where_asked(tmp_path, view, encoder_folder, model):
    run_job(embedding_job(tmp_path, view, encoder_folder, model, None, "projection"), STAGES[view])
    found = features()
    averaged = np.stack(list(viewpoints_by_loop(top_by_loop(model, found), found.index).values()))
    with torch.no_grad():
        expected = model.projection(torch.from_numpy(averaged.astype(np.float32))).numpy()
    _, values = read_vectors(tmp_path / f"data/town/{view}_image_embeddings.parquet", "embedding")
    np.testing.assert_allclose(values, expected, rtol=1e-3, atol=1e-4)
    _, values = read_vectors(tmp_path / f"data/town/{view}_embeddings.parquet", "embedding")
    assert values.shape == (5, 12 if view == "street_view" else 6)


@pytest.mark.parametrize("view", list(STAGES))
def test_a_view_that_the_city_lacks_has_no_vectors(tmp_path, view, encoder_folder, model):
    job = embedding_job(tmp_path, view, encoder_folder, model, None)
    nothing = features().index.head(0)
    shutil.rmtree(tmp_path / f"data/town/{view}_features")
    write_features(tmp_path / f"data/town/{view}_features", nothing, [])
    run_job(Job(job.declared, tmp_path), STAGES[view])
    for table, columns in (("embeddings", ["region_id"]), ("image_embeddings", KEYS)):
        for kind in ("pretrained", "embedding"):
            keys, vectors = read_vectors(tmp_path / f"data/town/{view}_{table}.parquet", kind)
            assert list(keys.columns) == columns
            assert (len(keys), vectors.shape) == (0, (0, 0))


def test_the_order_of_rows_never_matters(tmp_path, encoder_folder, model):
    tables = []
    for seed in (None, 1, 2):
        root = tmp_path / str(seed)
        run_job(
            embedding_job(root, "street_view", encoder_folder, model, seed),
            STAGES["street_view"],
        )
        tables.append((root / "data/town/street_view_embeddings.parquet").read_bytes())
    assert tables[0] == tables[1] == tables[2]


def test_a_transfer_sees_another_city_as_the_first_is_seen(
    tmp_path, encoder_folder, model, monkeypatch
):
    """`away` has the images of `town`: through the encoders of `town` it has its vectors, too."""
    found = features(2)
    abroad = found.index.assign(region_id="away " + found.index["region_id"])
    data = tmp_path / "data"
    (data / "away").mkdir(parents=True)
    inputs = []
    for view, stage in STAGES.items():
        run_job(embedding_job(tmp_path, view, encoder_folder, model, None), stage)
        write_features(data / f"away/{view}_features", abroad, [(found.pooled, found.hidden)])
        own = (f"{view}_encoder", f"{view}_embeddings.parquet", f"{view}_image_embeddings.parquet")
        inputs += [f"models/{view}", f"away/{view}_features", *(f"town/{name}" for name in own)]
    for city, prefix in (("town", ""), ("away", "away ")):
        keys = pd.DataFrame({"region_id": [prefix + name for name in "abcde"]})
        write_vectors(data / city / "text_embeddings.parquet", keys, embedding=np.eye(5))
        inputs.append(f"{city}/text_embeddings.parquet")
    views = list(STAGES)
    params = {
        "encoders": {view: {"weights": "folder", "trainable_blocks": 1} for view in views},
        **{f"embed_{view}": {"output": "features"} for view in views},
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    declared = Declaration(
        stage="transfer",
        city="town-to-away",
        command="",
        inputs=tuple(f"data/{name}" for name in inputs),
        outputs=(),
        parameters=(*(f"encoders.{view}" for view in views), *(f"embed_{view}" for view in views)),
    )
    by_workers = []
    for workers in (1, 3, 8):
        monkeypatch.setenv(GIVEN, str(workers))
        parts, single = transfer.read_both(Job(declared, tmp_path), "town", "away")
        by_workers.append({name: part.vectors.tobytes() for name, part in parts.items()})
    assert by_workers[0] == by_workers[1] == by_workers[2]
    kinds = [f"{view} {kind}" for view in views for kind in transfer.KINDS]
    assert set(parts) == {*kinds, "text"}
    for part in parts.values():
        assert part.keys["region_id"].tolist() == [*"abcde", *(f"away {name}" for name in "abcde")]
        np.testing.assert_allclose(part.vectors[5:], part.vectors[:5], rtol=1e-4, atol=1e-5)
    for view in views:
        ids, half = single[view].region_ids, sum(VIEWPOINTS)
        assert ids == sorted(ids) and len(ids) == 2 * half
        away = [name.startswith("away") for name in ids]
        for vectors in single[view].kinds.values():
            here, there = vectors[~np.array(away)], vectors[away]
            np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-5)
