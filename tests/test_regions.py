"""Regions: right to the cell against brute force, refused boundaries, and the stage itself."""

from functools import cache

import geopandas as gpd
import h3
import numpy as np
import pandas as pd
import pytest
import shapely
from shapely import LineString, MultiPolygon, Point, Polygon, box
from shapely.affinity import rotate

from musecl.geography.settings import RegionSettings
from musecl.runtime.errors import InputError, ParameterError
from musecl.runtime.tables import read_geotable
from musecl.sources.sample.tables import BOROUGHS
from musecl.sources.settings import Extent
from musecl.stages import regions as stage
from musecl.stages.regions import SCHEMA, build_regions
from small_city import CENTRE, job_in

LATITUDE, LONGITUDE = CENTRE
GRIDS = ["h3", "hexagon", "square"]
MIDDLE_CELL = h3.latlng_to_cell(LATITUDE, LONGITUDE, 8)
INSIDE = Point(reversed(h3.cell_to_latlng(MIDDLE_CELL)))
CORNER = Point(reversed(h3.cell_to_boundary(MIDDLE_CELL)[0]))


def wanted(grid: str = "h3", share: float = 0.25) -> RegionSettings:
    return RegionSettings(
        grid=grid, resolution=8, spacing_m=1000, minimum_block_m2=0, minimum_land_share=share
    )


def boundary(*shapes: shapely.Geometry | None, crs: int | None = 4326) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(geometry=list(shapes), crs=crs)


def square(east: float = 0, north: float = 0, half: float = 0.02) -> Polygon:
    x, y = LONGITUDE + east, LATITUDE + north
    return box(x - half, y - half, x + half, y + half)


SHAPES = {
    "square": [square()],
    "hole": [square(half=0.03) - square(half=0.018)],
    "hole of one cell": [square() - INSIDE.buffer(0.004)],
    "several parts": [square(-0.04), square(0.04, 0.02, 0.005), square(0, -0.05, 0.01)],
    "one shape of several parts": [MultiPolygon([square(-0.04), square(0.04, 0.02, 0.01)])],
    "parts that overlap": [square(), square(0.01, 0.01)],
    "parts that touch": [square(-0.01, half=0.01), square(0.01, half=0.01)],
    "within one cell": [INSIDE.buffer(0.001)],
    "ring within one cell": [INSIDE.buffer(0.001) - INSIDE.buffer(0.0005)],
    "over a corner of three cells": [CORNER.buffer(0.002)],
    "strip": [rotate(box(LONGITUDE - 0.06, LATITUDE, LONGITUDE + 0.06, LATITUDE + 0.0004), 37)],
    "star": [
        Polygon(
            [
                (LONGITUDE + r * np.cos(a), LATITUDE + r * np.sin(a))
                for a, r in zip(np.linspace(0, 6.2, 40), [0.05, 0.01] * 20, strict=True)
            ]
        )
    ],
    "an empty shape beside": [square(), Polygon(), None],
}


@cache
def land_shares(name: str) -> pd.Series:
    """Share of land of every cell in a wide disk, cell by cell in UTM."""
    cells = h3.grid_disk(MIDDLE_CELL, 13)
    outlines = [Polygon([(x, y) for y, x in h3.cell_to_boundary(cell)]) for cell in cells]
    flat = gpd.GeoSeries(outlines, crs=4326).to_crs(32618)
    parts = gpd.GeoSeries(SHAPES[name], crs=4326).segmentize(0.001).to_crs(32618)
    land = shapely.union_all(parts.dropna().to_numpy())
    return pd.Series([cell.intersection(land).area / cell.area for cell in flat], index=cells)


@pytest.mark.parametrize("share", [0, 0.25, 0.999])
@pytest.mark.parametrize("name", SHAPES)
def test_h3_regions_are_those_of_brute_force(name, share):
    shares = land_shares(name)
    # None lies so near to the threshold that the projection would decide.
    assert share == 0 or not np.isclose(shares, share, atol=1e-4).any()
    expected = shares[(shares > 0) & (shares >= share)].sort_index()
    if expected.empty:
        with pytest.raises(InputError, match="no region is left"):
            build_regions(boundary(*SHAPES[name]), wanted(share=share))
        return
    regions = build_regions(boundary(*SHAPES[name]), wanted(share=share))
    assert regions["region_id"].to_list() == expected.index.to_list()
    np.testing.assert_allclose(regions["land_share"], expected, atol=1e-4)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", SHAPES)
