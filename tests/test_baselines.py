import numpy as np
import pandas as pd
import pytest

from judged_city import lay_city, run_stage
from musecl.evaluation.methods import RegionFeatures
from musecl.evaluation.naive_baselines import NAIVE_BASELINES, STACKED, nearest, spatial_lag
from musecl.evaluation.prediction import SeededFold
from musecl.evaluation.splits import draw_folds
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
    *NAIVE_BASELINES,
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


def test_every_row_is_described_where_the_stage_begins():
    missing = [name for name in METHODS if f"`{name}`" not in baselines.__doc__]
    assert not missing, f"say in the first lines of stages/baselines.py what these are: {missing}"


def test_what_is_stacked_is_what_the_published_figures_were_made_of():
    coordinates = ("nearest", "forest", "gaussian_process")
    published = (*(f"coordinates_{name}" for name in coordinates), "spatial_lag", "poi_counts")
    assert published == STACKED
    assert set(STACKED) <= set(NAIVE_BASELINES)


def test_one_more_baseline_is_a_row_and_changes_no_stack(monkeypatch):
    generator = np.random.default_rng(5)
    coordinates = generator.uniform(0, 9_000, size=(60, 2))
    truth = np.sin(coordinates[:, :1] / 3_000) + 0.3 * generator.normal(size=(60, 1))
    ours = RegionFeatures(generator.normal(size=(60, 4)), np.ones(60, dtype=bool))
    folds = draw_folds(None, 60, 3, np.random.default_rng(0))
    trials = [SeededFold(0, fold, (0, number)) for number, fold in enumerate(folds)]
    few = {
        "nearest": lambda known: nearest(known.coordinates),
        "spatial_lag": lambda known: spatial_lag(known.coordinates),
    }
    # What knows every label would have all the weight of a stack.
    more = {**few, "known": lambda known: [lambda values, fold: truth[fold.test]]}
    monkeypatch.setattr(baselines, "STACKED", tuple(few))

    def predicted(table):
        monkeypatch.setattr(baselines, "NAIVE_BASELINES", table)
        found = baselines.predict_naively(coordinates, np.ones((60, 2)), ours, truth, trials)
        return {one.method: one.predictions[0] for one in found}

    before, after = predicted(few), predicted(more)
    assert list(after) == [*few, "known", "stacked", "stacked_with_musecl"]
    np.testing.assert_array_equal(after["known"], truth)
    for name, predictions in before.items():
        np.testing.assert_array_equal(after[name], predictions)
