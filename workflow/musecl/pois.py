"""POIs of the regions: from points and areas to one row per POI and region."""

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from musecl.geography.geo import DEGREES, cells_of_points, metric_crs

COLUMNS = ["region_id", "name", "category", "text", "longitude", "latitude", "weight"]
SMALLEST_SHARE = 0.01


def locate_pois(pois: gpd.GeoDataFrame, regions: gpd.GeoDataFrame) -> pd.DataFrame:
    """Give each POI the region it lies in, or every region that it overlaps.

    Parameters
    ----------
    pois : GeoDataFrame
        `name`, `category`, `text`, points or polygons in any CRS; where a column `observed` is
        true, a name counts once per region, at the position of its first row.
    regions : GeoDataFrame
        The region table.

    Returns
    -------
    DataFrame
        `COLUMNS`, sorted by region, category, name and position; POIs in no region left out.
    """
    points = pois.geom_type == "Point"
    rows = locate_points(pois[points], regions)
    if "observed" in pois.columns:
        again = rows["observed"] & rows.duplicated(["region_id", "name", "observed"])
        rows = rows[~again]
    parts = [rows[COLUMNS], locate_areas(pois[~points], regions)]
    order = ["region_id", "category", "name", "longitude", "latitude"]
    located = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
    return located.sort_values(order, ignore_index=True)


def locate_points(points: gpd.GeoDataFrame, regions: gpd.GeoDataFrame) -> pd.DataFrame:
    """Give each point the region it lies in; points in no region are left out.

    Returns
    -------
    DataFrame
        The columns of `points` but its geometry, and `COLUMNS`; weight 1: each counts once.
    """
    degrees = points.geometry.to_crs(DEGREES).to_numpy()
    longitude, latitude = shapely.get_x(degrees), shapely.get_y(degrees)
    rows = pd.DataFrame(points.drop(columns="geometry")).assign(
        region_id=cells_of_points(longitude, latitude, regions),
        longitude=longitude,
        latitude=latitude,
        weight=1.0,
    )
    return rows.dropna(subset="region_id")


def locate_areas(areas: gpd.GeoDataFrame, regions: gpd.GeoDataFrame) -> pd.DataFrame:
    """Give each named area every region that it overlaps.

    Parameters
    ----------
    areas : GeoDataFrame
        `name`, `category`, `text` and polygons in any CRS.
    regions : GeoDataFrame
        The region table.

    Returns
    -------
    DataFrame
        `COLUMNS`; weight is the area of the overlap over that of the region, so that a category
        adds up to the part of the region that it covers, between 0 and 1 where areas of a
        category do not overlap. Overlaps below 1% of the region are left out: that much the
        boundaries of two sources may differ. The position is a point inside the overlap.
    """
    if areas.empty:
        return pd.DataFrame(columns=COLUMNS)
    crs = metric_crs(regions)
    cells = regions[["region_id", "geometry"]].to_crs(crs)
    shapes = areas[["name", "category", "text", "geometry"]].to_crs(crs)
    pieces = gpd.overlay(shapes, cells, how="intersection", keep_geom_type=True)
    size = pd.Series(cells.area.to_numpy(), index=cells["region_id"])
    # Square metres have a last bit that depends on the machine's GEOS; a millionth is plenty.
    weight = np.round(pieces.area.to_numpy() / size.loc[pieces["region_id"]].to_numpy(), 6)
    inside = pieces.representative_point().to_crs(DEGREES)
    rows = pd.DataFrame(pieces.drop(columns="geometry")).assign(
        longitude=np.round(shapely.get_x(inside.to_numpy()), 6),
        latitude=np.round(shapely.get_y(inside.to_numpy()), 6),
        weight=weight,
    )
    return rows[rows["weight"] >= SMALLEST_SHARE][COLUMNS]


def count_categories(pois: pd.DataFrame, region_ids: list[str]) -> pd.DataFrame:
    """Add up the weights of the POIs by region and category (the paper's POI_i^k).

    Parameters
    ----------
    pois : DataFrame
        `COLUMNS`.
    region_ids : list of str
        Every region of the city, N of them.

    Returns
    -------
    DataFrame
        N rows sorted by `region_id`, a float column per category, names sorted; zero where a
        region has no such POI.
    """
    ordered = pois.sort_values(["region_id", "category", "weight"])
    counts = ordered.pivot_table(
        index="region_id", columns="category", values="weight", aggfunc="sum", fill_value=0.0
    )
    every = counts.reindex(sorted(region_ids), fill_value=0.0).astype(float)
    return every[sorted(every.columns)].rename_axis(columns=None).reset_index()
