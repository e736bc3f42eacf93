"""Grids: cells partition the plane, know their neighbours, and lie in their spatial blocks."""

import geopandas as gpd
import h3
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Transformer
from shapely import MultiPolygon, Polygon, box

from musecl.geography.geo import DEGREES
from musecl.geography.grid import COARSER, Cell, cells_over, hexagons, squares
from musecl.geography.settings import RegionSettings

METRIC = CRS.from_epsg(32618)
GRIDS = ["h3", "hexagon", "square"]
# Near the origin of the lattice too, where indices change their sign.
MIDDLES = [(-73.98, 40.75), (-75.0, 0.001)]


def land_of(*shapes: shapely.Geometry) -> gpd.GeoSeries:
    return gpd.GeoSeries(list(shapes), crs=DEGREES)


def cover(grid: str, land: gpd.GeoSeries, spacing: float = 1000) -> list[Cell]:
    wanted = RegionSettings(
        grid=grid, resolution=8, spacing_m=spacing, minimum_block_m2=0, minimum_land_share=0
    )
    return cells_over(land, wanted, METRIC)


def metric(shapes: list[shapely.Geometry]) -> np.ndarray:
    return gpd.GeoSeries(shapes, crs=DEGREES).to_crs(METRIC).to_numpy()


@st.composite
def lands(draw) -> gpd.GeoSeries:
    """A few polygons of odd shapes, some with a hole, that may touch or lie apart."""
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    longitude, latitude = draw(st.sampled_from(MIDDLES))
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        angles = np.sort(generator.uniform(0, 2 * np.pi, draw(st.integers(3, 12))))
        radii = generator.uniform(0.001, 0.03, len(angles))
        middle = np.array([longitude, latitude]) + generator.uniform(-0.03, 0.03, 2)
        ring = middle + np.column_stack([radii * np.cos(angles), radii * np.sin(angles)])
        part = shapely.make_valid(Polygon(ring))
        hole = box(*(middle - 0.004), *(middle + 0.004))
        parts.append(shapely.difference(part, hole) if draw(st.booleans()) else part)
    polygons = [
        piece
        for part in shapely.get_parts(shapely.union_all(parts))
        for piece in shapely.get_parts(part)
        if piece.geom_type == "Polygon" and piece.area > 1e-9
    ]
    return land_of(*polygons or [box(longitude, latitude, longitude + 0.01, latitude + 0.01)])


@pytest.mark.parametrize("grid", GRIDS)
@settings(max_examples=25, deadline=None)
@given(land=lands())
def test_cells_cover_the_land_and_do_not_overlap(grid, land):
    cells = cover(grid, land)
    outlines = np.array([cell.outline for cell in cells], dtype=object)
    ground = shapely.union_all(land.to_numpy())
    assert shapely.difference(ground, shapely.union_all(outlines)).area < 1e-9 * ground.area
    touching = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    first, second = touching[:, touching[0] < touching[1]]
    overlap = shapely.area(shapely.intersection(outlines[first], outlines[second]))
    assert overlap.sum() < 1e-9 * shapely.area(outlines).sum()
    assert [cell.name for cell in cells] == sorted({cell.name for cell in cells})


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("middle", MIDDLES)
def test_neighbours_are_the_cells_that_share_an_edge(grid, middle):
    cells = cover(grid, land_of(box(*middle, middle[0] + 0.05, middle[1] + 0.03)))
    known = {cell.name for cell in cells}
    outlines = metric([cell.outline for cell in cells])
    for cell, outline in zip(cells, outlines, strict=True):
        # A band of half a metre along a shared edge, less than a square metre at a shared corner.
        band = shapely.area(shapely.intersection(outlines, shapely.buffer(outline, 0.5)))
        beside = {c.name for c, area in zip(cells, band, strict=True) if area > 50} - {cell.name}
        assert set(cell.neighbours) & known == beside
        assert len(cell.neighbours) == (4 if grid == "square" else 6)
        assert list(cell.neighbours) == sorted(cell.neighbours)


