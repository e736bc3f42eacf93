"""A model folder that is copied elsewhere says of images and POIs what the pipeline says."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

import musecl
import test_null_layers
from bare_pipeline import REPOSITORY, run
from judged_city import FUSE
from made_results import vectors_by_region
from musecl.fusion.files import read_representation
from musecl.model import heads
from musecl.model.command import run_embed
from musecl.model.given import find_images, read_pois
from musecl.runtime.workers import GIVEN
from musecl.stages import evaluate, model, predict
from test_evaluate import few_trees
from test_null_layers import CELLS, LAYERS, VIEWS, models, run_city  # noqa: F401

UNLABELLED = 7


@pytest.fixture(scope="module")
def root(models, tmp_path_factory):  # noqa: F811
    """A generated city with all layers, some of whose regions have no label."""
    root = tmp_path_factory.mktemp("city") / "root"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(GIVEN, "1")
        patch.setitem(test_null_layers.SMALL, "fuse", FUSE | {"k_rings": 1, "steps": 2})
        run_city(root, models, frozenset(LAYERS))
        path = root / "data/synth/indicators.parquet"
        table = pd.read_parquet(path)
        unlabelled = sorted(set(table["region_id"]))[:UNLABELLED]
        table[~table["region_id"].isin(unlabelled)].to_parquet(path)
        for stage in (evaluate, predict, model):
            few_trees(run)(root, stage, "synth")
    return root


@pytest.fixture(scope="module")
def copied(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere") / "model"
    shutil.copytree(root / "results/synth/model", folder)
    return musecl.load_model(folder)


@pytest.fixture(scope="module")
def neighbours(root):
    table = pd.read_parquet(root / "data/synth/regions.parquet")
    return dict(zip(table["region_id"], table["neighbours"], strict=True))


@pytest.fixture(scope="module")
def embedded(root, copied, neighbours):
    data = root / "data/synth"
    return copied.embed(data / "satellite", data / "street_view", data / "pois.parquet", neighbours)


def test_the_same_images_and_pois_have_the_same_vectors(root, embedded):
    own = vectors_by_region(root / "results/synth/embeddings.parquet")
    pd.testing.assert_frame_equal(embedded.vectors, own, rtol=0, atol=2e-5, check_names=False)
    assert own.to_numpy().std() > 0.05


def test_regions_without_a_label_are_predicted_as_the_pipeline_does(root, embedded):
    own = pd.read_parquet(root / "results/synth/predictions.parquet")
    own = own[own["made_by"] == "all labels"].set_index(["indicator", "region_id"]).sort_index()
    assert len(own) == UNLABELLED * 5
    found = embedded.predictions.set_index(["indicator", "region_id"]).loc[own.index]
    assert found["unit"].equals(own["unit"])
    for column in ("prediction", "lower_90", "upper_90"):
        scale = own[column].abs().max()
        np.testing.assert_allclose(found[column], own[column], rtol=1e-3, atol=1e-3 * scale)
    assert own["prediction"].std() > 0


def test_images_in_a_folder_of_their_own_are_the_same(root, copied, tmp_path):
    shard = pd.read_parquet(root / "data/synth/satellite/part-000.parquet")
    for row in shard.itertuples():
        (tmp_path / f"{row.region_id}.jpg").write_bytes(row.image)
    plain = copied.embed(images=tmp_path)
    own = copied.embed(images=root / "data/synth/satellite")
    pd.testing.assert_frame_equal(plain.vectors, own.vectors)


@pytest.mark.parametrize("given", ["images", "street_views", "pois"])
def test_one_modality_is_enough(root, copied, given):
    data = root / "data/synth"
    paths = {
        "images": data / "satellite",
        "street_views": data / "street_view",
        "pois": data / "pois.parquet",
    }
    found = copied.embed(**{given: paths[given]})
    assert np.isfinite(found.vectors.to_numpy()).all()
    assert found.fused.to_numpy().std(axis=0).max() > 0
    assert set(found.predictions["indicator"]) == set(copied.indicators)
    assert len(found.predictions) == len(found.vectors) * len(copied.indicators)
    # The marks of presence are the last columns of a region's own half; a ring is the other.
    marks = found.vectors.to_numpy()[:, : found.vectors.shape[1] // 2][:, -3:]
    assert marks.sum(axis=1).tolist() == [1.0] * len(found.vectors)


def test_regions_that_nobody_has_seen_are_embedded_alone(root, copied, tmp_path):
    table = pd.read_parquet(root / "data/synth/pois.parquet").head(9)
    table = table.assign(region_id=["new one"] * 4 + ["new two"] * 5)
    found = copied.embed(pois=table)
    assert list(found.vectors.index) == ["new one", "new two"]
    ring = found.vectors.to_numpy()[:, found.vectors.shape[1] // 2 :]
    assert not ring.any()


def test_what_is_around_counts_where_it_is_known(root, copied, neighbours):
    images = root / "data/synth/satellite"
    alone, among = copied.embed(images), copied.embed(images, neighbours=neighbours)
    half = alone.vectors.shape[1] // 2
    pd.testing.assert_frame_equal(alone.vectors.iloc[:, :half], among.vectors.iloc[:, :half])
    assert among.vectors.iloc[:, half:].to_numpy().any()


def test_a_copy_that_lost_something_is_refused(copied, tmp_path):
    shutil.copytree(copied.folder, tmp_path / "model")
    weights = tmp_path / "model/pretrained/text/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(musecl.InputError, match="not the file that the model was made with"):
        musecl.load_model(tmp_path / "model")
    (tmp_path / "model/heads.safetensors").unlink()
    with pytest.raises(musecl.InputError, match="not readable as a model"):
        musecl.load_model(tmp_path / "model")
    settings = tmp_path / "model/settings.json"
    said = json.loads(settings.read_text()) | {"format": 99}
    settings.write_text(json.dumps(said))
    with pytest.raises(musecl.InputError, match="a model of format 99"):
        musecl.load_model(tmp_path / "model")
    (tmp_path / "model/fusion/weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(musecl.InputError, match="not readable as a fusion"):
        read_representation(tmp_path / "model/fusion")


def test_the_card_tells_data_figures_and_limits(root, copied):
    scores = pd.read_csv(root / "results/synth/r2.csv")
    text = (copied.folder / "README.md").read_text(encoding="utf-8")
    for words in ("rendered, not photographed", "| satellite | synth |", "## Limits", "licence"):
        assert words in text
    own = scores[(scores["method"] == "musecl") & (scores["predictor"] == "ridge")]
    for row in own.itertuples():
        assert f"- `{row.indicator}`, in" in text
        assert f"| {row.r2_mean:.3f} |" in text


def test_heads_are_the_same_after_a_file(copied):
    again = heads.heads_of(heads.tensors_of(copied.heads), heads.about(copied.heads))
    vectors = np.random.default_rng(0).normal(size=(3, len(copied.heads[0].preparation.fill)))
    for one, other in zip(copied.heads, again, strict=True):
        pd.testing.assert_frame_equal(
            one.predict(list("abc"), vectors), other.predict(list("abc"), vectors)
        )


def test_the_command_writes_vectors_and_predictions(root, copied, tmp_path, capsys):
    data = root / "data/synth"
    output = tmp_path / "out/vectors.parquet"
    run_embed(
        str(copied.folder),
        str(output),
        str(data / "satellite"),
        None,
        str(data / "pois.parquet"),
        str(data / "regions.parquet"),
    )
    assert f"{CELLS} regions" in capsys.readouterr().out
    assert vectors_by_region(output).shape[0] == CELLS
    table = pd.read_csv(tmp_path / "out/vectors_predictions.csv")
    assert list(table.columns) == list(copied.embed(pois=data / "pois.parquet").predictions)
    assert sorted(path.name for path in output.parent.iterdir()) == [
        "vectors.parquet",
        "vectors_predictions.csv",
    ]
    (tmp_path / "file").touch()
    with pytest.raises(musecl.InputError, match=r"^--output .*; name a file in a folder that can"):
        run_embed(str(copied.folder), str(tmp_path / "file/a.parquet"), None, None, None, None)
    with pytest.raises(musecl.InputError, match=r"name a file that ends in \.parquet"):
        run_embed(str(copied.folder), "out.csv", None, None, None, None)


def test_nothing_and_what_the_model_does_not_know_are_refused(copied, tmp_path):
    with pytest.raises(musecl.InputError, match="nothing to embed"):
        copied.embed()
    with pytest.raises(musecl.InputError, match="no such folder or table"):
        copied.embed(images=tmp_path / "absent")
    with pytest.raises(musecl.InputError, match="holds no image"):
        copied.embed(images=tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(musecl.InputError, match=r"a\.jpg: absent or no image"):
        copied.embed(images=tmp_path)


def test_the_tour_runs_in_order(root, tmp_path, monkeypatch):
    """Every cell of the notebook, on this city in the place of New York."""
    for name in ("results", "data"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "nyc").symlink_to(root / name / "synth")
    monkeypatch.chdir(tmp_path)
    cells = json.loads((REPOSITORY / "notebooks/tour.ipynb").read_text(encoding="utf-8"))["cells"]
    names = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            assert not cell["outputs"]
            exec("".join(cell["source"]), names)
    plt.close("all")
    assert set(names["table"]["method"]) == {"dummy_mean", "coordinates", "vectors"}
    assert list(names["found"].vectors.index) == ["market", "riverside"]


def test_files_are_named_by_region(tmp_path):
    for name in ("a.jpg", "b/second.png", "b/first.png", "b/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_images(tmp_path)
    assert found.index[["region_id", "viewpoint"]].to_numpy().tolist() == [
        ["a", 0],
        ["b", 0],
        ["b", 1],
    ]
    assert [path.name for path in found.files] == ["a.jpg", "first.png", "second.png"]
    table = pd.DataFrame(
        {"region_id": ["a", "a"], "file": ["a.jpg", "b/first.png"], "viewpoint": [0, 0]}
    )
    table.to_csv(tmp_path / "twice.csv")
    with pytest.raises(musecl.InputError, match="region 'a' has two images of viewpoint 0"):
        find_images(tmp_path / "twice.csv")
    table.assign(orientation=[0, 90]).to_csv(tmp_path / "headings.csv")
    assert find_images(tmp_path / "headings.csv").files == [
        tmp_path / "a.jpg",
        tmp_path / "b/first.png",
    ]


def test_the_text_of_a_place_is_its_name_and_category(tmp_path):
    path = tmp_path / "pois.csv"
    path.write_text("region_id,name,category\n007,Prospect Park,park\n8,,bakery\n")
    found = read_pois(path)
    assert found["region_id"].to_list() == ["007", "8"]
    assert found["text"].to_list() == ["Prospect Park, park", "bakery"]
    path.write_text("region_id,name\n7,park\n")
    with pytest.raises(musecl.InputError, match="has no column `text`"):
        read_pois(path)
