"""Cells over the land of a city: H3, or a lattice of hexagons or squares in metres.

Each grid answers the same: cells that overlap the land, each with its name, its neighbours and the
larger cell that contains its centre.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import geopandas as gpd
import h3
import numpy as np
import shapely
from pyproj import CRS, Transformer
from shapely import MultiPolygon, Polygon

from musecl.geo import DEGREES
from musecl.settings.regions import RegionSettings

COARSER = 7  # linear size of a parent, about that of an H3 cell two resolutions below


@dataclass(frozen=True)
class Cell:
    """One cell: its name, its outline (EPSG:4326), its centre, its neighbours, its parent."""

    name: str
    outline: Polygon
    longitude: float
    latitude: float
    neighbours: tuple[str, ...]
    parent: str


def cells_over(land: gpd.GeoSeries, settings: RegionSettings, crs: CRS) -> list[Cell]:
    """List the cells that may overlap the land: every one that does, and few others.

    Parameters
    ----------
    land : GeoSeries
        Polygons, EPSG:4326.
    settings : RegionSettings
        Which grid, and how large its cells are.
    crs : CRS
        Metric, for the lattices.

    Returns
    -------
    list of Cell
        Sorted by name.
    """
    if settings.grid == "h3":
        cells = _h3_cells(shapely.union_all(land.to_numpy()), settings.resolution)
    elif settings.grid == "hexagon":
        cells = _hexagons(land.to_crs(crs).total_bounds, settings.spacing_m, crs)
    else:
        cells = _squares(land.to_crs(crs).total_bounds, settings.spacing_m, crs)
    return sorted(cells, key=lambda cell: cell.name)


def _h3_cells(land: Polygon | MultiPolygon, resolution: int) -> Iterator[Cell]:
    parts = land.geoms if isinstance(land, MultiPolygon) else [land]
    overlapping: set[str] = set()
    for part in parts:
        shape = h3.geo_to_h3shape(part)
        overlapping |= set(h3.h3shape_to_cells_experimental(shape, resolution, contain="overlap"))
    # H3 follows great circles and the boundary straight lines in degrees: a cell's width around
    # covers the difference, and the share of land then decides.
    for name in {near for cell in overlapping for near in h3.grid_disk(cell, 1)}:
        latitude, longitude = h3.cell_to_latlng(name)
        yield Cell(
            name=name,
            outline=Polygon([(east, north) for north, east in h3.cell_to_boundary(name)]),
            longitude=longitude,
            latitude=latitude,
            neighbours=tuple(sorted(set(h3.grid_disk(name, 1)) - {name})),
            parent=h3.cell_to_parent(name, resolution - 2),
        )


def _hexagons(bounds: np.ndarray, spacing: float, crs: CRS) -> Iterator[Cell]:
    """Lay the paper's lattice: pointed hexagons, centres `spacing` metres apart, axial names."""
    west, south, east, north = bounds
    row = spacing * np.sqrt(3) / 2
    to_degrees = Transformer.from_crs(crs, DEGREES, always_xy=True)
    angles = np.deg2rad(30 + 60 * np.arange(6))
    corners = np.column_stack([np.cos(angles), np.sin(angles)]) * spacing / np.sqrt(3)
    for r in range(int(np.floor(south / row)) - 1, int(np.ceil(north / row)) + 2):
        first = int(np.floor(west / spacing - r / 2)) - 1
        last = int(np.ceil(east / spacing - r / 2)) + 1
        for q in range(first, last + 1):
            centre = np.array([spacing * (q + r / 2), row * r])
            steps = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, -1), (-1, 1)]
            yield _metric_cell(
                "hex", (q, r), centre, corners, steps, _nearest_hexagon(centre, spacing), to_degrees
            )


def _nearest_hexagon(centre: np.ndarray, spacing: float) -> str:
    """Name the hexagon of the coarser lattice that contains a centre: the nearest one."""
    wide = spacing * COARSER
    row = wide * np.sqrt(3) / 2
    r0 = round(centre[1] / row)
    near = [
        (q, r)
        for r in (r0 - 1, r0, r0 + 1)
        for q in range(round(centre[0] / wide - r / 2) - 1, round(centre[0] / wide - r / 2) + 2)
    ]
    q, r = min(
        near, key=lambda a: np.hypot(wide * (a[0] + a[1] / 2) - centre[0], row * a[1] - centre[1])
    )
    return f"hex{COARSER}_{q}_{r}"


def _squares(bounds: np.ndarray, spacing: float, crs: CRS) -> Iterator[Cell]:
    west, south, east, north = np.floor(bounds / spacing).astype(int)
    to_degrees = Transformer.from_crs(crs, DEGREES, always_xy=True)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * spacing / 2
    steps = [(1, 0), (-1, 0), (0, 1), (0, -1)]
    for i in range(west, east + 1):
        for j in range(south, north + 1):
            centre = (np.array([i, j]) + 0.5) * spacing
            parent = f"square{COARSER}_{i // COARSER}_{j // COARSER}"
            yield _metric_cell("square", (i, j), centre, corners, steps, parent, to_degrees)


def _metric_cell(
    kind: str,
    index: tuple[int, int],
    centre: np.ndarray,
    corners: np.ndarray,
    steps: list[tuple[int, int]],
    parent: str,
    to_degrees: Transformer,
) -> Cell:
    # Rounded to a micrometre, so that neighbours share their corners to the bit.
    outline = np.round(centre + corners, 6)
    longitude, latitude = to_degrees.transform(*centre)
    return Cell(
        name=f"{kind}_{index[0]}_{index[1]}",
        outline=Polygon(np.column_stack(to_degrees.transform(*outline.T))),
        longitude=longitude,
        latitude=latitude,
        neighbours=tuple(sorted(f"{kind}_{index[0] + i}_{index[1] + j}" for i, j in steps)),
        parent=parent,
    )
