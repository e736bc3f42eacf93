"""Mobility of the regions: inflow and outflow, and the origin-destination table.

Only the `input` half of the trips is read here; the other half is kept for the label.
"""

import pandas as pd
import pandera.pandas as pa
import polars as pl

from musecl.flows import count_flows, count_origin_destination
from musecl.geography.geo import cells_of_points
from musecl.sources import read_trips
from musecl.step.job import Job
from musecl.step.tables import read_geotable, write_table

FLOWS = pa.DataFrameSchema(
    {
        "region_id": pa.Column(str),
        "hour": pa.Column("Int8", pa.Check.in_range(0, 23), nullable=True, coerce=True),
        "inflow": pa.Column(int, pa.Check.ge(0)),
        "outflow": pa.Column(int, pa.Check.ge(0)),
    },
    strict=True,
    unique=["region_id", "hour"],
)
ORIGIN_DESTINATION = pa.DataFrameSchema(
    {
        "origin": pa.Column(str),
        "destination": pa.Column(str),
        "hour": pa.Column("Int8", pa.Check.in_range(0, 23), nullable=True, coerce=True),
        "trips": pa.Column(int, pa.Check.ge(1)),
    },
    strict=True,
    unique=["origin", "destination", "hour"],
)


def locate_trips(trips: pd.DataFrame, regions: pd.DataFrame) -> pl.DataFrame:
    """Find the regions and the hour of each trip.

    Parameters
    ----------
    trips : DataFrame
        `origin_longitude`, `origin_latitude`, `destination_longitude`, `destination_latitude`
        (degrees, EPSG:4326) and `start` (timestamp, missing where the source has no time).
    regions : GeoDataFrame
        The region table.

    Returns
    -------
    DataFrame
        `origin`, `destination` (region_id or null), `hour` (Int8 or null); rows as in `trips`.
    """
    columns = {
        end: pl.Series(
            cells_of_points(
                trips[f"{end}_longitude"].to_numpy(), trips[f"{end}_latitude"].to_numpy(), regions
            ).tolist(),
            dtype=pl.String,
        )
        for end in ("origin", "destination")
    }
    hour = pd.to_datetime(trips["start"]).dt.hour.astype("Int8")
    known = [None if pd.isna(value) else int(value) for value in hour]
    return pl.DataFrame({**columns, "hour": pl.Series(known, dtype=pl.Int8)})


def run(job: Job) -> None:
    """Write flows.parquet and origin_destination.parquet."""
    regions = read_geotable(job.input("regions.parquet"))
    source = job.value("cities.{city}.sources.mobility")
    trips = read_trips(source, job.input("source"))
    located = locate_trips(trips[trips["half"] == "input"], regions)
    flows, pairs = count_flows(located), count_origin_destination(located)
    outside = located.null_count()
    print(
        f"mobility: {len(located)} of {len(trips)} trips are input; in no region lie "
        f"{outside['origin'].item()} origins, {outside['destination'].item()} destinations; "
        f"{flows['region_id'].n_unique()} of {len(regions)} regions have trips, "
        f"{pairs['trips'].sum()} trips have both ends in regions"
    )
    write_table(flows.to_pandas(), FLOWS, job.output("flows.parquet"))
    write_table(pairs.to_pandas(), ORIGIN_DESTINATION, job.output("origin_destination.parquet"))
