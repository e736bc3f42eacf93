"""The generated city, read from the files that `fetch` wrote; `synthesis` says how they are made.

Every table locates its rows by longitude and latitude (EPSG:4326), as real sources do. None holds
the hidden fields.
"""

from pathlib import Path

import geopandas as gpd
import pandas as pd

from musecl.step.tables import read_geotable, read_table

BOUNDARY, VIEWS, STREET_VIEW = "boundary.parquet", "remote_view.parquet", "street_view.parquet"
PLACES, TRIPS, INDICATORS = "places.parquet", "trips.parquet", "indicators.parquet"
# What an image shows, of mean 0 and variance 1 over the city; `rendering` gives each its meaning.
FACTORS = ["factor_0", "factor_1", "factor_2", "factor_3"]


def read_boundary(folder: Path) -> gpd.GeoDataFrame:
    """Read the land of the city (EPSG:4326)."""
    return read_geotable(folder / BOUNDARY)


def read_places(folder: Path) -> pd.DataFrame:
    """Read places: longitude, latitude, name, category, text."""
    return read_table(folder / PLACES)


def read_trips(folder: Path) -> pd.DataFrame:
    """Read trips as `sample.read_trips` does, less ids and names; all are of the `input` half.

    No indicator is made of trips here, so no half is kept for one.
    """
    trips = read_table(folder / TRIPS)
    start = pd.Series(pd.NaT, index=trips.index, dtype="datetime64[us]")
    return trips.assign(start=start, half="input")


def read_indicators(folder: Path) -> pd.DataFrame:
    """Read what is to be predicted: longitude, latitude and a column per indicator."""
    return read_table(folder / INDICATORS)
