"""Views of photographs: which are drawn, that they are upright, and which way they look."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from musecl.imagery.images import iterate_images, write_view
from musecl.imagery.photographs import cut_flat, cut_panorama, cut_photographs
from musecl.imagery.settings import StreetViewSettings
from musecl.sources.contract import Photographs
from shared_data import shared
from small_city import disk_of_regions
from test_street_view_folder import photograph

REGIONS = disk_of_regions(1)
CENTRES = REGIONS[["longitude", "latitude"]].to_numpy()
SETTINGS = StreetViewSettings(viewpoints=2, pixels=48)


def sphere(width: int = 1440, height: int = 720) -> NDArray[np.uint8]:
    """A panorama whose red is the share around, from left to right, and green that from the top."""
    around, down = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    bands = [around * 255, down * 255, np.full_like(down, 128)]
    return np.stack(bands, axis=-1).round().astype(np.uint8)


def photographs_in(folder: Path, regions: list[int], **more: object) -> Photographs:
    for number in range(len(regions)):
        photograph(folder / f"{number}.jpg", size=(64, 60))
    pois = CENTRES[regions] + 1e-5 * np.arange(len(regions))[:, None]
    table = pd.DataFrame(
        {
            "path": [f"{number}.jpg" for number in range(len(regions))],
            "longitude": pois[:, 0],
            "latitude": pois[:, 1],
            "heading": np.nan,
            "taken": pd.NaT,
            "panorama": False,
        }
    ).assign(**more)
    return Photographs(table, folder)


@pytest.mark.parametrize("heading", [0.0, 90.0, 212.9, 350.0])
def test_a_panorama_is_cut_to_the_four_winds(heading: float) -> None:
    views = cut_panorama(sphere(), heading, 101)
    assert [orientation for orientation, _ in views] == [0, 90, 180, 270]
    for orientation, view in views:
        assert view.shape == (101, 101, 3)
        for column, turned in ((50, 0.0), (0, -np.rad2deg(np.arctan(100 / 101)))):
            share = ((orientation + turned - heading) / 360 + 0.5) % 1
            if 0.02 < share < 0.98:
                assert view[50, column, 0] == pytest.approx(share * 255, abs=2)
        # 45 degrees up and down are a quarter of the sphere above and below the horizon.
        edge = np.rad2deg(np.arctan(100 / 101)) / 180
        expected = [255 * (0.5 - edge), 127.5, 255 * (0.5 + edge)]
        assert view[[0, 50, 100], 50, 1] == pytest.approx(expected, abs=2)


def test_a_panorama_has_no_seam_behind() -> None:
    plain = np.full((200, 400, 3), 77, np.uint8)
    for _, view in cut_panorama(plain, 13.0, 64):
        assert (view == 77).all()


def test_of_a_part_of_a_sphere_the_rest_is_black_or_left_out() -> None:
    whole = sphere()
    part = whole[90:630, 360:1080]
    views = dict(cut_panorama(part, 0.0, 101, (0.25, 0.125, 0.75, 0.875)))
    full = dict(cut_panorama(whole, 0.0, 101))
    assert np.abs(views[0].astype(int) - full[0]).max() <= 3
    assert (views[90][:, :48] > 0).any(axis=2).all()
    assert (views[90][:, 54:] == 0).all()
    ahead = part[:, 180:540]
    assert list(dict(cut_panorama(ahead, 180.0, 101, (0.4, 0.125, 0.6, 0.875)))) == [180]


def test_a_flat_photograph_is_cut_square_in_the_middle() -> None:
    image = np.zeros((60, 100, 3), np.uint8)
    image[:, 20:80] = 200
    view = cut_flat(image, 32)
    assert view.shape == (32, 32, 3)
    assert (view == 200).all()
    assert cut_flat(image, 128).shape == (128, 128, 3)


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
def test_every_orientation_of_exif_is_turned_upright(tmp_path: Path, orientation: int) -> None:
    upright = Image.new("RGB", (96, 96), (250, 10, 10))
    upright.paste((10, 250, 10), (48, 0, 96, 48))
    upright.paste((10, 10, 250), (0, 48, 48, 96))
    turned = {
        1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4,
    }[orientation]  # fmt: skip
    # What the camera stored, so that turning it as its EXIF says gives it back.
    stored = upright if turned is None else upright.transpose(Image.Transpose(turned))
    source = photographs_in(tmp_path, [0])
    photograph(tmp_path / "0.jpg", image=stored, orientation=orientation)
    (row,) = cut_photographs(source, REGIONS, SETTINGS, 1).itertuples()
    (tmp_path / "view.jpg").write_bytes(row.image)
    view = np.asarray(Image.open(tmp_path / "view.jpg")).astype(int)
    assert np.abs(view[8, 8] - (250, 10, 10)).max() < 30
    assert np.abs(view[8, -8] - (10, 250, 10)).max() < 30
    assert np.abs(view[-8, 8] - (10, 10, 250)).max() < 30


def test_rows_are_what_write_images_takes(tmp_path: Path) -> None:
    source = photographs_in(tmp_path, [0, 0, 1, 2], heading=[359.6, np.nan, 212.4, 30.0])
    Image.fromarray(sphere(400, 200)).save(tmp_path / "3.jpg")
    source.table.loc[3, "panorama"] = True
    rows = cut_photographs(source, REGIONS, SETTINGS, 1)
    ids = REGIONS["region_id"]
    found = {region: sorted(part["orientation"]) for region, part in rows.groupby("region_id")}
    assert found == {ids[0]: [0, 0], ids[1]: [212], ids[2]: [0, 90, 180, 270]}
    assert sorted(rows.loc[rows["region_id"] == ids[0], "viewpoint"]) == [0, 1]
    folder = tmp_path / "shards"
    write_view(folder, rows, "photographic")
    (images,) = iterate_images(folder, 99)
    assert images.shape == (7, 48, 48, 3)


def test_a_region_draws_by_its_own_photographs_and_the_seed_alone(tmp_path: Path) -> None:
    source = photographs_in(tmp_path, [0] * 9 + [1] * 9)

    def drawn(table: pd.DataFrame, seed: int) -> list[float]:
        rows = cut_photographs(Photographs(table, tmp_path), REGIONS, SETTINGS, seed)
        first = rows[rows["region_id"] == REGIONS["region_id"][0]]
        return first.sort_values("viewpoint")["longitude"].tolist()

    whole = drawn(source.table, 1)
    assert len(set(whole)) == 2
    assert drawn(source.table.iloc[::-1], 1) == whole
    assert drawn(source.table.head(9), 1) == whole
    assert any(drawn(source.table, seed) != whole for seed in (2, 3, 4))


def test_the_views_do_not_depend_on_the_number_of_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, rows = photographs_in(tmp_path, [0, 1, 2, 3, 4] * 3), []
    for workers in (1, 4):
        monkeypatch.setenv("MUSECL_WORKERS", str(workers))
        rows.append(cut_photographs(source, REGIONS, SETTINGS, 1))
    pd.testing.assert_frame_equal(*rows)


def test_no_photograph_in_any_region_gives_no_row(tmp_path: Path) -> None:
    source = photographs_in(tmp_path, [0])
    source.table["longitude"] += 1
    assert len(cut_photographs(source, REGIONS, SETTINGS, 1)) == 0


def test_the_photograph_of_madrid_is_one_view(tmp_path: Path) -> None:
    path = shared("open_samples", "madrid", "iphone_hdr_NO.jpg")
    source = photographs_in(tmp_path, [0], path=str(path), heading=212.87)
    (row,) = cut_photographs(source, REGIONS, SETTINGS, 1).itertuples()
    assert (row.viewpoint, row.orientation) == (0, 213)
