import matplotlib.image
import numpy as np
import pytest

from musecl.report.figure import class_bounds, draw_map
from small_city import disk_of_regions


@pytest.fixture
def drawn(monkeypatch):
    """Keep what is drawn, to look at its parts."""
    from matplotlib import pyplot as plt

    figures = []
    monkeypatch.setattr(plt, "close", figures.append)
    yield figures
    monkeypatch.undo()
    plt.close("all")


@pytest.fixture
def tables():
    regions = disk_of_regions(2)
    rows = regions[["region_id"]].assign(
        observed=np.linspace(-50, 4000, len(regions)), unit="people per km2"
    )
    rows["prediction"] = rows["observed"] + 100
    rows["lower_90"], rows["upper_90"] = rows["prediction"] - 10, rows["prediction"] + 10
    rows.loc[3:6, "observed"] = np.nan
    return regions, rows


def test_three_maps_with_unit_note_and_what_has_no_value(tables, tmp_path, drawn):
    draw_map(*tables, "toy: density", "From rendered imagery.", tmp_path / "map.png")
    (figure,) = drawn
    assert [axis.get_title() for axis in figure.axes] == [
        "observed",
        "predicted, out of fold",
        "width of the 90% interval",
    ]
    assert figure.get_suptitle() == "toy: density, in people per km$^2$"
    assert figure.get_supxlabel() == "From rendered imagery."
    legends = [[text.get_text() for text in axis.get_legend().get_texts()] for axis in figure.axes]
    assert ["no value" in legend for legend in legends] == [True, False, False]
    assert legends[0][:-1] == legends[1]  # one scale for both


def test_it_is_as_wide_as_a_slide_and_the_same_at_every_run(tables, tmp_path):
    for name in ("first.png", "second.png"):
        draw_map(*tables, "toy", "", tmp_path / name)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    assert matplotlib.image.imread(tmp_path / "first.png").shape[1] == 1600


def test_bounds_are_rounded_and_hold_about_as_many_regions_each():
    values = np.random.default_rng(0).lognormal(8, 1, 7000)
    bounds = class_bounds(values)
    assert len(bounds) == 7
    assert all(bound == float(f"{bound:.2g}") for bound in bounds[1:])
    counts = np.histogram(values, [*bounds, np.inf])[0]
    assert counts.min() > 900


def test_where_most_are_equal_there_are_fewer_classes():
    assert list(class_bounds(np.array([0.0] * 90 + [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]))) == [0]
    assert list(class_bounds(np.array([np.nan]))) == []
