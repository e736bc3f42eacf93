"""Street views at points along the roads of each region, in four headings of 90 degrees.

Of a generated city, views are drawn from what they are to show.
"""

import hashlib
from functools import partial
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from tqdm import tqdm

from musecl.geography.geo import cells_of_points
from musecl.imagery.images import encode_image, write_images
from musecl.imagery.perspective import ORIENTATIONS, render_panorama
from musecl.imagery.rendering import render_street, render_views
from musecl.imagery.settings import StreetViewSettings
from musecl.sources.synth import STREET_VIEW
from musecl.step.job import Job
from musecl.step.tables import KEY, read_geotable, read_table
from musecl.step.workers import in_pieces

STAGE = 3


def run(job: Job) -> None:
    """Choose the viewpoints of each region and render what is seen from them."""
    regions = read_geotable(job.input("regions.parquet"))
    settings = job.settings("street_view", StreetViewSettings)
    scene, seed = job.input("scene"), job.value("seed")
    if job.value("cities.{city}.sources.street_view") == "synth":
        shown = read_table(scene / STREET_VIEW)
        rows = render_views(
            shown, regions, render_street, settings.pixels, ORIENTATIONS, settings.viewpoints
        )
    else:
        rows = render_scene(scene, regions, settings, seed)
    folder = job.output("street_view")
    folder.mkdir()
    write_images(folder, rows)
    viewpoints, without = len(rows) // len(ORIENTATIONS), len(regions) - rows[KEY].nunique()
    print(f"street_view: {viewpoints} viewpoints; {without} regions without a road have none")


def render_scene(
    scene: Path, regions: gpd.GeoDataFrame, settings: StreetViewSettings, seed: int
) -> pd.DataFrame:
    """Choose viewpoints along the roads of the drawn city and render it: rows of images."""
    roads = read_geotable(scene / "roads.parquet")
    with rasterio.open(scene / "scene.tif") as raster:
        classes, transform, crs = raster.read(1), raster.transform, CRS.from_user_input(raster.crs)
        colours = np.array([raster.colormap(1)[value][:3] for value in range(256)], np.uint8)
    candidates = road_middles(roads, regions, crs)
    viewpoints = choose_viewpoints(candidates, settings.viewpoints, seed)
    render = partial(
        render_panorama, classes, colours, metres_per_pixel=transform.a, pixels=settings.pixels
    )
    positions = raster_positions(viewpoints, transform)

    def draw(position: tuple[float, float, float]) -> list[bytes]:
        return [encode_image(view) for view in render(position)]

    encoded = in_pieces(draw, positions)
    images = list(tqdm(encoded, "panoramas", len(positions), mininterval=5))
    return image_rows(viewpoints, images)


def road_middles(roads: gpd.GeoDataFrame, regions: gpd.GeoDataFrame, crs: CRS) -> pd.DataFrame:
    """Find the middle of each road, the region it lies in and the way the road runs there.

    Parameters
    ----------
    roads : GeoDataFrame
        Lines in any CRS, and `length_m`.
    regions : GeoDataFrame
        The region table.
    crs : CRS
        Metric CRS of the raster that the views are rendered from.

    Returns
    -------
    DataFrame
        `region_id`, `longitude`, `latitude` (EPSG:4326), `easting`, `northing` (metres in `crs`),
        `bearing` (radians clockwise from the raster's north), `length_m`; roads outside every
        region left out; in an order that does not depend on the roads'.
    """
    lines = roads.geometry.to_crs(crs).to_numpy()
    before, middle, after = (
        shapely.get_coordinates(shapely.line_interpolate_point(lines, share, normalized=True))
        for share in (0.49, 0.5, 0.51)
    )
    longitude, latitude = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(
        *middle.T
    )
    found = pd.DataFrame(
        {
            KEY: pd.Series(cells_of_points(longitude, latitude, regions), dtype=object),
            "longitude": longitude,
            "latitude": latitude,
            "easting": middle[:, 0],
            "northing": middle[:, 1],
            "bearing": np.arctan2(*(after - before).T),
            "length_m": roads["length_m"].to_numpy(),
        }
    )
    order = [KEY, "easting", "northing", "bearing"]
    return found.dropna(subset=[KEY]).sort_values(order, ignore_index=True)


def choose_viewpoints(candidates: pd.DataFrame, at_most: int, seed: int) -> pd.DataFrame:
    """Draw viewpoints in each region, long roads more often, none twice.

    A region's draw depends on its own roads alone, not on which other regions there are.

    Parameters
    ----------
    candidates : DataFrame
        As `road_middles` returns them.
    at_most : int
        Viewpoints per region; a region with fewer roads has one on each.
    seed : int
        Of the whole run.

    Returns
    -------
    DataFrame
        The drawn candidates, with `view` from 0 in each region; sorted by region and view.
    """
    chosen = [
        roads.iloc[_draw(roads["length_m"].to_numpy(), at_most, str(region), seed)].assign(
            view=lambda drawn: np.arange(len(drawn))
        )
        for region, roads in candidates.groupby(KEY, sort=True)
    ]
    return pd.concat(chosen, ignore_index=True) if chosen else candidates.assign(view=0)


def raster_positions(
    viewpoints: pd.DataFrame, transform: Affine
) -> list[tuple[float, float, float]]:
    """Bring N viewpoints to column, row (pixels) and bearing (radians) on the raster."""
    columns, rows = ~transform @ (
        viewpoints["easting"].to_numpy(),
        viewpoints["northing"].to_numpy(),
    )
    return list(zip(columns, rows, viewpoints["bearing"].to_numpy(), strict=True))


def image_rows(viewpoints: pd.DataFrame, images: list[list[bytes]]) -> pd.DataFrame:
    """Lay out N panoramas of four encoded views as 4 N rows for `write_images`."""
    rows = viewpoints[[KEY, "view", "longitude", "latitude"]]
    rows = rows.loc[rows.index.repeat(len(ORIENTATIONS))]
    rows["orientation"] = np.tile(ORIENTATIONS, len(viewpoints))
    rows["image"] = [image for panorama in images for image in panorama]
    return rows


def _draw(lengths: NDArray[np.float64], at_most: int, region: str, seed: int) -> NDArray[np.intp]:
    key = int.from_bytes(hashlib.sha256(region.encode()).digest()[:8], "big")
    generator = np.random.default_rng([seed, STAGE, key])
    shares = lengths / lengths.sum()
    return generator.choice(len(lengths), min(at_most, len(lengths)), replace=False, p=shares)
