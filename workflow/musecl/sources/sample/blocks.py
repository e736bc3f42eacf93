"""Streets and buildings that follow from where the lots of a city lie, and from nothing else.

Lots of one block share its block number, so the edges between the Voronoi cells of lots of
different blocks run along the streets. A building stands on each lot: its width comes from the
distance to the next lot of the block, its direction from where that lot lies, its depth from the
area of the lot's Voronoi cell.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from scipy.spatial import Delaunay, cKDTree

IDENTITY = ["borough", "block", "lot"]
POSITION = ["latitude", "longitude"]
# Lots stacked at one point would have no Voronoi cell; two centimetres part them.
JITTER_M = 0.02
STREET_SPACING_M = (4.0, 160.0)
STREET_LENGTH_M = (1.0, 400.0)
NEIGHBOURS = 8


@dataclass(frozen=True)
class Lots:
    """Positions of N lots, in an order that is theirs and not the file's.

    Attributes
    ----------
    position : array of shape (N, 2)
        Easting and northing in metres.
    block, identity : array of shape (N,), uint64
        Hashes: of borough and block, and of borough, block and lot.
    """

    position: NDArray[np.float64]
    block: NDArray[np.uint64]
    identity: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.position)


@dataclass(frozen=True)
class Edges:
    """E edges between the Voronoi cells of pairs of lots.

    Attributes
    ----------
    pair : array of shape (E, 2), int
        Indices of the two lots.
    start, end : array of shape (E, 2)
        Ends of the edge in metres.
    """

    pair: NDArray[np.intp]
    start: NDArray[np.float64]
    end: NDArray[np.float64]


def distinct_lots(lots: pd.DataFrame) -> pd.DataFrame:
    """Sort lots by borough, block and lot, each lot once; only identity and position are kept."""
    lots = lots[IDENTITY + POSITION].drop_duplicates()
    return lots.sort_values(IDENTITY + POSITION, ignore_index=True)


def place_lots(lots: pd.DataFrame, crs: CRS) -> Lots:
    """Bring lots to a metric CRS, each moved by up to two centimetres that its identity decides.

    Parameters
    ----------
    lots : DataFrame
        As `distinct_lots` returns them: N rows, EPSG:4326.
    crs : CRS
        A metric one.
    """
    identity, block = _hash(lots[IDENTITY]), _hash(lots[IDENTITY[:-1]])
    to_metric = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    position = np.column_stack(
        to_metric.transform(lots["longitude"].to_numpy(), lots["latitude"].to_numpy())
    )
    jitter = np.column_stack([identity & 0xFFFF, identity >> 16 & 0xFFFF]) / 0xFFFF - 0.5
    return Lots(position + 2 * JITTER_M * jitter, block, identity)


def voronoi_edges(position: NDArray[np.float64]) -> Edges:
    """Build the bounded edges of the Voronoi diagram of points, as the dual of Delaunay's.

    Parameters
    ----------
    position : array of shape (N, 2)
        Metres.
    """
    if len(position) < 4:
        return Edges(np.empty((0, 2), np.intp), np.empty((0, 2)), np.empty((0, 2)))
    triangles = Delaunay(position)
    centres = _circumcentres(position[triangles.simplices])
    first, side = np.nonzero(triangles.neighbors > np.arange(len(centres))[:, None])
    second = triangles.neighbors[first, side]
    shared = (side[:, None] + [1, 2]) % 3
    pair = triangles.simplices[first[:, None], shared]
    return Edges(pair.astype(np.intp), centres[first], centres[second])


def block_streets(lots: Lots, edges: Edges) -> NDArray[np.float64]:
    """Select the edges that run between blocks, close enough to both to be a street.

    Returns
    -------
    array of shape (S, 2, 2)
        Start and end of each street in metres, the western end first; sorted by them.
    """
    apart = np.hypot(*(lots.position[edges.pair[:, 0]] - lots.position[edges.pair[:, 1]]).T)
    length = np.hypot(*(edges.end - edges.start).T)
    chosen = lots.block[edges.pair[:, 0]] != lots.block[edges.pair[:, 1]]
    chosen &= (apart > STREET_SPACING_M[0]) & (apart < STREET_SPACING_M[1])
    chosen &= (length > STREET_LENGTH_M[0]) & (length < STREET_LENGTH_M[1])
    start, end = edges.start[chosen], edges.end[chosen]
    eastward = (start[:, 0] < end[:, 0])[:, None]
    streets = np.stack([np.where(eastward, start, end), np.where(eastward, end, start)], axis=1)
    return streets[np.lexsort(streets.reshape(-1, 4).T[::-1])]


def cell_areas(lots: Lots, edges: Edges) -> NDArray[np.float64]:
    """Sum the area (m2) of each lot's Voronoi cell over the triangles to its bounded edges."""
    areas = np.zeros(len(lots))
    for lot in edges.pair.T:
        to_start, to_end = edges.start - lots.position[lot], edges.end - lots.position[lot]
        cross = to_start[:, 0] * to_end[:, 1] - to_start[:, 1] * to_end[:, 0]
        np.add.at(areas, lot, np.abs(cross) / 2)
    return areas


