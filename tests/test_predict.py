import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from judged_city import MLP
from musecl.evaluation.districts import between_districts
from musecl.evaluation.everywhere import PREDICTIONS
from musecl.evaluation.labels import IndicatorGroup
from musecl.evaluation.methods import RegionFeatures
from musecl.runtime.tables import write_vectors
from musecl.runtime.workers import GIVEN
from musecl.stages import predict
from small_city import job_in
from test_evaluate import build_indicators, build_regions, few_trees

SETTINGS = {
    "seeds": 2,
    "folds": 4,
    "splits": ["random", "spatial", "district", "paper"],
    "mlp": MLP,
}
INPUTS = ["regions.parquet", "indicators.parquet", "embeddings.parquet"]
OUTPUTS = [
    *("predictions.parquet", "intervals.csv", "totals.csv", "districts.csv"),
    *("map.gpkg", "map.parquet"),
]
UNITS = {
    "bachelor_share": "percent",
    "noise": "points",
    "population_density": "people per km2 of land",
}


def lay(root, change=lambda table: table):
    """A city whose density is fitted as a logarithm, and whose share is unknown in a fifth."""
    data = root / "data/toy"
    data.mkdir(parents=True)
    generator = np.random.default_rng(2)
    regions = build_regions()
    hidden = generator.normal(size=(len(regions), 3))
    regions.to_parquet(data / "regions.parquet")
    table = build_indicators(regions, hidden, generator)
    table["unit"] = table["indicator"].map(UNITS)
    density = table["indicator"] == "population_density"
    table.loc[density, "value"] += 8
    table.loc[density, "transform"] = "ln(1+x)"
    share = table["indicator"] == "bachelor_share"
    table.loc[share, "value"] = (20 * table.loc[share, "value"] + 30).clip(0, 100)
    table.loc[share, "maximum_value"] = 100
    table.loc[share | density, "minimum_value"] = 0
    change(table).to_parquet(data / "indicators.parquet")
    vectors = hidden @ generator.normal(size=(3, 20))
    write_vectors(data / "embeddings.parquet", regions[["region_id"]], embedding=vectors)
    return root


@few_trees
def run(root):
    job = job_in(root, INPUTS, OUTPUTS, evaluate=SETTINGS, seed=1)
    predict.run(job)
    job.publish()
    return root / "data/toy"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return run(lay(tmp_path_factory.mktemp("predict")))


@pytest.fixture
def predictions(done):
    return pd.read_parquet(done / "predictions.parquet")


@pytest.fixture
def judged(predictions):
    return predictions[predictions["made_by"] == "out of fold"]


def test_every_region_is_predicted_with_a_label_or_without_one(predictions):
    assert list(predictions.columns) == list(PREDICTIONS.columns)
    # Two districts are too few.
    assert set(predictions["split"]) == {"random", "spatial", "paper"}
    counts = predictions.groupby(["split", "indicator", "made_by"]).size()
    for split in ("random", "spatial"):
        assert counts[split, "population_density"].to_dict() == {"out of fold": 84}
        assert counts[split, "bachelor_share"].to_dict() == {"all labels": 17, "out of fold": 67}
    unknown = predictions["made_by"] == "all labels"
    assert predictions["observed"].isna().equals(unknown)
    assert predictions.groupby("indicator")["unit"].unique().map(list).to_dict() == {
        name: [unit] for name, unit in UNITS.items()
    }


def test_the_papers_split_predicts_what_it_tests_and_what_has_no_label(done, predictions):
    rows = predictions[predictions["split"] == "paper"]
    assert rows.groupby(["indicator", "made_by"]).size().to_dict() == {
        ("bachelor_share", "all labels"): 17,
        ("bachelor_share", "out of fold"): 14,
        ("noise", "out of fold"): 17,
        ("population_density", "out of fold"): 17,
    }
    counted = pd.read_csv(done / "intervals.csv").set_index(["split", "indicator"])
    assert counted.loc[("paper", "noise"), "n_regions"] == 17
    density = np.log1p(rows[rows["indicator"] == "population_density"][["observed", "prediction"]])
    assert density.corr().iloc[0, 1] > 0.9


