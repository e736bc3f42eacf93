"""What is to be predicted, per region, as params.yaml names it.

Each indicator's provider tells points, polygons, a raster or a table; here they are brought to the
regions and transformed. A region without a value has no row: never a zero that nobody measured.
"""

import numpy as np
import pandas as pd
import pandera.pandas as pa

from musecl.indicators.aggregation import values_by_region
from musecl.runtime.errors import InputError
from musecl.runtime.job import Job
from musecl.runtime.tables import read_geotable, write_table
from musecl.sources.layers import read_indicator
from musecl.sources.settings import Indicator

LOGARITHM, IDENTITY = "ln(1+x)", "identity"
AS_UNIT = {"unit": "that of the column `unit`"}
INDICATORS = pa.DataFrameSchema(
    {
        "city": pa.Column(str, description="the city"),
        "region_id": pa.Column(str, description="the region"),
        "indicator": pa.Column(str, description="what is known of it"),
        "value": pa.Column(
            float,
            pa.Check(np.isfinite, name="finite"),
            description="what is fitted: the value, transformed as `transform` says",
            metadata={"unit": "that of the column `unit`, transformed"},
        ),
        "unit": pa.Column(str, description="of a value before it is transformed"),
        "year": pa.Column(int, description="that it tells of; 0 where none is known"),
        "source": pa.Column(str, description="whom to name for it"),
        "transform": pa.Column(
            str, pa.Check.isin([LOGARITHM, IDENTITY]), description="what was made of the value"
        ),
        "minimum_value": pa.Column(
            float, nullable=True, description="no value can be below; null: none", metadata=AS_UNIT
        ),
        "maximum_value": pa.Column(
            float, nullable=True, description="no value can be above; null: none", metadata=AS_UNIT
        ),
        "label_provenance": pa.Column(
            str, description="inputs that come from the same source as the value"
        ),
        "primary": pa.Column(bool, description="whether it counts in the mean told first"),
    },
    strict=True,
    coerce=True,  # a table without rows has the same types
    unique=["region_id", "indicator"],
)


def run(job: Job) -> None:
    """Write indicators.parquet."""
    regions = read_geotable(job.input("regions.parquet"))
    tables = []
    for name, given in job.value("cities.{city}.indicators").items():
        about = Indicator.model_validate(given)
        provided, source = read_indicator(job, about.source)
        raw = values_by_region(provided, regions)
        table = describe(job.city, name, raw, about, source)
        mean = table["value"].mean()
        print(f"indicators: {name}: {len(table)} of {len(regions)} regions, mean {mean:.3f}")
        tables.append(table)
    if not tables:
        print("indicators: the city has none; a model of another city can predict it")
    table = (
        pd.concat(tables, ignore_index=True)
        if tables
        else pd.DataFrame(columns=list(INDICATORS.columns))
    )
    write_table(table, INDICATORS, job.output("indicators.parquet"))


def describe(city: str, name: str, raw: pd.Series, about: Indicator, source: str) -> pd.DataFrame:
    """Transform the raw values of an indicator and say beside each what is to be known about it.

    Parameters
    ----------
    city, name : str
        Of the city and the indicator.
    raw : Series
        Values by `region_id`; a nan is left out.
    about : Indicator
        What params.yaml says of it.
    source : str
        Who provides it.

    Returns
    -------
    DataFrame
        The columns of `INDICATORS`, sorted by region.

    Raises
    ------
    InputError
        No region has a value, one has no logarithm, or one lies outside what params.yaml says is
        possible.
    """
    known = raw.dropna().sort_index().astype(float)
    if known.empty:
        raise InputError(f"{name}: no region has a value; check that its source covers the city")
    if about.transform == LOGARITHM and known.min() <= -1:
        raise InputError(f"{name}: {known.min():g} has no ln(1+x); set its transform to identity")
    for bound, outside in (("minimum_value", known.lt), ("maximum_value", known.gt)):
        limit = getattr(about, bound)
        if limit is not None and outside(limit).any():
            raise InputError(
                f"{name}: {known[outside(limit)].iloc[0]:g} lies outside its {bound} {limit:g}; "
                "correct the one or the other"
            )
    values = known.to_numpy()
    return pd.DataFrame(
        {
            "city": city,
            "region_id": known.index.to_numpy(),
            "indicator": name,
            "value": np.log1p(values) if about.transform == LOGARITHM else values,
            "unit": about.unit,
            "year": about.year,
            "source": source,
            "transform": about.transform,
            "minimum_value": about.minimum_value,
            "maximum_value": about.maximum_value,
            "label_provenance": ",".join(about.label_provenance),
            "primary": about.primary,
        }
    )
