"""Numbers as people write them in tables."""

import polars as pl
import pytest

from musecl.sources.columns import TableFile, collect, scan_columns
from musecl.sources.numbers import as_number, numbers
from shared_data import shared


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("$60.00", 60),
        ("-$5", -5),
        ("60 €", 60),
        ("£1,250.5", 1250.5),
        ("998,002", 998_002),
        (" 7,738,700 ", 7_738_700),
        ("1 234", 1234),
        ("12%", 12),
        ("+.5", 0.5),
        ("1e3", 1000),
        ("-3.", -3),
    ],
)
def test_numbers_as_people_write_them(cell, value, capsys):
    # Beside a cell that is a plain number to no machine.
    assert numbers(pl.Series([cell]), "price").to_list() == [value]
    assert numbers(pl.Series([cell, "$1"]), "price").to_list() == [value, 1]
    assert capsys.readouterr().out == ""


def test_what_is_no_number_is_counted(capsys):
    empty = ["(null)", "", " -   ", "N/A", "nan", None]
    bad = ["1,5", "12,34", "1.234,5", "abc", "1 2", ".", "1e999", "inf"]
    found = numbers(pl.Series([*bad, *empty, "3"]), "a.csv, column price")
    assert found.is_null().to_list() == [True] * (len(bad) + len(empty)) + [False]
    assert capsys.readouterr().out == (
        "a.csv, column price: 6 of 15 cells are empty, 8 are no number (first '1,5')\n"
    )


@pytest.mark.parametrize("kind", [pl.Int64, pl.Float32, pl.Int8])
def test_numbers_of_parquet_stay(kind, capsys):
    assert numbers(pl.Series([1, 2], dtype=kind), "x").to_list() == [1, 2]
    gaps = numbers(pl.Series([1.0, None, float("nan"), float("inf")]), "x")
    assert gaps.to_list() == [1, None, None, None]
    assert "2 of 4 cells are empty, 1 are no number" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1,5", 1.5),
        ("-3,7038", -3.7038),
        ("1.234,5", 1234.5),
        ("1 234,5 €", 1234.5),
        ("998,002", 998.002),
        ("1.234", 1.234),
        ("1,250.5", 1250.5),
        ("1,2,3", None),
    ],
)
def test_a_comma_may_part_decimals_where_a_semicolon_parts_columns(cell, value):
    assert as_number(pl.Series([cell]), decimal_comma=True).to_list() == [value]
    assert TableFile(path="a.csv", separator=";").decimal_comma
    assert not TableFile(path="a.csv").decimal_comma


def test_real_sales_below_four_lines_of_title(capsys):
    name = "rollingsales_manhattan_2016-2017_first4000lines.csv"
    path = shared("open_samples", "newyork", "sales", name)
    rows = collect(scan_columns(path, ["SALE PRICE"], TableFile(path=name, skip_rows=4)), path)
    prices = numbers(rows["SALE PRICE"], "price")
    assert len(prices) == 3995
    assert prices.is_null().sum() == 785
    assert "785 of 3995 cells are empty, 0 are no number" in capsys.readouterr().out
    assert 7_738_700 in prices[:20].to_list()
