"""Mobility of the regions: inflow and outflow, and the origin-destination table.

Of a city without mobility both tables are empty: no region counts zero trips.
"""

import pandera.pandas as pa

from musecl.flows import NOTHING, apportion, count_flows, count_origin_destination, locate
from musecl.runtime.job import Job
from musecl.runtime.tables import read_geotable, write_table
from musecl.sources.contract import Trips
from musecl.sources.layers import read_layer

# Counts are integers, or floats where the trips of a zone are shared out among its regions.
TRIPS = {"unit": "trips"}


def hour_column() -> pa.Column:
    """Build the column `hour`, null where the city's trips have no times."""
    return pa.Column(
        "Int8",
        pa.Check.in_range(0, 23),
        nullable=True,
        coerce=True,
        description="hour of the day; null where the trips have no times",
    )


FLOWS = pa.DataFrameSchema(
    {
        "region_id": pa.Column(str, description="the region"),
        "hour": hour_column(),
        "inflow": pa.Column(
            checks=pa.Check.ge(0), description="trips that end in it", metadata=TRIPS
        ),
        "outflow": pa.Column(
            checks=pa.Check.ge(0), description="trips that start in it", metadata=TRIPS
        ),
    },
    strict=True,
    unique=["region_id", "hour"],
)
ORIGIN_DESTINATION = pa.DataFrameSchema(
    {
        "origin": pa.Column(str, description="region that they start in"),
        "destination": pa.Column(str, description="region that they end in"),
        "hour": hour_column(),
        "trips": pa.Column(checks=pa.Check.gt(0), description="how many", metadata=TRIPS),
    },
    strict=True,
    unique=["origin", "destination", "hour"],
)


def run(job: Job) -> None:
    """Write flows.parquet and origin_destination.parquet."""
    regions = read_geotable(job.input("regions.parquet"))
    given = read_layer(job, "mobility")
    if given is None:
        print("mobility: this city has none")
        located = NOTHING
    else:
        located = locate(given, regions) if isinstance(given, Trips) else apportion(given, regions)
    flows, pairs = count_flows(located), count_origin_destination(located)
    outside = located.null_count()
    print(
        f"mobility: {len(located)} rows; in no region lie {outside['origin'].item()} origins, "
        f"{outside['destination'].item()} destinations; {flows['region_id'].n_unique()} of "
        f"{len(regions)} regions have trips, {pairs['trips'].sum()} trips have both ends in regions"
    )
    write_table(flows.to_pandas(), FLOWS, job.output("flows.parquet"))
    write_table(pairs.to_pandas(), ORIGIN_DESTINATION, job.output("origin_destination.parquet"))
