"""Transfer between two small cities; what the encoders see is made by hand."""

import sys
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from judged_city import EVALUATE, FUSE
from musecl.evaluation.transfer import PREDICTIONS, SCORES, labels_of_both
from musecl.fusion.inputs import ImageVectors
from musecl.imagery.images import write_view
from musecl.runtime.errors import InputError
from musecl.runtime.job import Job, run_job
from musecl.runtime.pipeline import Declaration
from musecl.runtime.tables import write_vectors
from musecl.runtime.workers import GIVEN
from musecl.stages import transfer
from test_evaluate import build_regions

CITIES = ("east", "west")
UNIT = "people per km2"
IMAGES = ["west/satellite", "west/street_view"]
OUTPUTS = ("left_out.csv", "r2.csv", "predictions.parquet")
INPUTS = [f"{city}/{table}.parquet" for city in CITIES for table in ("regions", "indicators")]


def lay(root, labels_of_west, unit_of_west):
    """Two cities that follow one law; `west` differs in its labels where the caller asks.

    None for the labels leaves it without any.
    """
    generator = np.random.default_rng(1)
    regions = build_regions()
    law = generator.normal(size=(3, 12))
    keys, hidden = {}, {}
    for place, city in enumerate(CITIES):
        folder = root / "data" / city
        folder.mkdir(parents=True)
        here = regions.assign(
            region_id=[f"{city} {name}" for name in regions["region_id"]],
            spatial_block=[f"{city} {name}" for name in regions["spatial_block"]],
            geometry=regions.geometry.translate(xoff=place),
        )
        gpd.GeoDataFrame(here, crs=regions.crs).to_parquet(folder / "regions.parquet")
        hidden[city] = generator.normal(size=(len(here), 3))
        keys[city] = here[["region_id"]]
        values = hidden[city][:, 0]
        if city == "west" and labels_of_west is not None:
            values = labels_of_west(values)
        table = pd.DataFrame({"region_id": here["region_id"], "indicator": "density"}).assign(
            value=values + 3,
            unit=UNIT if city == "east" else unit_of_west,
            transform="ln(1+x)",
            minimum_value=0.0,
            maximum_value=np.nan,
        )
        known = table.iloc[:0] if city == "west" and labels_of_west is None else table
        known.to_parquet(folder / "indicators.parquet")
        for view, imagery in zip(transfer.VIEWS, ("photographic", None), strict=True):
            write_view(folder / view, None, imagery)
    (root / "results/east-to-west").mkdir(parents=True)
    ids = keys["east"]["region_id"].to_numpy()
    pairs = pd.DataFrame({"anchor": ids, "positive": np.roll(ids, 1)})
    pairs.to_parquet(root / "data/east/satellite_pairs.parquet")
    both = pd.concat([keys[city] for city in CITIES], ignore_index=True)
    vectors = (np.vstack([hidden[city] for city in CITIES]) @ law).astype(np.float32)
    part = transfer.BothCities(both, vectors)
    names = [f"{view} {kind}" for view in transfer.VIEWS for kind in transfer.KINDS]
    order = both["region_id"].argsort().to_numpy()
    views = ImageVectors(
        list(both["region_id"].iloc[order]), dict.fromkeys(transfer.KINDS, vectors[order])
    )
    return dict.fromkeys([*names, "text"], part), dict.fromkeys(transfer.VIEWS, views)


def run(root, monkeypatch, labels_of_west=lambda values: values, unit_of_west=UNIT):
    seen = lay(root, labels_of_west, unit_of_west)
    monkeypatch.setattr(transfer, "read_both", lambda job, source, target: seen)
    declared = Declaration(
        stage="transfer",
        city="east-to-west",
        command="",
        inputs=tuple(f"data/{name}" for name in [*INPUTS, *IMAGES, "east/satellite_pairs.parquet"]),
        outputs=tuple(f"results/east-to-west/{name}" for name in OUTPUTS),
        parameters=("seed", "fuse", "evaluate"),
    )
    params = f"seed: 1\nfuse: {FUSE}\nevaluate: {EVALUATE}\n"
    (root / "params.yaml").write_text(params, encoding="utf-8")
    run_job(Job(declared, root), transfer)
    return pd.read_csv(root / "results/east-to-west/r2.csv").set_index("method")


@pytest.mark.parametrize("workers", [3, 8])
def test_any_number_of_workers_writes_the_same_bytes(tmp_path, monkeypatch, workers):
    written = []
    for given in (1, workers):
        monkeypatch.setenv(GIVEN, str(given))
        root = tmp_path / str(given)
        run(root, monkeypatch)
        written.append([(root / "results/east-to-west" / name).read_bytes() for name in OUTPUTS])
    assert written[0] == written[1]


def predictions(root):
    return pd.read_parquet(root / "results/east-to-west/predictions.parquet")


