"""Street views from photographs: drawn for each region, turned upright, cut square.

A panorama becomes four views of 90 degrees to the north, east, south and west; any other
photograph becomes one.
"""

import cv2
import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from musecl.geography.geo import cells_of_points
from musecl.imagery.images import encode_image
from musecl.imagery.settings import StreetViewSettings
from musecl.imagery.viewpoints import choose_viewpoints
from musecl.runtime.errors import InputError
from musecl.runtime.progress import progress
from musecl.runtime.tables import KEY
from musecl.runtime.workers import in_pieces
from musecl.sources.contract import Photographs
from musecl.sources.photograph import read_spanned

ORIENTATIONS = (0, 90, 180, 270)
COLUMNS = [KEY, "viewpoint", "orientation", "longitude", "latitude", "image"]
WHOLE = (0.0, 0.0, 1.0, 1.0)
Image = NDArray[np.uint8]
Spanned = tuple[float, float, float, float]


def cut_photographs(
    source: Photographs, regions: gpd.GeoDataFrame, settings: StreetViewSettings, seed: int
) -> pd.DataFrame:
    """Draw photographs in each region and cut them to views.

    Parameters
    ----------
    source : Photographs
    regions : GeoDataFrame
        The region table.
    settings : StreetViewSettings
        How many per region at most, and the size of a view.
    seed : int
        Of the whole run; what a region draws depends on its own photographs alone.

    Returns
    -------
    DataFrame
        Rows as `write_images` takes them; photographs in no region are left out.

    Raises
    ------
    InputError
        A photograph that was drawn cannot be decoded.
    """
    chosen = choose_viewpoints(locate_photographs(source, regions), settings.viewpoints, seed)

    def cut(place: tuple[str, float, bool]) -> list[tuple[int, bytes]]:
        name, heading, panorama = place
        path = source.folder / name
        # OpenCV turns it as its EXIF says.
        image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        if image is None:
            raise InputError(f"{path}: cannot be decoded; fetch it again")
        if panorama:
            views = cut_panorama(image, heading, settings.pixels, read_spanned(path))
        else:
            orientation = 0 if np.isnan(heading) else round(heading) % 360
            views = [(orientation, cut_flat(image, settings.pixels))]
        return [(orientation, encode_image(view)) for orientation, view in views]

    photographs = list(chosen[["path", "heading", "panorama"]].itertuples(index=False, name=None))
    cuts = progress("photographs", in_pieces(cut, photographs), len(photographs))
    viewpoints = chosen[[KEY, "viewpoint", "longitude", "latitude"]].itertuples(
        index=False, name=None
    )
    rows = [
        (region, view, orientation, longitude, latitude, image)
        for (region, view, longitude, latitude), views in zip(viewpoints, cuts, strict=True)
        for orientation, image in views
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def locate_photographs(source: Photographs, regions: gpd.GeoDataFrame) -> pd.DataFrame:
    """Name the region that each photograph lies in, as candidates for `choose_viewpoints`.

    Returns
    -------
    DataFrame
        The columns of the table, `region_id`, and `weight` 1: each is as likely to be drawn;
        sorted by region and path. Photographs in no region are left out.
    """
    table = source.table
    found = cells_of_points(table["longitude"].to_numpy(), table["latitude"].to_numpy(), regions)
    named = pd.Series(found, index=table.index, dtype=object)
    located = table.assign(**{KEY: named}, weight=1.0).dropna(subset=[KEY])
    return located.sort_values([KEY, "path"], ignore_index=True)


def cut_flat(image: Image, pixels: int) -> Image:
    """Cut the square in the middle of a photograph (H, W, 3): (pixels, pixels, 3)."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    way = cv2.INTER_AREA if side > pixels else cv2.INTER_LINEAR
    square = image[top : top + side, left : left + side]
    return np.asarray(cv2.resize(square, (pixels, pixels), interpolation=way))


def cut_panorama(
    image: Image, heading: float, pixels: int, spanned: Spanned = WHOLE
) -> list[tuple[int, Image]]:
    """Cut an equirectangular panorama to views of 90 degrees.

    Parameters
    ----------
    image : array of shape (H, W, 3), uint8
        Upright, the horizon level.
    heading : float
        Degrees clockwise from north of the middle of the whole sphere; nan where unknown: the
        first view then looks to the middle.
    pixels : int
        Side P of a view.
    spanned : tuple of float
        As `sources.photograph.read_spanned`; what lies outside is black.

    Returns
    -------
    list of (int, array of shape (P, P, 3))
        Orientation in degrees, as in `ORIENTATIONS`, and the view; views of which the panorama
        has nothing are left out.
    """
    left, top, right, bottom = spanned
    # As fine as the edge of a view: what is finer would only flicker.
    width = round(2 * np.pi * pixels * (right - left))
    if image.shape[1] > width:
        height = max(1, round(image.shape[0] * width / image.shape[1]))
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    height, width = image.shape[:2]
    around = right - left > 1 - 0.5 / width
    if around:
        # Between the last column and the first there is no edge.
        image = np.concatenate([image[:, -1:], image, image[:, :1]], axis=1)
    slope = (np.arange(pixels) + 0.5) / (pixels / 2) - 1
    across, down = np.meshgrid(slope, slope)
    turned, lowered = np.arctan(across), np.arctan2(down, np.hypot(1, across))
    rows = ((0.5 + lowered / np.pi - top) / (bottom - top) * height - 0.5).astype(np.float32)
    views = []
    for orientation in ORIENTATIONS:
        bearing = np.deg2rad(orientation - (0 if np.isnan(heading) else heading)) + turned
        share = (bearing / (2 * np.pi) + 0.5) % 1.0
        columns = (share - left) / (right - left) * width - 0.5 + around
        there = (share >= left) & (share <= right) & (rows > -1) & (rows < height)
        if there.any():
            view = cv2.remap(image, columns.astype(np.float32), rows, cv2.INTER_LINEAR)
            views.append((orientation, np.asarray(view)))
    return views
