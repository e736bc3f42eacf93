from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musecl.sources.sample.class_raster import CEMETERY, LAND, PARK, STATION, STREET, WATER, palette
from musecl.sources.sample.perspective import (
    BUILDING_M,
    EYE_M,
    FIRST_STEP_M,
    SIGHT_M,
    STATION_M,
    TREE_M,
    render_panorama,
)

STEP = 2.5
SIZE = 201
MIDDLE = SIZE / 2
PIXELS = 64
# Walls in pure colours, so that shade and haze change how bright they are and not which they are.
NORTH, EAST, SOUTH, WEST = 40, 41, 42, 43
COLOURS = palette()
COLOURS[[NORTH, EAST, SOUTH, WEST]] = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]


def ground(value: int = LAND) -> np.ndarray:
    return np.full((SIZE, SIZE), value, np.uint8)


def put(classes: np.ndarray, east_m: float, north_m: float, half_m: float, value: int) -> None:
    """A square of a class, so many metres from the middle of the raster."""
    column, row = MIDDLE + east_m / STEP, MIDDLE - north_m / STEP
    half = half_m / STEP
    classes[round(row - half) : round(row + half), round(column - half) : round(column + half)] = (
        value
    )


def look(classes: np.ndarray, bearing_degrees: float = 0.0, pixels: int = PIXELS) -> np.ndarray:
    viewpoint = (MIDDLE, MIDDLE, np.deg2rad(bearing_degrees))
    return render_panorama(classes, COLOURS, viewpoint, STEP, pixels)


def sky_and_ground(value: int = LAND) -> np.ndarray:
    return look(ground(value))


