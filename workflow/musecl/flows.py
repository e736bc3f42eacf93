"""Inflow, outflow and origin-destination counts of regions, out of trips or of flows of zones.

Counts are integers where each row stands for whole trips, and floats where zones were shared out.
"""

import geopandas as gpd
import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from musecl.geography.geo import cells_of_points
from musecl.geography.sharing import share_all
from musecl.runtime.tables import KEY
from musecl.sources.contract import Flows, Trips

COUNTS = ["inflow", "outflow"]
ENDS = {"outflow": "origin", "inflow": "destination"}
#: Trips of a city that has none, located.
NOTHING = pl.DataFrame(
    schema={"origin": pl.String, "destination": pl.String, "hour": pl.Int8, "trips": pl.Float64}
)


def count_flows(trips: pl.DataFrame) -> pl.DataFrame:
    """Count the mobility m_i^d of each region i, d in {in, out} (Yong and Zhou 2024, step 1).

    Parameters
    ----------
    trips : DataFrame
        `origin`, `destination` (region_id, null where that end lies in no region), `hour` (Int8,
        hour of the start on the clock of the source, null if unknown) and `trips` (float, how many
        trips the row stands for).

    Returns
    -------
    DataFrame
        `region_id`, `hour`, `inflow`, `outflow` (Int64, or Float64 where a row stands for part of
        a trip), sorted; only regions and hours with a trip. A trip with one end in a region counts
        for that end alone.
    """
    counted = _whole_if_possible(trips)
    ends = [
        counted.select(
            pl.col(end).alias(KEY),
            "hour",
            *(
                (pl.col("trips") if count == direction else pl.col("trips") * 0).alias(count)
                for count in COUNTS
            ),
        )
        for direction, end in ENDS.items()
    ]
    return _add_up(pl.concat(ends).drop_nulls(KEY), [KEY, "hour"], COUNTS)


def count_origin_destination(trips: pl.DataFrame) -> pl.DataFrame:
    """Count trips from each region to each, over trips with both ends in a region.

    Parameters
    ----------
    trips : DataFrame
        As in `count_flows`.

    Returns
    -------
    DataFrame
        `origin`, `destination`, `hour`, `trips` (as in `count_flows`), sorted; only pairs with a
        trip.
    """
    inside = _whole_if_possible(trips).drop_nulls(["origin", "destination"])
    return _add_up(inside, ["origin", "destination", "hour"], ["trips"])


def _whole_if_possible(trips: pl.DataFrame) -> pl.DataFrame:
    whole = (trips["trips"] == trips["trips"].floor()).all()
    return trips.with_columns(pl.col("trips").cast(pl.Int64)) if whole else trips


def _add_up(table: pl.DataFrame, key: list[str], names: list[str]) -> pl.DataFrame:
    """Add up rows of the same key, sorted by it; fractions in an order that is always the same."""
    if all(table[name].dtype == pl.Int64 for name in names):
        return table.group_by(key).agg(pl.col(names).sum()).sort(key)
    ordered = table.sort([*key, *names])
    group = ordered.select(pl.struct(key).rle_id()).to_series().to_numpy()
    sums = {name: np.bincount(group, weights=ordered[name].to_numpy()) for name in names}
    return (
        ordered.select(key)
        .unique(maintain_order=True)
        .with_columns(pl.Series(name, values) for name, values in sums.items())
    )


def locate(trips: Trips, regions: gpd.GeoDataFrame) -> pl.DataFrame:
    """Find the regions and the hour of each trip.

    Parameters
    ----------
    trips : Trips
        Trips between points (EPSG:4326).
    regions : GeoDataFrame
        The region table, EPSG:4326.

    Returns
    -------
    DataFrame
        As `count_flows` takes it; rows as in `trips`.
    """
    table = trips.table
    ends = {
        end: pl.Series(
            cells_of_points(
                table[f"{end}_longitude"].to_numpy(), table[f"{end}_latitude"].to_numpy(), regions
            ).tolist(),
            dtype=pl.String,
        )
        for end in ENDS.values()
    }
    start = pd.to_datetime(table["start"]).to_numpy().astype("datetime64[us]")
    hour = pl.Series(start).dt.hour()
    return pl.DataFrame({**ends, "hour": hour, "trips": table["trips"].to_numpy(dtype=float)})


def apportion(flows: Flows, regions: gpd.GeoDataFrame) -> pl.DataFrame:
    """Share the trips between zones out among the regions of these zones.

    A trip from a zone to another starts in each region of the one with the region's share of the
    zone, and ends likewise, independently. What lies outside the regions stays, without a region:
    trips are conserved. It is counted and printed.

    Parameters
    ----------
    flows : Flows
        Trips between zones in any CRS, or between regions by name.
    regions : GeoDataFrame
        The region table, EPSG:4326.

    Returns
    -------
    DataFrame
        As `count_flows` takes it, a row for each pair and hour; sorted.
    """
    names = regions[KEY].sort_values().to_list()
    shares = (
        pd.DataFrame({"zone": names, KEY: names, "share": 1.0})
        if flows.zones is None
        else share_all(flows.zones, regions, flows.weights)
    )
    table = pl.from_pandas(flows.table[["origin", "destination", "hour", "trips"]]).with_columns(
        pl.col("origin", "destination").cast(pl.String).fill_null(""),
        pl.col("hour").cast(pl.Int8),
        pl.col("trips").cast(pl.Float64),
    )
    table = table.sort("origin", "destination", "hour", "trips")
    used = pl.concat([table["origin"], table["destination"]]).unique().to_list()
    # An end that is no zone lies outside the regions.
    strange = sorted(set(used) - set(shares["zone"]))
    shares = pd.concat([shares, pd.DataFrame({"zone": strange, KEY: None, "share": 1.0})])
    zones = pd.Index(sorted(set(shares["zone"])))
    outside = len(names)
    region = pd.Index(names).get_indexer(shares[KEY])
    matrix = sparse.csr_array(
        (
            shares["share"].to_numpy(dtype=float),
            (zones.get_indexer(shares["zone"]), np.where(region < 0, outside, region)),
        ),
        shape=(len(zones), outside + 1),
    )
    named = np.array([*names, None], dtype=object)
    parts = [
        _between_regions(part, zones, matrix, named).with_columns(hour=pl.lit(hour, pl.Int8))
        for (hour,), part in table.group_by("hour", maintain_order=True)
    ]
    shared = pl.concat([NOTHING, *(part.select(NOTHING.columns) for part in parts)])
    lost = {end: shared.filter(pl.col(end).is_null())["trips"].sum() for end in ENDS.values()}
    print(
        f"mobility: of {shared['trips'].sum():.1f} trips between zones, in no region lie "
        f"{lost['origin']:.1f} origins, {lost['destination']:.1f} destinations"
    )
    return shared.sort("origin", "destination", "hour")


def _between_regions(
    table: pl.DataFrame,
    zones: pd.Index,
    shares: sparse.csr_array,
    names: NDArray[np.object_],
) -> pl.DataFrame:
    """Turn trips between zones into trips between regions: S' T S."""
    ends = tuple(zones.get_indexer(pd.Index(table[end].to_list())) for end in ENDS.values())
    between_zones = sparse.csr_array((table["trips"].to_numpy(), ends), shape=(len(zones),) * 2)
    between = sparse.coo_array(shares.T.tocsr() @ between_zones @ shares)
    origin, destination = between.coords
    return pl.DataFrame(
        {
            "origin": pl.Series(names[origin].tolist(), dtype=pl.String),
            "destination": pl.Series(names[destination].tolist(), dtype=pl.String),
            "trips": between.data,
        }
    )
