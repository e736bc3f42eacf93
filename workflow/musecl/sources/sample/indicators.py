"""What is to be predicted of New York, measured from lots, trips and the census.

population_density   people per km2 of land (lots)
number_of_pois     lots without residential units per km2 of land: our definition of POIs, for
                     such lots hold commerce, institutions and parking
mobility_count       ends of the trips of the `label` half in the region
no_vehicle_share     households without a vehicle, percent (census)
bachelor_share       people of 25 and over with a bachelor's degree or a higher one, percent
median_household_income  US dollars, from its classes
poverty_share, unemployment_share, rent_burden_share  percent

Census values are counted per neighbourhood and carried over to regions by dasymetric interpolation
with the population of the lots, then divided. Neighbourhoods are larger than regions: values of
regions beside each other are alike by construction.
"""

from functools import cache
from pathlib import Path
from typing import Literal

import geopandas as gpd
import pandas as pd
from pydantic import Field

from musecl.geography.geo import cells_of_points
from musecl.runtime.errors import InputError
from musecl.runtime.section import LARGEST, Section
from musecl.sources.contract import OfRegions, Points
from musecl.sources.provider import Provider, Request
from musecl.sources.sample.interpolation import interpolate_counts, median_of_classes
from musecl.sources.sample.packages import ATTRIBUTION, LICENCE, fetch_into, require_new_york
from musecl.sources.sample.tables import (
    CENSUS,
    LOTS,
    ROUTES,
    read_census,
    read_lot_labels,
    read_trips,
)

# Table columns of the American Community Survey: what is counted, and out of what.
INCOME_CLASSES = [f"DP03_{number:04d}E" for number in range(52, 62)]
SHARES = {
    "no_vehicle_share": (["B08201_002E"], ["DP02_0001E"]),
    "bachelor_share": (["DP02_0065E", "DP02_0066E"], ["DP02_0059E"]),
    "poverty_share": (["B06012_002E"], ["B06012_001E"]),
    "unemployment_share": (["DP03_0005E"], ["DP03_0004E", "DP03_0005E"]),
    "rent_burden_share": (["DP04_0141E", "DP04_0142E"], ["DP04_0136E"]),
}
# US dollars; the Census Bureau, too, prints medians above 250,000 as 250,000.
INCOME_EDGES = [
    0, 10_000, 15_000, 25_000, 35_000, 50_000, 75_000, 100_000, 150_000, 200_000, 250_000,
]  # fmt: skip
POSITION = ["longitude", "latitude"]


class SampleIndicator(Section):
    """One of the measures that New York's packages allow."""

    provider: Literal["sample"]
    measure: Literal[
        "population_density",
        "number_of_pois",
        "mobility_count",
        "no_vehicle_share",
        "bachelor_share",
        "median_household_income",
        "poverty_share",
        "unemployment_share",
        "rent_burden_share",
    ]
    minimum_population: int = Field(
        default=0, ge=0, le=LARGEST, description="regions with fewer people have no value"
    )


def fetch(request: Request) -> None:
    """Fetch the lots, the routes and the census table."""
    require_new_york(request)
    fetch_into(request, [LOTS, ROUTES, CENSUS])


def read(folder: Path, settings: SampleIndicator) -> Points | OfRegions:
    """Read a measure: points to count, or a share that needs the regions."""
    if settings.measure == "mobility_count":
        return Points(trip_ends(folder), "count")
    lots = lots_of(folder)
    if settings.measure == "population_density":
        return Points(lots.rename(columns={"population": "value"}), "sum", per_km2="land")
    if settings.measure == "number_of_pois":
        return Points(lots[lots["residential_units"] == 0], "count", per_km2="land")
    return OfRegions(
        lambda regions: census_of_regions(folder, regions, settings.minimum_population)[
            settings.measure
        ]
    )