def columns_with(panorama: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """Which of the 4 x P columns differ from an empty plain above the horizon."""
    upper = panorama.shape[1] // 2
    different = (panorama[:, :upper] != empty[:, :upper]).any(axis=(1, 3))
    return different.reshape(-1)


def four_walls() -> np.ndarray:
    classes = ground()
    for value, east, north in (
        (NORTH, 0, 40),
        (EAST, 40, 0),
        (SOUTH, 0, -40),
        (WEST, -40, 0),
    ):
        put(classes, east, north, 12.5, value)
    return classes


def wall_at_centre(view: np.ndarray) -> int:
    """Which of the four walls stands in the middle column, just above the horizon."""
    red, green, blue = (int(c) for c in view[PIXELS // 2 - 3, PIXELS // 2])
    strongest = max(red, green, blue)
    lit = tuple(c > 0.75 * strongest for c in (red, green, blue))
    return {
        (True, False, False): NORTH,
        (False, True, False): EAST,
        (False, False, True): SOUTH,
        (True, True, False): WEST,
    }[lit]


@pytest.mark.parametrize(
    ("bearing", "expected"),
    [
        (0, [NORTH, EAST, SOUTH, WEST]),
        (90, [EAST, SOUTH, WEST, NORTH]),
        (180, [SOUTH, WEST, NORTH, EAST]),
        (-90, [WEST, NORTH, EAST, SOUTH]),
    ],
)
def test_each_view_looks_a_quarter_further_to_the_right(bearing: float, expected: list) -> None:
    assert [wall_at_centre(view) for view in look(four_walls(), bearing)] == expected


@settings(max_examples=40, deadline=None)
@given(direction=st.floats(0, 360), bearing=st.floats(-180, 180))
def test_a_thing_stands_at_its_angle_and_nowhere_else(direction: float, bearing: float) -> None:
    classes = ground()
    angle = np.deg2rad(direction)
    put(classes, 80 * np.sin(angle), 80 * np.cos(angle), 5, NORTH)
    seen = np.flatnonzero(columns_with(look(classes, bearing), sky_and_ground()))
    # Direction of each column of the panorama, as a pinhole camera of 90 degrees has them.
    view, x = np.divmod(seen, PIXELS)
    slopes = (x + 0.5) / (PIXELS / 2) - 1
    directions = bearing + view * 90 + np.rad2deg(np.arctan(slopes))
    off = (directions - direction + 180) % 360 - 180
    assert len(seen) >= 3
    assert np.abs(off).max() < 9


def test_the_four_views_cover_the_circle_without_a_gap() -> None:
    ring = ground()
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    ring[np.hypot(rows - MIDDLE, columns - MIDDLE) > 30] = NORTH
    assert columns_with(look(ring, 33), sky_and_ground()).all()
    for direction in range(0, 360, 5):
        gap = ring.copy()
        angles = np.rad2deg(np.arctan2(columns - MIDDLE, MIDDLE - rows))
        gap[np.abs((angles - direction + 180) % 360 - 180) < 4] = LAND
        open_columns = ~columns_with(look(gap, 33), sky_and_ground())
        # One gap of 8 degrees, in one run of columns around the circle.
        runs = np.count_nonzero(open_columns & ~np.roll(open_columns, 1))
        assert runs == 1
        assert 3 <= open_columns.sum() <= 9


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turning_the_city_turns_the_views(quarters: int) -> None:
    classes = ground()
    generator = np.random.default_rng(1)
    for _ in range(25):
        east, north = generator.uniform(-200, 200, 2)
        if max(abs(east), abs(north)) > 25:
            put(classes, east, north, 8, int(generator.choice([NORTH, EAST, PARK, STREET])))
    turned = look(np.ascontiguousarray(np.rot90(classes, quarters)))
    expected = np.roll(look(classes), -quarters, axis=0)
    # Facades are lit and patterned by the compass; their outlines are not.
    plain = sky_and_ground()
    same = columns_with(turned, plain) == columns_with(expected, plain)
    assert same.mean() > 0.97


@pytest.mark.parametrize("distance", [15, 30, 60, 120])
def test_a_wall_is_as_high_as_perspective_makes_it(distance: float) -> None:
    classes = ground()
    classes[: round(MIDDLE - distance / STEP)] = NORTH
    column = look(classes, pixels=256)[0][:, 128].astype(int)
    wall = np.flatnonzero(column[:, 1] < 100)
    focal, horizon = 128, 128
    top = max(0, horizon - (BUILDING_M - EYE_M) * focal / distance)
    bottom = horizon + EYE_M * focal / distance
    assert wall.min() == pytest.approx(top, abs=1 + 12 * 6.5 / distance)
    assert wall.max() + 1 == pytest.approx(bottom, abs=1 + 12 * 2.5 / distance)


@pytest.mark.parametrize(
    ("value", "height", "to_the_ground"),
    [(PARK, TREE_M, False), (CEMETERY, TREE_M, False), (STATION, STATION_M, True)],
)
def test_trees_and_stations_stand_out(value: int, height: float, to_the_ground: bool) -> None:
    classes = ground()
    classes[: round(MIDDLE - 40 / STEP)] = value
    column = look(classes, pixels=256)[0][:, 128]
    plain = look(ground(), pixels=256)[0][:, 128]
    above = np.flatnonzero((column[:128] != plain[:128]).any(axis=1))
    assert 128 - above.min() == pytest.approx((height - EYE_M) * 128 / 40, abs=2)
    below = (column[128:131] == column[127]).all()
    assert below == to_the_ground


def is_green(colours: np.ndarray) -> np.ndarray:
    red, green, blue = colours.astype(int).T
    return (green > red + 10) & (green > blue + 10)


def test_a_building_hides_the_trees_behind_it_and_not_those_before() -> None:
    classes = ground()
    put(classes, 0, 100, 10, PARK)
    put(classes, 0, 50, 10, NORTH)
    assert not is_green(look(classes)[0][: PIXELS // 2, PIXELS // 2]).any()
    put(classes, 0, 25, 5, PARK)
    assert is_green(look(classes)[0][: PIXELS // 2, PIXELS // 2]).any()


def test_open_water_is_blue_to_the_horizon_and_a_dense_block_is_not() -> None:
    water = look(ground(WATER))
    lower = water[:, PIXELS // 2 :].astype(int)
    assert (lower[..., 2] > lower[..., 0]).all()
    assert not columns_with(water, sky_and_ground()).any()
    block = ground(STREET)
    block[np.abs(np.arange(SIZE) - MIDDLE) > 4] = 200
    dense = look(block)
    assert columns_with(dense, sky_and_ground()).mean() > 0.9
    assert np.abs(dense.astype(int) - water.astype(int)).mean() > 20


def test_the_ground_shows_the_street_under_the_eye() -> None:
    classes = ground()
    classes[:, 99:102] = STREET
    north, east, _, _ = look(classes)
    below = north[-1, PIXELS // 2].astype(int)
    assert below.max() - below.min() < 12
    assert np.abs(below - COLOURS[STREET]).max() < 12
    # Two metres and a half ahead is still the street, six metres to the right is land.
    assert np.abs(east[PIXELS // 2 + 8, PIXELS // 2].astype(int) - COLOURS[LAND]).max() < 12


def test_nothing_is_seen_beyond_sight_or_under_the_feet() -> None:
    classes = ground()
    put(classes, 0, SIGHT_M + 15, 10, NORTH)
    put(classes, 0, 0, FIRST_STEP_M / 2, NORTH)
    assert not columns_with(look(classes), sky_and_ground()).any()


@pytest.mark.parametrize(("column", "row"), [(2.5, 100), (198.5, 100), (100, 2.5), (100, 198.5)])
def test_beyond_the_edge_of_the_raster_is_water(column: float, row: float) -> None:
    classes = four_walls()
    around = np.pad(classes, 250, constant_values=WATER)
    found = render_panorama(classes, COLOURS, (column, row, 0.7), STEP, PIXELS)
    expected = render_panorama(around, COLOURS, (column + 250, row + 250, 0.7), STEP, PIXELS)
    assert np.array_equal(found, expected)


def test_far_outside_the_raster_is_open_water() -> None:
    outside = render_panorama(ground(), COLOURS, (-5000.0, -5000.0, 0.0), STEP, PIXELS)
    assert np.array_equal(outside, look(ground(WATER)))


def test_two_threads_render_the_same_bytes_as_one() -> None:
    classes = np.random.default_rng(3).choice([LAND, STREET, PARK, 77, 180], (SIZE, SIZE))
    classes = classes.astype(np.uint8)
    viewpoints = [(MIDDLE + n, MIDDLE - n, 0.1 * n) for n in range(40)]

    def render(viewpoint: tuple[float, float, float]) -> np.ndarray:
        return render_panorama(classes, COLOURS, viewpoint, STEP, 48)

    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(render, viewpoints))
    assert np.array_equal(together, [render(viewpoint) for viewpoint in viewpoints])
