"""Places of the regions: from raw points and areas to one row per place and region.

Every function here returns rows of the same columns, `COLUMNS`, in no promised order;
`arrange` sorts them.
"""

import re

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from musecl.geography.geo import cells_of_points, metric_crs

COLUMNS = ["region_id", "name", "category", "text", "longitude", "latitude", "weight"]
SMALLEST_SHARE = 0.01
TRIP_END = "trip end on "

# The first pattern that matches decides, so the narrow ones come first.
STREET_TYPES = {
    "terminal": r"\b(terminal|airport|arrivals|departures|flights)\b",
    "bridge or tunnel": r"\b(bridge(?! street)|tunnel|underpass)\b",
    "expressway or parkway": r"\b(expressway|parkway|highway|fdr|gcp|(i|ny) \d+a?)\b",
    "boulevard": r"\b(boulevard|concourse)\b",
    "avenue": r"\b(avenue|broadway|bowery|central park (west|north|south))\b",
    "street": r"\bstreet\b",
    "road": r"\b(road|roadway|drive|lane|way|loop|transverse|turnpike)\b",
    "place": r"\b(place|plaza|square|circle|court|terrace|row|slip|mews|alley)\b",
}


def locate_points(
    points: pd.DataFrame, regions: gpd.GeoDataFrame, category: str, text: str
) -> pd.DataFrame:
    """Give each named point the region it lies in; points in no region are left out.

    Parameters
    ----------
    points : DataFrame
        `name`, `longitude`, `latitude` (degrees, EPSG:4326).
    regions : GeoDataFrame
        The region table.
    category : str
        What kind of place they all are.
    text : str
        The phrase that names such a place; `{name}` in it stands for the name.

    Returns
    -------
    DataFrame
        `COLUMNS`, weight 1: each counts once.
    """
    found = cells_of_points(points["longitude"].to_numpy(), points["latitude"].to_numpy(), regions)
    rows = points[["name", "longitude", "latitude"]].assign(
        region_id=found,
        category=category,
        text=[text.format(name=name) for name in points["name"]],
        weight=1.0,
    )
    return rows.dropna(subset="region_id")[COLUMNS]


def locate_described(points: pd.DataFrame, regions: gpd.GeoDataFrame) -> pd.DataFrame:
    """Give each place that has its own category and text the region it lies in.

    Parameters
    ----------
    points : DataFrame
        `name`, `category`, `text`, `longitude`, `latitude` (degrees, EPSG:4326).
    regions : GeoDataFrame
        The region table.

    Returns
    -------
    DataFrame
        `COLUMNS`, weight 1; points in no region are left out.
    """
    found = cells_of_points(points["longitude"].to_numpy(), points["latitude"].to_numpy(), regions)
    return points.assign(region_id=found, weight=1.0).dropna(subset="region_id")[COLUMNS]


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
    crs = metric_crs(regions)
    cells = regions[["region_id", "geometry"]].to_crs(crs)
    shapes = areas[["name", "category", "text", "geometry"]].to_crs(crs)
    pieces = gpd.overlay(shapes, cells, how="intersection", keep_geom_type=True)
    size = pd.Series(cells.area.to_numpy(), index=cells["region_id"])
    # Square metres have a last bit that depends on the machine's GEOS; a millionth is plenty.
    weight = np.round(pieces.area.to_numpy() / size.loc[pieces["region_id"]].to_numpy(), 6)
    inside = pieces.representative_point().to_crs(4326)
    rows = pd.DataFrame(pieces.drop(columns="geometry")).assign(
        longitude=np.round(shapely.get_x(inside.to_numpy()), 6),
        latitude=np.round(shapely.get_y(inside.to_numpy()), 6),
        weight=weight,
    )
    return rows[rows["weight"] >= SMALLEST_SHARE][COLUMNS]


def locate_trip_ends(trips: pd.DataFrame, regions: gpd.GeoDataFrame) -> pd.DataFrame:
    """List the streets on which trips start or end, once per region, however many trips there are.

    Parameters
    ----------
    trips : DataFrame
        A row per trip: `trip_id` and for both ends `{origin,destination}_name`, `_longitude`,
        `_latitude` (degrees, EPSG:4326); an empty or missing name is passed over.
    regions : GeoDataFrame
        The region table.

    Returns
    -------
    DataFrame
        `COLUMNS`, weight 1; the category starts with `TRIP_END`, so that whoever must not learn
        where trips are can leave them out. The position is the end of the first trip by id.
    """
    ends = pd.concat(
        trips[["trip_id", f"{end}_name", f"{end}_longitude", f"{end}_latitude"]].set_axis(
            ["trip_id", "name", "longitude", "latitude"], axis=1
        )
        for end in ("origin", "destination")
    )
    ends = ends[ends["name"].fillna("") != ""]
    ends = ends.sort_values(["trip_id", "name", "longitude", "latitude"])
    rows = locate_points(ends, regions, "", "{name}").drop_duplicates(["region_id", "name"])
    return rows.assign(category=[TRIP_END + street_type(name) for name in rows["name"]])


def street_type(name: str) -> str:
    """Name the kind of street by the words of its name (`STREET_TYPES`), or `other way`."""
    for kind, pattern in STREET_TYPES.items():
        if re.search(pattern, name.lower()):
            return kind
    return "other way"


def arrange(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Put rows of several kinds of places together, sorted by region, category, name, position."""
    order = ["region_id", "category", "name", "longitude", "latitude"]
    return pd.concat(parts, ignore_index=True).sort_values(order, ignore_index=True)


def count_categories(places: pd.DataFrame, region_ids: list[str]) -> pd.DataFrame:
    """Add up the weights of the places by region and category (the paper's POI_i^k).

    Parameters
    ----------
    places : DataFrame
        `COLUMNS`.
    region_ids : list of str
        Every region of the city, N of them.

    Returns
    -------
    DataFrame
        N rows sorted by `region_id`, a float column per category, names sorted; zero where a
        region has no such place.
    """
    ordered = places.sort_values(["region_id", "category", "weight"])
    counts = ordered.pivot_table(
        index="region_id", columns="category", values="weight", aggfunc="sum", fill_value=0.0
    )
    every = counts.reindex(sorted(region_ids), fill_value=0.0).astype(float)
    return every[sorted(every.columns)].rename_axis(columns=None).reset_index()
