"""Coordinate systems, areas and points in cells, against geodesics and brute force."""

import geopandas as gpd
import h3
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely import Point, Polygon, box

from musecl.geography.geo import DEGREES, area_within, cells_of_points, equal_area_crs, metric_crs
from musecl.runtime.errors import InputError
from small_city import disk_of_regions

PLACES = {
    "New York": (-73.98, 40.75, 32618),
    "Beijing": (116.4, 39.9, 32650),
    "Sydney": (151.2, -33.9, 32756),
    "Reykjavik": (-21.9, 64.1, 32627),
}


def around(longitude: float, latitude: float, size: float = 0.05) -> Polygon:
    return box(longitude - size, latitude - size, longitude + size, latitude + size)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "kind", [gpd.GeoSeries, lambda s, crs: gpd.GeoDataFrame(geometry=s, crs=crs)]
)
def test_the_metric_crs_is_the_utm_zone(place, kind):
    longitude, latitude, code = PLACES[place]
    shapes = kind([around(longitude, latitude)], crs=DEGREES)
    assert metric_crs(shapes).to_epsg() == code
    assert metric_crs(shapes.to_crs(3857)).to_epsg() == code


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (gpd.GeoSeries([around(0, 0)]), "without a coordinate reference system"),
        (gpd.GeoSeries([], crs=DEGREES), "no shape"),
        (gpd.GeoSeries([around(15, 85)], crs=DEGREES), "beyond the UTM zones"),
        (gpd.GeoSeries([around(15, -81)], crs=DEGREES), "beyond the UTM zones"),
    ],
)
def test_shapes_that_have_no_metric_crs(shapes, message):
    with pytest.raises(InputError, match=message):
        metric_crs(shapes)


@pytest.mark.parametrize("place", PLACES)
def test_the_equal_area_crs_measures_geodesic_areas(place):
    longitude, latitude, _ = PLACES[place]
    land = gpd.GeoSeries([around(longitude, latitude, 0.5)], crs=DEGREES)
    for cell in h3.grid_disk(h3.latlng_to_cell(latitude + 0.4, longitude - 0.4, 7), 1):
        outline = Polygon([(east, north) for north, east in h3.cell_to_boundary(cell)])
        geodesic = abs(Geod(ellps="WGS84").geometry_area_perimeter(outline)[0])
        flat = gpd.GeoSeries([outline], crs=DEGREES).to_crs(equal_area_crs(land)).area[0]
        assert flat == pytest.approx(geodesic, rel=1e-5)


def star(seed: int, corners: int) -> shapely.Geometry:
    """A jagged ring with a hole, and an island beside it."""
    generator = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    radii = generator.uniform(60, 100, corners)
    shore = np.column_stack([radii * np.cos(angles), radii * np.sin(angles)])
    island = box(*(generator.uniform(100, 110, 2)), *(generator.uniform(120, 140, 2)))
    return shapely.union(Polygon(shore, [Point(0, 0).buffer(30, 64).exterior]), island)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), corners=st.sampled_from([8, 300, 1200]), tile=st.floats(15, 90))
def test_areas_within_are_those_of_whole_intersections(seed, corners, tile):
    ground = star(seed, corners)
    starts = np.arange(-120, 150, tile)
    tiles = np.array([box(x, y, x + tile, y + tile) for x in starts for y in starts], dtype=object)
    expected = shapely.area(shapely.intersection(tiles, ground))
    found = area_within(tiles, ground)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-7)
    assert found.sum() == pytest.approx(ground.area, rel=1e-9)


def lattice_of_regions() -> gpd.GeoDataFrame:
    """Twelve squares of a hundredth of a degree."""
    corners = [(i, j) for i in range(4) for j in range(3)]
    return gpd.GeoDataFrame(
        {"region_id": [f"square_{i}_{j}" for i, j in corners]},
        geometry=[box(i / 100, j / 100, (i + 1) / 100, (j + 1) / 100) for i, j in corners],
        crs=DEGREES,
    )


@pytest.mark.parametrize("build", [disk_of_regions, lattice_of_regions])
@pytest.mark.parametrize("seed", range(3))
def test_points_lie_in_the_cell_that_contains_them(build, seed):
    generator = np.random.default_rng(seed)
    regions = build().sample(frac=1, random_state=seed)
    west, south, east, north = regions.total_bounds
    margin = (east - west) / 5
    longitude = generator.uniform(west - margin, east + margin, 400)
    latitude = generator.uniform(south - margin, north + margin, 400)
    found = cells_of_points(longitude, latitude, regions)
    for x, y, name in zip(longitude, latitude, found, strict=True):
        inside = regions.loc[regions.contains(Point(x, y)), "region_id"].to_list()
        assert inside == ([] if name is None else [name])
    assert None in found
    assert len(set(found)) > 5


def test_a_point_on_an_edge_lies_in_one_cell():
    regions = lattice_of_regions().iloc[::-1]
    edge, corner, outer = (0.02, 0.005), (0.02, 0.01), (0.0, 0.015)
    longitude, latitude = np.array([edge, corner, outer]).T
    found = cells_of_points(longitude, latitude, regions)
    assert list(found) == ["square_1_0", "square_1_0", "square_0_1"]


@pytest.mark.parametrize("build", [disk_of_regions, lattice_of_regions])
def test_an_unknown_position_lies_in_no_cell(build):
    regions = build()
    inside = regions.geometry.iloc[0].representative_point()
    longitude = np.array([np.nan, inside.x, inside.x, np.nan])
    latitude = np.array([inside.y, np.nan, inside.y, np.nan])
    expected = [None, None, regions["region_id"].iloc[0], None]
    assert list(cells_of_points(longitude, latitude, regions)) == expected


def test_h3_cells_are_those_of_the_plain_loop():
    generator = np.random.default_rng(0)
    regions = disk_of_regions(3).sample(frac=0.7, random_state=1)
    west, south, east, north = regions.total_bounds
    longitude = generator.uniform(west - 0.1, east + 0.1, 5000)
    latitude = generator.uniform(south - 0.1, north + 0.1, 5000)
    known = set(regions["region_id"])
    cells = [h3.latlng_to_cell(y, x, 8) for x, y in zip(longitude, latitude, strict=True)]
    expected = [cell if cell in known else None for cell in cells]
    found = cells_of_points(longitude, latitude, regions)
    assert found.tolist() == expected
    assert found.dtype == object


@pytest.mark.parametrize("build", [disk_of_regions, lattice_of_regions])
def test_no_points(build):
    assert cells_of_points(np.array([]), np.array([]), build()).shape == (0,)
