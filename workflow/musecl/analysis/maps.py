"""A map of one indicator, for a notebook."""

from typing import Literal, get_args

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from musecl.analysis.results import Results
from musecl.runtime.errors import InputError

What = Literal["prediction", "observed", "error", "lower_90", "upper_90", "from_coordinates"]
# The title of each; `{}` is the indicator.
TITLES = {
    "prediction": "{}, predicted",
    "observed": "{}, observed",
    "error": "{}, predicted less observed",
    "lower_90": "{}, lower bound of the 90% interval",
    "upper_90": "{}, upper bound of the 90% interval",
    "from_coordinates": "{}, predicted from coordinates alone",
}
# The few largest values of a skewed indicator would leave one colour to all others.
COLOUR_PERCENTILES = (2, 98)
NO_VALUE_COLOUR = "#dddddd"


def plot_map(
    results: Results, indicator: str, what: What = "prediction", axes: Axes | None = None
) -> Axes:
    """Draw a map of an indicator, coloured by its value, with a legend in its unit.

    A region without a value is grey. Colours end at the 2nd and the 98th percentile.

    Parameters
    ----------
    results : Results
        Of a city.
    indicator : str
        A key of `results.units`.
    what : str
        `prediction`, `observed`, `error` (predicted less observed), `lower_90`, `upper_90` or
        `from_coordinates`.
    axes : matplotlib Axes, optional
        Where to draw; a new figure if None.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InputError
        There is no such indicator, or nothing of that kind to draw.

    Examples
    --------
    >>> musecl.plot_map(results, "population_density").figure.savefig("map.png")
    """
    if indicator not in results.units:
        raise InputError(f"no indicator {indicator!r}; there are {', '.join(results.units)}")
    if what not in get_args(What):
        raise InputError(f"what={what!r} is no kind of map; choose of {', '.join(get_args(What))}")
    column = indicator if what == "observed" else f"{indicator}_{what}"
    shown = results.regions[column].replace([np.inf, -np.inf], np.nan)
    if shown.isna().all():
        raise InputError(f"{indicator}: no region has a finite value of {what}; draw another")
    low, high = np.nanpercentile(shown, COLOUR_PERCENTILES)
    if what == "error":
        high = max(abs(low), abs(high))
        low = -high
    if axes is None:
        axes = plt.subplots(figsize=(8, 8), layout="constrained")[1]
    results.regions.assign(shown=shown).plot(
        column="shown",
        ax=axes,
        cmap="RdBu_r" if what == "error" else "viridis",
        vmin=low,
        vmax=high,
        legend=True,
        legend_kwds={"label": results.units[indicator], "shrink": 0.6, "extend": "both"},
        missing_kwds={"color": NO_VALUE_COLOUR},
    )
    if shown.isna().any():
        axes.legend(handles=[Patch(color=NO_VALUE_COLOUR, label="no value")], loc="upper left")
    title = TITLES[what].format(indicator.replace("_", " "))
    axes.set_title(f"{results.city}: {title}\n{results.imagery} imagery", fontsize=11)
    axes.set_axis_off()
    return axes
