"""How QGIS draws an indicator at first sight: five classes of equal count, in safe colours."""

from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

# Viridis (Smith and van der Walt 2015): told apart by the colour-blind, and in grey.
COLOURS = ("68,1,84", "59,82,139", "33,145,140", "94,201,98", "253,231,37")
BORDER = {"outline_color": "255,255,255,120", "outline_width": "0.1", "outline_style": "solid"}
QML = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>"


def class_bounds(values: NDArray[np.float64]) -> list[float]:
    """Divide values into classes of about equal count: at most six bounds, ascending.

    NaN and infinite ones are left out; of no value, or one alone, both bounds of one class.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return [0.0, 0.0]
    bounds = np.unique(np.quantile(known, np.linspace(0, 1, len(COLOURS) + 1)))
    return [float(bound) for bound in bounds] if len(bounds) > 1 else [float(bounds[0])] * 2


def graduated_style(column: str, values: NDArray[np.float64]) -> str:
    """Write a QGIS style (QML) that colours polygons by a column.

    Parameters
    ----------
    column : str
        The column to colour by.
    values : array of shape (N,)
        Its values, which decide the classes.
    """
    bounds = class_bounds(values)
    root = ElementTree.Element("qgis", version="3.34.0", styleCategories="Symbology")
    renderer = ElementTree.SubElement(
        root, "renderer-v2", type="graduatedSymbol", attr=column, graduatedMethod="GraduatedColor"
    )
    ranges = ElementTree.SubElement(renderer, "ranges")
    symbols = ElementTree.SubElement(renderer, "symbols")
    classes = list(pairwise(bounds))
    # The ends of the colours are those of the values, however few classes there are.
    chosen = np.linspace(0, len(COLOURS) - 1, len(classes)).round().astype(int)
    for number, ((low, high), colour) in enumerate(zip(classes, chosen, strict=True)):
        ElementTree.SubElement(
            ranges,
            "range",
            symbol=str(number),
            lower=repr(low),
            upper=repr(high),
            label=f"{_readable(low)} to {_readable(high)}",
            render="true",
        )
        symbol = ElementTree.SubElement(symbols, "symbol", name=str(number), type="fill", alpha="1")
        layer = ElementTree.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1"})
        properties = {"color": f"{COLOURS[colour]},255", "style": "solid", **BORDER}
        options = ElementTree.SubElement(layer, "Option", type="Map")
        for name, value in properties.items():
            ElementTree.SubElement(options, "Option", name=name, value=value, type="QString")
    ElementTree.indent(root, " ")
    return f"{QML}\n{ElementTree.tostring(root, encoding='unicode')}\n"


def _readable(value: float) -> str:
    """Write a bound with three digits that count: 17,500, not 1.75e+04."""
    return f"{float(f'{value:.3g}'):,.10g}"