def test_all_land_lies_in_a_region_when_no_share_is_asked(name, grid):
    regions = build_regions(boundary(*SHAPES[name]), wanted(grid, 0))
    land = shapely.union_all([shape for shape in SHAPES[name] if shape is not None])
    flat = gpd.GeoSeries([land], crs=4326).to_crs(32618).area[0]
    on_land = (regions["land_share"] * regions["area_km2"]).sum() * 1e6
    # UTM is out by 0.08% of an area at its middle.
    assert on_land == pytest.approx(flat, rel=1e-3)
    assert land.difference(regions.union_all()).area < 1e-9 * land.area
    assert (regions["land_share"] > 0).all()


@pytest.mark.parametrize("grid", GRIDS)
def test_long_edges_are_straight_in_degrees(grid):
    # A degree wide, a few hundred metres tall: in metres its southern edge bends by over 100 m.
    wide = box(-75.5, 40.70, -74.5, 40.703)
    settings = RegionSettings(
        grid=grid, resolution=9, spacing_m=300, minimum_block_m2=0, minimum_land_share=0
    )
    regions = build_regions(boundary(wide), settings)
    assert wide.difference(regions.union_all()).area < 1e-5 * wide.area
    assert shapely.intersects(regions.geometry.to_numpy(), wide).mean() > 0.99


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("crs", [3857, 32618, 2263], ids=["Mercator", "UTM", "US feet"])
def test_a_boundary_in_another_crs_is_reprojected(grid, crs):
    # With corners every 100 m or so: an edge is straight in one CRS alone.
    land = boundary(shapely.segmentize(square(), 0.001), square(0.04, 0.02, 0.005))
    expected = build_regions(land, wanted(grid))
    found = build_regions(land.to_crs(crs), wanted(grid))
    assert found["region_id"].to_list() == expected["region_id"].to_list()
    np.testing.assert_allclose(found["land_share"], expected["land_share"], atol=1e-4)
    assert found.crs == expected.crs == 4326


@pytest.mark.parametrize("grid", GRIDS)
def test_the_order_of_the_parts_does_not_matter(grid):
    parts = SHAPES["several parts"]
    one, other = (build_regions(boundary(*p), wanted(grid)) for p in (parts, parts[::-1]))
    assert one["region_id"].to_list() == other["region_id"].to_list()
    np.testing.assert_allclose(one["land_share"], other["land_share"], rtol=1e-9)


@pytest.mark.parametrize("grid", GRIDS)
def test_neighbours_are_regions_and_mutual(grid):
    regions = build_regions(boundary(*SHAPES["hole"]), wanted(grid)).set_index("region_id")
    for name, neighbours in regions["neighbours"].items():
        assert list(neighbours) == sorted(neighbours)
        for other in neighbours:
            assert name in regions.loc[other, "neighbours"]
    counts = regions["neighbours"].map(len)
    assert counts.max() > counts.min()
    assert regions.index.is_monotonic_increasing


@pytest.mark.parametrize("grid", GRIDS)
def test_an_extent_keeps_the_centres_that_lie_in_it(grid):
    whole = build_regions(boundary(square(half=0.05)), wanted(grid))
    extent = Extent(
        west=LONGITUDE - 0.02, south=LATITUDE, east=LONGITUDE + 0.03, north=LATITUDE + 0.04
    )
    part = build_regions(boundary(square(half=0.05)), wanted(grid), extent)
    inside = [
        extent.west <= x <= extent.east and extent.south <= y <= extent.north
        for x, y in zip(whole["longitude"], whole["latitude"], strict=True)
    ]
    assert 0 < sum(inside) < len(whole)
    assert part["region_id"].to_list() == whole.loc[inside, "region_id"].to_list()
    columns = ["land_share", "area_km2", "spatial_block"]
    expected = whole.loc[inside, columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.DataFrame(part[columns]), pd.DataFrame(expected))
    assert {name for names in part["neighbours"] for name in names} <= set(part["region_id"])


@pytest.mark.parametrize("grid", GRIDS)
def test_wide_spatial_blocks_hold_whole_ones_or_more_cells(grid: str) -> None:
    regions = build_regions(boundary(square(half=0.2)), wanted(grid))
    assert (
        regions["wide_spatial_block"].nunique() < regions["spatial_block"].nunique() < len(regions)
    )
    cells = (
        regions.groupby("wide_spatial_block").size().max(),
        regions.groupby("spatial_block").size().max(),
    )
    assert 4 < cells[0] / cells[1] < 9


