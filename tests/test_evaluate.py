import json
import shutil
from pathlib import Path
from unittest import mock

import geopandas as gpd
import h3
import numpy as np
import pandas as pd
import pytest
import yaml
from shapely.geometry import Polygon

from musecl.evaluation import naive_baselines
from musecl.evaluation.labels import group_indicators, widen
from musecl.evaluation.methods import Method, RegionFeatures
from musecl.evaluation.prediction import (
    collect,
    draw_trials,
    fit_ridge,
    predict_from_vectors,
    predict_without_vectors,
)
from musecl.evaluation.scoring import r2
from musecl.evaluation.settings import EvaluateSettings, MlpSettings
from musecl.evaluation.splits import units_of
from musecl.geography.geo import metric_coordinates
from musecl.imagery.images import COUNTED, write_view
from musecl.runtime.errors import InputError
from musecl.runtime.job import Job
from musecl.runtime.pipeline import declaration
from musecl.runtime.tables import write_vectors
from musecl.runtime.workers import GIVEN
from musecl.stages import evaluate

ROOT = Path(__file__).parents[1]
MLP = MlpSettings(
    methods=["satellite", "street_view", "text", "concat", "musecl"],
    seeds=2,
    components=8,
    hidden=[8, 4],
    learning_rate=0.01,
    batch=16,
    epochs=3,
    patience=2,
)
SETTINGS = EvaluateSettings(seeds=2, folds=3, splits=["random", "spatial", "paper"], mlp=MLP)
COLUMNS = [
    "city",
    "indicator",
    "method",
    "predictor",
    "split",
    "r2_mean",
    "r2_std",
    "rmse_mean",
    "rmse_std",
    "mae_mean",
    "n_regions",
    "n_seeds",
    "label_provenance",
    "imagery",
]

# Forests take most of the time; test_naive_baselines.py tries them whole, here ten trees do.
few_trees = mock.patch.object(naive_baselines, "TREES", 10)


def build_regions():
    """7 spatial blocks with 12 cells each."""
    blocks = h3.grid_disk(h3.latlng_to_cell(40.72, -73.95, 6), 1)
    cells = sorted(cell for block in blocks for cell in h3.cell_to_children(block, 8)[:12])
    outlines = [[(y, x) for x, y in h3.cell_to_boundary(cell)] for cell in cells]
    centres = np.array([h3.cell_to_latlng(cell) for cell in cells])
    return gpd.GeoDataFrame(
        {
            "region_id": cells,
            "area_km2": 0.74,
            "land_share": 1.0,
            "longitude": centres[:, 1],
            "latitude": centres[:, 0],
            "neighbours": [sorted((set(h3.grid_disk(c, 1)) - {c}) & set(cells)) for c in cells],
            "spatial_block": [h3.cell_to_parent(cell, 6) for cell in cells],
            "wide_spatial_block": [h3.cell_to_parent(cell, 5) for cell in cells],
            "district": np.where(np.arange(len(cells)) % 3 == 0, "north", "south"),
        },
        geometry=[Polygon(outline) for outline in outlines],
        crs="EPSG:4326",
    )


