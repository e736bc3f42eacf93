import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from scipy.spatial import Voronoi

from drawn_city import degrees
from musecl.sources.sample.blocks import (
    Lots,
    block_streets,
    buildings,
    cell_areas,
    distinct_lots,
    place_lots,
    voronoi_edges,
)

UTM = CRS.from_epsg(32618)


def lots_at(position: np.ndarray, block: np.ndarray | list[int]) -> Lots:
    identity = np.arange(len(position), dtype=np.uint64)
    return Lots(np.asarray(position, float), np.asarray(block, np.uint64), identity)


def two_rows_of_blocks() -> Lots:
    """Four blocks of 5 x 2 lots, 10 m apart; 24 m from a block's last lot to the next block."""
    spots, blocks = [], []
    for block in range(4):
        east, north = block % 2 * 64, block // 2 * 34
        for lot in range(10):
            spots.append((east + lot % 5 * 10, north + lot // 5 * 10))
            blocks.append(block)
    jitter = np.random.default_rng(0).uniform(-0.01, 0.01, (len(spots), 2))
    return lots_at(np.array(spots) + jitter, blocks)


def as_set(pair: np.ndarray, start: np.ndarray, end: np.ndarray) -> dict:
    ends = [sorted(map(tuple, np.round([a, b], 4))) for a, b in zip(start, end, strict=True)]
    return {tuple(sorted(p)): e for p, e in zip(pair.tolist(), ends, strict=True)}


@pytest.mark.parametrize("count", [4, 7, 60, 400])
def test_edges_are_those_of_the_voronoi_diagram(count: int) -> None:
    position = np.random.default_rng(count).uniform(0, 1000, (count, 2))
    found = voronoi_edges(position)
    diagram = Voronoi(position)
    ridges = np.array(diagram.ridge_vertices)
    bounded = (ridges >= 0).all(axis=1)
    start, end = (diagram.vertices[ridges[bounded, side]] for side in (0, 1))
    assert as_set(found.pair, found.start, found.end) == as_set(
        diagram.ridge_points[bounded], start, end
    )


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_few_lots_have_no_edges_and_still_a_building_each(count: int) -> None:
    lots = lots_at(np.arange(2 * count).reshape(count, 2) * 7.0, [1] * count)
    edges = voronoi_edges(lots.position)
    assert len(edges.pair) == 0
    assert block_streets(lots, edges).shape == (0, 2, 2)
    assert buildings(lots, cell_areas(lots, edges)).shape == (count, 4, 2)


def test_cell_areas_are_those_of_the_polygons() -> None:
    position = np.random.default_rng(1).uniform(0, 1000, (200, 2))
    lots = lots_at(position, [0] * 200)
    areas = cell_areas(lots, voronoi_edges(position))
    points = shapely.MultiPoint(position)
    cells = shapely.get_parts(shapely.voronoi_polygons(points, extend_to=points.buffer(5000)))
    inner = shapely.box(200, 200, 800, 800)
    checked = 0
    for cell in cells:
        (lot,) = np.flatnonzero(shapely.contains_xy(cell, *position.T))
        if inner.contains(cell):
            assert areas[lot] == pytest.approx(cell.area, rel=1e-6)
            checked += 1
    assert checked > 40


def test_streets_run_between_blocks_only() -> None:
    lots = two_rows_of_blocks()
    streets = block_streets(lots, voronoi_edges(lots.position))
    middles = streets.mean(axis=1)
    # Half way: at 52 m east between columns of blocks, at 22 m north between the rows.
    near = (np.abs(middles[:, 0] - 52) < 0.5) | (np.abs(middles[:, 1] - 22) < 0.5)
    assert near.all()
    lengths = np.hypot(*(streets[:, 1] - streets[:, 0]).T)
    assert lengths.min() > 1
    assert lengths.max() < 400
    # 104 m along the rows less half a lot at either end, where cells are unbounded.
    assert lengths[np.abs(middles[:, 1] - 22) < 0.5].sum() == pytest.approx(104, abs=16)


@pytest.mark.parametrize(("gap", "expected"), [(3.5, 0), (40, 1), (155, 1), (165, 0)])
def test_blocks_too_close_or_too_far_have_no_street(gap: float, expected: int) -> None:
    west = [(0.0, n) for n in (0, 60, 120, 180)]
    east = [(gap, n + 0.5) for n in (0, 60, 120, 180)]
    lots = lots_at(np.array(west + east), [1] * 4 + [2] * 4)
    streets = block_streets(lots, voronoi_edges(lots.position))
    straight = np.abs(streets[:, :, 0] - gap / 2).max(axis=1) < 1
    assert (straight.sum() > 0) == bool(expected)


def test_a_street_begins_in_the_west() -> None:
    lots = two_rows_of_blocks()
    streets = block_streets(lots, voronoi_edges(lots.position))
    assert (streets[:, 0, 0] <= streets[:, 1, 0]).all()


def test_a_building_lies_along_the_row_of_its_block() -> None:
    row = np.column_stack([np.arange(6) * 10.0, np.zeros(6)])
    turn = np.deg2rad(30)
    turned = row @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    lots = lots_at(turned, [3] * 6)
    corners = buildings(lots, np.full(6, 400.0))
    along = corners[:, 1] - corners[:, 0]
    across = corners[:, 2] - corners[:, 1]
    assert np.hypot(*along.T) == pytest.approx(8.6)
    assert np.hypot(*across.T) == pytest.approx(20)
    angle = np.rad2deg(np.arctan2(along[:, 1], along[:, 0])) % 180
    assert angle == pytest.approx(30)
    assert corners.mean(axis=1) == pytest.approx(turned)


def test_a_lot_alone_in_its_block_is_as_wide_as_its_area_allows() -> None:
    lots = lots_at(np.array([(0.0, 0.0), (30.0, 0.0), (0.0, 30.0), (30.0, 31.0)]), [1, 2, 3, 4])
    corners = buildings(lots, np.full(4, 900.0))
    assert np.hypot(*(corners[:, 1] - corners[:, 0]).T) == pytest.approx(30 * 0.86)


def lots_frame() -> pd.DataFrame:
    generator = np.random.default_rng(2)
    spots = [degrees(*spot) for spot in generator.uniform(0, 300, (40, 2))]
    return pd.DataFrame(
        {
            "borough": ["BK", "QN"] * 20,
            "block": np.arange(40) // 8,
            "lot": np.arange(40),
            "longitude": [longitude for longitude, _ in spots],
            "latitude": [latitude for _, latitude in spots],
        }
    )


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(40)))
def test_lots_are_placed_alike_in_any_order(order: list[int]) -> None:
    frame = lots_frame()
    expected = place_lots(distinct_lots(frame), UTM)
    found = place_lots(distinct_lots(frame.iloc[order]), UTM)
    assert np.array_equal(found.position, expected.position)
    assert np.array_equal(found.identity, expected.identity)
    assert np.array_equal(found.block, expected.block)