def test_numbers_are_in_the_unit_and_within_what_is_possible(done, predictions):
    table = pd.read_parquet(done / "indicators.parquet")
    values = table[table["indicator"] == "population_density"].set_index("region_id")["value"]
    density = predictions[predictions["indicator"] == "population_density"]
    np.testing.assert_allclose(density["observed"], np.expm1(density["region_id"].map(values)))
    share = predictions[predictions["indicator"] == "bachelor_share"]
    numbers = ["prediction", "prediction_from_coordinates", "lower_90", "upper_90"]
    assert share[numbers].min().ge(0).all() and share[numbers].max().le(100).all()
    assert (share["lower_90"] == 0).any()
    assert density[numbers].min().ge(0).all()


def test_the_prediction_lies_inside_its_interval_which_is_wider_for_noise(predictions):
    assert (predictions["lower_90"] <= predictions["prediction"]).all()
    assert (predictions["prediction"] <= predictions["upper_90"]).all()
    width = predictions["upper_90"] - predictions["lower_90"]
    # Where both bounds lie outside what is possible, none of the interval is left.
    assert (width[predictions["indicator"] != "bachelor_share"] > 0).all()
    scaled = np.log1p(predictions["upper_90"]) - np.log1p(predictions["lower_90"])
    of = predictions["indicator"]
    assert width[of == "noise"].mean() > 2 * scaled[of == "population_density"].mean()


def test_the_sum_over_regions_is_about_what_was_observed(done, judged):
    totals = pd.read_csv(done / "totals.csv").set_index("split")
    assert set(totals["indicator"]) == {"population_density"}
    assert set(totals["unit"]) == {"people"}
    for split in ("random", "spatial"):
        rows = judged[(judged["split"] == split) & (judged["indicator"] == "population_density")]
        assert totals.loc[split, "predicted"] == pytest.approx(0.74 * rows["prediction"].sum())
        assert totals.loc[split, "predicted"] == pytest.approx(
            totals.loc[split, "observed"], rel=0.1
        )


def test_a_region_without_a_label_is_predicted_as_well_as_others(done, tmp_path):
    """Hide labels that are known: their regions are then predicted from all others."""
    hidden = []

    def hide(table):
        density = table.index[table["indicator"] == "population_density"][::6]
        hidden.append(table.loc[density].set_index("region_id")["value"])
        return table.drop(density)

    other = pd.read_parquet(run(lay(tmp_path, hide)) / "predictions.parquet")
    rows = other[(other["indicator"] == "population_density") & (other["split"] == "spatial")]
    rows = rows[rows["made_by"] == "all labels"].set_index("region_id")
    assert set(rows.index) == set(hidden[0].index) and rows["observed"].isna().all()
    truth = np.expm1(hidden[0].reindex(rows.index))
    assert np.corrcoef(np.log1p(truth), np.log1p(rows["prediction"]))[0, 1] > 0.9
    assert truth.between(rows["lower_90"], rows["upper_90"]).mean() > 0.7


def test_coverage_is_measured_and_about_what_is_aimed_at(done, judged):
    table = pd.read_csv(done / "intervals.csv").set_index(["split", "indicator"])
    inside = judged["observed"].between(judged["lower_90"], judged["upper_90"])
    measured = inside.groupby([judged["split"], judged["indicator"]]).mean()
    for key, share in measured.items():
        assert table.loc[key, "coverage"] == pytest.approx(share, abs=1e-6)
    assert (table["nominal"] == 0.9).all()
    assert 0.82 < table.loc["random", "coverage"].mean() < 0.98
    assert table.loc[("random", "population_density"), "median_factor"] > 1
    words = table.loc[("random", "bachelor_share"), "in_words"]
    assert words.endswith("percentage points of the prediction")


def test_the_map_is_of_the_spatial_split(done, predictions):
    table = gpd.read_parquet(done / "map.parquet").set_index("region_id")
    rows = predictions[predictions["split"] == "spatial"]
    for name in UNITS:
        expected = rows[rows["indicator"] == name].set_index("region_id")
        assert table[f"{name}_prediction"].equals(
            expected["prediction"].reindex(table.index).rename(f"{name}_prediction")
        )
    assert len(gpd.read_file(done / "map.gpkg", layer="regions")) == 84


