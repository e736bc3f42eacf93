"""Sums over the regions: what a model says of a whole city, beside what was observed."""

import pandas as pd
import pandera.pandas as pa

from musecl.evaluation.backtransform import PER_AREA, land_of
from musecl.evaluation.everywhere import OUT_OF_FOLD
from musecl.evaluation.splits import SPLITS
from musecl.runtime.tables import KEY

IN_THE_UNIT = {"unit": "that of the column `unit`"}
TOTALS = pa.DataFrameSchema(
    {
        "split": pa.Column(
            str, pa.Check.isin(list(SPLITS)), description="how regions are held out"
        ),
        "indicator": pa.Column(str, description="an indicator per km2"),
        "unit": pa.Column(str, description="of the sums: that of the indicator, without `per km2`"),
        "observed": pa.Column(
            float, description="sum of the labels, each times its land", metadata=IN_THE_UNIT
        ),
        "predicted": pa.Column(
            float,
            description="sum of the predictions out of fold, each times its land",
            metadata=IN_THE_UNIT,
        ),
        "n_regions": pa.Column(
            int, description="regions that are summed over", metadata={"unit": "regions"}
        ),
    },
    strict=True,
    coerce=True,  # a table without rows has the same types
    unique=["split", "indicator"],
)


def sum_up(predictions: pd.DataFrame, regions: pd.DataFrame) -> pd.DataFrame:
    """Sum what was observed and predicted out of fold, of the indicators per km2.

    Parameters
    ----------
    predictions : DataFrame
        As `everywhere.PREDICTIONS`.
    regions : DataFrame
        `region_id`, `area_km2`, `land_share`.

    Returns
    -------
    DataFrame
        As `TOTALS`: a row per split and indicator; none where no indicator is per km2.
    """
    land = pd.Series(land_of(regions), index=regions[KEY])
    judged = predictions[
        (predictions["made_by"] == OUT_OF_FOLD) & predictions["unit"].str.endswith(PER_AREA)
    ]
    rows = []
    for (split, name, unit), part in judged.groupby(["split", "indicator", "unit"]):
        km2 = part[KEY].map(land)
        row = {"split": split, "indicator": name, "unit": str(unit).rpartition(" per km2")[0]}
        sums = {"observed": part["observed"] @ km2, "predicted": part["prediction"] @ km2}
        rows.append({**row, **sums, "n_regions": len(part)})
    return pd.DataFrame(rows, columns=list(TOTALS.columns))
