from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musecl.imagery import images
from musecl.imagery.images import (
    ABOUT,
    COUNTED,
    encode_image,
    imagery_of,
    iterate_images,
    read_image_index,
    write_view,
)
from musecl.runtime.errors import InputError


@cache
def flat_grey(grey: int, pixels: int) -> bytes:
    return encode_image(np.full((pixels, pixels, 3), grey, np.uint8))


def rows_of(count: int, pixels: int = 8) -> pd.DataFrame:
    """Flat grey images, four orientations a view and two views a region; grey = row number."""
    number = np.arange(count)
    return pd.DataFrame(
        {
            "region_id": [f"r{n // 8:03d}" for n in number],
            "viewpoint": number // 4 % 2,
            "orientation": number % 4 * 90,
            "longitude": number / 1000,
            "latitude": number / 500,
            "image": [flat_grey(n, pixels) for n in number],
        }
    )


def written(folder: Path, rows: pd.DataFrame) -> Path:
    write_view(folder, rows, "rendered")
    return folder


@settings(max_examples=20, deadline=None)
@given(
    count=st.integers(1, 60),
    shard=st.integers(1, 25),
    batch=st.integers(1, 70),
    seed=st.integers(0),
)
def test_every_image_comes_back_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, count: int, shard: int, batch: int, seed: int
) -> None:
    rows = rows_of(count)
    shuffled = rows.sample(frac=1, random_state=seed % 2**32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "SHARD_ROWS", shard)
        folder = written(tmp_path_factory.mktemp("images") / "view", shuffled)
    assert len(list(folder.glob("part-*"))) == -(-count // shard)
    pd.testing.assert_frame_equal(read_image_index(folder), rows.drop(columns="image"))
    batches = list(iterate_images(folder, batch))
    assert [len(b) for b in batches[:-1]] == [batch] * (len(batches) - 1)
    greys = np.concatenate(batches)[:, 4, 4, 0]
    assert greys.tolist() == list(range(count))


def test_images_come_back_as_rgb_at_their_size(tmp_path: Path) -> None:
    image = np.zeros((32, 48, 3), np.uint8)
    image[:, :24] = (200, 30, 10)
    image[:, 24:] = (10, 40, 180)
    rows = rows_of(1).assign(image=[encode_image(image)])
    (batch,) = iterate_images(written(tmp_path / "view", rows), 8)
    assert batch.shape == (1, 32, 48, 3)
    assert np.abs(batch[0, :, [8, 40]].astype(int) - image[:, [8, 40]].swapaxes(0, 1)).max() < 6


def test_four_thousand_rows_make_a_shard(tmp_path: Path) -> None:
    encoded = encode_image(np.zeros((8, 8, 3), np.uint8))
    count = 4100
    rows = pd.DataFrame(
        {
            "region_id": [f"r{n:05d}" for n in range(count)],
            "viewpoint": 0,
            "orientation": 0,
            "longitude": 0.0,
            "latitude": 0.0,
            "image": [encoded] * count,
        }
    )
    folder = written(tmp_path / "view", rows)
    names = sorted(path.name for path in folder.glob("part-*"))
    assert names == ["part-000.parquet", "part-001.parquet"]
    assert len(pd.read_parquet(folder / "part-000.parquet")) == 4096


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.head(0), "no region has an image"),
        (lambda rows: rows.drop(columns="viewpoint"), "viewpoint"),
        (lambda rows: rows.assign(orientation=360), "orientation"),
        (lambda rows: rows.assign(orientation=0), "part-000.parquet"),
        (lambda rows: rows.assign(colour=1), "part-000.parquet"),
    ],
)
def test_wrong_rows_are_refused(tmp_path: Path, change, said: str) -> None:
    with pytest.raises((InputError, KeyError), match=said):
        written(tmp_path / "view", change(rows_of(4)))


def damage_truncate(folder: Path) -> None:
    path = folder / "part-001.parquet"
    path.write_bytes(path.read_bytes()[:-40])


