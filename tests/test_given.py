"""What a model is asked about: nothing of the user's files is taken for what it is not."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from musecl.fusion.representation import Representation
from musecl.model import model
from musecl.model.command import run_embed
from musecl.model.given import find_images, read_given, read_pois
from musecl.runtime.errors import InputError


def test_what_file_managers_leave_is_no_image(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.jpg"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "._a.jpg").write_bytes(b"of a Mac")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "b.jpg").write_bytes(b"of a Mac")
    assert list(find_images(tmp_path).index["region_id"]) == ["a"]


def test_a_row_without_a_region_is_none_named_nan(tmp_path: Path) -> None:
    (tmp_path / "pois.csv").write_text("region_id,text\na,park\n,bridge\n", encoding="utf-8")
    with pytest.raises(InputError, match="row 2 has no region_id"):
        read_given(tmp_path / "pois.csv", ["region_id"])


def test_a_weight_is_a_number() -> None:
    table = pd.DataFrame({"region_id": ["a", "b"], "text": ["park", "bridge"], "weight": [1, "x"]})
    with pytest.raises(InputError, match="a weight is no number"):
        read_pois(table)


def test_neighbours_are_lists_and_no_text(tmp_path: Path) -> None:
    """Each letter of a text would be taken for a region."""
    path = tmp_path / "regions.csv"
    path.write_text("region_id,neighbours\na,\"['b', 'c']\"\n", encoding="utf-8")
    with pytest.raises(InputError, match="a cell of `neighbours` is no list; give a Parquet"):
        run_embed(str(tmp_path), str(tmp_path / "o.parquet"), None, None, None, str(path))


def test_a_model_of_no_indicator_predicts_a_table_without_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = object.__new__(Representation)
    vectors = np.zeros((1, 2), np.float32)
    monkeypatch.setattr(Representation, "apply", lambda *_: (vectors, vectors))
    monkeypatch.setattr(model.Model, "_require", lambda *_: None)
    part = model.sorted_part(pd.DataFrame({"region_id": ["a"]}), vectors)
    monkeypatch.setattr(model.Model, "_embed_pois", lambda *_: part)
    pois = pd.DataFrame({"region_id": ["a"], "text": ["park"]})
    found = model.Model(tmp_path, {}, fitted, []).embed(pois=pois).predictions
    assert list(found.columns) == [
        *("region_id", "indicator", "prediction", "lower_90", "upper_90", "unit")
    ]
