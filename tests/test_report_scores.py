import pandas as pd
import pytest

from musecl.report.long_tables import lay_out_table
from musecl.report.page import render
from musecl.report.scores import group_intervals, tabulate_districts, tabulate_methods


def row(indicator, method, split, mean, predictor="ridge", **more):
    return {
        "indicator": indicator,
        "method": method,
        "predictor": predictor,
        "split": split,
        "r2_mean": mean,
        "r2_std": 0.01,
        "n_regions": 1200,
        "n_seeds": 5,
        "label_provenance": None,
        **more,
    }


@pytest.fixture
def scores():
    return pd.DataFrame(
        [
            row("people", "musecl", "spatial", 0.5),
            row("people", "musecl", "random", 0.7),
            row("trips", "musecl", "random", 0.9, label_provenance="text,pairs"),
            row("trips", "musecl", "spatial", 0.1),
            row("people", "concat", "random", 0.3),
            row("rent", "musecl", "random", 0.2),
        ]
    )


def test_the_primary_mean_is_over_all_primary_indicators_or_not_told(scores):
    first, *_ = tabulate_methods(scores, ["people", "trips"])
    assert first.splits == ["random", "spatial"]
    musecl, concat = first.methods
    assert [score.mean for score in musecl.scores] == pytest.approx([0.8, 0.3])
    assert [score.spread for score in musecl.scores] == [None, None]
    assert [score.mean for score in concat.scores] == [None, None]  # it lacks an indicator


def test_each_indicator_has_its_table_with_what_it_was_counted_on(scores):
    tables = {table.key: table for table in tabulate_methods(scores, ["people", "trips"])}
    assert list(tables) == ["", "people", "trips", "rent"]
    assert tables["people"].note == "1,200 regions with a value; 5 seeds"
    assert tables["trips"].note.endswith("made of the same source as text, pairs")
    (only,) = tables["rent"].methods
    assert only.scores == [(0.2, 0.01), (None, None)]


def test_predictors_of_fewer_seeds_are_told(scores):
    more = pd.DataFrame([row("people", "musecl", "random", 0.6, "mlp", n_seeds=2)])
    tables = tabulate_methods(pd.concat([scores, more]), [])
    assert tables[0].note == "1,200 regions with a value; seeds: ridge 5, mlp 2"


def test_districts_stand_from_row_to_column():
    table = pd.DataFrame({"source": ["a", "b"], "target": ["b", "a"], "r2": [0.1, 0.2]})
    ((title, laid),) = tabulate_districts(
        table.assign(indicator="rent_burden"), ["x", "rent_burden"]
    )
    assert title == "Rent burden"
    assert (laid.loc["a", "b"], laid.loc["b", "a"]) == (0.1, 0.2)


def test_intervals_are_grouped_by_split_with_their_mean():
    table = pd.DataFrame({"split": ["spatial", "random", "spatial"], "coverage": [0.8, 0.9, 1.0]})
    (first, mean, _), (second, other, rows) = group_intervals(table)
    assert (first, mean) == ("Regions held out at random", 0.9)
    assert (second, other) == ("Whole spatial blocks held out", pytest.approx(0.9))
    assert [one["coverage"] for one in rows] == [0.8, 1.0]


@pytest.fixture
def long_table():
    return pd.DataFrame(
        {
            "city": "toy",
            "split": ["random", "random", "spatial"],
            "method": ["musecl", "without_<text>", "musecl"],
            "r2_primary": [0.8, 0.75, 0.7],
            "r2_mean": [0.8, 0.75, 0.7],
            "reference_ahead": [0.0, 0.05, 0.0],
            "ahead_low": [0.0, 0.01, 0.0],
            "ahead_high": [0.0, 0.09, 0.0],
            "n_seeds": 5,
            "people R2": [0.8, 0.75, 0.7],
            "people sd": [0.011, 0.012, 0.013],
            "people RMSE": [1.0, 1.0, 1.0],
        }
    )


def test_a_long_table_has_a_part_per_split_and_number_of_folds(long_table):
    laid = lay_out_table("ablations", long_table)
    assert [part.title for part in laid.parts] == [
        "regions held out at random",
        "whole spatial blocks held out",
    ]
    assert laid.indicators == ["people"]
    assert laid.parts[0].lines[1].scores == [(0.75, 0.012)]
    folds = lay_out_table("inductive", long_table.assign(folds=[5, 1, 5]))
    assert len(folds.parts) == 3


def test_the_page_of_long_tables_holds_every_number_as_text(long_table):
    tables = [lay_out_table("ablations", long_table)]
    page = render("tables.html", city="toy", rendered=True, tables=tables)
    assert "without &lt;text&gt;" in page
    assert "0.050 <small>0.010 to 0.090</small>" in page
    assert "0.750 <small>± 0.012</small>" in page
    assert "The imagery is rendered" in page
    assert "The imagery is rendered" not in render(
        "tables.html", city="toy", rendered=False, tables=tables
    )