def build_indicators(regions, hidden, generator):
    """Three indicators, one unknown in some regions, one of noise."""
    n = len(regions)
    values = {
        "population_density": hidden[:, 0] + 0.2 * generator.normal(size=n),
        "bachelor_share": hidden[:, 1] + 0.2 * generator.normal(size=n),
        "noise": generator.normal(size=n),
    }
    known = {name: np.ones(n, bool) for name in values}
    known["bachelor_share"][::5] = False
    parts = [
        pd.DataFrame(
            {
                "city": "nyc",
                "region_id": regions["region_id"][known[name]],
                "indicator": name,
                "value": value[known[name]],
                "unit": "",
                "year": 2023,
                "source": "made",
                "transform": "identity",
                "minimum_value": np.nan,
                "maximum_value": np.nan,
                "label_provenance": "satellite,text" if name == "bachelor_share" else "",
                "primary": name != "noise",
            }
        )
        for name, value in values.items()
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """The stage's inputs in their real formats."""
    root = tmp_path_factory.mktemp("city")
    generator = np.random.default_rng(8)
    regions = build_regions()
    n, data = len(regions), root / "data/nyc"
    data.mkdir(parents=True)
    (root / "results/nyc").mkdir(parents=True)
    regions.to_parquet(data / "regions.parquet")
    hidden = generator.normal(size=(n, 3))
    build_indicators(regions, hidden, generator).to_parquet(data / "indicators.parquet")
    lots = pd.DataFrame({"region_id": regions["region_id"], "lots": generator.integers(0, 90, n)})
    for view, counted in (("satellite", lots), ("street_view", None)):
        write_view(data / view, None, "rendered", counted)

    def write(path, present, **widths):
        vectors = {
            name: hidden[present] @ generator.normal(size=(3, width))
            + 0.1 * generator.normal(size=(present.sum(), width))
            for name, width in widths.items()
        }
        write_vectors(path, regions.loc[present, ["region_id"]], **vectors)

    everywhere, streets, texts = np.ones(n, bool), np.arange(n) % 9 > 0, np.arange(n) % 4 > 0
    write(data / "satellite_embeddings.parquet", everywhere, pretrained=100, embedding=8)
    write(data / "street_view_embeddings.parquet", streets, pretrained=120, embedding=8)
    write(data / "text_embeddings.parquet", texts, embedding=12)
    write(root / "results/nyc/embeddings.parquet", everywhere, fused=8, embedding=40)
    return root


@few_trees
def run(root):
    (root / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["evaluate"] = SETTINGS.model_dump()
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    job = Job(declaration(root, "evaluate", "nyc"), root)
    evaluate.run(job)
    job.publish()
    return root / "results/nyc"


@pytest.fixture(scope="module")
def results(city):
    return run(city)


@pytest.fixture(scope="module")
def scores(results):
    return pd.read_csv(results / "r2.csv", keep_default_na=False)


def test_every_indicator_method_and_split_has_a_finite_score(scores):
    assert list(scores.columns) == COLUMNS
    ridge = scores[scores["predictor"] != "mlp"]
    assert len(ridge) == 3 * len(evaluate.METHODS) * 3
    assert set(ridge["method"]) == set(evaluate.METHODS)
    numbers = scores.select_dtypes("number")
    assert numbers.shape[1] == 7
    assert np.isfinite(numbers).all(axis=None)


def test_perceptron_predicts_from_trained_vectors(scores):
    mlp = scores[scores["predictor"] == "mlp"]
    assert set(mlp["method"]) == {"satellite", "street_view", "text", "concat", "musecl"}
    assert set(mlp["indicator"]) == set(scores["indicator"])
    assert len(mlp) == 5 * 3 * scores["indicator"].nunique()


def test_regions_without_a_value_are_left_out_and_counted(scores):
    counted = scores.groupby(["split", "indicator"])["n_regions"].unique()
    for split in ("random", "spatial"):
        assert counted[split, "bachelor_share"].tolist() == [84 - 17]
        assert counted[split, "population_density"].tolist() == [84]


def test_the_papers_split_counts_the_regions_that_it_tests(scores):
    papers = scores["split"] == "paper"
    counted = scores[papers].groupby("indicator")["n_regions"].unique()
    assert counted["bachelor_share"].tolist() == [14]
    assert counted["population_density"].tolist() == [17]
    assert set(scores.loc[papers, "n_seeds"]) == {1}
    assert set(scores.loc[~papers, "n_seeds"]) == {2}


def test_scores_say_what_they_are_made_from(scores):
    assert set(scores["imagery"]) == {"rendered"}
    shared = scores.groupby("indicator")["label_provenance"].unique()
    assert shared["bachelor_share"].tolist() == ["satellite,text"]
    assert shared["noise"].tolist() == [""]


def test_signal_is_found_and_noise_is_not(scores):
    value = scores.set_index(["indicator", "method", "predictor", "split"])["r2_mean"]
    for split in ("random", "spatial"):
        assert value["population_density", "musecl", "ridge", split] > 0.7
        for method in ("satellite", "concat", "musecl"):
            assert value["noise", method, "ridge", split] < 0.1
        for indicator in ("population_density", "bachelor_share", "noise"):
            assert value[indicator, "dummy_mean", "mean", split] <= 0


def test_coverage_counts_present_and_missing(results):
    table = pd.read_csv(results / "coverage.csv").set_index("modality")
    assert table.loc["street_view", ["present", "missing"]].tolist() == [74, 10]
    assert table.loc["text", ["present", "missing"]].tolist() == [63, 21]
    assert table.loc["satellite", ["present", "missing"]].tolist() == [84, 0]


def test_metrics_are_means_over_the_primary(results, scores):
    metrics = json.loads((results / "metrics.json").read_text())["primary_r2"]
    assert set(metrics) == {"random", "spatial", "paper"}
    for split, by_method in metrics.items():
        assert set(by_method) == {*evaluate.METHODS}
        chosen = scores[
            (scores["split"] == split)
            & (scores["method"] == "concat")
            & (scores["predictor"] == "ridge")
            & (scores["indicator"] != "noise")
        ]
        assert by_method["concat"] == pytest.approx(chosen["r2_mean"].mean(), abs=2e-6)


def test_shuffled_rows_give_the_same_bytes(city, results, tmp_path):
    for path in city.rglob("*.parquet"):
        read = gpd.read_parquet if path.name == "regions.parquet" else pd.read_parquet
        shuffled = tmp_path / path.relative_to(city)
        shuffled.parent.mkdir(parents=True, exist_ok=True)
        read(path).sample(frac=1, random_state=3).to_parquet(shuffled, index=False)
    for path in city.rglob("about.json"):
        (tmp_path / path.relative_to(city)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / path.relative_to(city))
    again = run(tmp_path)
    for name in ("r2.csv", "r2.png", "coverage.csv", "metrics.json"):
        assert (again / name).read_bytes() == (results / name).read_bytes(), name


@pytest.mark.parametrize("split", ["random", "spatial"])
def test_a_feature_that_is_the_label_only_where_it_is_tested_gains_nothing(split):
    generator = np.random.default_rng(5)
    labels = generator.normal(size=(300, 1))
    blocks = np.repeat([f"block-{number}" for number in range(30)], 10)
    trials = draw_trials(split, blocks if split == "spatial" else None, 300, SETTINGS, seed=1)
    predictions = np.empty_like(labels)
    for trial in trials[:3]:
        feature = generator.normal(size=(300, 1))
        feature[trial.fold.test] = labels[trial.fold.test]
        block = RegionFeatures(feature, np.ones(300, bool))
        predictions[trial.fold.test] = fit_ridge((block,), labels, trial.fold).predictions
    assert r2(labels, predictions)[0] < 0.1


@few_trees
@pytest.mark.parametrize("split", ["random", "spatial"])
def test_shuffled_labels_cannot_be_predicted_and_true_ones_can(split):
    generator = np.random.default_rng(6)
    regions = build_regions()
    coordinates = metric_coordinates(regions)
    vectors = generator.normal(size=(84, 40))
    label = vectors[:, 0] * 2 + 7
    labels = np.column_stack([label, generator.permutation(label)])
    trials = draw_trials(split, units_of(regions, split), 84, SETTINGS, seed=1)
    method = Method("vector", (RegionFeatures(vectors[:, :5], np.ones(84, bool)),), perceptron=True)
    answers = [
        *predict_from_vectors([method], labels, trials, MLP),
        *predict_without_vectors(coordinates, labels, trials),
    ]
    for answer in answers:
        assert r2(labels, answer.predictions)[:, -1].max() < 0.1
    assert r2(labels, answers[0].predictions)[:, 0].min() > 0.99


def test_an_answer_that_is_no_number_is_refused():
    trials = draw_trials("paper", None, 84, SETTINGS, seed=1)
    answer = np.ones((17, 2))
    assert np.isnan(collect(trials, [answer], (84, 2))).sum() == 2 * (84 - 17)
    answer[3] = np.nan
    with pytest.raises(InputError, match="a prediction is no number"):
        collect(trials, [answer], (84, 2))


@few_trees
def test_the_number_of_workers_does_not_change_the_answers(monkeypatch):
    generator = np.random.default_rng(7)
    regions = build_regions()
    coordinates = metric_coordinates(regions)
    labels = generator.normal(size=(84, 2)) + coordinates / 1e4
    trials = draw_trials("random", None, 84, SETTINGS, seed=1)
    block = RegionFeatures(generator.normal(size=(84, 90)), np.ones(84, bool))
    method = Method("vector", (block,), perceptron=True)

    def answers(workers):
        monkeypatch.setenv(GIVEN, str(workers))
        return [
            *predict_from_vectors([method], labels, trials, MLP),
            *predict_without_vectors(coordinates, labels, trials),
        ]

    expected = answers(1)
    for workers in (2, 3, 8):
        for one, other in zip(expected, answers(workers), strict=True):
            np.testing.assert_array_equal(one.predictions, other.predictions)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: pd.concat([table, table.iloc[:1]]), "two values of one indicator"),
        (lambda table: table.replace({"region_id": {"a": "z"}}), "not in the region table"),
    ],
)
def test_wrong_indicators_are_refused(change, message):
    table = pd.DataFrame(
        {
            "region_id": ["a", "b", "c"],
            "indicator": "population_density",
            "value": [1.0, 2.0, 3.0],
            "primary": True,
        }
    )
    with pytest.raises(InputError, match=message):
        widen(pd.Series(["a", "b", "c"]), change(table))


