"""map.png, for slides: one indicator as observed, as predicted, and how wide the interval is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray

from musecl.report.data import SPLIT_NAMES, Results, splits_of, title_of
from musecl.runtime.tables import KEY

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.patches import Patch

CLASSES = 7
NO_VALUE: dict[str, Any] = {
    "facecolor": "#e3e3e3",
    "edgecolor": "#8a8a8a",
    "hatch": "////",
    "linewidth": 0.1,
}
SIZE_INCHES, DOTS_PER_INCH = (16.0, 6.4), 100


def draw_city(results: Results, city: str, imagery: Mapping[str, str | None], path: Path) -> None:
    """Draw the first primary indicator, predicted where nothing near a region was seen.

    Parameters
    ----------
    results : Results
    city : str
        For the title.
    imagery : mapping
        By view, `rendered` or `photographic`, or None where the city lacks it.
    path : Path
        See `draw_map`.
    """
    splits = splits_of(results)
    if not splits:
        _say(f"{city}: no indicator could be predicted", path)
        return
    split = "spatial" if "spatial" in splits else splits[0]
    about = results.indicators.iloc[0]
    rows = results.predictions
    rows = rows[(rows["indicator"] == about["indicator"]) & (rows["split"] == split)]
    year = f", {about['year']}" if about["year"] else ""
    title = f"{city}: {title_of(about['indicator']).lower()}{year}"
    rendered = "rendered" in imagery.values()
    note = "From rendered imagery, not photographs. " if rendered else ""
    draw_map(results.regions, rows, title, f"{note}Predicted with {SPLIT_NAMES[split]}.", path)


def _say(text: str, path: Path) -> None:
    figure = plt.figure(figsize=SIZE_INCHES)
    figure.text(0.5, 0.5, text, ha="center", fontsize=14)
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})
    plt.close(figure)


def draw_map(
    regions: gpd.GeoDataFrame, predictions: pd.DataFrame, title: str, note: str, path: Path
) -> None:
    """Draw three maps side by side.

    Parameters
    ----------
    regions : GeoDataFrame
        The region table, EPSG:4326.
    predictions : DataFrame
        Rows of `predictions.parquet`, of one indicator and split.
    title : str
        Stands above, with the unit.
    note : str
        Stands below.
    path : Path
        Where to, a PNG of 1600 pixels; the same tables give the same bytes.
    """
    laid = predictions.set_index(KEY).reindex(regions[KEY])
    unit = predictions["unit"].iloc[0].replace("km2", "km$^2$")
    observed, predicted = (laid[name].to_numpy(float) for name in ("observed", "prediction"))
    width = (laid["upper_90"] - laid["lower_90"]).to_numpy(float)
    shared = class_bounds(np.concatenate([observed, predicted]))
    figure, axes = plt.subplots(1, 3, figsize=SIZE_INCHES, layout="constrained")
    panels = (
        ("observed", observed, shared, "viridis"),
        ("predicted, out of fold", predicted, shared, "viridis"),
        ("width of the 90% interval", width, class_bounds(width), "cividis"),
    )
    for axis, (name, values, bounds, colours) in zip(axes, panels, strict=True):
        _draw_panel(axis, regions, values, bounds, colours)
        axis.set_title(name, fontsize=13)
    figure.suptitle(f"{title}, in {unit}", fontsize=14)
    figure.supxlabel(note, fontsize=10)
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})
    plt.close(figure)


def class_bounds(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Choose the lower bounds of up to seven classes of about as many regions each.

    Bounds are rounded to two digits, so that a legend can be read; those that become equal are one.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return np.zeros(0)
    cuts = np.quantile(known, np.arange(1, CLASSES) / CLASSES)
    inner = {float(f"{cut:.2g}") for cut in cuts}
    lowest = float(known.min())
    return np.array([lowest, *sorted(cut for cut in inner if cut > lowest)])


def _draw_panel(
    axis: "plt.Axes",
    regions: gpd.GeoDataFrame,
    values: NDArray[np.float64],
    bounds: NDArray[np.float64],
    colours: str,
) -> None:
    axis.set_axis_off()
    known = np.isfinite(values)
    handles = []
    if known.any():
        shades = plt.get_cmap(colours)(np.linspace(0.04, 0.98, len(bounds)))
        place = np.clip(np.searchsorted(bounds, values[known], "right") - 1, 0, len(bounds) - 1)
        # Class 0 to the last, whether each occurs or not.
        regions[known].plot(
            ax=axis,
            column=place,
            cmap=ListedColormap(shades),
            vmin=-0.5,
            vmax=len(bounds) - 0.5,
            linewidth=0,
        )
        labels = [f"from {_number(bound)}" for bound in bounds]
        if len(bounds) > 1:
            labels[0] = f"under {_number(bounds[1])}"
        handles = [
            Patch(color=shade, label=label) for shade, label in zip(shades, labels, strict=True)
        ]
    if not known.all():
        regions[~known].plot(ax=axis, **NO_VALUE)
        handles.append(Patch(**NO_VALUE, label="no value"))
    axis.legend(handles=handles, loc="upper left", fontsize=9, frameon=False)
    # A degree of longitude is shorter than one of latitude; geopandas sets that for degrees.
    axis.margins(0.02)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2g}"
