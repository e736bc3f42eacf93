"""Coverage, widths and totals, and what is said of them in words."""

import numpy as np
import pandas as pd
import pytest

from musecl.evaluation.backtransform import Scale
from musecl.evaluation.intervals import INTERVALS, measure_intervals
from musecl.evaluation.totals import TOTALS, sum_up
from musecl.runtime.tables import write_csv

SCALES = {
    "density": Scale("people per km2 of land", "ln(1+x)", 0),
    "share": Scale("percent of households", "identity", 0, 100),
    "rent": Scale("euros", "identity"),
}


def predictions(name, rows, split="random"):
    """Rows of observed, prediction, lower and upper bound; the last was not out of fold."""
    columns = ["observed", "prediction", "lower_90", "upper_90"]
    table = pd.DataFrame(rows, columns=columns, dtype=float)
    return table.assign(
        region_id=[f"region {number}" for number in range(len(rows))],
        indicator=name,
        split=split,
        unit=SCALES[name].unit,
        made_by=["out of fold"] * (len(rows) - 1) + ["all labels"],
    )


DENSITY = predictions(
    "density", [(99, 199, 99, 399), (999, 199, 99, 399), (299, 199, 99, 399), (np.nan, 5, 1, 9)]
)
SHARE = predictions("share", [(10, 12, 2, 22), (50, 40, 30, 50), (0, 90, 80, 100), (7, 7, 0, 99)])


def test_intervals_are_measured_in_the_unit_and_told_in_words(tmp_path):
    table = measure_intervals(pd.concat([DENSITY, SHARE]), SCALES)
    write_csv(table, tmp_path / "intervals.csv", INTERVALS)
    rows = table.set_index("indicator")
    density, share = rows.loc["density"], rows.loc["share"]
    assert (density["coverage"], density["n_regions"]) == (pytest.approx(2 / 3), 3)
    assert (density["mean_width"], density["median_factor"]) == (300, 4)
    assert density["in_words"] == "67% of the regions lie between 0.5 and 2 times the prediction"
    assert (share["coverage"], share["median_width"]) == (pytest.approx(2 / 3), 20)
    assert np.isnan(share["median_factor"])
    assert share["unit"] == "percent of households"
    assert share["in_words"] == (
        "67% of the regions lie within 10 percentage points of the prediction"
    )


def test_other_units_are_named_and_too_few_labels_are_said():
    rent = predictions("rent", [(500, 510, 470, 550), (0, 0, 0, 0)])
    (row,) = measure_intervals(rent, SCALES).to_dict("records")
    assert row["in_words"] == "100% of the regions lie within 40 euros of the prediction"
    wide = predictions("rent", [(500, 510, -np.inf, np.inf), (0, 0, 0, 0)])
    (row,) = measure_intervals(wide, SCALES).to_dict("records")
    assert row["in_words"] == "too few regions have a label for an interval"


def test_totals_count_land_and_leave_out_what_is_not_per_area(tmp_path):
    regions = pd.DataFrame(
        {
            "region_id": [f"region {number}" for number in range(4)],
            "area_km2": [2.0, 1.0, 1.0, 50.0],
            "land_share": [0.5, 1.0, 0.1, 1.0],
        }
    )
    shuffled = regions.sample(frac=1, random_state=2)
    table = sum_up(pd.concat([DENSITY, SHARE]), shuffled)
    write_csv(table, tmp_path / "totals.csv", TOTALS)
    (row,) = table.to_dict("records")
    assert (row["indicator"], row["unit"], row["n_regions"]) == ("density", "people", 3)
    assert row["observed"] == pytest.approx(99 + 999 + 29.9)
    assert row["predicted"] == pytest.approx(199 * 2.1)


def test_of_no_prediction_there_are_headers(tmp_path):
    nothing = DENSITY.iloc[:0]
    write_csv(measure_intervals(nothing, SCALES), tmp_path / "i.csv", INTERVALS)
    write_csv(sum_up(nothing, pd.DataFrame({"region_id": [], "area_km2": [], "land_share": []})),
              tmp_path / "t.csv", TOTALS)  # fmt: skip
    assert (tmp_path / "i.csv").read_text() == ",".join(INTERVALS.columns) + "\n"
    assert (tmp_path / "t.csv").read_text() == ",".join(TOTALS.columns) + "\n"
