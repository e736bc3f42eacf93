"""Blocks: the faces between roads, as regions beside the cells of a grid."""

import heapq
from collections import defaultdict

import geopandas as gpd
import h3
import numpy as np
import shapely
from numpy.typing import NDArray

from musecl.geography.geo import DEGREES, equal_area_crs
from musecl.geography.grid import Cell
from musecl.runtime.errors import InputError

NAMED_BY = 12  # resolution of the H3 cells that blocks are named by: about 300 m2

Edges = dict[int, dict[int, float]]


def blocks_over(
    land: gpd.GeoSeries, roads: gpd.GeoSeries, minimum_area_m2: float, resolution: int
) -> list[Cell]:
    """Divide land along its roads.

    Parameters
    ----------
    land : GeoSeries
        Polygons, EPSG:4326, with corners along their edges: an edge is straight in metres here.
    roads : GeoSeries
        Lines in any CRS, that reach beyond the land where they leave it: a line cut at its edge may
        end a hair before it. Where two cross, both are cut; a dead end divides nothing.
    minimum_area_m2 : float
        A smaller block (a traffic island, the ground between two carriageways) joins the neighbour
        that it shares the longest edge with; without one it stays.
    resolution : int
        Of the H3 cells whose size the blocks stand for: its spatial blocks are those of the cell
        of this resolution that its representative point lies in, as in the H3 grid.

    Returns
    -------
    list of Cell
        Sorted by name; together they are the land. A block is named `block_` and the H3 cell of its
        representative point, with a number where several share one; neighbours share an edge.

    Raises
    ------
    InputError
        There is no road on the land.
    """
    flat = equal_area_crs(land)
    ground = shapely.union_all(land.to_crs(flat).to_numpy())
    lines = roads.to_crs(flat).to_numpy()
    shapely.prepare(ground)
    lines = lines[shapely.intersects(ground, lines)]
    if not len(lines):
        raise InputError("no road lies on the land of the city; choose another grid or source")
    faces = _faces(ground, lines)
    groups, edges = merge_small(shapely.area(faces), common_edges(faces), minimum_area_m2)
    shapes = [shapely.union_all(faces[members]) for members in groups.values()]
    outlines = gpd.GeoSeries(shapes, crs=flat).to_crs(DEGREES)
    inside = shapely.point_on_surface(outlines.to_numpy())
    names = dict(zip(groups, _names(inside), strict=True))
    cells = []
    for group, outline, point in zip(groups, outlines, inside, strict=True):
        cell = h3.latlng_to_cell(point.y, point.x, resolution)
        cells.append(
            Cell(
                name=names[group],
                outline=outline,
                longitude=point.x,
                latitude=point.y,
                neighbours=tuple(sorted(names[other] for other in edges[group])),
                spatial_block=h3.cell_to_parent(cell, resolution - 2),
                wide_spatial_block=h3.cell_to_parent(cell, resolution - 3),
            )
        )
    return sorted(cells, key=lambda cell: cell.name)


def _faces(ground: shapely.Geometry, lines: NDArray[np.object_]) -> NDArray[np.object_]:
    """Divide the ground along lines, sorted by position."""
    network = shapely.union_all([shapely.boundary(ground), *lines])
    faces = shapely.get_parts(shapely.polygonize([network]))
    middle = shapely.point_on_surface(faces)
    kept = shapely.contains(ground, middle)
    order = np.lexsort((shapely.get_x(middle[kept]), shapely.get_y(middle[kept])))
    return np.asarray(faces[kept][order])


def common_edges(faces: NDArray[np.object_]) -> Edges:
    """Measure the edge that each two of several faces share.

    Parameters
    ----------
    faces : array of Polygon, shape (N,)
        That share their corners to the bit, as those of one network of lines do.

    Returns
    -------
    dict of int to dict of int to float
        By face and neighbour: metres, where the CRS is in metres.
    """
    rings, face = shapely.get_rings(faces, return_index=True)
    corners, ring = shapely.get_coordinates(rings, return_index=True)
    same = ring[1:] == ring[:-1]
    start, end, owner = corners[:-1][same], corners[1:][same], face[ring[1:][same]]
    turned = (start[:, 0] > end[:, 0]) | ((start[:, 0] == end[:, 0]) & (start[:, 1] > end[:, 1]))
    start[turned], end[turned] = end[turned], start[turned].copy()
    sides = np.hstack([start, end])
    order = np.lexsort(sides.T)
    sides, owner = sides[order], owner[order]
    first = np.flatnonzero((sides[1:] == sides[:-1]).all(axis=1))
    lengths = np.hypot(*(sides[first, 2:] - sides[first, :2]).T)
    edges: Edges = {number: defaultdict(float) for number in range(len(faces))}
    for one, other, length in zip(owner[first], owner[first + 1], lengths, strict=True):
        edges[int(one)][int(other)] += float(length)
        edges[int(other)][int(one)] += float(length)
    return edges


def merge_small(
    areas: NDArray[np.float64], edges: Edges, minimum: float
) -> tuple[dict[int, list[int]], Edges]:
    """Join faces below a minimum, the smallest first, to the neighbour of the longest common edge.

    Parameters
    ----------
    areas : array of shape (N,)
    edges : dict
        As `common_edges`; it is used up.
    minimum : float
        In the unit of the areas.

    Returns
    -------
    dict of int to list of int, dict
        Which faces each group has, by one of them, and the edges between groups. Of neighbours with
        edges of the same length it is the first.
    """
    groups = {number: [number] for number in range(len(areas))}
    size = dict(enumerate(areas.tolist()))
    waiting = [(area, number) for number, area in size.items() if area < minimum]
    heapq.heapify(waiting)
    while waiting:
        area, small = heapq.heappop(waiting)
        if small not in groups or size[small] != area or not edges[small]:
            continue
        # Lengths have a last bit that depends on the order of a sum; millimetres do not.
        into = min(edges[small], key=lambda other: (-round(edges[small][other], 3), other))
        groups[into] += groups.pop(small)
        size[into] += area
        for other, length in edges.pop(small).items():
            del edges[other][small]
            if other != into:
                edges[other][into] = edges[into][other] = edges[into].get(other, 0.0) + length
        if size[into] < minimum:
            heapq.heappush(waiting, (size[into], into))
    return groups, edges


def _names(points: NDArray[np.object_]) -> list[str]:
    """Name blocks by where they lie: a number tells those in one H3 cell apart, south to north."""
    cells = [h3.latlng_to_cell(point.y, point.x, NAMED_BY) for point in points]
    together = defaultdict(list)
    for row, (cell, point) in enumerate(zip(cells, points, strict=True)):
        together[cell].append((point.y, point.x, row))
    names = [f"block_{cell}" for cell in cells]
    for rows in together.values():
        for number, (_, _, row) in enumerate(sorted(rows), start=1):
            if len(rows) > 1:
                names[row] += f"_{number}"
    return names