def damage_middle(folder: Path) -> None:
    path = folder / "part-001.parquet"
    content = bytearray(path.read_bytes())
    images_column = parquet.ParquetFile(path).metadata.row_group(0).column(5)
    start = images_column.dictionary_page_offset
    content[start : start + 400] = bytes(400)
    path.write_bytes(bytes(content))


def damage_image(folder: Path) -> None:
    path = folder / "part-001.parquet"
    rows = pd.read_parquet(path)
    rows["image"] = [b"no image", *rows["image"][1:]]
    rows.to_parquet(path)


def damage_size(folder: Path) -> None:
    path = folder / "part-001.parquet"
    rows = pd.read_parquet(path)
    rows["image"] = rows_of(len(rows), pixels=16)["image"].to_numpy()
    rows.to_parquet(path)


def damage_columns(folder: Path) -> None:
    path = folder / "part-001.parquet"
    pd.read_parquet(path).drop(columns=["image", "viewpoint"]).to_parquet(path)


def damage_absent(folder: Path) -> None:
    (folder / "part-000.parquet").unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_truncate, "part-001.parquet"),
        (damage_middle, "part-001.parquet"),
        (damage_image, "part-001.parquet: the image in row 0"),
        (damage_size, "part-001.parquet: the image in row 0 is 16 x 16 pixels, not 8 x 8"),
        (damage_columns, "part-001.parquet"),
        (damage_absent, "not numbered from part-000"),
    ],
)
def test_a_damaged_shard_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage, said: str
) -> None:
    monkeypatch.setattr(images, "SHARD_ROWS", 10)
    folder = written(tmp_path / "view", rows_of(25))
    damage(folder)
    with pytest.raises(InputError, match=said):
        list(iterate_images(folder, 4))


@pytest.mark.parametrize("damage", [damage_truncate, damage_columns, damage_absent])
def test_the_index_names_a_damaged_shard_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage
) -> None:
    monkeypatch.setattr(images, "SHARD_ROWS", 10)
    folder = written(tmp_path / "view", rows_of(25))
    damage(folder)
    with pytest.raises(InputError, match="part-00"):
        read_image_index(folder)


def test_a_folder_without_a_shard_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "view", rows_of(3))
    (folder / "part-000.parquet").unlink()
    with pytest.raises(InputError, match="0 shards"):
        read_image_index(folder)
    with pytest.raises(InputError, match="0 shards"):
        next(iterate_images(folder, 4))


@pytest.mark.parametrize("imagery", ["rendered", "photographic"])
def test_a_folder_says_what_its_images_are(tmp_path: Path, imagery: str) -> None:
    counted = pd.DataFrame({"region_id": ["r000", "r001"], "lots": [3, 0]})
    write_view(tmp_path / "view", rows_of(9), imagery, counted)
    assert imagery_of(tmp_path / "view") == imagery
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "view" / COUNTED), counted)
    assert len(read_image_index(tmp_path / "view")) == 9


def test_a_view_that_the_city_lacks_says_so_and_has_no_image(tmp_path: Path) -> None:
    write_view(tmp_path / "view", None, None)
    assert [path.name for path in (tmp_path / "view").iterdir()] == [ABOUT]
    assert imagery_of(tmp_path / "view") is None
    index = read_image_index(tmp_path / "view")
    assert list(index.columns) == ["region_id", "viewpoint", "orientation", "longitude", "latitude"]
    assert index.empty
    assert list(iterate_images(tmp_path / "view", 4)) == []


@pytest.mark.parametrize("said", [None, "", "{", "{}", "[]", '"rendered"'])
def test_a_folder_that_does_not_say_what_its_images_are(tmp_path: Path, said: str | None) -> None:
    folder = written(tmp_path / "view", rows_of(3))
    if said is None:
        (folder / ABOUT).unlink()
    else:
        (folder / ABOUT).write_text(said, encoding="utf-8")
    with pytest.raises(InputError, match=r"about.json: not readable .*; build it again") as caught:
        imagery_of(folder)
    assert "\n" not in str(caught.value)
