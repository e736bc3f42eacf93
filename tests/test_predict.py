import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from judged_city import MLP
from musecl.evaluation.labels import Group
from musecl.evaluation.methods import Block
from musecl.stages import predict
from musecl.step.tables import write_vectors
from small_city import job_in
from test_evaluate import build_indicators, build_regions

SETTINGS = {
    "seeds": 2,
    "folds": 4,
    "splits": ["random", "spatial", "district", "paper"],
    "mlp": MLP,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("predict")
    data = root / "data/toy"
    data.mkdir(parents=True)
    generator = np.random.default_rng(2)
    regions = build_regions()
    hidden = generator.normal(size=(len(regions), 3))
    regions.to_parquet(data / "regions.parquet")
    build_indicators(regions, hidden, generator).to_parquet(data / "indicators.parquet")
    vectors = hidden @ generator.normal(size=(3, 20))
    write_vectors(data / "embeddings.parquet", regions[["region_id"]], embedding=vectors)
    job = job_in(
        root,
        ["regions.parquet", "indicators.parquet", "embeddings.parquet"],
        ["predictions.parquet", "intervals.csv", "districts.csv"],
        evaluate=SETTINGS,
        seed=1,
    )
    predict.run(job)
    job.publish()
    return root


@pytest.fixture
def predictions(root):
    return gpd.read_parquet(root / "data/toy/predictions.parquet")


def test_every_region_with_a_value_has_a_prediction_per_split(predictions):
    counts = predictions.groupby(["split", "indicator"]).size()
    # Two districts are too few.
    assert set(predictions["split"]) == {"random", "spatial", "paper"}
    assert counts["random", "population_density"] == counts["spatial", "noise"] == 84
    assert counts["random", "bachelor_share"] == 84 - 17
    assert predictions.crs == "EPSG:4326"
    assert predictions.geometry.is_valid.all()


def test_the_papers_split_predicts_the_regions_that_it_tests(root, predictions):
    rows = predictions[predictions["split"] == "paper"]
    assert rows.groupby("indicator").size().to_dict() == {
        "bachelor_share": 14,
        "noise": 17,
        "population_density": 17,
    }
    counted = pd.read_csv(root / "data/toy/intervals.csv").set_index(["split", "indicator"])
    assert counted.loc[("paper", "noise"), "n_regions"] == 17
    density = rows[rows["indicator"] == "population_density"]
    assert np.corrcoef(density["observed"], density["prediction"])[0, 1] > 0.9


def test_the_interval_lies_around_the_prediction_and_is_wider_for_noise(predictions):
    assert (predictions["low"] < predictions["prediction"]).all()
    assert (predictions["prediction"] < predictions["high"]).all()
    width = (predictions["high"] - predictions["low"]).groupby(predictions["indicator"]).mean()
    assert width["noise"] > 2 * width["population_density"]


def test_coverage_is_measured_and_about_what_is_aimed_at(root, predictions):
    table = pd.read_csv(root / "data/toy/intervals.csv").set_index(["split", "indicator"])
    inside = predictions["observed"].between(predictions["low"], predictions["high"])
    measured = inside.groupby([predictions["split"], predictions["indicator"]]).mean()
    for key, share in measured.items():
        assert table.loc[key, "coverage"] == pytest.approx(share, abs=1e-6)
    assert (table["nominal"] == 0.9).all()
    assert 0.82 < table.loc["random", "coverage"].mean() < 0.98


def test_a_model_of_one_district_is_judged_in_the_other(root):
    table = pd.read_csv(root / "data/toy/districts.csv").set_index(["from", "to", "indicator"])
    assert set(table.index.droplevel("indicator")) == {("north", "south"), ("south", "north")}
    density = table.xs("population_density", level="indicator")
    assert (density["r2"] > 0.7).all()
    assert density.loc[("north", "south"), ["n_from", "n_to"]].tolist() == [28, 56]
    assert (table.xs("noise", level="indicator")["r2"] < 0.1).all()


def test_a_region_outside_every_district_is_in_none():
    generator = np.random.default_rng(3)
    regions = build_regions()
    regions.loc[::4, "district"] = None
    vectors = generator.normal(size=(len(regions), 4))
    block = Block(vectors, np.ones(len(regions), bool))
    group = Group(np.arange(len(regions)), ["density"], vectors[:, :1])
    table = predict.between_districts(regions, block, [group], folds=3, seed=1)
    counts = regions["district"].value_counts()
    assert set(zip(table["from"], table["to"], table["n_to"], strict=True)) == {
        ("north", "south", counts["south"]),
        ("south", "north", counts["north"]),
    }
