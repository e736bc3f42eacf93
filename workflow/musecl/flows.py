"""Inflow, outflow and origin-destination counts of regions, out of trips whose ends are located."""

import polars as pl

COUNTS = ["inflow", "outflow"]
ENDS = {"outflow": "origin", "inflow": "destination"}


def count_flows(trips: pl.DataFrame) -> pl.DataFrame:
    """Count the mobility m_i^d of each region i, d in {in, out} (Yong and Zhou 2024, step 1).

    Parameters
    ----------
    trips : DataFrame
        A row per trip: `origin`, `destination` (region_id, null where that end lies in no
        region) and `hour` (Int8, hour of the start on the clock of the source, null if unknown).

    Returns
    -------
    DataFrame
        `region_id`, `hour`, `inflow`, `outflow` (Int64), sorted; only regions and hours with a
        trip. A trip with one end in a region counts for that end alone.
    """
    ends = [
        trips.select(
            pl.col(end).alias("region_id"),
            "hour",
            *(pl.lit(int(count == direction), pl.Int64).alias(count) for count in COUNTS),
        )
        for direction, end in ENDS.items()
    ]
    return (
        pl.concat(ends)
        .drop_nulls("region_id")
        .group_by("region_id", "hour")
        .agg(pl.col(COUNTS).sum())
        .sort("region_id", "hour")
    )


def count_origin_destination(trips: pl.DataFrame) -> pl.DataFrame:
    """Count trips from each region to each, over trips with both ends in a region.

    Parameters
    ----------
    trips : DataFrame
        As in `count_flows`.

    Returns
    -------
    DataFrame
        `origin`, `destination`, `hour`, `trips` (Int64), sorted; only pairs with a trip.
    """
    key = ["origin", "destination", "hour"]
    return (
        trips.drop_nulls(["origin", "destination"])
        .group_by(key)
        .agg(pl.len().cast(pl.Int64).alias("trips"))
        .sort(key)
    )
