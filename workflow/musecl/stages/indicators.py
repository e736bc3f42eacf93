"""What is to be predicted, per region, and which inputs know of its source.

population_density   people per km2 of land (lots), ln(1+x)
number_of_places     lots without residential units per km2 of land, ln(1+x): our definition of
                     places, for such lots hold commerce, institutions and parking
no_vehicle_share     households without a vehicle, percent (census)
bachelor_share       people of 25 and over with a bachelor's degree or a higher one, percent
mobility_count       ends of the trips of the `label` half in the region, ln(1+x)
median_household_income  US dollars, ln(1+x), from its classes
poverty_share, unemployment_share, rent_burden_share  percent

Census values are counted per neighbourhood and carried over to regions by dasymetric
interpolation with the population of the lots, then divided. Neighbourhoods are larger than
regions: values of regions beside each other are alike by construction, so the last four are no
headline. `shares_source_with` names the inputs that know of an indicator's source:
the positions of the lots (never their label columns) shape both drawn views; text names streets
at the ends of trips of the other half, and street view pairs are made of that half; text names
the neighbourhoods for which the census counts.

Of a generated city: what it was drawn with, under the first five of these names.
"""

import geopandas as gpd
import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray

from musecl.geography.geo import cells_of_points
from musecl.indicators.interpolation import interpolate_counts, median_of_classes
from musecl.indicators.settings import IndicatorSettings
from musecl.sources import read_census, read_lot_labels, read_trips, synth
from musecl.step.errors import InputError
from musecl.step.job import Job
from musecl.step.tables import read_geotable, write_table

LOTS = "councilcount 0.11.4, lots 2023"
TRIPS = "timeplus-taxi-simulator 0.1.0, label half of the trips (year not stated)"
CENSUS = "ACS 5-year 2023 by neighbourhood (councilcount 0.11.4), interpolated"
LOGARITHM, IDENTITY = "ln(1+x)", "identity"
VIEWS = "remote_view,street_view"
YEAR = 2023
# unit, source, transform, shares_source_with, headline
DESCRIPTIONS = {
    "population_density": ("people per km2 of land", LOTS, LOGARITHM, VIEWS, True),
    "number_of_places": ("non-residential lots per km2 of land", LOTS, LOGARITHM, VIEWS, True),
    "no_vehicle_share": ("percent of households", CENSUS, IDENTITY, "text", True),
    "bachelor_share": ("percent of people of 25 and over", CENSUS, IDENTITY, "text", True),
    "mobility_count": ("trip ends", TRIPS, LOGARITHM, "text,pairs", True),
    "median_household_income": ("US dollars of 2023", CENSUS, LOGARITHM, "text", False),
    "poverty_share": ("percent of people", CENSUS, IDENTITY, "text", False),
    "unemployment_share": ("percent of the civilian labour force", CENSUS, IDENTITY, "text", False),
    "rent_burden_share": ("percent of renters", CENSUS, IDENTITY, "text", False),
}
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
INDICATORS = pa.DataFrameSchema(
    {
        "city": pa.Column(str),
        "region_id": pa.Column(str),
        "indicator": pa.Column(str, pa.Check.isin(list(DESCRIPTIONS))),
        "value": pa.Column(float),
        "unit": pa.Column(str),
        "year": pa.Column(int),
        "source": pa.Column(str),
        "transform": pa.Column(str, pa.Check.isin([LOGARITHM, IDENTITY])),
        "shares_source_with": pa.Column(str),
        "headline": pa.Column(bool),
    },
    strict=True,
    unique=["region_id", "indicator"],
)


def count_lots(lots: pd.DataFrame, regions: pd.DataFrame) -> pd.DataFrame:
    """Add up people and non-residential lots per km2 of land.

    Parameters
    ----------
    lots : DataFrame
        A row per lot: `region_id` (missing outside the regions), `residential_units`,
        `population`.
    regions : DataFrame
        N rows: `region_id`, `area_km2`, `land_share`.

    Returns
    -------
    DataFrame
        Indexed by `region_id`, sorted: `population` (people), `population_density`,
        `number_of_places`; regions without lots hold zeros, regions without land are absent.
    """
    land = regions.set_index("region_id").sort_index()
    land_km2 = (land["area_km2"] * land["land_share"])[land["land_share"] > 0]
    # Sorted before it is summed: the last bit of a sum depends on the order of its terms.
    ordered = lots.sort_values(["region_id", "population"], kind="stable")
    population = ordered.groupby("region_id")["population"].sum()
    places = ordered[ordered["residential_units"] == 0].groupby("region_id").size()
    table = pd.DataFrame(
        {
            "population": population.reindex(land_km2.index, fill_value=0.0),
            "number_of_places": places.reindex(land_km2.index, fill_value=0) / land_km2,
        }
    )
    return table.assign(population_density=table["population"] / land_km2)


