"""Street views of the drawn city: where there are roads, and alike in any table of regions."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import yaml
from pyproj import CRS

from drawn_city import build_root, census_table, lots_table, regions_table, run_stage
from musecl.imagery.images import imagery_of, iterate_images, read_image_index
from musecl.runtime.errors import InputError
from musecl.stages import fetch_street_view, street_view

UTM = CRS.from_epsg(32618)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = build_root(tmp_path, lots_table(), census_table())
    run_stage(root, fetch_street_view)
    return root


def test_regions_with_roads_have_views_and_the_others_are_counted(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    regions_table(k_rings=3).to_parquet(root / "data/tiny/regions.parquet")
    run_stage(root, street_view)
    index = read_image_index(root / "data/tiny/street_view")
    roads = gpd.read_parquet(root / "data/tiny/raw/street_view/roads.parquet")
    regions = regions_table(k_rings=3)
    middles = roads.to_crs(UTM).interpolate(0.5, normalized=True).to_crs(4326)
    with_roads = gpd.sjoin(gpd.GeoDataFrame(geometry=middles), regions)["region_id"]
    assert set(index["region_id"]) == set(with_roads)
    counts = index.groupby("region_id").size()
    expected = with_roads.value_counts().clip(upper=3) * 4
    assert counts.to_dict() == expected.to_dict()
    without = len(regions) - with_roads.nunique()
    assert without > 0
    assert f"{without} regions have none" in capsys.readouterr().out
    images = np.concatenate(list(iterate_images(root / "data/tiny/street_view", 64)))
    assert images.shape == (len(index), 48, 48, 3)


def test_a_region_looks_the_same_in_a_smaller_table(root: Path) -> None:
    regions = regions_table()
    run_stage(root, street_view)
    whole = read_image_index(root / "data/tiny/street_view")
    regions.head(3).to_parquet(root / "data/tiny/regions.parquet")
    run_stage(root, street_view)
    part = read_image_index(root / "data/tiny/street_view")
    kept = whole[whole["region_id"].isin(regions["region_id"][:3])].reset_index(drop=True)
    pd.testing.assert_frame_equal(part, kept)


def test_a_city_without_roads_is_an_error(root: Path) -> None:
    roads = gpd.read_parquet(root / "data/tiny/raw/street_view/roads.parquet")
    roads.head(0).to_parquet(root / "data/tiny/raw/street_view/roads.parquet")
    with pytest.raises(InputError, match="no region has an image"):
        run_stage(root, street_view)


def test_a_city_without_the_view_has_none(root: Path) -> None:
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    params["cities"]["tiny"]["street_view"] = None
    (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    run_stage(root, fetch_street_view)
    run_stage(root, street_view)
    assert [path.name for path in (root / "data/tiny/street_view").iterdir()] == ["about.json"]
    assert imagery_of(root / "data/tiny/street_view") is None
