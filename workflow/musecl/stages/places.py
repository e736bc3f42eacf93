"""Places of the regions, and how many of each category.

A point counts 1 in its region; an area counts the share of the region that it covers. Of a city
without places both tables are empty: no region counts zero of anything.
"""

import pandas as pd
import pandera.pandas as pa

from musecl.places import COLUMNS, count_categories, locate_places
from musecl.sources.layers import read_layer
from musecl.step.errors import InputError
from musecl.step.job import Job
from musecl.step.tables import key_column, read_geotable, write_table

DEGREE = {"unit": "degrees (EPSG:4326)"}
PLACES = pa.DataFrameSchema(
    {
        "region_id": pa.Column(str, description="the region it lies in"),
        "name": pa.Column(str, description="its name"),
        "category": pa.Column(str, description="its category"),
        "text": pa.Column(str, description="the sentence that is embedded"),
        "longitude": pa.Column(
            float, pa.Check.in_range(-180, 180), description="of the place", metadata=DEGREE
        ),
        "latitude": pa.Column(
            float, pa.Check.in_range(-90, 90), description="of the place", metadata=DEGREE
        ),
        "weight": pa.Column(
            float,
            pa.Check.in_range(0, 1, include_min=False),
            description="how much it counts: 1, or of a polygon its overlap over the region's area",
        ),
    },
    strict=True,
    coerce=True,
)


def histogram_schema(categories: list[str]) -> pa.DataFrameSchema:
    """Make the schema of place_histogram.parquet: `region_id` and a column per category."""
    places = {"unit": "places"}
    counts = {
        name: pa.Column(float, pa.Check.ge(0), description=f"places of {name}", metadata=places)
        for name in categories
    }
    return pa.DataFrameSchema({"region_id": key_column(), **counts}, strict=True, coerce=True)


def run(job: Job) -> None:
    """Write places.parquet and place_histogram.parquet."""
    regions = read_geotable(job.input("regions.parquet"))
    given = read_layer(job, "places")
    if given is None:
        print("places: this city has none")
        places = pd.DataFrame(columns=COLUMNS)
        histogram = pd.DataFrame(columns=["region_id"])
    else:
        places = locate_places(given, regions)
        if places.empty:
            raise InputError(
                f"places: none of {len(given)} lies in a region; choose a source that covers the "
                "city, or set the layer to null"
            )
        histogram = count_categories(places, regions["region_id"].to_list())
    print(f"places: {len(places)} in {places['region_id'].nunique()} of {len(regions)} regions")
    for category, rows in places.groupby("category"):
        print(f"places: {category}: {len(rows)} rows, {rows['region_id'].nunique()} regions")
    write_table(places, PLACES, job.output("places.parquet"))
    write_table(
        histogram,
        histogram_schema([name for name in histogram.columns if name != "region_id"]),
        job.output("place_histogram.parquet"),
    )