def count_trip_ends(trips: pd.DataFrame, regions: pd.DataFrame) -> pd.Series:
    """Count the trip ends in each region (the paper's mobility count); 0 where there are none.

    Parameters
    ----------
    trips : DataFrame
        `{origin,destination}_{longitude,latitude}` (degrees, EPSG:4326).
    regions : GeoDataFrame
        The region table.

    Returns
    -------
    Series
        Trip ends by `region_id`, sorted.
    """
    ends: list[NDArray[np.object_]] = [
        cells_of_points(
            trips[f"{end}_longitude"].to_numpy(), trips[f"{end}_latitude"].to_numpy(), regions
        )
        for end in ("origin", "destination")
    ]
    counts = pd.Series(np.concatenate(ends)).value_counts()
    return counts.reindex(sorted(regions["region_id"]), fill_value=0).rename_axis("region_id")


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


def describe(city: str, raw: dict[str, pd.Series]) -> pd.DataFrame:
    """Transform raw values and put them into one tidy table with what is to be known about each.

    Parameters
    ----------
    city : str
        Name of the city.
    raw : dict of str to Series
        For each indicator of `DESCRIPTIONS` its values by `region_id`; a nan is left out.

    Returns
    -------
    DataFrame
        The columns of `INDICATORS`, sorted by indicator in the order of `DESCRIPTIONS`, region.
    """
    parts = []
    for name, (unit, source, transform, shared, headline) in DESCRIPTIONS.items():
        known = raw[name].dropna().sort_index().astype(float)
        parts.append(
            pd.DataFrame(
                {
                    "city": city,
                    "region_id": known.index.to_numpy(),
                    "indicator": name,
                    "value": np.log1p(known.to_numpy())
                    if transform == LOGARITHM
                    else known.to_numpy(),
                    "unit": unit,
                    "year": YEAR,
                    "source": source,
                    "transform": transform,
                    "shares_source_with": shared,
                    "headline": headline,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def describe_generated(city: str, values: pd.DataFrame, regions: gpd.GeoDataFrame) -> pd.DataFrame:
    """Put the values of a generated city into the tidy table, as they are.

    Parameters
    ----------
    city : str
        Name of the city.
    values : DataFrame
        `longitude`, `latitude` (degrees, EPSG:4326) and a column per indicator.
    regions : GeoDataFrame
        The region table; points in no region are left out.

    Returns
    -------
    DataFrame
        The columns of `INDICATORS`. No input shares a source with them: they are drawn from hidden
        fields, not counted from places or trips.
    """
    found = cells_of_points(values["longitude"].to_numpy(), values["latitude"].to_numpy(), regions)
    located = values.drop(columns=["longitude", "latitude"]).assign(region_id=found)
    tidy = located.dropna(subset="region_id").melt("region_id", var_name="indicator")
    return tidy.sort_values(["indicator", "region_id"], ignore_index=True).assign(
        city=city,
        unit="standard deviations of the signal",
        year=0,
        source="generated",
        transform=IDENTITY,
        shares_source_with="",
        headline=True,
    )


def run(job: Job) -> None:
    """Write indicators.parquet."""
    settings = job.settings("indicators", IndicatorSettings)
    regions = read_geotable(job.input("regions.parquet"))
    source, folder = job.value("cities.{city}.sources")["indicators"], job.input("source")
    if source == "synth":
        generated = describe_generated(job.city, synth.read_indicators(folder), regions)
        write_table(generated, INDICATORS, job.output("indicators.parquet"))
        return
    lots = read_lot_labels(source, folder)
    place = cells_of_points(lots["longitude"].to_numpy(), lots["latitude"].to_numpy(), regions)
    lots = lots.assign(region_id=place)
    counted = count_lots(lots, regions)
    populated = counted.index[counted["population"] >= settings.minimum_population]
    counts = interpolate_counts(lots, census_counts(read_census(source, folder)))
    census = census_values(counts.reindex(counts.index.intersection(populated)))
    trips = read_trips(source, folder)
    ends = count_trip_ends(trips[trips["half"] == "label"], regions)
    raw = {name: values[name] for values in (counted, census) for name in values.columns}
    table = describe(job.city, {**raw, "mobility_count": ends})
    outside = int(lots["region_id"].isna().sum())
    print(
        f"indicators: {outside} of {len(lots)} lots lie in no region; {len(populated)} of "
        f"{len(regions)} regions have {settings.minimum_population} people or more"
    )
    for name, rows in table.groupby("indicator", sort=False):
        print(f"indicators: {name}: {len(rows)} regions, mean {rows['value'].mean():.3f}")
    write_table(table, INDICATORS, job.output("indicators.parquet"))
