"""POIs of the regions, and how many of each category.

A point counts 1 in its region; an area counts the share of the region that it covers. Of a city
without POIs both tables are empty: no region counts zero of anything.
"""

import pandas as pd
import pandera.pandas as pa

from musecl.pois import COLUMNS, count_categories, locate_pois
from musecl.runtime.errors import InputError
from musecl.runtime.job import Job
from musecl.runtime.tables import key_column, read_geotable, write_table
from musecl.sources.layers import read_layer

DEGREE = {"unit": "degrees (EPSG:4326)"}
POIS = pa.DataFrameSchema(
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


def category_counts_schema(categories: list[str]) -> pa.DataFrameSchema:
    """Make the schema of poi_category_counts.parquet: `region_id` and a column per category."""
    pois = {"unit": "POIs"}
    counts = {
        name: pa.Column(float, pa.Check.ge(0), description=f"POIs of {name}", metadata=pois)
        for name in categories
    }
    return pa.DataFrameSchema({"region_id": key_column(), **counts}, strict=True, coerce=True)


def run(job: Job) -> None:
    """Write pois.parquet and poi_category_counts.parquet."""
    regions = read_geotable(job.input("regions.parquet"))
    given = read_layer(job, "pois")
    if given is None:
        print("pois: this city has none")
        pois = pd.DataFrame(columns=COLUMNS)
        category_counts = pd.DataFrame(columns=["region_id"])
    else:
        pois = locate_pois(given, regions)
        if pois.empty:
            raise InputError(
                f"pois: none of {len(given)} lies in a region; choose a source that covers the "
                "city, or set the layer to null"
            )
        category_counts = count_categories(pois, regions["region_id"].to_list())
    print(f"pois: {len(pois)} in {pois['region_id'].nunique()} of {len(regions)} regions")
    for category, rows in pois.groupby("category"):
        print(f"pois: {category}: {len(rows)} rows, {rows['region_id'].nunique()} regions")
    write_table(pois, POIS, job.output("pois.parquet"))
    write_table(
        category_counts,
        category_counts_schema([name for name in category_counts.columns if name != "region_id"]),
        job.output("poi_category_counts.parquet"),
    )
