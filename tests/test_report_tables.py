"""The page of the long tables, written by its stage from what the other stages wrote."""

import re
from pathlib import Path

import pandas as pd
import pytest

from bare_pipeline import lay_pipeline, run
from musecl.report.long_tables import lay_out_table
from musecl.report.page import render
from musecl.stages import report_tables


def comparison(methods: list[str], **more: object) -> pd.DataFrame:
    """A table as `evaluation.comparison.lay_out` makes it, of two splits."""
    rows = [
        {
            "city": "nyc",
            "split": split,
            "method": method,
            "r2_primary": 0.8 - 0.05 * place,
            "r2_mean": 0.7,
            "reference_ahead": 0.05 * place,
            "ahead_low": 0.01 if place else 0.0,
            "ahead_high": 0.09 if place else 0.0,
            "n_seeds": 5,
            "population R2": 0.8 - 0.05 * place,
            "population sd": 0.0123,
            "population RMSE": 1.0,
        }
        for split in ("random", "spatial")
        for place, method in enumerate(methods)
    ]
    return pd.DataFrame(rows).assign(**more)


@pytest.fixture
def page(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    lay_pipeline(tmp_path)
    results = tmp_path / "results/nyc"
    results.mkdir(parents=True)
    comparison(["musecl", "tile<2>vec"]).to_csv(results / "baselines.csv", index=False)
    comparison(["musecl", "without_text"]).to_csv(results / "ablations.csv", index=False)
    inductive = comparison(["fusion_all_regions", "fusion_training_regions"], folds=5)
    inductive.to_csv(results / "inductive.csv", index=False)
    scores = pd.DataFrame({"imagery": [getattr(request, "param", "rendered")]})
    scores.to_csv(results / "r2.csv", index=False)
    run(tmp_path, report_tables)
    return (results / "tables.html").read_text(encoding="utf-8")


def test_it_holds_the_three_tables_with_every_method(page: str) -> None:
    assert re.findall(r"<h2>(.+?)</h2>", page) == ["Baselines", "Ablations", "Inductive"]
    assert page.count("<h3>") == 6
    assert page.count("tile&lt;2&gt;vec") == 2
    assert page.count("0.750 <small>± 0.012</small>") == 6
    assert page.count("0.050 <small>0.010 to 0.090</small>") == 6
    assert "whole spatial blocks held out, 5 of its folds" in page


def test_what_a_split_does_not_judge_is_a_dash(tmp_path: Path) -> None:
    table = comparison(["musecl", "other"])
    scores = ["r2_primary", "reference_ahead", "ahead_low", "ahead_high"]
    table.loc[table["split"] == "spatial", [*scores, "population R2", "population sd"]] = None
    tables = [lay_out_table("baselines", table)]
    page = render("tables.html", city="a", rendered=False, tables=tables)
    assert "nan" not in page
    # Of two methods their primary, difference and indicator; and the reference at random.
    assert len(re.findall(r'<td class="number">.</td>', page)) == 7


@pytest.mark.parametrize("page", ["rendered", "photographic"], indirect=True)
def test_rendered_imagery_is_called_so(page: str, request: pytest.FixtureRequest) -> None:
    rendered = request.node.callspec.params["page"] == "rendered"
    assert ("The imagery is rendered" in page) == rendered


def test_it_loads_nothing(page: str) -> None:
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)
