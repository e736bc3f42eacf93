"""POIs of New York: stations, neighbourhoods, open areas, and streets on which trips end.

Of the trips, the `input` half alone is read; nothing of the lots, nor of the census.
"""

import re
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import pandas as pd

from musecl.runtime.section import Section
from musecl.sources.provider import Provider, Request
from musecl.sources.sample.packages import ATTRIBUTION, LICENCE, fetch_into, require_new_york
from musecl.sources.sample.tables import (
    NEIGHBOURHOODS,
    ROUTES,
    STOPS,
    read_neighbourhoods,
    read_open_areas,
    read_stations,
    read_trips,
)

COLUMNS = ["name", "category", "text", "observed", "geometry"]
TRIP_END = "trip end on "
OPEN_AREAS = {
    "park": ("park", "a park"),
    "cemetery": ("cemetery", "a cemetery"),
    "airport": ("airport", "an airport"),
    "other": ("special area", "a special area"),
}
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


class SamplePois(Section):
    """Stations, areas and streets of New York."""

    provider: Literal["sample"]


def fetch(request: Request) -> None:
    """Fetch stations, neighbourhoods and routes."""
    require_new_york(request)
    fetch_into(request, [NEIGHBOURHOODS, STOPS, ROUTES])


def read(folder: Path, settings: SamplePois) -> gpd.GeoDataFrame:
    """Read every kind of POI, EPSG:4326."""
    trips = read_trips(folder)
    areas = describe_areas(read_neighbourhoods(folder), read_open_areas(folder))
    parts = [
        describe_stations(read_stations(folder)),
        areas.assign(observed=False),
        describe_trip_ends(trips[trips["half"] == "input"]),
    ]
    pois = pd.concat([part[COLUMNS] for part in parts], ignore_index=True)
    return gpd.GeoDataFrame(pois, crs=4326)


def describe_stations(stations: pd.DataFrame) -> gpd.GeoDataFrame:
    """Name stations (name, longitude, latitude in EPSG:4326) in words."""
    return at_points(
        stations,
        category="subway station",
        text="Subway station " + stations["name"],
        observed=False,
    )


def describe_areas(
    neighbourhoods: gpd.GeoDataFrame, open_areas: gpd.GeoDataFrame
) -> gpd.GeoDataFrame:
    """Name the areas in words: `name`, `category`, `text` and geometry in the CRS of the first."""
    named = neighbourhoods.assign(
        category="neighbourhood",
        text="Neighbourhood "
        + neighbourhoods["name"]
        + ", "
        + neighbourhoods["borough"].str.title(),
    )
    kinds = open_areas["kind"].map(OPEN_AREAS)
    open_named = open_areas.assign(
        category=kinds.str[0], text=open_areas["name"] + ", " + kinds.str[1]
    )
    columns = ["name", "category", "text", "geometry"]
    both = pd.concat([named[columns], open_named.to_crs(named.crs)[columns]], ignore_index=True)
    return gpd.GeoDataFrame(both, crs=named.crs)


def describe_trip_ends(trips: pd.DataFrame) -> gpd.GeoDataFrame:
    """List the streets on which trips start or end, a row per end, by the id of the trip.

    Parameters
    ----------
    trips : DataFrame
        A row per trip: `trip_id` and for both ends `{origin,destination}_name`, `_longitude`,
        `_latitude` (degrees, EPSG:4326); an empty or missing name is passed over.

    Returns
    -------
    GeoDataFrame
        The category starts with `TRIP_END`, so that whoever must not learn where trips are can
        leave them out.
    """
    ends = pd.concat(
        trips[["trip_id", f"{end}_name", f"{end}_longitude", f"{end}_latitude"]].set_axis(
            ["trip_id", "name", "longitude", "latitude"], axis=1
        )
        for end in ("origin", "destination")
    )
    ends = ends[ends["name"].fillna("") != ""]
    ends = ends.sort_values(["trip_id", "name", "longitude", "latitude"], ignore_index=True)
    category = [TRIP_END + street_type(name) for name in ends["name"]]
    return at_points(ends, category=category, text=ends["name"], observed=True)


def at_points(table: pd.DataFrame, **columns: Any) -> gpd.GeoDataFrame:
    """Set columns beside points given by longitude and latitude (EPSG:4326)."""
    points = gpd.points_from_xy(table["longitude"], table["latitude"], crs=4326)
    return gpd.GeoDataFrame(table[["name"]].assign(**columns), geometry=points)


def street_type(name: str) -> str:
    """Name the kind of street by the words of its name (`STREET_TYPES`), or `other way`."""
    for kind, pattern in STREET_TYPES.items():
        if re.search(pattern, name.lower()):
            return kind
    return "other way"


PROVIDER = Provider(
    "sample",
    "pois",
    SamplePois,
    fetch,
    read,
    "stations, areas and streets of New York",
    LICENCE,
    ATTRIBUTION,
)
