"""The figure beside r2.csv: every method on every indicator, the splits side by side."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

matplotlib.use("Agg")
from matplotlib import pyplot as plt

COLUMNS = 3
LOWEST_R2 = -0.25
SPLIT_COLOURS = {
    "random": "#4477aa",
    "spatial": "#ee6677",
    "spatial_wide": "#aa3377",
    "district": "#999933",
    "paper": "#228833",
}
LINE_COLOUR = "#333333"


def plot_r2(table: pd.DataFrame, city: str, path: Path) -> None:
    """Draw the R2 of r2.csv: a panel per indicator, a line per method, a colour per split.

    A filled mark is ridge (or the method's only predictor), a hollow one the paper's perceptron;
    whiskers are one standard deviation over seeds. R2 below -0.25 is drawn at the left edge as an
    arrow with its value.

    Parameters
    ----------
    table : DataFrame
        As in r2.csv; its order of indicators and methods is kept. Without rows the figure says so.
    city : str
        For the title.
    path : Path
        Where to, a PNG; the same table gives the same bytes.
    """
    indicators = list(dict.fromkeys(table["indicator"]))
    methods = list(dict.fromkeys(table["method"]))
    columns = max(1, min(COLUMNS, len(indicators)))
    rows = max(1, -(-len(indicators) // columns))
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(2.2 + 3.6 * columns, 1.3 + (0.9 + 0.27 * len(methods)) * rows),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, indicator in zip(axes.flat, indicators, strict=False):
        _draw_indicator(axis, table[table["indicator"] == indicator], methods)
    for axis in axes.flat[len(indicators) :]:
        axis.set_visible(False)
    imagery = "rendered sample imagery" if (table["imagery"] == "rendered").any() else "photographs"
    title = (
        f"{city}: R2 out of fold, from {imagery}\n"
        "filled: ridge or the only predictor; hollow: MLP; whiskers: sd over seeds"
    )
    figure.suptitle(title if indicators else f"{city}: no indicator to judge", fontsize=11)
    # Not every panel has every kind of mark.
    labelled = [axis.get_legend_handles_labels() for axis in axes.flat]
    marks = {label: mark for panel in labelled for mark, label in zip(*panel, strict=True)}
    names = sorted(marks)
    figure.legend(
        [marks[name] for name in names], names, loc="outside lower center", ncols=4, frameon=False
    )
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)


def _draw_indicator(axis: Axes, table: pd.DataFrame, methods: list[str]) -> None:
    first = table.iloc[0]
    shared = first["label_provenance"]
    title = f"{first['indicator']} ({table['n_regions'].max()} regions)"
    axis.set_title(title + (f"\nlabel provenance: {shared}" if shared else ""), fontsize=9)
    axis.axvline(0, color=LINE_COLOUR, linewidth=0.8)
    axis.set_yticks(range(len(methods)), methods, fontsize=8)
    axis.set_ylim(len(methods) - 0.4, -0.6)
    axis.set_xlim(LOWEST_R2, 1)
    axis.grid(axis="x", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(axis="x", labelsize=8, labelbottom=True)
    for place, (split, rows) in enumerate(table.groupby("split", sort=True)):
        for is_mlp, part in rows.groupby(rows["predictor"] == "mlp", sort=True):
            height = (
                part["method"].map(methods.index)
                + 0.2 * (place - (table["split"].nunique() - 1) / 2)
                + 0.12 * is_mlp
            )
            _draw_marks(axis, part, height.to_numpy(), SPLIT_COLOURS[str(split)], bool(is_mlp))
            axis.lines[-1].set_label(f"{split}, {'MLP' if is_mlp else 'ridge or only predictor'}")


def _draw_marks(
    axis: Axes, rows: pd.DataFrame, height: NDArray[np.float64], colour: str, hollow: bool
) -> None:
    mean = rows["r2_mean"].to_numpy()
    face = "white" if hollow else colour
    axis.hlines(
        height, mean - rows["r2_std"], mean + rows["r2_std"], color=colour, linewidth=1.2, zorder=2
    )
    for value, y in zip(mean, height, strict=True):
        if value < LOWEST_R2:
            axis.plot(LOWEST_R2 + 0.02, y, "<", color=colour, markerfacecolor=face, markersize=4)
            axis.text(LOWEST_R2 + 0.05, y, f"{value:.2f}", fontsize=6, color=colour, va="center")
    shown = np.where(mean < LOWEST_R2, np.nan, mean)
    axis.plot(shown, height, "o", color=colour, markerfacecolor=face, markersize=4.5, zorder=3)
