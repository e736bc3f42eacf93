import matplotlib.image
import pandas as pd
import pytest

from musecl.figures import plot_r2


@pytest.fixture
def table():
    rows = [
        {
            "city": "nyc",
            "indicator": indicator,
            "method": method,
            "predictor": predictor,
            "split": split,
            "r2_mean": mean - 0.1 * (split == "spatial"),
            "r2_std": 0.03,
            "n_regions": 100,
            "label_provenance": "text, pairs" if indicator == "mobility_count" else "",
            "imagery": "rendered",
        }
        for indicator in ("population_density", "mobility_count", "poverty", "no_vehicle")
        for method, predictor, mean in (
            ("dummy_mean", "mean", -0.01),
            ("coordinates", "nearest or forest", -0.6),
            ("musecl", "ridge", 0.6),
            ("musecl", "mlp", 0.5),
        )
        for split in ("random", "spatial")
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def drawn(monkeypatch):
    """Keep what is drawn, to look at its parts."""
    from matplotlib import pyplot as plt

    figures = []
    monkeypatch.setattr(plt, "close", figures.append)
    yield figures
    monkeypatch.undo()
    plt.close("all")


def test_figure_says_what_the_imagery_is_and_shows_every_panel(table, tmp_path, drawn):
    plot_r2(table, "nyc", tmp_path / "r2.png")
    (figure,) = drawn
    assert "rendered sample imagery" in figure.get_suptitle()
    titles = [axis.get_title() for axis in figure.axes if axis.get_visible()]
    assert [title.split(" (")[0] for title in titles] == list(table["indicator"].unique())
    assert "label provenance: text, pairs" in titles[1]


def test_figure_draws_the_values_of_the_table(table, tmp_path, drawn):
    plot_r2(table, "nyc", tmp_path / "r2.png")
    axis = drawn[0].axes[0]
    dots = [line for line in axis.lines if line.get_marker() == "o"]
    shown = sorted(value for line in dots for value in line.get_xdata() if value == value)
    part = table[(table["indicator"] == "population_density") & (table["r2_mean"] > -0.25)]
    assert shown == sorted(part["r2_mean"])
    assert {text.get_text() for text in axis.texts} == {"-0.60", "-0.70"}
    whiskers = [end for lines in axis.collections for end in lines.get_segments()]
    lengths = {round(float(ends[1][0] - ends[0][0]), 6) for ends in whiskers}
    assert lengths == {0.06}


def test_photographs_are_not_called_rendered(table, tmp_path, drawn):
    plot_r2(table.assign(imagery="photographic"), "nyc", tmp_path / "r2.png")
    assert "rendered" not in drawn[0].get_suptitle()


def test_the_same_table_gives_the_same_bytes(table, tmp_path):
    for name in ("first.png", "second.png"):
        plot_r2(table, "nyc", tmp_path / name)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    assert matplotlib.image.imread(tmp_path / "first.png").ndim == 3


def test_legend_names_marks_that_only_some_panels_have(table, tmp_path, drawn):
    rare = table[(table["predictor"] != "mlp") | (table["indicator"] == "no_vehicle")]
    plot_r2(rare, "nyc", tmp_path / "r2.png")
    names = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert names == [
        f"{split}, {kind}"
        for split in ("random", "spatial")
        for kind in ("MLP", "ridge or only predictor")
    ]