def test_one_law_carries_over(tmp_path, monkeypatch):
    table = run(tmp_path, monkeypatch)
    assert set(zip(table["source"], table["target"], strict=True)) == {("east", "west")}
    assert set(table["imagery"]) == {"photographic"}
    assert table.loc["dummy_mean", "r2"] <= 0
    for method in ("satellite_pretrained", "text", "concat", "musecl"):
        assert table.loc[method, "r2"] > 0.9
    assert (table["n_source"] == 84).all() and (table["n_target"] == 84).all()


def test_every_region_is_predicted_in_the_unit_of_the_source(tmp_path, monkeypatch):
    run(tmp_path, monkeypatch)
    table = predictions(tmp_path)
    assert list(table.columns) == list(PREDICTIONS.columns)
    assert len(table) == 84 and table["region_id"].str.startswith("west").all()
    assert set(table["made_by"]) == {"labels of east"} and set(table["unit"]) == {UNIT}
    assert (table["prediction"] >= table["lower_90"]).all()
    assert (table["prediction"] <= table["upper_90"]).all()
    assert table["observed"].between(table["lower_90"], table["upper_90"]).mean() > 0.8
    assert table["observed"].median() == pytest.approx(np.expm1(3), rel=0.5)
    logarithms = np.log1p(table[["observed", "prediction"]])
    assert logarithms.corr().iloc[0, 1] > 0.95


def test_labels_in_another_unit_are_not_set_beside(tmp_path, monkeypatch):
    table = run(tmp_path, monkeypatch, unit_of_west="people per square mile")
    assert len(table) > 0
    assert predictions(tmp_path)["observed"].isna().all()


def test_labels_of_one_unit_are_judged_by_the_transform_of_the_source():
    """ln(1+x) of the one beside x of the other would be a score of nothing."""
    about = {"indicator": "density", "unit": UNIT, "minimum_value": 0.0, "maximum_value": np.nan}
    east = pd.DataFrame({"region_id": ["a"], "value": [1.0], "transform": "ln(1+x)", **about})
    west = pd.DataFrame({"region_id": ["b"], "value": [9.0], "transform": "identity", **about})
    (there,) = labels_of_both(east, west, pd.Series(["a", "b"]))
    np.testing.assert_allclose(there.labels, [1, np.log(10)])
    np.testing.assert_array_equal(there.observed, [np.nan, 9])
    (back,) = labels_of_both(west, east, pd.Series(["a", "b"]))
    np.testing.assert_allclose(back.labels, [np.expm1(1), 9])


def test_a_city_without_a_label_is_predicted_and_not_judged(tmp_path, monkeypatch, capsys):
    run(tmp_path / "with", monkeypatch)
    table = run(tmp_path / "without", monkeypatch, labels_of_west=None)
    assert len(table) == 0
    assert set(table.reset_index().columns) == set(SCORES.columns)
    assert "density is predicted and not judged" in capsys.readouterr().out
    known, unknown = predictions(tmp_path / "with"), predictions(tmp_path / "without")
    assert unknown["observed"].isna().all()
    pd.testing.assert_frame_equal(unknown.drop(columns="observed"), known.drop(columns="observed"))


def left_out(root):
    table = pd.read_csv(root / "results/east-to-west/left_out.csv").set_index("indicator")
    return {str(name): (row["predicted"], row["reason"]) for name, row in table.iterrows()}


def test_what_cannot_be_trained_on_ends_nothing_of_the_rest(tmp_path, monkeypatch, capsys):
    alone = run(tmp_path / "alone", monkeypatch)
    assert left_out(tmp_path / "alone") == {}
    seen = lay(tmp_path / "more", lambda values: values, UNIT)
    path = tmp_path / "more/data/east/indicators.parquet"
    table = pd.read_parquet(path)
    extreme = table.assign(indicator="extreme")
    extreme.loc[0, "value"] = -1.797e308
    constant, few = table.assign(indicator="same", value=1.0), table.assign(indicator="few").head(3)
    pd.concat([constant, few, extreme, table], ignore_index=True).to_parquet(path)
    monkeypatch.setattr(sys.modules[__name__], "lay", lambda *given: seen)
    pd.testing.assert_frame_equal(run(tmp_path / "more", monkeypatch), alone)
    pd.testing.assert_frame_equal(predictions(tmp_path / "more"), predictions(tmp_path / "alone"))
    found = left_out(tmp_path / "more")
    assert found["same"] == (False, "84 labels of 1 values are too little to train on")
    assert found["few"] == (False, "3 labels of 3 values are too little to train on")
    assert found["extreme"][1].startswith("its value -1.797e+308 is too large to be fitted")
    assert "same is left out: 84 labels of 1 values" in capsys.readouterr().out


def test_a_label_of_the_target_that_is_too_large_is_not_judged(tmp_path, monkeypatch):
    table = run(tmp_path, monkeypatch, lambda values: np.where(values > values.min(), values, 1e40))
    assert table.empty
    predicted, reason = left_out(tmp_path)["density"]
    assert predicted and reason.startswith("its value 1e+40 is too large to be fitted")