def test_indicators_known_in_the_same_regions_share_a_group():
    table = pd.DataFrame(
        {
            "region_id": ["c", "a", "b", "a", "b", "c", "a", "b"],
            "indicator": ["one"] * 3 + ["two"] * 3 + ["three"] * 2,
            "value": [3.0, 1.0, 2.0, 4.0, 5.0, 6.0, 7.0, 8.0],
            "primary": [True] * 3 + [False] * 5,
        }
    )
    wide = widen(pd.Series(["a", "b", "c"]), table)
    first, second = sorted(group_indicators(wide), key=lambda group: -len(group.rows))
    assert first.names == ["one", "two"]
    np.testing.assert_array_equal(first.labels, [[1, 4], [2, 5], [3, 6]])
    assert (second.names, second.rows.tolist()) == (["three"], [0, 1])


def test_a_constant_indicator_stands_alone_and_spoils_no_group():
    values = {"one": [1.0, 2.0, 3.0], "same": [7.0, 7.0, 7.0]}
    groups = group_indicators(pd.DataFrame(values, index=["a", "b", "c"]))
    assert [group.names for group in groups] == [["one"], ["same"]]


def test_an_indicator_that_cannot_be_judged_is_left_out_and_the_rest_is_scored(
    city, results, tmp_path
):
    shutil.copytree(city, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "data/nyc/indicators.parquet"
    table = pd.read_parquet(path)
    noise = table[table["indicator"] == "noise"]
    few, extreme = noise.head(4), noise.assign(indicator="extreme")
    extreme.iloc[0, extreme.columns.get_loc("value")] = -1.797e308
    more = [few.assign(indicator="few"), few.assign(indicator="same", value=3.0), extreme]
    pd.concat([table, *more], ignore_index=True).to_parquet(path)
    again = run(tmp_path)
    for name in ("r2.csv", "r2.png", "metrics.json"):
        assert (again / name).read_bytes() == (results / name).read_bytes()
    left_out = pd.read_csv(again / "left_out.csv")
    assert list(left_out.columns) == ["indicator", "split", "reason"]
    named = left_out.groupby("indicator")["split"].agg(set).to_dict()
    assert named == {name: {"random", "spatial", "paper"} for name in ("few", "same", "extreme")}
    reasons = left_out.set_index(["indicator", "split"])["reason"]
    assert reasons["few", "paper"] == "4 regions have a value, and the split takes 6 or more"
    assert reasons["same", "random"] == "it has one value only"
    assert reasons["extreme", "spatial"].startswith("its value -1.797e+308 is too large to be fit")
    assert pd.read_csv(results / "left_out.csv").empty


def test_a_city_without_indicators_gives_tables_with_headers(city, tmp_path, capsys):
    shutil.copytree(city, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "data/nyc/indicators.parquet"
    pd.read_parquet(path).iloc[:0].to_parquet(path)
    results = run(tmp_path)
    assert "the city has no indicator" in capsys.readouterr().out
    scores = pd.read_csv(results / "r2.csv")
    assert (len(scores), list(scores.columns)) == (0, COLUMNS)
    assert json.loads((results / "metrics.json").read_text()) == {"primary_r2": {}}
    assert (results / "r2.png").stat().st_size > 0
    assert len(pd.read_csv(results / "coverage.csv")) == 4


def test_a_region_without_a_lot_count_is_refused(tmp_path):
    path = tmp_path / COUNTED
    pd.DataFrame({"region_id": ["a"], "lots": [3]}).to_parquet(path)
    with pytest.raises(InputError, match="1 regions have no lot count"):
        evaluate.read_counted(path, pd.Series(["a", "b"]))


def test_images_that_are_not_drawn_have_no_lot_count(tmp_path):
    assert evaluate.read_counted(tmp_path / COUNTED, pd.Series(["a", "b"])) is None


@pytest.mark.parametrize(
    ("views", "said"),
    [
        (("rendered", "photographic"), "photographic+rendered"),
        (("photographic", "photographic"), "photographic"),
        ((None, "rendered"), "rendered"),
        ((None, None), "none"),
    ],
)
def test_modalities_that_the_city_lacks_have_no_score_and_cover_nothing(
    city, tmp_path, views, said
):
    """Of a view without images no vector, no zero in its place, and what images there are named."""
    shutil.copytree(city, tmp_path, dirs_exist_ok=True)
    data = tmp_path / "data/nyc"
    for view, imagery in zip(("satellite", "street_view"), views, strict=True):
        shutil.rmtree(data / view)
        write_view(data / view, None, imagery)
        if imagery is None:
            path = data / f"{view}_embeddings.parquet"
            pd.read_parquet(path).iloc[:0].to_parquet(path, index=False)
    results = run(tmp_path)
    scores = pd.read_csv(results / "r2.csv", keep_default_na=False)
    lacking = [
        view for view, imagery in zip(("satellite", "street_view"), views, strict=True)
        if imagery is None
    ]  # fmt: skip
    absent = {name for name in evaluate.METHODS if name.removesuffix("_pretrained") in lacking}
    assert set(scores["method"]) == {*evaluate.METHODS} - absent - {"lot_count"}
    assert set(scores["imagery"]) == {said}
    coverage = pd.read_csv(results / "coverage.csv").set_index("modality")
    for view in lacking:
        assert coverage.loc[view, ["present", "missing"]].tolist() == [0, 84]


def test_indicators_known_in_almost_the_same_regions_share_a_group():
    regions = [f"region {number:03d}" for number in range(200)]
    tables = [
        pd.DataFrame({"region_id": regions[start:], "indicator": name, "value": range(start, 200)})
        for name, start in (("all", 0), ("all but one", 1), ("few", 5))
    ]
    groups = group_indicators(widen(pd.Series(regions), pd.concat(tables, ignore_index=True)))
    assert [(group.names, len(group.rows)) for group in groups] == [
        (["all", "all but one"], 199),
        (["few"], 195),
    ]
    np.testing.assert_array_equal(groups[0].labels[:, 0], np.arange(1, 200))
