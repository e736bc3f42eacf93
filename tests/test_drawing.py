"""The drawn city on disk: lots counted, roads kept, and a raster that shows where things are."""

import json
from pathlib import Path

import geopandas as gpd
import h3
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from pyproj import Transformer

from drawn_city import (
    build_root,
    census_table,
    degrees,
    lots_table,
    rectangle,
    regions_table,
    run_stage,
)
from musecl.sources.sample.class_raster import (
    AIRPORT,
    CEMETERY,
    FIRST_BUILDING,
    LAND,
    PARK,
    STATION,
    WATER,
    palette,
)
from musecl.sources.sample.drawing import count_lots, visible_roads
from musecl.stages import fetch_satellite, fetch_street_view
from test_class_raster import UTM, draw, frame_at


def test_lots_are_counted_in_every_region() -> None:
    regions, lots = regions_table(), lots_table()
    counts = count_lots(lots, regions).set_index("region_id")["lots"]
    for region, outline in zip(regions["region_id"], regions.geometry, strict=True):
        inside = shapely.contains_xy(outline, lots["longitude"], lots["latitude"])
        assert counts[region] == inside.sum()
        cells = [
            h3.latlng_to_cell(*spot, 9) == region
            for spot in lots[["latitude", "longitude"]].to_numpy()
        ]
        assert counts[region] == sum(cells)
    assert list(counts.index) == list(regions["region_id"])
    assert counts.sum() > 100


def test_a_region_without_lots_counts_none() -> None:
    counts = count_lots(lots_table().head(0), regions_table())
    assert counts["lots"].tolist() == [0] * 7


def test_roads_over_water_and_through_parks_are_left_out() -> None:
    frame = frame_at(500_000, 4_500_500)
    streets = np.array(
        [[(x, 4_500_250.0), (x + 60, 4_500_250.0)] for x in (500_020.0, 500_200, 500_400)]
    )
    park = shapely.box(500_000, 4_500_000, 500_150, 4_500_500)
    drawn = draw(
        frame,
        shapely.box(500_000, 4_500_000, 500_350, 4_500_500),
        open_areas=gpd.GeoDataFrame({"kind": ["park"]}, geometry=[park], crs=UTM),
        streets=streets,
    )
    roads = visible_roads(streets, drawn, frame)
    assert roads.crs.to_epsg() == 4326
    assert roads["length_m"].tolist() == pytest.approx([60])
    back = roads.to_crs(UTM).geometry.iloc[0]
    assert shapely.get_coordinates(back) == pytest.approx(streets[1], abs=1e-3)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = build_root(tmp_path_factory.mktemp("city"), lots_table(), census_table())
    run_stage(root, fetch_satellite)
    return root / "data/tiny"


def sample(raster: rasterio.DatasetReader, spots: list[tuple[float, float]]) -> list[int]:
    to_raster = Transformer.from_crs(4326, raster.crs, always_xy=True)
    return [int(v[0]) for v in raster.sample([to_raster.transform(*spot) for spot in spots])]


def test_the_raster_shows_the_sources_where_they_are(city: Path) -> None:
    lots = lots_table()
    with rasterio.open(city / "raw/satellite/drawn_city.tif") as raster:
        assert raster.crs == UTM
        assert raster.dtypes == ("uint8",)
        assert raster.block_shapes == [(512, 512)]
        assert raster.compression.value == "DEFLATE"
        spots = [(-100, 50), (375, 0), (375, 140), (375, 220), (0, 400), (-440, 240)]
        found = sample(raster, [degrees(*spot) for spot in spots])
        assert found == [STATION, PARK, CEMETERY, AIRPORT, WATER, LAND]
        at_lots = sample(raster, lots[["longitude", "latitude"]].to_numpy().tolist())
        colours = palette()
        assert all(raster.colormap(1)[v][:3] == tuple(colours[v]) for v in range(256))
    built = np.mean(np.array(at_lots) >= FIRST_BUILDING)
    assert built > 0.95


def test_roads_run_between_the_blocks(city: Path) -> None:
    roads = gpd.read_parquet(city / "raw/satellite/roads.parquet")
    lots = lots_table()
    blocks = [
        shapely.MultiPoint(group.to_numpy()).convex_hull
        for _, group in lots.groupby("block")[["longitude", "latitude"]]
    ]
    hulls = gpd.GeoSeries(blocks, crs=4326).to_crs(UTM).buffer(3).union_all()
    metric = roads.to_crs(UTM).geometry
    assert not metric.interpolate(0.5, normalized=True).intersects(hulls).any()
    assert roads["length_m"].to_numpy() == pytest.approx(metric.length.to_numpy())
    # 30 blocks, each with streets on its inner sides: 5 x 5 of some 75 m, 4 x 6 of some 110 m.
    assert roads["length_m"].sum() == pytest.approx(25 * 75 + 24 * 110, rel=0.15)
    land = gpd.GeoSeries([rectangle(-450, -260, 330, 260)], crs=4326).to_crs(UTM).iloc[0]
    assert metric.interpolate(0.5, normalized=True).within(land).all()


def test_the_lot_counts_name_every_region(city: Path) -> None:
    counts = pd.read_parquet(city / "raw/satellite/lot_counts.parquet")
    assert counts["region_id"].tolist() == sorted(regions_table()["region_id"])
    expected = count_lots(lots_table(), regions_table())["lots"]
    assert counts["lots"].tolist() == expected.tolist()


def test_a_city_without_lots_is_drawn_all_the_same(tmp_path: Path) -> None:
    root = build_root(tmp_path, lots_table().head(0), census_table())
    run_stage(root, fetch_satellite)
    assert len(gpd.read_parquet(root / "data/tiny/raw/satellite/roads.parquet")) == 0
    assert pd.read_parquet(root / "data/tiny/raw/satellite/lot_counts.parquet")["lots"].sum() == 0


def test_both_views_are_drawn_alike(city: Path, tmp_path: Path) -> None:
    root = build_root(tmp_path, lots_table(), census_table())
    run_stage(root, fetch_street_view)
    for path in (city / "raw/satellite").iterdir():
        other = root / "data/tiny/raw/street_view" / path.name
        assert other.read_bytes() == path.read_bytes(), path.name


def test_the_provenance_says_what_was_drawn_from_what(city: Path) -> None:
    about = json.loads((city / "raw/satellite/provenance.json").read_text(encoding="utf-8"))
    assert about["provider"] == "sample"
    assert about["settings"] == [{"provider": "sample", "metres_per_pixel": 2.5}]
    drawn = {path.name for path in (city / "raw/satellite").iterdir()} - {"provenance.json"}
    assert {record["file"] for record in about["files"]} == drawn
    assert all(len(record["drawn_from"]) == 4 for record in about["files"])
