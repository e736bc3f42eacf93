from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from pyproj import CRS
from rasterio import Affine

from drawn_city import build_root, census_table, lots_table, regions_table, run_stage
from musecl.imagery.images import iterate_images, read_image_index
from musecl.stages import scene, street_view
from musecl.stages.street_view import (
    choose_viewpoints,
    image_rows,
    raster_positions,
    road_middles,
)
from musecl.step.errors import InputError

UTM = CRS.from_epsg(32618)


def candidates(regions: int = 6, roads: int = 30) -> pd.DataFrame:
    """Roads at random; the region R0 has one road, R1 two, the others many."""
    generator = np.random.default_rng(4)
    counts = [1, 2, *[roads] * (regions - 2)]
    names = np.repeat([f"R{number}" for number in range(regions)], counts)
    return pd.DataFrame(
        {
            "region_id": names,
            "longitude": generator.uniform(-74, -73.9, len(names)),
            "latitude": generator.uniform(40.6, 40.7, len(names)),
            "easting": generator.uniform(0, 1000, len(names)),
            "northing": generator.uniform(0, 1000, len(names)),
            "bearing": generator.uniform(-3, 3, len(names)),
            "length_m": generator.uniform(5, 50, len(names)),
        }
    )


def test_viewpoints_are_distinct_roads_of_their_region() -> None:
    roads = candidates()
    chosen = choose_viewpoints(roads, 8, seed=1)
    assert chosen.groupby("region_id").size().to_dict() == {
        "R0": 1, "R1": 2, "R2": 8, "R3": 8, "R4": 8, "R5": 8,
    }  # fmt: skip
    assert not chosen.duplicated(["easting", "northing"]).any()
    for _, views in chosen.groupby("region_id"):
        assert views["view"].tolist() == list(range(len(views)))
    merged = chosen.merge(roads, how="left", indicator=True)
    assert (merged["_merge"] == "both").all()


@pytest.mark.parametrize("others", [["R0"], ["R1", "R2", "R5"], ["R4"]])
def test_the_views_of_a_region_do_not_depend_on_other_regions(others: list[str]) -> None:
    roads = candidates()
    alone = choose_viewpoints(roads[roads["region_id"].isin(["R3", *others])], 8, seed=1)
    whole = choose_viewpoints(roads, 8, seed=1)
    pd.testing.assert_frame_equal(
        alone[alone["region_id"] == "R3"].reset_index(drop=True),
        whole[whole["region_id"] == "R3"].reset_index(drop=True),
    )


def test_another_seed_draws_others_and_regions_draw_apart() -> None:
    roads = candidates()
    first, second = (choose_viewpoints(roads, 8, seed=seed) for seed in (1, 2))
    assert not first["easting"].equals(second["easting"])
    twin = roads[roads["region_id"] == "R3"]
    both = pd.concat([twin, twin.assign(region_id="R4")])
    drawn = choose_viewpoints(both, 8, seed=1)
    r3, r4 = (drawn.loc[drawn["region_id"] == name, "easting"].tolist() for name in ("R3", "R4"))
    assert r3 != r4


def test_a_road_is_drawn_as_often_as_it_is_long() -> None:
    lengths = np.array([10.0, 20.0, 30.0, 40.0])
    names = np.repeat([f"R{number}" for number in range(3000)], 4)
    roads = pd.DataFrame({"region_id": names, "length_m": np.tile(lengths, 3000)})
    drawn = choose_viewpoints(roads, 1, seed=1)["length_m"]
    shares = drawn.value_counts(normalize=True).sort_index().to_numpy()
    assert shares == pytest.approx(lengths / 100, abs=0.03)


def road_lines() -> gpd.GeoDataFrame:
    """Roads in metres in all eight directions of the compass, from the middle of the city."""
    middle = gpd.GeoSeries([shapely.Point(-73.95, 40.70)], crs=4326).to_crs(UTM).iloc[0]
    turns = np.deg2rad(np.arange(0, 360, 45))
    lines = [
        shapely.LineString(
            [
                (middle.x + 50 * np.sin(turn), middle.y + 50 * np.cos(turn)),
                (middle.x + 90 * np.sin(turn), middle.y + 90 * np.cos(turn)),
            ]
        )
        for turn in turns
    ]
    metric = gpd.GeoDataFrame({"length_m": [40.0] * 8}, geometry=lines, crs=UTM)
    return metric.to_crs(4326)