def buildings(lots: Lots, areas: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stand a rectangle on each lot.

    Returns
    -------
    array of shape (N, 4, 2)
        Corners in metres, in order around the rectangle.
    """
    spacing, angle = _row_spacing(lots)
    spacing = np.clip(np.where(np.isfinite(spacing), spacing, np.sqrt(areas)), 4, 45)
    # Detached rows leave a gap to the next house and half of the lot to the yard.
    width = np.clip(spacing * 0.86, 3.5, 40)
    depth = np.clip(np.minimum(areas, 4000) / spacing / 2, 6, 35)
    along = np.column_stack([np.cos(angle), np.sin(angle)]) * width[:, None] / 2
    across = np.column_stack([-np.sin(angle), np.cos(angle)]) * depth[:, None] / 2
    offsets = np.stack([-along - across, along - across, along + across, across - along], axis=1)
    return lots.position[:, None] + offsets


def _hash(columns: pd.DataFrame) -> NDArray[np.uint64]:
    """Hash each row; the same values give the same number on any machine and in any table."""
    return np.asarray(pd.util.hash_pandas_object(columns, index=False), dtype=np.uint64)


def _row_spacing(lots: Lots) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance (m; infinite if none) and angle (radians) to the nearest lot of the same block."""
    if len(lots) < 2:
        return np.full(len(lots), np.inf), np.zeros(len(lots))
    ranks = np.arange(2, min(NEIGHBOURS + 1, len(lots)) + 1)
    distance, other = cKDTree(lots.position).query(lots.position, k=ranks)
    # Lots closer than 2 m are parts of one building, such as condominium units.
    alike = (lots.block[other] == lots.block[:, None]) & (distance > 2)
    nearest = np.where(alike, distance, np.inf).argmin(axis=1)
    row = np.arange(len(lots))
    towards = lots.position[other[row, nearest]] - lots.position
    found = alike[row, nearest]
    spacing = np.where(found, distance[row, nearest], np.inf)
    return spacing, np.where(found, np.arctan2(towards[:, 1], towards[:, 0]), 0.0)


def _circumcentres(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centres (T, 2) of the circles through the corners (T, 3, 2) of triangles."""
    side, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = 2 * (side[:, 0] * other[:, 1] - side[:, 1] * other[:, 0])
    side_squared, other_squared = (side**2).sum(axis=1), (other**2).sum(axis=1)
    offset = np.column_stack(
        [
            other[:, 1] * side_squared - side[:, 1] * other_squared,
            side[:, 0] * other_squared - other[:, 0] * side_squared,
        ]
    )
    return corners[:, 0] + offset / area[:, None]
