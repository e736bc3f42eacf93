"""Images that a provider draws at viewpoints: which viewpoints, and what is written of them."""

import geopandas as gpd
import numpy as np
import pandas as pd

from musecl.geography.geo import cells_of_points
from musecl.imagery.images import encode_image
from musecl.imagery.viewpoints import choose_viewpoints
from musecl.runtime.progress import progress
from musecl.runtime.tables import KEY
from musecl.runtime.workers import in_pieces
from musecl.sources.contract import Drawn

COLUMNS = [KEY, "viewpoint", "orientation", "longitude", "latitude", "image"]


def draw_images(
    drawn: Drawn, regions: gpd.GeoDataFrame, at_most: int, pixels: int, seed: int
) -> pd.DataFrame:
    """Choose viewpoints in each region and draw what is seen from them.

    Parameters
    ----------
    drawn : Drawn
        What there is.
    regions : GeoDataFrame
        The region table; viewpoints in no region are left out.
    at_most : int
        Viewpoints per region.
    pixels : int
        Side of an image.
    seed : int
        Of the choice.

    Returns
    -------
    DataFrame
        Rows as `write_images` takes them.
    """
    table = drawn.table.assign(row=np.arange(len(drawn.table)))
    table[KEY] = cells_of_points(
        table["longitude"].to_numpy(dtype=float), table["latitude"].to_numpy(dtype=float), regions
    )
    viewpoints = choose_viewpoints(table.dropna(subset=[KEY]), at_most, seed)

    def draw(row: int) -> list[bytes]:
        return [encode_image(image) for image in drawn.draw(row, pixels)]

    encoded = in_pieces(draw, viewpoints["row"].tolist())
    images = [
        image
        for of_viewpoint in progress("images", encoded, len(viewpoints))
        for image in of_viewpoint
    ]
    rows = viewpoints.loc[viewpoints.index.repeat(len(drawn.orientations))]
    rows = rows.assign(orientation=np.tile(drawn.orientations, len(viewpoints)), image=images)
    return rows[COLUMNS]