def trip_ends(folder: Path) -> pd.DataFrame:
    """List both ends of the trips that no input sees: `longitude`, `latitude` (EPSG:4326)."""
    trips = read_trips(folder)
    kept = trips[trips["half"] == "label"]
    ends = [
        kept[[f"{end}_longitude", f"{end}_latitude"]].set_axis(POSITION, axis=1)
        for end in ("origin", "destination")
    ]
    return pd.concat(ends, ignore_index=True)


@cache
def lots_of(folder: Path) -> pd.DataFrame:
    """Read the lots once for all measures; see `tables.read_lot_labels`."""
    return read_lot_labels(folder)


def census_of_regions(
    folder: Path, regions: gpd.GeoDataFrame, minimum_population: int
) -> pd.DataFrame:
    """Carry the census over to regions that have so many people: a column per measure."""
    if folder not in _carried or _carried[folder][0] is not regions:
        _carried[folder] = (regions, *carry_over(folder, regions))
    _, values, people = _carried[folder]
    populated = people.index[people >= minimum_population]
    return values.reindex(values.index.intersection(populated))


# What was carried over last: six measures ask for the same of the same regions, one by one.
_carried: dict[Path, tuple[gpd.GeoDataFrame, pd.DataFrame, pd.Series]] = {}


def carry_over(folder: Path, regions: gpd.GeoDataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Carry the census over to regions.

    Returns
    -------
    values : DataFrame
        A column per measure, indexed by `region_id`.
    people : Series
        Of every region with land, by `region_id`.
    """
    lots = lots_of(folder)
    place = cells_of_points(lots["longitude"].to_numpy(), lots["latitude"].to_numpy(), regions)
    lots = lots.assign(region_id=place)
    # Sorted before it is summed: the last bit of a sum depends on the order of its terms.
    ordered = lots.sort_values(["region_id", "population"], kind="stable")
    population = ordered.groupby("region_id")["population"].sum()
    on_land = regions.loc[regions["land_share"] > 0, "region_id"]
    people = population.reindex(on_land, fill_value=0.0)
    counts = interpolate_counts(lots, census_counts(read_census(folder)))
    return census_values(counts), people


def census_counts(census: pd.DataFrame) -> pd.DataFrame:
    """Take the counts that `census_values` needs out of a census table.

    Parameters
    ----------
    census : DataFrame
        `code` of the neighbourhood and estimates; a missing one counts as zero.

    Returns
    -------
    DataFrame
        Indexed by `code`.

    Raises
    ------
    InputError
        A column is missing.
    """
    shares = {name for part, whole in SHARES.values() for name in [*part, *whole]}
    wanted = sorted(shares | set(INCOME_CLASSES))
    missing = [name for name in wanted if name not in census.columns]
    if missing:
        raise InputError(f"census: no column {', '.join(missing)}; fetch the source again")
    return census.set_index("code")[wanted].fillna(0)


def census_values(counts: pd.DataFrame) -> pd.DataFrame:
    """Divide interpolated census counts into shares and a median.

    Parameters
    ----------
    counts : DataFrame
        Indexed by `region_id`: the columns of `SHARES` and `INCOME_CLASSES`.

    Returns
    -------
    DataFrame
        Indexed alike: shares in percent, `median_household_income` in US dollars; nan where there
        is nobody to divide by.
    """
    values = {}
    for name, (part, whole) in SHARES.items():
        out_of = counts[whole].sum(axis=1)
        values[name] = 100 * counts[part].sum(axis=1) / out_of.where(out_of > 0)
    median = median_of_classes(counts[INCOME_CLASSES].to_numpy(dtype=float), INCOME_EDGES)
    return pd.DataFrame(values, index=counts.index).assign(median_household_income=median)


PROVIDER = Provider(
    "sample",
    "indicators",
    SampleIndicator,
    fetch,
    read,
    "people, POIs, trips and census shares of New York",
    LICENCE,
    ATTRIBUTION,
)