@pytest.mark.parametrize("spacing", [100, 864.5, 2000])
@pytest.mark.parametrize(("grid", "area"), [("hexagon", np.sqrt(3) / 2), ("square", 1)])
def test_a_lattice_is_as_wide_as_asked(grid, area, spacing):
    middle = MIDDLES[0]
    size = 3 * spacing / 1e5
    cells = cover(grid, land_of(box(*middle, middle[0] + size, middle[1] + size)), spacing)
    outlines = metric([cell.outline for cell in cells])
    np.testing.assert_allclose(shapely.area(outlines), area * spacing**2, rtol=1e-5)
    to_metric = Transformer.from_crs(DEGREES, METRIC, always_xy=True)
    centres = np.array([to_metric.transform(cell.longitude, cell.latitude) for cell in cells])
    away = np.hypot(*(centres[:, None] - centres[None]).transpose(2, 0, 1))
    np.testing.assert_allclose(np.sort(away, axis=1)[:, 1], spacing, rtol=1e-6)
    np.testing.assert_allclose(
        centres, shapely.get_coordinates(shapely.centroid(outlines)), atol=spacing * 1e-5
    )


@pytest.mark.parametrize("build", [hexagons, squares])
def test_corners_are_shared_to_the_bit(build):
    lattice = build(864.5)
    grid = "hexagon" if lattice.kind == "hex" else "square"
    cells = cover(grid, land_of(box(*MIDDLES[0], -73.9, 40.8)), 864.5)
    corners = np.concatenate([shapely.get_coordinates(cell.outline)[:-1] for cell in cells])
    exact, rounded = (len(np.unique(c, axis=0)) for c in (corners, corners.round(9)))
    assert exact == rounded
    assert exact < len(corners) / 1.5


@pytest.mark.parametrize("grid", ["hexagon", "square"])
@pytest.mark.parametrize("middle", MIDDLES)
def test_the_spatial_block_of_a_lattice_cell_contains_its_centre(grid, middle):
    land, around = (
        land_of(box(*(np.array(middle) - size), *(np.array(middle) + size))) for size in (0.1, 0.2)
    )
    wide = {cell.name: cell.outline for cell in cover(grid, around, 500 * COARSER)}
    wide = dict(zip(wide, metric(list(wide.values())), strict=True))
    cells = cover(grid, land, 500)
    to_metric = Transformer.from_crs(DEGREES, METRIC, always_xy=True)
    for cell in cells:
        kind, index = cell.spatial_block.split("_", 1)
        assert kind.endswith(str(COARSER))
        block = wide[f"{kind.removesuffix(str(COARSER))}_{index}"]
        centre = shapely.Point(to_metric.transform(cell.longitude, cell.latitude))
        # A side of the block is an arc in the plane of the cells: a few centimetres at most.
        assert block.distance(centre) < 0.5
    within = {cell.spatial_block for cell in cells}
    assert 10 < len(within) < len(cells) / 10


def test_the_spatial_block_of_an_h3_cell_is_two_resolutions_coarser():
    for cell in cover("h3", land_of(box(*MIDDLES[0], -73.9, 40.8))):
        assert h3.get_resolution(cell.spatial_block) == 6
        assert cell.name in h3.cell_to_children(cell.spatial_block, 8)


@pytest.mark.parametrize("grid", GRIDS)
def test_a_cell_does_not_depend_on_the_land_around_it(grid):
    whole = box(-74.0, 40.7, -73.9, 40.8)
    part = box(-73.97, 40.73, -73.94, 40.77)
    cells = {cell.name: cell for cell in cover(grid, land_of(whole))}
    some = cover(grid, land_of(part))
    assert all(cells[cell.name] == cell for cell in some)
    assert len(some) < len(cells) / 2


@pytest.mark.parametrize("grid", GRIDS)
def test_few_cells_are_listed_in_vain(grid):
    parts = MultiPolygon([box(-74.0, 40.7, -73.999, 40.701), box(-73.9, 40.7, -73.8, 40.8)])
    cells = cover(grid, land_of(parts))
    overlapping = [cell for cell in cells if cell.outline.intersects(parts)]
    assert len(overlapping) <= len(cells) <= len(overlapping) * (1 if grid == "h3" else 3)
