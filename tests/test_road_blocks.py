"""Blocks between roads: a chessboard of streets, slivers, and Monaco."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shapely import LineString, box

from musecl.geography.blocks import blocks_over, common_edges, merge_small
from musecl.runtime.errors import InputError
from musecl.sources.osm.collectors import Roads
from musecl.sources.osm.extract import scan
from shared_data import shared

LAND = gpd.GeoSeries([box(10.0, 50.0, 10.03, 50.02)], crs=4326).segmentize(1e-3)


def street(*corners):
    return LineString(corners).segmentize(1e-3)


def streets(*more):
    lines = [
        street((10.01, 49.99), (10.01, 50.03)),
        street((10.02, 49.99), (10.02, 50.03)),
        street((9.99, 50.01), (10.04, 50.01)),
        street((10.005, 50.0), (10.005, 50.005)),  # a dead end
    ]
    return gpd.GeoSeries([*lines, *more], crs=4326)


def outlines(cells):
    return gpd.GeoSeries([cell.outline for cell in cells], crs=4326)


def test_a_chessboard():
    cells = blocks_over(LAND, streets(), 100, 8)
    assert len(cells) == 6
    assert [cell.name for cell in cells] == sorted(cell.name for cell in cells)
    assert all(cell.name.startswith("block_8c") for cell in cells)
    shapes = outlines(cells)
    assert shapes.union_all().symmetric_difference(LAND[0]).area < 1e-9
    by_place = {
        (cell.longitude > 10.01, cell.longitude > 10.02, cell.latitude > 50.01): cell
        for cell in cells
    }
    corner, middle = by_place[False, False, False], by_place[True, False, False]
    assert len(corner.neighbours) == 2
    assert len(middle.neighbours) == 3
    assert middle.name in corner.neighbours
    assert by_place[True, False, True].name not in corner.neighbours  # only a corner in common
    assert {len(cell.spatial_block) for cell in cells} == {15}


def test_the_order_of_the_roads_changes_nothing():
    lines = streets(street((10.0, 50.0), (10.03, 50.02)))
    one, other = (blocks_over(LAND, roads, 1e5, 8) for roads in (lines, lines[::-1]))
    assert [cell.name for cell in one] == [cell.name for cell in other]
    assert [cell.neighbours for cell in one] == [cell.neighbours for cell in other]


def test_a_sliver_joins_the_neighbour_of_its_longest_edge():
    # A second carriageway 7 m east of the first street, and a link that cuts it in two.
    double = street((10.0101, 49.99), (10.0101, 50.03))
    cells = blocks_over(LAND, streets(double), 100, 8)
    assert len(cells) == 8
    cells = blocks_over(LAND, streets(double), 20_000, 8)
    assert len(cells) == 6
    assert outlines(cells).union_all().symmetric_difference(LAND[0]).area < 1e-9
    assert all(cell.outline.geom_type == "Polygon" for cell in cells)


def test_merging_takes_the_smallest_first_and_the_longest_edge():
    edges = {0: {1: 5.0, 2: 9.0}, 1: {0: 5.0}, 2: {0: 9.0, 3: 1.0}, 3: {2: 1.0}, 4: {}}
    groups, left = merge_small(np.array([1.0, 50, 3, 50, 2]), edges, 10)
    # 0 joins 2, which is still too small and joins 1; 4 has no neighbour.
    assert groups == {1: [1, 2, 0], 3: [3], 4: [4]}
    assert left == {1: {3: 1.0}, 3: {1: 1.0}, 4: {}}


def test_common_edges_of_squares():
    faces = np.array([box(0, 0, 1, 1), box(1, 0, 2, 1), box(0, 1, 1, 2)], dtype=object)
    assert common_edges(faces) == {0: {1: 1.0, 2: 1.0}, 1: {0: 1.0}, 2: {0: 1.0}}


def test_blocks_that_share_a_cell_are_told_apart():
    land = gpd.GeoSeries([box(10.0, 50.0, 10.00002, 50.00002)], crs=4326)
    roads = gpd.GeoSeries([street((10.00001, 49.999), (10.00001, 50.001))], crs=4326)
    names = [cell.name for cell in blocks_over(land, roads, 0.1, 8)]
    assert names[0][:-1] == names[1][:-1]
    assert [name[-2:] for name in names] == ["_1", "_2"]


def test_land_without_a_road():
    with pytest.raises(InputError, match="no road lies on the land"):
        blocks_over(LAND, gpd.GeoSeries([street((10, 50.1), (10.01, 50.1))], crs=4326), 100, 8)


def test_monaco():
    path = shared("open_samples", "osm", "monaco-latest.osm.pbf")
    area = box(7.415, 43.73, 7.425, 43.738)
    wanted = Roads(area.buffer(0.002))
    scan(path, wanted)
    land = gpd.GeoSeries([area], crs=4326)
    cells = blocks_over(land, wanted.table().geometry, 2_000, 10)
    shapes = outlines(cells).to_crs(32632)
    assert 50 < len(cells) < 200
    assert shapes.area.min() > 1_900
    assert shapes.area.sum() == pytest.approx(land.to_crs(32632).area.sum(), rel=1e-3)
    assert len({cell.name for cell in cells}) == len(cells)
    first, second = shapes.sindex.query(shapes, predicate="overlaps")
    overlap = shapely.intersection(shapes.to_numpy()[first], shapes.to_numpy()[second])
    assert shapely.area(overlap).sum() < 1
