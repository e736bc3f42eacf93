"""The sample's drawn city: a raster of classes, streets and lot counts, from real vectors.

Shore, open areas, lots and stations are drawn; nothing that an indicator is made of is read, and no
road that a taxi drove: the images would show the labels.
"""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pandera.pandas as pa
import rasterio
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from musecl.geography.geo import cells_of_points, metric_crs
from musecl.runtime.tables import KEY, key_column, write_table
from musecl.sources.sample.blocks import (
    block_streets,
    buildings,
    cell_areas,
    distinct_lots,
    place_lots,
    voronoi_edges,
)
from musecl.sources.sample.class_raster import (
    STREET,
    Frame,
    building_tones,
    draw_city,
    frame_of,
    palette,
    values_at,
)
from musecl.sources.sample.tables import read_boundary, read_lots, read_open_areas, read_stations

RASTER, ROADS, LOT_COUNTS = "drawn_city.tif", "roads.parquet", "lot_counts.parquet"
ROAD_SCHEMA = pa.DataFrameSchema(
    {"geometry": pa.Column(nullable=False), "length_m": pa.Column(float, pa.Check.gt(0))},
    strict=True,
)
LOT_COUNT_SCHEMA = pa.DataFrameSchema(
    {KEY: key_column(), "lots": pa.Column("int64", pa.Check.ge(0))}, strict=True
)


def draw_sample(folder: Path, regions: gpd.GeoDataFrame, metres_per_pixel: float, to: Path) -> None:
    """Draw the class raster, and write the streets and lot counts that come with it.

    Parameters
    ----------
    folder : Path
        Of the packages' files.
    regions : GeoDataFrame
        The region table.
    metres_per_pixel : float
        Of the raster.
    to : Path
        Folder of what is drawn.
    """
    frame = frame_of(regions, metric_crs(regions), metres_per_pixel)

    table = within(distinct_lots(read_lots(folder)), frame)
    counts = count_lots(table, regions)
    write_table(counts, LOT_COUNT_SCHEMA, to / LOT_COUNTS)

    lots = place_lots(table, frame.crs)
    edges = voronoi_edges(lots.position)
    rectangles = buildings(lots, cell_areas(lots, edges))
    streets = block_streets(lots, edges)
    stations = read_stations(folder)
    canvas = draw_city(
        frame,
        shapely.union_all(read_boundary(folder).to_crs(frame.crs).geometry.to_numpy()),
        read_open_areas(folder).to_crs(frame.crs),
        rectangles,
        building_tones(lots.identity),
        streets,
        metric_positions(within(stations, frame), frame),
    )
    write_raster(canvas, frame, to / RASTER)

    roads = visible_roads(streets, canvas, frame)
    write_table(roads, ROAD_SCHEMA, to / ROADS)
    print(f"drawn: {len(lots)} lots, {len(roads)} roads of {roads['length_m'].sum() / 1e3:.0f} km")


def within(points: pd.DataFrame, frame: Frame) -> pd.DataFrame:
    """Select the points (longitude, latitude in EPSG:4326) that lie in the frame."""
    inside = shapely.contains_xy(frame.box(), metric_positions(points, frame))
    selected: pd.DataFrame = points.loc[inside].reset_index(drop=True)
    return selected


def metric_positions(points: pd.DataFrame, frame: Frame) -> NDArray[np.float64]:
    """Bring N points (longitude, latitude) to the frame's CRS: (N, 2), metres."""
    to_metric = Transformer.from_crs("EPSG:4326", frame.crs, always_xy=True)
    longitude, latitude = points["longitude"].to_numpy(), points["latitude"].to_numpy()
    return np.column_stack(to_metric.transform(longitude, latitude))


def count_lots(lots: pd.DataFrame, regions: gpd.GeoDataFrame) -> pd.DataFrame:
    """Count the lots of every region; a region without lots has a true count of zero.

    Parameters
    ----------
    lots : DataFrame
        `longitude`, `latitude` in EPSG:4326.
    regions : GeoDataFrame
        The region table.

    Returns
    -------
    DataFrame
        `region_id`, `lots`, a row per region.
    """
    cells = pd.Series(
        cells_of_points(lots["longitude"].to_numpy(), lots["latitude"].to_numpy(), regions),
        dtype=object,
    )
    counted = cells.value_counts().reindex(regions[KEY], fill_value=0)
    return pd.DataFrame({KEY: regions[KEY], "lots": counted.to_numpy(np.int64)})


def visible_roads(
    streets: NDArray[np.float64], canvas: NDArray[np.uint8], frame: Frame
) -> gpd.GeoDataFrame:
    """Keep the streets whose middle is drawn as street: not those over water or through parks.

    Parameters
    ----------
    streets : array of shape (S, 2, 2)
        Start and end in metres.
    canvas : array of shape (H, W)
        The painted classes.
    frame : Frame
        Where the canvas lies.

    Returns
    -------
    GeoDataFrame
        `geometry` (lines, EPSG:4326) and `length_m`.
    """
    drawn = streets[values_at(canvas, frame, streets.mean(axis=1)) == STREET]
    lines = gpd.GeoSeries(shapely.linestrings(drawn), crs=frame.crs)
    return gpd.GeoDataFrame({"length_m": lines.length}, geometry=lines.to_crs("EPSG:4326"))


def write_raster(canvas: NDArray[np.uint8], frame: Frame, path: Path) -> None:
    """Write the classes as a tiled GeoTIFF with their colours as its palette."""
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=frame.height,
        width=frame.width,
        count=1,
        dtype="uint8",
        crs=frame.crs,
        transform=frame.transform,
        tiled=True,
        blockxsize=512,
        blockysize=512,
        compress="deflate",
        zlevel=1,
    ) as raster:
        raster.write(canvas, 1)
        raster.write_colormap(1, {value: tuple(c) for value, c in enumerate(palette().tolist())})
