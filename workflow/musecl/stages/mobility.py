"""Mobility of the regions: inflow and outflow, and the origin-destination table.

Of a city without mobility both tables are empty: no region counts zero trips.
"""

import pandera.pandas as pa

from musecl.flows import NOTHING, apportion, count_flows, count_origin_destination, locate
from musecl.sources.contract import Trips
from musecl.sources.layers import read_layer
from musecl.step.job import Job
from musecl.step.tables import read_geotable, write_table

# Counts are integers, or floats where the trips of a zone are shared out among its regions.
FLOWS = pa.DataFrameSchema(
    {
        "region_id": pa.Column(str),
        "hour": pa.Column("Int8", pa.Check.in_range(0, 23), nullable=True, coerce=True),
        "inflow": pa.Column(checks=pa.Check.ge(0)),
        "outflow": pa.Column(checks=pa.Check.ge(0)),
    },
    strict=True,
    unique=["region_id", "hour"],
)
ORIGIN_DESTINATION = pa.DataFrameSchema(
    {
        "origin": pa.Column(str),
        "destination": pa.Column(str),
        "hour": pa.Column("Int8", pa.Check.in_range(0, 23), nullable=True, coerce=True),
        "trips": pa.Column(checks=pa.Check.gt(0)),
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
