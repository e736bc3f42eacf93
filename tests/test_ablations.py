import numpy as np
import pytest

from judged_city import lay_city, run_stage
from musecl.stages import ablations

METHODS = {
    "musecl",
    "without_remote_view",
    "without_street_view",
    "without_text",
    "random_place_pairs",
    "random_mobility_pairs",
    "without_attention",
    "without_fusion",
    "without_rings",
    "region_tokens",
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    root = lay_city(tmp_path_factory.mktemp("ablations"))
    return run_stage(root, ablations, "ablations.csv", "inductive.csv")


def test_every_part_is_left_out_once_on_every_split(tables):
    table, _ = tables
    assert set(table["method"]) == METHODS
    assert len(table) == 3 * len(METHODS)
    bounds = ["ahead_low", "ahead_high"]  # seven larger cells are too few
    assert np.isfinite(table.select_dtypes("number").drop(columns=bounds)).all(axis=None)
    assert table[bounds].isna().all(axis=None)


def test_what_a_modality_alone_knows_is_lost_without_it(tables):
    score = tables[0][tables[0]["split"] == "random"].set_index("method")
    assert score.loc["without_text", "bachelor_share R2"] < 0.3
    assert score.loc["without_remote_view", "population_density R2"] < 0.3
    for method in ("without_street_view", "random_mobility_pairs", "without_attention"):
        assert score.loc[method, "bachelor_share R2"] > 0.6


def test_both_sides_of_the_fusion_stand_beside_each_other(tables):
    _, table = tables
    assert set(zip(table["method"], table["split"], strict=True)) == {
        (method, split)
        for method in ("all_regions", "training_regions")
        for split in ("random", "spatial")
    }
    assert (table["n_seeds"] == 1).all()
    training = table[table["method"] == "training_regions"]
    assert (training["r2_headline"] > 0.3).all()
