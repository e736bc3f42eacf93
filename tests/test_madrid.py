"""Madrid from open data alone, as far as tables and chips: real files, each by its provider."""

import shutil
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
import yaml

from bare_pipeline import REPOSITORY, lay_pipeline, run
from data_stages import DATA_STAGES
from musecl.config import check_params
from musecl.imagery.images import imagery_of, read_image_index
from shared_data import shared

ENTRY = REPOSITORY / "presets/cities/madrid.yaml"
FILES = {
    "boundary": ["neighbourhoods.geojson"],
    "pois": ["pois_bars_madrid.parquet"],
    "mobility": ["bicimad/*"],
    "satellite": ["madrid_scene_s2_120_2019-7-10.tif"],
    "indicators": ["madrid_abb.gpkg"],
}


def entry() -> dict[str, Any]:
    return yaml.safe_load(ENTRY.read_text(encoding="utf-8"))


def test_the_entry_is_one_of_params() -> None:
    shipped = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    params = check_params(shipped | {"cities": shipped["cities"] | entry()}, Path("params.yaml"))
    assert params.cities["madrid"].street_view is None


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = {layer: shared("open_samples", "madrid") for layer in FILES}
    root = lay_pipeline(tmp_path_factory.mktemp("madrid") / "root", cities=entry())
    for layer, patterns in FILES.items():
        inputs = root / "inputs/madrid" / layer
        inputs.mkdir(parents=True)
        for pattern in patterns:
            for path in found[layer].glob(pattern):
                shutil.copy(path, inputs)
    for stage in DATA_STAGES:
        run(root, stage, "madrid")
    return root / "data/madrid"


def test_every_cell_has_a_chip_and_most_have_a_price(data: Path) -> None:
    table = gpd.read_parquet(data / "regions.parquet")
    assert len(table) == 80
    assert table["district"].nunique() > 5
    chips = read_image_index(data / "satellite")
    assert chips["region_id"].tolist() == table["region_id"].tolist()
    assert imagery_of(data / "satellite") == "photographic"
    prices = pd.read_parquet(data / "indicators.parquet")
    assert (len(prices), set(prices["transform"])) == (78, {"ln(1+x)"})


def test_pois_and_trips_are_where_they_are_known(data: Path) -> None:
    bars = pd.read_parquet(data / "pois.parquet")
    assert set(bars["category"]) == {"bar"}
    assert bars["region_id"].nunique() == 71
    flows = pd.read_parquet(data / "flows.parquet")
    assert flows["region_id"].nunique() == 51
    assert flows["hour"].notna().all()


def test_there_is_no_street_view_and_nothing_stands_for_one(data: Path) -> None:
    assert imagery_of(data / "street_view") is None
    assert read_image_index(data / "street_view").empty
