import numpy as np
import pytest

from judged_city import lay_city, run_stage
from musecl.stages import ablations

METHODS = {
    "musecl",
    "without_satellite",
    "without_street_view",
    "without_text",
    "random_poi_pairs",
    "random_mobility_pairs",
    "without_attention",
    "without_fusion",
    "without_k_rings",
    "region_tokens",
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    root = lay_city(tmp_path_factory.mktemp("ablations"))
    (found,) = run_stage(root, ablations, "ablations.csv")
    return found


def test_every_part_is_left_out_once_on_every_split(table):
    assert set(table["method"]) == METHODS
    assert len(table) == 3 * len(METHODS)
    bounds = ["ahead_low", "ahead_high"]  # seven larger cells are too few
    assert np.isfinite(table.select_dtypes("number").drop(columns=bounds)).all(axis=None)
    assert table[bounds].isna().all(axis=None)


def test_what_a_modality_alone_knows_is_lost_without_it(table):
    score = table[table["split"] == "random"].set_index("method")
    assert score.loc["without_text", "bachelor_share R2"] < 0.3
    assert score.loc["without_satellite", "population_density R2"] < 0.3
    for method in ("without_street_view", "random_mobility_pairs", "without_attention"):
        assert score.loc[method, "bachelor_share R2"] > 0.6
