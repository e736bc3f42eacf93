import base64

import cv2
import numpy as np
import pandas as pd
import pytest

from musecl.imagery import images as shards
from musecl.imagery.images import encode_image, write_view
from musecl.report import images
from musecl.report.images import choose_views, read_thumbnails, shrink


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Five regions of two viewpoints in two headings, each image of one gray; over three shards."""
    monkeypatch.setattr(shards, "SHARD_ROWS", 7)
    rows = [
        {
            "region_id": f"r{region}",
            "viewpoint": view,
            "orientation": orientation,
            "longitude": 0.0,
            "latitude": 0.0,
            "image": encode_image(
                np.full((128, 64, 3), 40 * region + 20 * view + orientation // 9, np.uint8)
            ),
        }
        for region in range(5)
        for view in range(2)
        for orientation in (0, 90)
    ]
    write_view(tmp_path / "view", pd.DataFrame(rows), "photographic")
    return tmp_path / "view"


def decoded(text):
    return cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), 1)


def test_a_region_shows_its_own_images_from_two_viewpoints(folder):
    (found,) = read_thumbnails([(folder, 2)])
    assert list(found) == [f"r{region}" for region in range(5)]
    for region, pair in enumerate(found.values()):
        grays = [decoded(image).mean() for image in pair]
        assert grays == pytest.approx([40 * region, 40 * region + 20], abs=3)


def test_other_headings_follow_where_viewpoints_are_few():
    index = pd.DataFrame(
        {"region_id": ["a"] * 3, "viewpoint": [0, 0, 1], "orientation": [0, 90, 0]}
    )
    assert choose_views(index, 2).index.to_list() == [0, 2]
    assert choose_views(index, 3).index.to_list() == [0, 1, 2]


def test_images_are_small_and_keep_their_shape(folder):
    ((image, *_), *_) = read_thumbnails([(folder, 1)])[0].values()
    assert decoded(image).shape == (96, 48, 3)
    assert cv2.imdecode(
        np.frombuffer(shrink(np.zeros((20, 30, 3), np.uint8), 96, 75), np.uint8), 1
    ).shape == (20, 30, 3)


def test_quality_falls_until_all_fit(folder, monkeypatch):
    first = read_thumbnails([(folder, 2)])[0]["r0"][0]
    monkeypatch.setattr(images, "MOST_BYTES", 1)
    least = read_thumbnails([(folder, 2)])[0]["r0"][0]
    assert decoded(least).shape == (48, 24, 3)
    assert len(least) < len(first)


def test_a_city_without_the_view_has_no_image(tmp_path):
    write_view(tmp_path / "view", None, None)
    assert read_thumbnails([(tmp_path / "view", 2)]) == [{}]