def test_a_lot_does_not_move_because_of_others() -> None:
    frame = distinct_lots(lots_frame())
    whole, part = place_lots(frame, UTM), place_lots(frame.iloc[10:20], UTM)
    assert np.array_equal(whole.position[10:20], part.position)


def test_lots_move_by_two_centimetres_at_most_and_apart() -> None:
    frame = lots_frame().assign(longitude=-73.95, latitude=40.7)
    lots = place_lots(distinct_lots(frame), UTM)
    spread = lots.position.max(axis=0) - lots.position.min(axis=0)
    assert (spread <= 0.04).all()
    assert len(np.unique(lots.position, axis=0)) == 40


def test_the_same_block_number_in_two_boroughs_is_two_blocks() -> None:
    lots = place_lots(distinct_lots(lots_frame()), UTM)
    assert len(np.unique(lots.block)) == 10
    assert len(np.unique(lots.identity)) == 40


def test_a_lot_listed_twice_counts_once_and_labels_are_dropped() -> None:
    frame = lots_frame().assign(unitsres=7.0)
    twice = pd.concat([frame, frame.head(5).assign(unitsres=8.0)])
    found = distinct_lots(twice)
    assert len(found) == 40
    assert list(found.columns) == ["borough", "block", "lot", "latitude", "longitude"]
