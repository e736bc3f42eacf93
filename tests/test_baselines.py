import numpy as np
import pandas as pd
import pytest

from judged_city import lay_city, run_stage
from musecl.evaluation.methods import RegionFeatures
from musecl.runtime.errors import InputError
from musecl.stages import baselines

METHODS = {
    "satellite_pretrained",
    "street_view_pretrained",
    "tile2vec",
    "urban2vec",
    "pg_simclr",
    "add_svrv",
    "concat_published",
    "fusion_svrv",
    "musecl_published_code",
    "musecl_published_paper",
    "satellite",
    "street_view",
    "text",
    "concat",
    "concat_with_k_rings",
    "musecl",
    "coordinates_nearest",
    "coordinates_forest",
    "coordinates_gaussian_process",
    "spatial_lag",
    "poi_counts",
    "stacked",
    "stacked_with_musecl",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return lay_city(tmp_path_factory.mktemp("baselines"))


@pytest.fixture(scope="module")
def table(root):
    (found,) = run_stage(root, baselines, "baselines.csv")
    return found


def test_every_method_is_judged_on_every_split(table):
    assert set(zip(table["method"], table["split"], strict=True)) == {
        (method, split) for method in METHODS for split in ("random", "spatial", "paper")
    }
    bounds = ["ahead_low", "ahead_high"]  # seven larger cells are too few
    assert np.isfinite(table.select_dtypes("number").drop(columns=bounds)).all(axis=None)
    assert table[bounds].isna().all(axis=None)


def test_the_primary_is_the_mean_of_its_indicators(table):
    mean = (table["population_density R2"] + table["bachelor_share R2"]) / 2
    np.testing.assert_allclose(table["r2_primary"], mean, atol=2e-6)


def test_the_difference_to_the_reference_is_that_of_the_primarys(table):
    for _, rows in table.groupby("split"):
        ours = rows.set_index("method").loc["musecl"]
        np.testing.assert_allclose(
            rows["reference_ahead"], ours["r2_primary"] - rows["r2_primary"], atol=2e-5
        )
        assert ours["reference_ahead"] == 0


def test_a_method_knows_what_its_modalities_know(table):
    score = table[table["split"] == "random"].set_index("method")
    # In this city the text alone tells the share, the satellite view alone the density.
    for method in ("urban2vec", "concat_published", "text", "concat", "musecl"):
        assert score.loc[method, "bachelor_share R2"] > 0.7
    for method in ("tile2vec", "pg_simclr", "add_svrv", "fusion_svrv", "poi_counts"):
        assert score.loc[method, "bachelor_share R2"] < 0.2
    for method in ("tile2vec", "pg_simclr", "add_svrv", "satellite", "concat"):
        assert score.loc[method, "population_density R2"] > 0.5
    assert score["noise R2"].max() < 0.25


def test_a_region_without_counts_is_told(tmp_path):
    path = tmp_path / "poi_category_counts.parquet"
    pd.DataFrame({"region_id": ["b", "a"], "park": [1, 0], "shop": [3, 0]}).to_parquet(path)
    counts = baselines.read_counts(path, pd.Series(["a", "b"]))
    np.testing.assert_allclose(counts, np.log([[1, 1], [2, 4]]))
    with pytest.raises(InputError, match="1 regions have no counts, first 'c'"):
        baselines.read_counts(path, pd.Series(["a", "b", "c"]))


def test_a_view_that_is_absent_adds_nothing():
    here = RegionFeatures(np.array([[1.0, 2], [3, 4]]), np.array([True, True]))
    away = RegionFeatures(np.array([[5.0, 6], [0, 0]]), np.array([True, False]))
    both = baselines.add(here, away)
    assert both.values.tolist() == [[6, 8], [3, 4]]
    assert both.present.tolist() == [True, True]
