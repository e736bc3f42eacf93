"""New York from the street, drawn from the same raster as from above. Rendered."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musecl.runtime.tables import read_geotable
from musecl.sources.contract import Drawn
from musecl.sources.sample import satellite
from musecl.sources.sample.satellite import SampleImagery


def read(folder: Path, settings: SampleImagery) -> Drawn:
    """Read the middles of the roads as viewpoints, a long road's more often drawn."""
    import rasterio
    from pyproj import CRS

    from musecl.sources.sample.drawing import RASTER, ROADS
    from musecl.sources.sample.perspective import ORIENTATIONS, render_panorama
    from musecl.sources.sample.viewpoints import raster_positions, road_middles

    with rasterio.open(folder / RASTER) as raster:
        classes, transform, crs = raster.read(1), raster.transform, CRS.from_user_input(raster.crs)
        colours = np.array([raster.colormap(1)[value][:3] for value in range(256)], np.uint8)
    table = road_middles(read_geotable(folder / ROADS), crs)
    positions = raster_positions(table, transform)

    def draw(row: int, pixels: int) -> NDArray[np.uint8]:
        return render_panorama(classes, colours, positions[row], transform.a, pixels)

    return Drawn(table[["longitude", "latitude", "weight"]], draw, ORIENTATIONS)


PROVIDER = replace(
    satellite.PROVIDER, layer="street_view", read=read, says="a drawing of New York's streets"
)