def test_a_region_is_of_the_district_nearest_to_its_centre() -> None:
    west, east = square(-0.03, half=0.02), square(0.03, half=0.02)
    land = boundary(east, west).assign(district=["east", "west"])
    regions = build_regions(land, wanted())
    assert set(regions["district"]) == {"east", "west"}
    assert ((regions["longitude"] < LONGITUDE) == (regions["district"] == "west")).all()


def test_without_names_there_are_no_districts() -> None:
    assert build_regions(boundary(square()), wanted())["district"].isna().all()


BOWTIE = Polygon([(-74, 40), (-73, 41), (-73, 40), (-74, 41)])


@pytest.mark.parametrize(
    ("land", "message"),
    [
        (boundary(), "is empty"),
        (boundary(Polygon(), None), "is empty"),
        (boundary(square(), crs=None), "has no CRS"),
        (boundary(square(), BOWTIE), r"is invalid \(Self-intersection"),
        (boundary(square(), LineString([(-74, 40), (-73, 41)])), "it holds LineString, Polygon"),
        (boundary(box(583_000, 4_507_000, 590_000, 4_510_000)), "outside the range of its CRS"),
        (boundary(box(0, 0, 1e30, 1e30), crs=32618), "outside the range of its CRS"),
    ],
)
@pytest.mark.parametrize("grid", GRIDS)
def test_a_boundary_of_no_use_is_refused(land, message, grid):
    with pytest.raises(InputError, match=message) as caught:
        build_regions(land, wanted(grid))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("land", "message"),
    [
        ([box(179.85, -16.95, 180, -16.75), box(-180, -16.95, -179.95, -16.75)], "both sides of"),
        ([box(179.85, -16.95, 180, -16.75)], r"^\d+ cells reach over 180 degrees"),
        ([box(-180, -16.95, -179.85, -16.75)], r"^\d+ cells reach over 180 degrees"),
        ([box(10, 84.4, 10.5, 84.5)], "lies beyond the UTM zones, which end at 84 degrees north"),
        ([box(10, -80.6, 10.5, -80.5)], "lies beyond the UTM zones"),
    ],
    ids=["both sides", "the east", "the west", "north", "south"],
)
@pytest.mark.parametrize("grid", GRIDS)
def test_where_degrees_or_zones_end_is_refused(land, message, grid):
    with pytest.raises(InputError, match=message) as caught:
        build_regions(boundary(*land), wanted(grid))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("grid", GRIDS)
def test_an_extent_keeps_a_city_clear_of_180_degrees(grid):
    land = boundary(box(179.85, -16.95, 180, -16.75))
    kept = build_regions(land, wanted(grid), Extent(west=179, south=-17, east=179.95, north=-16))
    widths = kept.bounds["maxx"] - kept.bounds["minx"]
    assert len(kept) > 50
    assert widths.max() < 0.02


@pytest.mark.parametrize(
    ("share", "extent"),
    [(1, None), (0, Extent(west=0, south=0, east=1, north=1))],
    ids=["share", "extent"],
)
def test_no_region_left(share, extent):
    with pytest.raises(InputError, match="no region is left: see cities"):
        build_regions(boundary(square(half=0.001)), wanted(share=share), extent)


def run(root, extent=None, roads=None, **section):
    place = root / "data/toy/raw/boundary" / BOROUGHS
    place.parent.mkdir(parents=True, exist_ok=True)
    parts = boundary(*SHAPES["several parts"])
    parts.assign(name=[f"part {number}" for number in range(len(parts))]).to_file(
        place, driver="GeoJSON"
    )
    job = job_in(
        root,
        ["raw/boundary", "raw/roads"],
        ["regions.parquet"],
        cities__toy__boundary={"provider": "sample"},
        cities__toy__roads=roads,
        cities__toy__extent=extent,
        regions=wanted().model_dump() | section,
    )
    stage.run(job)
    job.publish()
    return root / "data/toy/regions.parquet"


