"""How often the 90% intervals hold what was observed, and how wide they are, in plain words."""

import numpy as np
import pandas as pd
import pandera.pandas as pa

from musecl.evaluation.backtransform import Scale
from musecl.evaluation.conformal import COVERAGE
from musecl.evaluation.everywhere import IN_THE_UNIT, OUT_OF_FOLD
from musecl.evaluation.splits import SPLITS

INTERVALS = pa.DataFrameSchema(
    {
        "split": pa.Column(
            str, pa.Check.isin(list(SPLITS)), description="how regions are held out"
        ),
        "indicator": pa.Column(str, description="what is predicted"),
        "unit": pa.Column(str, description="of the widths, as params.yaml names it"),
        "nominal": pa.Column(
            float, description="share that is aimed at", metadata={"unit": "share of regions"}
        ),
        "coverage": pa.Column(
            float,
            pa.Check.in_range(0, 1),
            description="share whose observed value lies in its interval",
            metadata={"unit": "share of regions"},
        ),
        "mean_width": pa.Column(
            float, description="upper bound less lower, the mean", metadata=IN_THE_UNIT
        ),
        "median_width": pa.Column(
            float, description="upper bound less lower, the median", metadata=IN_THE_UNIT
        ),
        "median_factor": pa.Column(
            float,
            nullable=True,
            description="1 + upper bound over 1 + lower bound, the median; of indicators that are "
            "fitted as ln(1+x)",
            metadata={"unit": "ratio"},
        ),
        "in_words": pa.Column(str, description="the coverage and the median interval, in words"),
        "n_regions": pa.Column(
            int, description="regions predicted out of fold", metadata={"unit": "regions"}
        ),
    },
    strict=True,
    coerce=True,  # a table without rows has the same types
    unique=["split", "indicator"],
)


def measure_intervals(predictions: pd.DataFrame, scales: dict[str, Scale]) -> pd.DataFrame:
    """Measure the intervals of what was predicted out of fold.

    Parameters
    ----------
    predictions : DataFrame
        As `everywhere.PREDICTIONS`; rows of another `made_by` are not looked at.
    scales : dict of Scale
        By indicator.

    Returns
    -------
    DataFrame
        As `INTERVALS`: a row per split and indicator.
    """
    judged = predictions[predictions["made_by"] == OUT_OF_FOLD]
    rows = [
        {"split": split, "indicator": name, **measure(rows, scales[str(name)])}
        for (split, name), rows in judged.groupby(["split", "indicator"])
    ]
    return pd.DataFrame(rows, columns=list(INTERVALS.columns))


def measure(rows: pd.DataFrame, scale: Scale) -> dict[str, str | float]:
    """Measure the intervals of one indicator on one split: a row of `INTERVALS`, but its keys."""
    low, high, middle = rows["lower_90"], rows["upper_90"], rows["prediction"]
    coverage = float(rows["observed"].between(low, high).mean())
    width = high - low
    held = f"{coverage:.0%} of the regions lie"
    factor = np.nan
    if np.isinf(width).any():
        words = "too few regions have a label for an interval"
    elif scale.logarithmic:
        factor = float(((1 + high) / (1 + low)).median())
        below = float(((1 + low) / (1 + middle)).median())
        above = float(((1 + high) / (1 + middle)).median())
        words = f"{held} between {below:.2g} and {above:.2g} times the prediction"
    else:
        kind = "percentage points" if scale.unit.startswith("percent") else scale.unit
        words = f"{held} within {width.median() / 2:.2g} {kind} of the prediction"
    return {
        "unit": scale.unit,
        "nominal": COVERAGE,
        "coverage": coverage,
        "mean_width": float(width.mean()),
        "median_width": float(width.median()),
        "median_factor": factor,
        "in_words": words,
        "n_regions": len(rows),
    }
