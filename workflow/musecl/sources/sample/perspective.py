"""Street views: a class raster seen in perspective from points on it, by ray marching.

Every building is equally high, so that what a view shows follows from where buildings stand, how
close together and how far from the street. A view spans 90 degrees; four of them make a panorama.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from musecl.sources.sample.class_raster import CEMETERY, FIRST_BUILDING, LAND, PARK, STATION, WATER

ORIENTATIONS = (0, 90, 180, 270)
EYE_M = 2.5
BUILDING_M = 9.0
FLOOR_M = 3.0
TREE_M = 8.0
STATION_M = 3.5
SIGHT_M = 240.0
STEP_M = 1.25
FIRST_STEP_M = 3.0
# A canopy or an entrance stands so far behind the edge of its area, or it would fill the view.
SETBACK_M = 10.0
NOTHING = -1
SKY_TOP = (120.0, 160.0, 215.0)
SKY_HORIZON = (190.0, 205.0, 205.0)
HAZE = 190.0

Function = TypeVar("Function", bound=Callable[..., object])


def _compiled(function: Function) -> Function:
    """Compile with numba; the function runs beside other threads, and its type stays known."""
    return cast(Function, njit(nogil=True)(function))


def render_panorama(
    classes: NDArray[np.uint8],
    colours: NDArray[np.uint8],
    viewpoint: tuple[float, float, float],
    metres_per_pixel: float,
    pixels: int,
) -> NDArray[np.uint8]:
    """Render four views, each turned a quarter to the right of the one before.

    Parameters
    ----------
    classes : array of shape (H, W)
        Class raster (see `class_raster`), north up; what lies outside it is water.
    colours : array of shape (256, 3)
        RGB of each class.
    viewpoint : tuple of float
        Column and row in pixels from the raster's corner, and the bearing of the first view in
        radians clockwise from the raster's north.
    metres_per_pixel : float
        Of the raster.
    pixels : int
        Side P of a view.

    Returns
    -------
    array of shape (4, P, P, 3), uint8
        RGB, in the order of `ORIENTATIONS`.
    """
    column, row, bearing = viewpoint
    views = np.empty((len(ORIENTATIONS), pixels, pixels, 3), np.uint8)
    for view, orientation in zip(views, ORIENTATIONS, strict=True):
        turned = bearing + float(np.deg2rad(orientation))
        _render_view(classes, colours, column, row, turned, metres_per_pixel, view)
    return views


class Ray(NamedTuple):
    """A column of a view, seen from above: where it starts and what a metre along it is."""

    column: float
    row: float
    east: float
    south: float
    stretch: float


@_compiled
def _render_view(
    classes: NDArray[np.uint8],
    colours: NDArray[np.uint8],
    column: float,
    row: float,
    bearing: float,
    metres_per_pixel: float,
    view: NDArray[np.uint8],
) -> None:
    pixels = view.shape[0]
    for x in range(pixels):
        slope = (x + 0.5) / (pixels / 2) - 1
        direction = bearing + np.arctan(slope)
        east, south = np.sin(direction) / metres_per_pixel, -np.cos(direction) / metres_per_pixel
        ray = Ray(column, row, east, south, np.sqrt(1 + slope * slope))
        strip = view[:, x]
        _paint_sky(strip)
        _paint_ground(strip, classes, colours, ray)
        wall, wall_m, edge, edge_m = _look(classes, ray)
        if wall != NOTHING:
            # A wall that faces north or south has building beside the hit, and lies in shade.
            beside = _class_at(
                classes, column + wall_m * east - np.sign(east), row + wall_m * south
            )
            shade = 0.78 if beside >= FIRST_BUILDING else 1.0
            # A window per pixel of the raster, wherever its corner lies.
            along = wall_m * (east + south) + column + row
            _paint_wall(strip, colours[wall], shade, along, wall_m / ray.stretch, wall_m)
        if edge != NOTHING:
            _paint_edge(strip, colours[edge], edge, max(edge_m, SETBACK_M) / ray.stretch, edge_m)


@_compiled
def _class_at(classes: NDArray[np.uint8], column: float, row: float) -> int:
    x, y = int(np.floor(column)), int(np.floor(row))
    if 0 <= y < classes.shape[0] and 0 <= x < classes.shape[1]:
        return int(classes[y, x])
    return WATER


@_compiled
def _look(classes: NDArray[np.uint8], ray: Ray) -> tuple[int, float, int, float]:
    """First building along a ray, and first park, cemetery or station before it."""
    edge, edge_m, distance = NOTHING, SIGHT_M, FIRST_STEP_M
    while distance < SIGHT_M:
        value = _class_at(classes, ray.column + distance * ray.east, ray.row + distance * ray.south)
        if value >= FIRST_BUILDING:
            return value, distance, edge, edge_m
        if edge == NOTHING and value in (PARK, CEMETERY, STATION):
            edge, edge_m = value, distance
        distance += STEP_M
    return NOTHING, SIGHT_M, edge, edge_m


@_compiled
def _paint_sky(strip: NDArray[np.uint8]) -> None:
    horizon = len(strip) // 2
    for y in range(horizon):
        share = y / horizon
        for band in range(3):
            strip[y, band] = SKY_TOP[band] * (1 - share) + SKY_HORIZON[band] * share


@_compiled
def _paint_ground(
    strip: NDArray[np.uint8], classes: NDArray[np.uint8], colours: NDArray[np.uint8], ray: Ray
) -> None:
    horizon = focal = len(strip) / 2
    for y in range(len(strip) // 2, len(strip)):
        depth = EYE_M * focal / (y + 0.5 - horizon)
        distance = min(depth * ray.stretch, 2 * SIGHT_M)
        value = _class_at(classes, ray.column + distance * ray.east, ray.row + distance * ray.south)
        if value >= FIRST_BUILDING:
            value = LAND
        _paint(strip[y], colours[value], 1.0, 0.3 * distance / SIGHT_M)


@_compiled
def _paint_wall(
    strip: NDArray[np.uint8],
    colour: NDArray[np.uint8],
    shade: float,
    along: float,
    depth: float,
    distance: float,
) -> None:
    """Paint a wall with windows; `along` (pixels) tells where on the wall the strip is."""
    horizon = focal = len(strip) / 2
    top, bottom = horizon - (BUILDING_M - EYE_M) * focal / depth, horizon + EYE_M * focal / depth
    between_windows = along % 1.0 < 0.45
    for y in range(max(0, round(top)), min(len(strip), round(bottom))):
        height = (bottom - y) * depth / focal / FLOOR_M % 1.0
        glass = 1.0 if between_windows or height < 0.3 or height > 0.65 else 0.6
        _paint(strip[y], colour, shade * glass, 0.7 * distance / SIGHT_M)


@_compiled
def _paint_edge(
    strip: NDArray[np.uint8], colour: NDArray[np.uint8], value: int, depth: float, distance: float
) -> None:
    """Trees along a park or a cemetery, from eye height up; an entrance from the ground up."""
    horizon = focal = len(strip) / 2
    height = STATION_M if value == STATION else TREE_M
    top = horizon - (height - EYE_M) * focal / depth
    bottom = horizon + EYE_M * focal / depth if value == STATION else horizon
    for y in range(max(0, round(top)), min(len(strip), round(bottom))):
        _paint(strip[y], colour, 0.75, 0.7 * distance / SIGHT_M)


@_compiled
def _paint(pixel: NDArray[np.uint8], colour: NDArray[np.uint8], shade: float, haze: float) -> None:
    for band in range(3):
        pixel[band] = colour[band] * shade * (1 - haze) + HAZE * haze
