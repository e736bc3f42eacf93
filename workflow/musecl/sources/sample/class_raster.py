"""The sample's drawn city: a raster of classes (water, land, park, street, building, ...).

Both views are rendered from it. A value of 32 and above is a building; the value is its tone and
says nothing else about it.
"""

from dataclasses import dataclass

import cv2
import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

WATER, LAND, PARK, CEMETERY, AIRPORT, OTHER_OPEN, STREET, STATION = range(8)
FIRST_BUILDING = 32
KINDS = {"park": PARK, "cemetery": CEMETERY, "airport": AIRPORT, "other": OTHER_OPEN}
MARGIN_M = 1200
STREET_WIDTH_M = 10
STATION_RADIUS_M = 10
COLOURS = {
    WATER: (62, 92, 140),
    LAND: (176, 170, 150),
    PARK: (88, 134, 70),
    CEMETERY: (128, 146, 92),
    AIRPORT: (150, 150, 158),
    OTHER_OPEN: (160, 140, 110),
    STREET: (92, 92, 96),
    STATION: (214, 60, 50),
}
# OpenCV takes coordinates as integers with so many binary digits after the point.
SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class Frame:
    """Where a raster lies on the ground.

    Attributes
    ----------
    crs : CRS
        A metric one.
    transform : Affine
        From column and row to easting and northing, north up.
    height, width : int
        Pixels.
    """

    crs: CRS
    transform: Affine
    height: int
    width: int

    @property
    def metres_per_pixel(self) -> float:
        """Side of a pixel on the ground."""
        return float(self.transform.a)

    def box(self, margin_m: float = 0.0) -> shapely.Polygon:
        """Outline in metres, grown by a margin."""
        west, north = self.transform @ (0, 0)
        east, south = self.transform @ (self.width, self.height)
        return shapely.box(west - margin_m, south - margin_m, east + margin_m, north + margin_m)

    def pixels(self, positions: NDArray[np.float64]) -> NDArray[np.int32]:
        """Columns and rows (..., 2) of positions (..., 2) in metres, in OpenCV's fixed point."""
        columns, rows = ~self.transform @ (positions[..., 0], positions[..., 1])
        # OpenCV counts from the centre of the first pixel, GDAL from its corner.
        centred = np.stack([columns, rows], axis=-1) - 0.5
        return np.round(centred * (1 << SUBPIXEL_BITS)).astype(np.int32)


def frame_of(regions: gpd.GeoDataFrame, crs: CRS, metres_per_pixel: float) -> Frame:
    """Frame the regions plus a margin that every chip and line of sight stays in.

    Parameters
    ----------
    regions : GeoDataFrame
        Any CRS.
    crs : CRS
        A metric one, that of the raster.
    metres_per_pixel : float
        The corner of the frame is a whole multiple of it.
    """
    west, south, east, north = regions.to_crs(crs).total_bounds
    left = np.floor((west - MARGIN_M) / metres_per_pixel)
    top = np.ceil((north + MARGIN_M) / metres_per_pixel)
    width = int(np.ceil((east + MARGIN_M) / metres_per_pixel) - left)
    height = int(top - np.floor((south - MARGIN_M) / metres_per_pixel))
    transform = Affine.translation(left * metres_per_pixel, top * metres_per_pixel)
    return Frame(crs, transform @ Affine.scale(metres_per_pixel, -metres_per_pixel), height, width)


def palette() -> NDArray[np.uint8]:
    """Colours (256, 3), RGB, of the classes; a building has one of 224 wall colours."""
    colours = np.zeros((256, 3), np.uint8)
    for value, colour in COLOURS.items():
        colours[value] = colour
    generator = np.random.default_rng(0)
    warmth, grey = generator.random(256 - FIRST_BUILDING), generator.uniform(90, 210, 224)
    tint = 30 * (warmth - 0.3)
    colours[FIRST_BUILDING:] = np.stack([grey + tint, grey, grey - tint], axis=1).clip(0, 255)
    return colours


def building_tones(identity: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Choose a building's class, 32 to 255, by nothing but the hash of its lot's identity."""
    return (FIRST_BUILDING + identity % (256 - FIRST_BUILDING)).astype(np.uint8)


def draw_city(
    frame: Frame,
    land: shapely.Geometry,
    open_areas: gpd.GeoDataFrame,
    rectangles: NDArray[np.float64],
    tones: NDArray[np.uint8],
    streets: NDArray[np.float64],
    stations: NDArray[np.float64],
) -> NDArray[np.uint8]:
    """Paint the classes, each over those before it: buildings, streets, open areas, water.

    Parameters
    ----------
    frame : Frame
        What to paint.
    land : Polygon or MultiPolygon
        In the frame's CRS; what is not land is water.
    open_areas : GeoDataFrame
        `kind` and polygons in the frame's CRS; no building and no street lies in them.
    rectangles, tones : array of shape (N, 4, 2) in metres, and (N,)
        Buildings.
    streets : array of shape (S, 2, 2)
        Start and end in metres.
    stations : array of shape (T, 2)
        Metres.

    Returns
    -------
    array of shape (height, width), uint8
    """
    canvas = np.full((frame.height, frame.width), LAND, np.uint8)
    for corners, tone in zip(frame.pixels(rectangles), tones.tolist(), strict=True):
        cv2.fillConvexPoly(canvas, corners, tone, cv2.LINE_8, SUBPIXEL_BITS)
    thickness = max(1, round(STREET_WIDTH_M / frame.metres_per_pixel))
    lines = list(frame.pixels(streets))
    cv2.polylines(canvas, lines, False, STREET, thickness, cv2.LINE_8, SUBPIXEL_BITS)
    for kind, value in KINDS.items():
        areas = shapely.union_all(open_areas.geometry[open_areas["kind"] == kind].to_numpy())
        _fill(canvas, areas, value, frame)
    _fill(canvas, frame.box(100).difference(land), WATER, frame)
    radius = round(STATION_RADIUS_M / frame.metres_per_pixel * (1 << SUBPIXEL_BITS))
    for centre in frame.pixels(stations).tolist():
        cv2.circle(canvas, centre, radius, STATION, -1, cv2.LINE_8, SUBPIXEL_BITS)
    return canvas


def values_at(
    canvas: NDArray[np.uint8], frame: Frame, positions: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Look up the classes (N,) at positions (N, 2) in metres; outside the frame is water."""
    columns, rows = np.floor(~frame.transform @ positions.T).astype(np.int64)
    inside = (columns >= 0) & (rows >= 0) & (columns < frame.width) & (rows < frame.height)
    values = np.full(len(positions), WATER, np.uint8)
    values[inside] = canvas[rows[inside], columns[inside]]
    return values


def _fill(canvas: NDArray[np.uint8], area: shapely.Geometry, value: int, frame: Frame) -> None:
    near = shapely.intersection(area, frame.box(100))
    # Twice, for a collection may hold what has parts itself; outside the frame nothing is left.
    for polygon in shapely.get_parts(shapely.get_parts(near)):
        if isinstance(polygon, shapely.Polygon) and not polygon.is_empty:
            rings = [polygon.exterior, *polygon.interiors]
            contours = [frame.pixels(shapely.get_coordinates(ring)) for ring in rings]
            cv2.fillPoly(canvas, contours, value, cv2.LINE_8, SUBPIXEL_BITS)
