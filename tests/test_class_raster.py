import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from pyproj import CRS

from drawn_city import regions_table
from musecl.sources.sample import class_raster
from musecl.sources.sample.class_raster import (
    FIRST_BUILDING,
    LAND,
    PARK,
    STATION,
    STREET,
    WATER,
    Frame,
    building_tones,
    draw_city,
    frame_of,
    palette,
    values_at,
)

UTM = CRS.from_epsg(32618)
NO_AREAS = gpd.GeoDataFrame({"kind": []}, geometry=[], crs=UTM)


def frame_at(west: float, north: float, size: int = 200, step: float = 2.5) -> Frame:
    transform = rasterio.Affine(step, 0, west, 0, -step, north)
    return Frame(UTM, transform, size, size)


def centres(frame: Frame) -> np.ndarray:
    """Positions (H * W, 2) of the pixels' centres, row by row."""
    rows, columns = np.mgrid[: frame.height, : frame.width] + 0.5
    return np.column_stack(frame.transform @ (columns.ravel(), rows.ravel()))


def draw(frame: Frame, land: shapely.Geometry, **parts) -> np.ndarray:
    nothing = {
        "open_areas": NO_AREAS,
        "rectangles": np.empty((0, 4, 2)),
        "tones": np.empty(0, np.uint8),
        "streets": np.empty((0, 2, 2)),
        "stations": np.empty((0, 2)),
    }
    return draw_city(frame, land, **(nothing | parts))


def box_corners(west: float, south: float, east: float, north: float) -> np.ndarray:
    return np.array([[(west, south), (east, south), (east, north), (west, north)]])


def test_the_frame_holds_the_regions_and_a_margin() -> None:
    regions = regions_table()
    frame = frame_of(regions, UTM, 2.5)
    west, south, east, north = frame.box().bounds
    inner = regions.to_crs(UTM).total_bounds
    margins = inner[0] - west, inner[1] - south, east - inner[2], north - inner[3]
    assert all(1200 <= margin <= 1202.5 for margin in margins)
    assert west % 2.5 == 0
    assert north % 2.5 == 0
    assert frame.metres_per_pixel == 2.5


@pytest.mark.parametrize(
    "land",
    [
        shapely.Point(250, 250).buffer(180),
        shapely.Point(250, 250).buffer(180).difference(shapely.Point(260, 240).buffer(60)),
        shapely.MultiPolygon([shapely.box(20, 20, 130, 480), shapely.box(200, 33, 470, 300)]),
        shapely.box(-90_000, -50_000, 250, 80_000),
    ],
)
def test_land_is_where_the_polygon_is(land: shapely.Geometry) -> None:
    frame = frame_at(0, 500)
    drawn = draw(frame, land).ravel()
    positions = centres(frame)
    clear = shapely.distance(land.boundary, shapely.points(positions)) > 2.5
    expected = np.where(shapely.contains_xy(land, *positions.T), LAND, WATER)
    assert np.array_equal(drawn[clear], expected[clear])
    assert {LAND, WATER} == set(drawn)


def test_open_areas_lie_over_buildings_and_streets_and_water_over_all() -> None:
    frame = frame_at(0, 500)
    park = gpd.GeoDataFrame({"kind": ["park"]}, geometry=[shapely.box(0, 0, 200, 500)], crs=UTM)
    drawn = draw(
        frame,
        shapely.box(0, 0, 500, 300),
        open_areas=park,
        rectangles=box_corners(100, 100, 350, 400),
        tones=np.array([77], np.uint8),
        streets=np.array([[(0.0, 200.0), (500.0, 200.0)]]),
    )
    spots = np.array([(150, 150), (150, 200), (300, 150), (300, 200), (300, 350), (450, 100)])
    assert values_at(drawn, frame, spots).tolist() == [PARK, PARK, 77, STREET, WATER, LAND]


def test_an_open_area_outside_the_frame_draws_nothing() -> None:
    frame = frame_at(0, 500)
    far = gpd.GeoDataFrame({"kind": ["park"]}, geometry=[shapely.box(9e3, 0, 9.9e3, 500)], crs=UTM)
    drawn = draw(frame, shapely.box(0, 0, 500, 500), open_areas=far)
    assert (drawn == draw(frame, shapely.box(0, 0, 500, 500))).all()


def test_a_street_is_ten_metres_wide_and_a_station_twenty() -> None:
    frame = frame_at(0, 500)
    drawn = draw(
        frame,
        frame.box(50),
        streets=np.array([[(0.0, 250.0), (500.0, 250.0)]]),
        stations=np.array([(100.0, 100.0)]),
    )
    assert (drawn[:, 150] == STREET).sum() * 2.5 == pytest.approx(10, abs=2.5)
    area = (drawn == STATION).sum() * 2.5**2
    assert area == pytest.approx(np.pi * 10**2, rel=0.25)
    assert values_at(drawn, frame, np.array([(100.0, 100.0)])).tolist() == [STATION]


def test_a_building_covers_its_rectangle() -> None:
    frame = frame_at(1000, 2500)
    corners = box_corners(1101, 2101, 1131, 2121)
    drawn = draw(frame, frame.box(50), rectangles=corners, tones=np.array([200], np.uint8))
    rectangle_m = shapely.Polygon(corners[0])
    positions = centres(frame)
    clear = shapely.distance(rectangle_m.boundary, shapely.points(positions)) > 2.5
    inside = shapely.contains_xy(rectangle_m, *positions.T)
    assert np.array_equal((drawn.ravel() == 200)[clear], inside[clear])
    middle = positions[drawn.ravel() == 200].mean(axis=0)
    assert middle == pytest.approx(corners[0].mean(axis=0), abs=0.7)


def test_positions_outside_the_frame_are_water() -> None:
    frame = frame_at(0, 500)
    drawn = draw(frame, frame.box(50))
    spots = np.array([(-1, 250), (501, 250), (250, -1), (250, 501), (250, 250)])
    assert values_at(drawn, frame, spots).tolist() == [WATER] * 4 + [LAND]


def test_tones_are_those_of_buildings_and_all_used() -> None:
    identity = np.random.default_rng(0).integers(2**64, size=5000, dtype=np.uint64)
    tones = building_tones(identity)
    assert set(tones) == set(range(FIRST_BUILDING, 256))


def test_every_class_has_a_colour_of_its_own() -> None:
    colours = palette()
    named = [tuple(colours[value]) for value in class_raster.COLOURS]
    assert len(set(named)) == len(named)
    assert colours[FIRST_BUILDING:].min() > 60
    assert np.array_equal(colours, palette())