def test_the_middle_of_a_road_has_its_region_and_bearing() -> None:
    roads, regions = road_lines(), regions_table()
    found = road_middles(roads, regions, UTM)
    assert len(found) == 8
    # Every road runs away from the middle of the city, so its bearing is where it lies.
    middle = gpd.GeoSeries([shapely.Point(-73.95, 40.70)], crs=4326).to_crs(UTM).iloc[0]
    away = np.arctan2(found["easting"] - middle.x, found["northing"] - middle.y)
    assert np.cos(found["bearing"] - away).min() > 0.99999
    outline = regions.set_index("region_id").geometry
    for row in found.itertuples():
        assert outline[row.region_id].covers(shapely.Point(row.longitude, row.latitude))
    metric = roads.to_crs(UTM).geometry.interpolate(0.5, normalized=True)
    assert sorted(found["easting"]) == pytest.approx(sorted(metric.x))
    assert sorted(found["northing"]) == pytest.approx(sorted(metric.y))


def test_the_order_of_the_roads_does_not_matter() -> None:
    roads, regions = road_lines(), regions_table()
    found = road_middles(roads, regions, UTM)
    again = road_middles(roads.iloc[::-1], regions, UTM)
    pd.testing.assert_frame_equal(found, again)


def test_roads_outside_every_region_are_left_out() -> None:
    roads = road_lines()
    roads.geometry = roads.geometry.translate(1.0)
    assert len(road_middles(roads, regions_table(), UTM)) == 0
    assert len(choose_viewpoints(road_middles(roads, regions_table(), UTM), 8, seed=1)) == 0


def test_positions_count_from_the_corner_of_the_raster() -> None:
    viewpoints = pd.DataFrame({"easting": [105.0], "northing": [990.0], "bearing": [0.5]})
    transform = Affine(2.5, 0, 100, 0, -2.5, 1000)
    assert raster_positions(viewpoints, transform) == [pytest.approx((2.0, 4.0, 0.5))]


def test_a_panorama_becomes_four_rows() -> None:
    viewpoints = choose_viewpoints(candidates(), 2, seed=1).head(3)
    images = [[f"{n}-{view}".encode() for view in range(4)] for n in range(3)]
    rows = image_rows(viewpoints, images)
    assert rows["image"].tolist() == [image for panorama in images for image in panorama]
    assert rows["orientation"].tolist() == [0, 90, 180, 270] * 3
    assert rows["longitude"].tolist() == np.repeat(viewpoints["longitude"], 4).tolist()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = build_root(tmp_path, lots_table(), census_table())
    run_stage(root, scene)
    return root


def test_regions_with_roads_have_views_and_the_others_are_counted(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    regions_table(rings=3).to_parquet(root / "data/tiny/regions.parquet")
    run_stage(root, street_view)
    index = read_image_index(root / "data/tiny/street_view")
    roads = gpd.read_parquet(root / "data/tiny/scene/roads.parquet")
    regions = regions_table(rings=3)
    middles = roads.to_crs(UTM).interpolate(0.5, normalized=True).to_crs(4326)
    with_roads = gpd.sjoin(gpd.GeoDataFrame(geometry=middles), regions)["region_id"]
    assert set(index["region_id"]) == set(with_roads)
    counts = index.groupby("region_id").size()
    expected = with_roads.value_counts().clip(upper=3) * 4
    assert counts.to_dict() == expected.to_dict()
    without = len(regions) - with_roads.nunique()
    assert without > 0
    assert f"{without} regions without a road" in capsys.readouterr().out
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
    roads = gpd.read_parquet(root / "data/tiny/scene/roads.parquet")
    roads.head(0).to_parquet(root / "data/tiny/scene/roads.parquet")
    with pytest.raises(InputError, match="no region has an image"):
        run_stage(root, street_view)
