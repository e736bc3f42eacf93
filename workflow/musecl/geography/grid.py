"""Cells of a grid over land: H3, or a lattice of hexagons (as in the paper) or squares in metres.

Each grid answers the same: cells around the land, each with its name, its neighbours and its
spatial block: the larger cell that contains its centre, or for H3 the cell of two resolutions below
that it descends from (a few descendants stick out of it, by H3's own design). A wide spatial block
is the same of three resolutions below.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import geopandas as gpd
import h3
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from shapely import MultiPolygon, Polygon

from musecl.geography.geo import DEGREES
from musecl.geography.settings import RegionSettings

# Linear sizes of both spatial blocks: about those of H3 cells two and three resolutions below.
COARSER, WIDER = 7, 19

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Cell:
    """One cell: its name, its outline (EPSG:4326), its centre, neighbours, spatial blocks."""

    name: str
    outline: Polygon | MultiPolygon
    longitude: float
    latitude: float
    neighbours: tuple[str, ...]
    spatial_block: str
    wide_spatial_block: str


@dataclass(frozen=True)
class Lattice:
    """A lattice whose centres and corners lie on whole numbers of `unit`, from the CRS's origin.

    Counted in whole numbers, neighbours share their corners to the bit: no slit, no overlap.

    Attributes
    ----------
    kind : str
        First part of a cell's name, before its two indices.
    unit : array of shape (2,)
        Metres to the east and north.
    to_centre : array of shape (2, 2)
        Indices times this is the centre, in units from that of cell (0, 0).
    origin : array of shape (2,)
        Centre of cell (0, 0), in units.
    corners : array of shape (C, 2)
        Corners around a centre, in units.
    steps : array of shape (S, 2)
        Indices of the neighbours, relative to a cell.
    """

    kind: str
    unit: NDArray[np.float64]
    to_centre: Integers
    origin: Integers
    corners: Integers
    steps: Integers


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
    else:
        build = hexagons if settings.grid == "hexagon" else squares
        cells = _lattice_cells(build(settings.spacing_m), land.to_crs(crs).total_bounds, crs)
    return sorted(cells, key=lambda cell: cell.name)


def hexagons(spacing: float) -> Lattice:
    """Lay the paper's lattice: upright hexagons with axial indices, `spacing` metres apart."""
    return Lattice(
        kind="hex",
        unit=np.array([spacing / 2, spacing / np.sqrt(12)]),
        to_centre=np.array([(2, 0), (1, 3)]),
        origin=np.array([0, 0]),
        corners=np.array([(1, 1), (0, 2), (-1, 1), (-1, -1), (0, -2), (1, -1)]),
        steps=np.array([(1, 0), (-1, 0), (0, 1), (0, -1), (1, -1), (-1, 1)]),
    )


def squares(spacing: float) -> Lattice:
    """Lay squares with sides of `spacing` metres; those that share a side are neighbours."""
    return Lattice(
        kind="square",
        unit=np.array([spacing / 2, spacing / 2]),
        to_centre=np.array([(2, 0), (0, 2)]),
        origin=np.array([1, 1]),
        corners=np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]),
        steps=np.array([(1, 0), (-1, 0), (0, 1), (0, -1)]),
    )


def _h3_cells(land: Polygon | MultiPolygon, resolution: int) -> Iterator[Cell]:
    parts = land.geoms if isinstance(land, MultiPolygon) else [land]
    overlapping: set[str] = set()
    for part in parts:
        # Without its holes: H3 can leave out a cell whose land surrounds a hole.
        shape = h3.geo_to_h3shape(Polygon(part.exterior))
        overlapping |= set(h3.h3shape_to_cells_experimental(shape, resolution, contain="overlap"))
    for name in overlapping:
        latitude, longitude = h3.cell_to_latlng(name)
        yield Cell(
            name=name,
            outline=Polygon([(east, north) for north, east in h3.cell_to_boundary(name)]),
            longitude=longitude,
            latitude=latitude,
            neighbours=tuple(sorted(set(h3.grid_disk(name, 1)) - {name})),
            spatial_block=h3.cell_to_parent(name, resolution - 2),
            wide_spatial_block=h3.cell_to_parent(name, resolution - 3),
        )


def _lattice_cells(lattice: Lattice, bounds: NDArray[np.float64], crs: CRS) -> Iterator[Cell]:
    indices = _indices_within(lattice, bounds)
    centres = indices @ lattice.to_centre + lattice.origin
    to_degrees = Transformer.from_crs(crs, DEGREES, always_xy=True)
    longitude, latitude = to_degrees.transform(*(centres * lattice.unit).T)
    corners = (centres[:, None] + lattice.corners) * lattice.unit
    outlines = shapely.polygons(
        np.stack(to_degrees.transform(corners[..., 0], corners[..., 1]), axis=-1)
    )
    around = indices[:, None] + lattice.steps
    blocks = zip(
        _coarser(lattice, indices, COARSER), _coarser(lattice, indices, WIDER), strict=True
    )
    for row, (spatial_block, wide_spatial_block) in enumerate(blocks):
        yield Cell(
            name=_name(lattice.kind, indices[row]),
            outline=outlines[row],
            longitude=float(longitude[row]),
            latitude=float(latitude[row]),
            neighbours=tuple(sorted(_name(lattice.kind, index) for index in around[row])),
            spatial_block=_name(f"{lattice.kind}{COARSER}", spatial_block),
            wide_spatial_block=_name(f"{lattice.kind}{WIDER}", wide_spatial_block),
        )


def _indices_within(lattice: Lattice, bounds: NDArray[np.float64]) -> Integers:
    """List the cells that may touch a box (west, south, east, north in metres), shape (N, 2)."""
    west, south, east, north = bounds / np.tile(lattice.unit, 2)
    corners = np.array([(west, south), (east, south), (east, north), (west, north)])
    to_index = np.linalg.inv(lattice.to_centre)
    reach = (corners - lattice.origin) @ to_index
    low, high = np.floor(reach.min(axis=0)).astype(int), np.ceil(reach.max(axis=0)).astype(int)
    ranges = [np.arange(a - 1, b + 2) for a, b in zip(low, high, strict=True)]
    indices = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 2)
    centres = indices @ lattice.to_centre + lattice.origin
    # Indices are askew to the axes, so a range of them covers more than the box.
    margin = np.abs(lattice.corners).max(axis=0)
    inside = (centres + margin >= (west, south)) & (centres - margin <= (east, north))
    return np.asarray(indices[inside.all(axis=1)])


def _coarser(lattice: Lattice, indices: Integers, times: int) -> Integers:
    """Find the cell of the so many `times` wider lattice that contains each centre, shape (N, 2).

    That is the one whose centre is nearest; of several, the first by its indices. Squared
    distances are whole numbers, so that this is exact.
    """
    if lattice.kind == "square":
        return indices // times
    # Four wider centres stand around each centre; the indices of both lattices share the origin.
    around = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
    candidates = (indices // times)[:, None] + around
    q, r = np.moveaxis(indices[:, None] - times * candidates, -1, 0)
    nearest = (q * q + q * r + r * r).argmin(axis=1)
    return np.asarray(candidates[np.arange(len(indices)), nearest])


def _name(kind: str, index: Integers) -> str:
    return f"{kind}_{index[0]}_{index[1]}"
