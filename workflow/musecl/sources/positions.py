"""Whether positions that users bring are real, and lie in the city."""

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from musecl.runtime.errors import InputError

DEGREES = "EPSG:4326"
# Of the rows of a file as many lie in the city, or so many in all: it may be a whole country's.
LEAST_SHARE = 1e-3
MINIMUM_ROWS = 30


def known_positions(
    longitude: NDArray[np.float64], latitude: NDArray[np.float64], where: str
) -> NDArray[np.bool_]:
    """Tell which positions are real: not empty, not (0, 0), within the range of degrees.

    Parameters
    ----------
    longitude, latitude : array of shape (N,)
        Degrees (EPSG:4326), nan where empty.
    where : str
        Starts the message.

    Returns
    -------
    array of bool, shape (N,)

    Raises
    ------
    InputError
        Most positions are out of the range of degrees.
    """
    there = np.isfinite(longitude) & np.isfinite(latitude)
    there &= (longitude != 0) | (latitude != 0)
    inside = there & (np.abs(longitude) <= 180) & (np.abs(latitude) <= 90)
    if 2 * inside.sum() < there.sum():
        raise InputError(
            f"{where}: {there.sum() - inside.sum()} of {there.sum()} positions are no longitude "
            "and latitude in degrees; exchange the two columns, name others, or give their CRS"
        )
    return inside


def share_inside(
    longitude: NDArray[np.float64], latitude: NDArray[np.float64], area: BaseGeometry
) -> tuple[str, str | None]:
    """Tell how many positions lie in the city, and what is wrong where too few do.

    A file may be that of a whole country, and the city a small part of one. So it is wrong only
    where longitude and latitude, exchanged, would bring at least as many inside (those apart that
    lie inside either way), or where below 1 in 1,000 of the positions, and fewer than 30, lie
    inside.

    Parameters
    ----------
    longitude, latitude : array of shape (N,)
        Degrees (EPSG:4326), nan where unknown.
    area : Polygon or MultiPolygon
        The regions, EPSG:4326: of a city that an extent cuts down, that part alone.

    Returns
    -------
    str
        How many lie inside, in words.
    str or None
        What is wrong and what to do; None where nothing is.
    """
    known = np.isfinite(longitude) & np.isfinite(latitude)
    total = int(known.sum())
    if total == 0:
        return "none has a position", "no row has a position; name other columns in params.yaml"
    shapely.prepare(area)
    inside = shapely.contains_xy(area, longitude[known], latitude[known])
    swapped = shapely.contains_xy(area, latitude[known], longitude[known])
    number = int(inside.sum())
    said = f"{number} of {total} positions ({number / total:.1%}) lie inside the city"
    gained = int((swapped & ~inside).sum())
    if gained and gained >= (inside & ~swapped).sum():
        return said, (
            f"only {said}, swapped {int(swapped.sum())} would: exchange the columns of longitude "
            "and latitude in params.yaml"
        )
    if number < MINIMUM_ROWS and number < LEAST_SHARE * total:
        return said, f"only {said}; check the columns, their CRS, and the boundary"
    return said, None


def require_within(
    longitude: NDArray[np.float64], latitude: NDArray[np.float64], area: BaseGeometry, where: str
) -> None:
    """Refuse positions as `share_inside` judges them, else print how many lie inside.

    Parameters
    ----------
    longitude, latitude, area
        As in `share_inside`.
    where : str
        Starts the message.

    Raises
    ------
    InputError
        Too few lie inside.
    """
    said, wrong = share_inside(longitude, latitude, area)
    if wrong is not None:
        raise InputError(f"{where}: {wrong}")
    print(f"{where}: {said}")


def require_touching(shapes: gpd.GeoDataFrame, area: BaseGeometry, where: str) -> None:
    """Refuse shapes in any CRS of which none meets the city.

    Parameters
    ----------
    shapes : GeoDataFrame
        Points or polygons.
    area : Polygon or MultiPolygon
        As in `share_inside`.
    where : str
        Starts the message.

    Raises
    ------
    InputError
        It says whether they would fit with longitude and latitude exchanged.
    """
    degrees = shapes.geometry.to_crs(DEGREES)
    if not degrees.intersects(area).any():
        inside = degrees.representative_point()
        require_within(inside.x.to_numpy(), inside.y.to_numpy(), area, where)