def test_a_model_of_one_district_is_judged_in_the_other(done):
    table = pd.read_csv(done / "districts.csv").set_index(["source", "target", "indicator"])
    assert set(table.index.droplevel("indicator")) == {("north", "south"), ("south", "north")}
    density = table.xs("population_density", level="indicator")
    assert (density["r2"] > 0.7).all()
    assert density.loc[("north", "south"), ["n_source", "n_target"]].tolist() == [28, 56]
    assert (table.xs("noise", level="indicator")["r2"] < 0.1).all()


def test_the_number_of_workers_and_the_order_of_rows_change_no_byte(done, tmp_path, monkeypatch):
    lay(tmp_path)
    for name in INPUTS:
        read = gpd.read_parquet if name == "regions.parquet" else pd.read_parquet
        path = tmp_path / "data/toy" / name
        rows = read(path)
        # The map's columns stand in the order of the indicators; their rows may come as they like.
        by = "indicator" if name == "indicators.parquet" else "region_id"
        rows.sample(frac=1, random_state=3).sort_values(by, key=lambda of: of.map(order(rows, by)),
            kind="stable").to_parquet(path, index=False)  # fmt: skip
    monkeypatch.setenv(GIVEN, "1")
    again = run(tmp_path)
    for name in OUTPUTS:
        assert (again / name).read_bytes() == (done / name).read_bytes(), name


def order(rows, by):
    """Number indicators as they come in the file, and regions not at all."""
    names = list(dict.fromkeys(rows[by]))
    return {name: place if by == "indicator" else 0 for place, name in enumerate(names)}


def test_an_indicator_that_cannot_be_judged_leaves_the_others_as_they_are(done, tmp_path):
    def add_constant(table):
        same = table[table["indicator"] == "noise"].assign(indicator="same", value=4.0)
        return pd.concat([table, same], ignore_index=True)

    other = run(lay(tmp_path, add_constant))
    for name in ("predictions.parquet", "intervals.csv", "totals.csv", "districts.csv"):
        assert (other / name).read_bytes() == (done / name).read_bytes(), name
    table = gpd.read_parquet(other / "map.parquet")
    assert table["same_prediction"].isna().all()


def test_a_city_without_indicators_gives_tables_with_headers(tmp_path, capsys):
    other = run(lay(tmp_path, lambda table: table.iloc[:0]))
    assert "the city has no indicator" in capsys.readouterr().out
    table = pd.read_parquet(other / "predictions.parquet")
    assert (len(table), list(table.columns)) == (0, list(PREDICTIONS.columns))
    assert table["prediction"].dtype == float
    for name in ("intervals.csv", "totals.csv", "districts.csv"):
        assert len((other / name).read_text().splitlines()) == 1
    assert len(gpd.read_parquet(other / "map.parquet")) == 84


def test_a_region_outside_every_district_is_in_none():
    generator = np.random.default_rng(3)
    regions = build_regions()
    regions.loc[::4, "district"] = None
    vectors = generator.normal(size=(len(regions), 4))
    block = RegionFeatures(vectors, np.ones(len(regions), bool))
    group = IndicatorGroup(np.arange(len(regions)), ["density"], vectors[:, :1])
    table = between_districts(regions, block, [group], folds=3, seed=1)
    counts = regions["district"].value_counts()
    assert set(zip(table["source"], table["target"], table["n_target"], strict=True)) == {
        ("north", "south", counts["south"]),
        ("south", "north", counts["north"]),
    }


def test_an_indicator_that_is_constant_in_a_district_is_not_judged_there():
    generator = np.random.default_rng(3)
    regions = build_regions()
    vectors = generator.normal(size=(len(regions), 4))
    labels = vectors[:, :1].copy()
    labels[(regions["district"] == "north").to_numpy()] = 2
    block = RegionFeatures(vectors, np.ones(len(regions), bool))
    group = IndicatorGroup(np.arange(len(regions)), ["density"], labels)
    assert between_districts(regions, block, [group], folds=3, seed=1).empty
