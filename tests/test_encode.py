"""Features on disk, and the stages that write them, on a city of a few small images."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from efficientnet_lite_pytorch import EfficientNet

from musecl.encoding.encoders import load_encoder
from musecl.encoding.features import (
    read_features,
    rows_of_viewpoints,
    turned,
    turned_index,
    write_features,
)
from musecl.imagery.images import write_view
from musecl.runtime.errors import InputError
from musecl.runtime.job import Job, run_job
from musecl.runtime.pipeline import Declaration
from musecl.stages import encode_satellite, encode_street_view

STAGES = {"satellite": encode_satellite, "street_view": encode_street_view}


def image_rows(counts, orientations, pixels=32):
    """Images of random pixels: `counts` viewpoints per region, each in these orientations."""
    generator = np.random.default_rng(0)
    rows = []
    for number, count in enumerate(counts):
        for view in range(count):
            for orientation in orientations:
                image = generator.integers(0, 256, (pixels, pixels, 3), dtype=np.uint8)
                encoded = cv2.imencode(".png", image[:, :, ::-1])[1].tobytes()
                rows.append(
                    {
                        "region_id": f"r{number}",
                        "viewpoint": view,
                        "orientation": orientation,
                        "longitude": 1.0,
                        "latitude": 2.0,
                        "image": encoded,
                        "pixels": image,
                    }
                )
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    torch.manual_seed(0)
    weights = EfficientNet.from_name("efficientnet-lite0").state_dict()
    params = {"encoders": {}}
    for view in STAGES:
        (root / "data/models" / view).mkdir(parents=True)
        torch.save(weights, root / "data/models" / view / "efficientnet-lite0-0.pth")
        params["encoders"][view] = {"weights": "folder", "trainable_blocks": 5}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    return root


def encode_stage(root, view, rows, imagery="rendered"):
    folder = root / f"data/town/{view}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_view(folder, None if rows is None else rows.drop(columns="pixels"), imagery)
    declared = Declaration(
        stage=f"encode_{view}",
        city="town",
        command="",
        inputs=(f"data/town/{view}", f"data/models/{view}"),
        outputs=(f"data/town/{view}_features",),
        parameters=(f"encoders.{view}",),
    )
    run_job(Job(declared, root), STAGES[view])
    return root / f"data/town/{view}_features"


@pytest.mark.parametrize("view", STAGES)
def test_a_view_that_the_city_lacks_has_features_of_no_image(root, tmp_path, view):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/models").symlink_to(root / "data/models")
    (tmp_path / "params.yaml").write_text((root / "params.yaml").read_text())
    features = read_features(encode_stage(tmp_path, view, None, imagery=None))
    assert list(features.index.columns) == ["region_id", "viewpoint", "orientation"]
    assert (len(features.index), len(features.pooled), len(features.hidden)) == (0, 0, 0)


def by_hand(encoder, pixels):
    with torch.no_grad():
        hidden, low = encoder.trunk(torch.from_numpy(np.ascontiguousarray(pixels))[None])
        return torch.cat([encoder.top(hidden), low], dim=1)[0].numpy(), hidden[0].numpy()


def test_street_views_are_encoded_in_the_order_of_their_index(root):
    rows = image_rows([2, 1, 3], [0, 90, 180, 270])
    features = read_features(encode_stage(root, "street_view", rows))

    expected = rows[["region_id", "viewpoint", "orientation"]]
    pd.testing.assert_frame_equal(features.index, expected, check_dtype=False)
    assert features.hidden.dtype == np.float16
    assert features.pooled.shape == (24, 1360)
    encoder = load_encoder(root / "data/models/street_view", 5)
    for row in (0, 5, 23):
        pooled, hidden = by_hand(encoder, rows["pixels"][row])
        np.testing.assert_allclose(features.pooled[row], pooled, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(features.hidden[row], hidden, rtol=1e-2, atol=1e-2)


def test_chips_are_encoded_in_all_turns(root):
    rows = image_rows([1] * 11, [0])
    features = read_features(encode_stage(root, "satellite", rows))

    in_order = rows.sort_values("region_id").reset_index(drop=True)
    assert features.index["region_id"].tolist() == list(np.repeat(in_order["region_id"], 4))
    assert features.index["orientation"].tolist() == [*range(4)] * 11
    encoder = load_encoder(root / "data/models/satellite", 5)
    for number in (0, 9):
        image = in_order["pixels"][number]
        quarters = [np.rot90(image, turn) for turn in range(4)]
        for orientation, way in enumerate(quarters):
            pooled, _ = by_hand(encoder, way)
            found = features.pooled[4 * number + orientation]
            np.testing.assert_allclose(found, pooled, rtol=1e-3, atol=1e-4)


def test_encoding_again_gives_the_same_bytes(root):
    rows = image_rows([2, 1, 3], [0, 90, 180, 270])
    first = [path.read_bytes() for path in files(encode_stage(root, "street_view", rows))]
    again = [path.read_bytes() for path in files(encode_stage(root, "street_view", rows))]
    assert first == again


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir())


def test_turned_gives_four_different_images():
    images = np.random.default_rng(0).integers(0, 256, (2, 6, 6, 3), dtype=np.uint8)
    ways = turned(images)
    assert ways.shape == (8, 6, 6, 3)
    assert len({way.tobytes() for way in ways}) == 8
    for number in range(2):
        np.testing.assert_array_equal(ways[4 * number], images[number])
        np.testing.assert_array_equal(ways[4 * number + 1], np.rot90(images[number]))


def test_turned_index_follows_the_images():
    index = pd.DataFrame({"region_id": ["a", "b"], "viewpoint": [0, 3], "orientation": [0, 0]})
    repeated = turned_index(index)
    assert repeated["region_id"].tolist() == ["a"] * 4 + ["b"] * 4
    assert repeated["viewpoint"].tolist() == [0] * 4 + [3] * 4
    assert repeated["orientation"].tolist() == [*range(4), *range(4)]


def index_of(count):
    return pd.DataFrame(
        {"region_id": [f"r{i}" for i in range(count)], "viewpoint": 0, "orientation": 0}
    )


def batches_of(*counts, value=1.0):
    for count in counts:
        yield np.full((count, 3), value, np.float32), np.full((count, 2, 4, 4), value, np.float16)


def test_features_survive_the_disk(tmp_path):
    generator = np.random.default_rng(0)
    pooled = generator.normal(size=(7, 3)).astype(np.float32)
    hidden = generator.normal(size=(7, 2, 4, 4)).astype(np.float16)
    parts = [(pooled[i : i + 3], hidden[i : i + 3]) for i in (0, 3, 6)]
    write_features(tmp_path / "features", index_of(7), parts)
    found = read_features(tmp_path / "features")
    np.testing.assert_array_equal(found.pooled, pooled)
    np.testing.assert_array_equal(found.hidden, hidden)
    assert isinstance(found.hidden, np.memmap)


@pytest.mark.parametrize("counts", [(4, 2), (4, 4), (8,), (2,)])
def test_more_or_fewer_images_than_rows_are_an_error(tmp_path, counts):
    with pytest.raises(InputError, match=f"{sum(counts)} images for 7 rows"):
        write_features(tmp_path / "features", index_of(7), batches_of(*counts))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_features_that_are_not_finite_are_an_error(tmp_path, value):
    with (
        np.errstate(over="ignore"),
        pytest.raises(InputError, match="not finite within rows 0 to 4"),
    ):
        write_features(tmp_path / "features", index_of(7), batches_of(4, 3, value=value))


@pytest.mark.parametrize("name", ["pooled.npy", "hidden.npy", "index.parquet"])
def test_damaged_features_are_an_error(tmp_path, name):
    folder = tmp_path / "features"
    write_features(folder, index_of(7), batches_of(4, 3))
    (folder / name).write_bytes(b"damaged")
    with pytest.raises(InputError, match="not readable"):
        read_features(folder)


def test_features_of_another_index_are_an_error(tmp_path):
    for count in (7, 5):
        write_features(tmp_path / str(count), index_of(count), batches_of(count))
    (tmp_path / "5/hidden.npy").replace(tmp_path / "7/hidden.npy")
    with pytest.raises(InputError, match="7 and 5 rows of features for 7 rows"):
        read_features(tmp_path / "7")


@pytest.mark.parametrize("seed", range(3))
def test_viewpoints_are_found_in_any_order_of_rows(seed):
    rows = image_rows([2, 1, 3], [0, 90, 180, 270], pixels=2)
    shuffled = rows.sample(frac=1, random_state=seed).reset_index(drop=True)
    keys, viewpoints = rows_of_viewpoints(shuffled)
    assert keys.to_numpy().tolist() == [
        ["r0", 0], ["r0", 1], ["r1", 0], ["r2", 0], ["r2", 1], ["r2", 2],
    ]  # fmt: skip
    for (region, view), found in zip(keys.to_numpy(), viewpoints, strict=True):
        mine = shuffled.loc[found]
        assert set(mine["region_id"]) == {region}
        assert set(mine["viewpoint"]) == {view}
        assert mine["orientation"].tolist() == [0, 90, 180, 270]
