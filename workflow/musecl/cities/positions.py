"""Which CRS positions are in, and which way round they are, told by where the city lies."""

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from musecl.cities.looking import crs_name
from musecl.geography.geo import DEGREES, metric_crs

# Of the box around the city, on each side: a file may reach a little beyond it.
MARGIN_SHARE = 0.1
MINIMUM_SHARE_INSIDE = 0.5
WEB = "EPSG:3857"


@dataclass(frozen=True)
class Fit:
    """A CRS in which positions lie in the city, and whether their axes have to be exchanged."""

    crs: str
    swapped: bool


def fit_positions(
    x: NDArray[np.float64], y: NDArray[np.float64], land: gpd.GeoDataFrame
) -> Fit | None:
    """Find how positions have to be read to lie where the city lies.

    Parameters
    ----------
    x, y : array of shape (N,)
        As they stand in a file, nan where unknown.
    land : GeoDataFrame
        Boundary of the city, in any CRS.

    Returns
    -------
    Fit or None
        Degrees, the CRS of the boundary, the city's UTM zone or that of web maps; the first in
        which at least half of the positions lie in the box around the city. None where none fits.
    """
    known = np.isfinite(x) & np.isfinite(y) & ((x != 0) | (y != 0))
    if not known.any():
        return None
    candidates = [CRS.from_user_input(DEGREES), land.crs, metric_crs(land.geometry), CRS(WEB)]
    for swapped in (False, True):
        for crs in candidates:
            east, north = (y, x) if swapped else (x, y)
            if share_in_box(east[known], north[known], crs, land) >= MINIMUM_SHARE_INSIDE:
                return Fit(crs_name(crs), swapped)
    return None


def share_in_box(
    x: NDArray[np.float64], y: NDArray[np.float64], crs: CRS, land: gpd.GeoDataFrame
) -> float:
    """Compute the share of N positions in a CRS that lie in the box around a city.

    0 where they cannot be brought to degrees.
    """
    west, south, east, north = land.to_crs(DEGREES).total_bounds
    beside, above = MARGIN_SHARE * (east - west), MARGIN_SHARE * (north - south)
    try:
        to_degrees = Transformer.from_crs(crs, DEGREES, always_xy=True)
        longitude, latitude = to_degrees.transform(x, y)
    except (CRSError, ProjError):
        return 0.0
    inside = (longitude >= west - beside) & (longitude <= east + beside)
    inside &= (latitude >= south - above) & (latitude <= north + above)
    return float(inside.mean()) if len(inside) else 0.0