def test_labels_that_do_not_differ_judge_nothing(tmp_path, monkeypatch):
    assert run(tmp_path, monkeypatch, lambda values: 0 * values).empty
    assert left_out(tmp_path) == {"density": (True, "the target has no labels that differ")}
    assert len(predictions(tmp_path)) == 84


def test_labels_of_the_other_city_are_not_read(tmp_path, monkeypatch):
    """With its labels turned round the predictions stay: their correlation turns round too."""
    plain = run(tmp_path / "plain", monkeypatch)["correlation"].drop("dummy_mean")
    turned = run(tmp_path / "turned", monkeypatch, lambda values: -values)["correlation"]
    np.testing.assert_allclose(turned.drop("dummy_mean"), -plain, atol=2e-6)


def vectors_of(city, root, lacking):
    """Tables of a city of two regions, without what it lacks; the encoder gives ones."""
    folder = root / f"data/{city}"
    folder.mkdir(parents=True)
    keys = pd.DataFrame({"region_id": [f"{city} a", f"{city} b"]})
    for view in transfer.VIEWS:
        rows = keys.assign(viewpoint=0)[: 0 if view in lacking else 2]
        kinds = dict.fromkeys(transfer.KINDS, np.zeros((len(rows), 3 * bool(len(rows)))))
        write_vectors(folder / f"{view}_image_embeddings.parquet", rows, **kinds)
        write_vectors(folder / f"{view}_embeddings.parquet", rows[["region_id"]], **kinds)
        (folder / f"{view}_features").mkdir()
        (folder / f"{view}_encoder").mkdir()
        rows.to_parquet(folder / f"{view}_features/index")
    rows = keys[: 0 if "text" in lacking else 2]
    text = np.zeros((len(rows), 2 * bool(len(rows))))
    write_vectors(folder / "text_embeddings.parquet", rows, embedding=text)


def read_two(root, monkeypatch, east=(), west=()):
    for city, lacking in (("east", east), ("west", west)):
        vectors_of(city, root, lacking)
    monkeypatch.setattr(
        transfer,
        "read_features",
        lambda path: SimpleNamespace(index=pd.read_parquet(path / "index")),
    )

    def ones(features, *_):
        vectors = np.ones((len(features.index), 3), np.float32)
        return features.index, dict.fromkeys(transfer.KINDS, vectors)

    monkeypatch.setattr(transfer, "apply_encoder", ones)
    monkeypatch.setattr(
        transfer, "average_regions", lambda keys, found, _: (keys[["region_id"]], found)
    )
    job = SimpleNamespace(
        input=lambda name: root / "data" / name,
        settings=lambda *_: SimpleNamespace(trainable_blocks=0, output="features"),
    )
    return transfer.read_both(job, "east", "west")


def test_what_one_of_the_cities_lacks_is_no_obstacle(tmp_path, monkeypatch):
    parts, views = read_two(tmp_path, monkeypatch, east=["text"], west=["street_view"])
    assert set(parts) == {f"{view} {kind}" for view in transfer.VIEWS for kind in transfer.KINDS}
    both = parts["satellite embedding"]
    assert list(both.keys["region_id"]) == ["east a", "east b", "west a", "west b"]
    assert both.vectors.sum(axis=1).tolist() == [0, 0, 3, 3]
    assert list(parts["street_view embedding"].keys["region_id"]) == ["east a", "east b"]
    assert views["street_view"].region_ids == ["east a", "east b"]
    parts, views = read_two(tmp_path / "2", monkeypatch, east=transfer.VIEWS)
    assert (list(parts), views) == (["text"], {})


def test_cities_without_a_common_input_are_one_line(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="west has none of the inputs that east was trained on"):
        read_two(tmp_path, monkeypatch, east=["text"], west=transfer.VIEWS)


def test_cities_that_overlap_are_refused():
    here = pd.DataFrame({"region_id": ["a", "b"]}), np.zeros((2, 1), np.float32)
    there = pd.DataFrame({"region_id": ["b", "c"]}), np.zeros((2, 1), np.float32)
    with pytest.raises(InputError, match="share 1 regions, first 'b'"):
        transfer.join(here, there)


def test_a_city_without_a_label_teaches_nothing():
    nothing = pd.DataFrame({"region_id": [], "indicator": [], "value": []})
    with pytest.raises(InputError, match="the city to train on has no indicator"):
        list(labels_of_both(nothing, nothing, pd.Series(["a"])))


def test_labels_of_one_value_teach_nothing(tmp_path, monkeypatch):
    seen = lay(tmp_path, lambda values: values, UNIT)
    path = tmp_path / "data/east/indicators.parquet"
    pd.read_parquet(path).assign(value=1.0).to_parquet(path)
    monkeypatch.setattr(sys.modules[__name__], "lay", lambda *given: seen)
    with pytest.raises(InputError, match="density: 84 labels of 1 values are too little"):
        run(tmp_path, monkeypatch)