@pytest.mark.parametrize("grid", GRIDS)
def test_the_stage_writes_the_table_twice_alike(tmp_path, grid):
    one, other = (run(tmp_path / name, grid=grid) for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()
    table = read_geotable(one)
    assert list(table.columns) == list(SCHEMA.columns)
    assert table.crs == 4326
    expected = build_regions(boundary(*SHAPES["several parts"]), wanted(grid))
    assert table["region_id"].to_list() == expected["region_id"].to_list()
    assert [list(names) for names in table["neighbours"]] == expected["neighbours"].to_list()


def test_the_stage_cuts_to_the_extent(tmp_path):
    extent = {"west": LONGITUDE, "south": 40, "east": -73, "north": 41}
    table = read_geotable(run(tmp_path, extent))
    assert (table["longitude"] >= LONGITUDE).all()
    assert len(table) < len(build_regions(boundary(*SHAPES["several parts"]), wanted()))


def test_an_extent_that_cannot_be_is_a_wrong_parameter(tmp_path):
    extent = {"west": 1, "south": 40, "east": -73, "north": 41}
    with pytest.raises(ParameterError, match=r"extent.*west must be below east"):
        run(tmp_path, extent)


def tracts(names: list[str] | None = None) -> gpd.GeoDataFrame:
    """Four squares in a row, the last of two parts, the third apart by a slit of centimetres."""
    shapes = [square(0.04 * step, half=0.02) for step in range(4)]
    shapes[2] = box(shapes[2].bounds[0] + 1e-7, *shapes[2].bounds[1:])
    shapes[3] = MultiPolygon([shapes[3], square(0.3, half=0.01)])
    table = gpd.GeoDataFrame(geometry=shapes, crs=4326).to_crs(32618)
    return table if names is None else table.assign(name=names)


def test_polygons_of_the_boundary_are_the_regions():
    regions = build_regions(tracts(["d", "b", "c", "a"]), wanted("polygons"))
    assert regions["region_id"].tolist() == ["a", "b", "c", "d"]
    around = dict(zip(regions["region_id"], regions["neighbours"], strict=True))
    assert around == {"a": ["c"], "b": ["c", "d"], "c": ["a", "b"], "d": ["b"]}
    assert regions["land_share"].to_numpy() == pytest.approx(1, abs=1e-3)
    for row in regions.itertuples():
        inside = Point(row.longitude, row.latitude)
        assert row.geometry.contains(inside)
        assert h3.latlng_to_cell(inside.y, inside.x, 6) == row.spatial_block
        assert h3.latlng_to_cell(inside.y, inside.x, 5) == row.wide_spatial_block
    SCHEMA.validate(regions)


def test_polygons_of_one_name_are_one_region():
    regions = build_regions(tracts(["x", "x", "y", "y"]), wanted("polygons"))
    assert regions["region_id"].tolist() == ["x", "y"]


def test_polygons_without_names_are_refused():
    with pytest.raises(InputError, match=r"have no names; set, .*`name` .*`district_level`"):
        build_regions(tracts(), wanted("polygons"))


def streets(*norths: float) -> gpd.GeoDataFrame:
    """Streets from west to east through the square, and one from south to north."""
    lines = [
        LineString([(LONGITUDE - 0.03, LATITUDE + n), (LONGITUDE + 0.03, LATITUDE + n)])
        for n in norths
    ]
    across = LineString([(LONGITUDE, LATITUDE - 0.03), (LONGITUDE, LATITUDE + 0.03)])
    return gpd.GeoDataFrame(geometry=[*lines, across], crs=4326).to_crs(3857)


def test_blocks_between_roads_are_the_regions():
    settings = wanted("blocks").model_copy(update={"minimum_block_m2": 1000.0})
    regions = build_regions(boundary(square()), settings, roads=streets(-0.01, 0.01, 0.010001))
    # Three rows of two; what lies between the two carriageways is no block.
    assert len(regions) == 6
    assert regions["land_share"].to_numpy() == pytest.approx(1, abs=1e-3)
    whole = gpd.GeoSeries([square()], crs=4326).to_crs(32618).area.sum() / 1e6
    assert regions["area_km2"].sum() == pytest.approx(whole, rel=1e-3)
    assert sorted(map(len, regions["neighbours"])) == [2, 2, 2, 2, 3, 3]
    SCHEMA.validate(regions)


def test_blocks_need_roads(tmp_path):
    with pytest.raises(InputError, match=r"grid is blocks, and the city has no roads; give cities"):
        run(tmp_path, grid="blocks")


def test_the_stage_reads_the_roads_of_the_city(tmp_path):
    place = tmp_path / "data/toy/raw/roads"
    place.mkdir(parents=True)
    streets(0).to_file(place / "roads.gpkg")
    roads = {"provider": "file", "path": "roads.gpkg"}
    found = read_geotable(run(tmp_path, roads=roads, grid="blocks", minimum_land_share=0))
    assert found["region_id"].str.startswith("block_").all()
