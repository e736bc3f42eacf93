"""Places of the regions, and how many of each category.

Of the sample: subway stations, neighbourhoods by name, parks, cemeteries, airports and other open
areas, and the streets on which trips of the `input` half start or end. A point counts 1 in its
region; an area counts the share of the region that it covers. Nothing of this reads the `label`
half of the trips, a column of the lots that an indicator is made of, or the census.

Of a generated city: its places, each with its category and text.
"""

from pathlib import Path

import geopandas as gpd
import pandas as pd
import pandera.pandas as pa

from musecl.places import (
    TRIP_END,
    arrange,
    count_categories,
    locate_areas,
    locate_described,
    locate_points,
    locate_trip_ends,
)
from musecl.sources import (
    read_neighbourhoods,
    read_open_areas,
    read_stations,
    read_trips,
    synth,
)
from musecl.step.job import Job
from musecl.step.tables import key_column, read_geotable, write_table

PLACES = pa.DataFrameSchema(
    {
        "region_id": pa.Column(str),
        "name": pa.Column(str),
        "category": pa.Column(str),
        "text": pa.Column(str),
        "longitude": pa.Column(float, pa.Check.in_range(-180, 180)),
        "latitude": pa.Column(float, pa.Check.in_range(-90, 90)),
        "weight": pa.Column(float, pa.Check.in_range(0, 1, include_min=False)),
    },
    strict=True,
)
OPEN_AREAS = {
    "park": ("park", "a park"),
    "cemetery": ("cemetery", "a cemetery"),
    "airport": ("airport", "an airport"),
    "other": ("special area", "a special area"),
}


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


def collect_places(source: str, folder: Path, regions: gpd.GeoDataFrame) -> pd.DataFrame:
    """Read every kind of place that the source has and locate it; see the module."""
    if source == "synth":
        return arrange([locate_described(synth.read_places(folder), regions)])
    trips = read_trips(source, folder)
    areas = describe_areas(read_neighbourhoods(source, folder), read_open_areas(source, folder))
    stations = read_stations(source, folder)
    return arrange(
        [
            locate_points(stations, regions, "subway station", "Subway station {name}"),
            locate_areas(areas, regions),
            locate_trip_ends(trips[trips["half"] == "input"], regions),
        ]
    )


def histogram_schema(categories: list[str]) -> pa.DataFrameSchema:
    """Make the schema of place_histogram.parquet: `region_id` and a column per category."""
    counts = {name: pa.Column(float, pa.Check.ge(0)) for name in categories}
    return pa.DataFrameSchema({"region_id": key_column(), **counts}, strict=True)


def run(job: Job) -> None:
    """Write places.parquet and place_histogram.parquet."""
    regions = read_geotable(job.input("regions.parquet"))
    source = job.value("cities.{city}.sources.places")
    places = collect_places(source, job.input("source"), regions)
    histogram = count_categories(places, regions["region_id"].to_list())
    without_trips = places[~places["category"].str.startswith(TRIP_END)]
    print(
        f"places: {len(places)} in {places['region_id'].nunique()} of {len(regions)} regions, "
        f"{len(without_trips)} in {without_trips['region_id'].nunique()} without those that "
        "trips tell of"
    )
    for category, rows in places.groupby("category"):
        print(f"places: {category}: {len(rows)} rows, {rows['region_id'].nunique()} regions")
    write_table(places, PLACES, job.output("places.parquet"))
    write_table(
        histogram,
        histogram_schema([name for name in histogram.columns if name != "region_id"]),
        job.output("place_histogram.parquet"),
    )
