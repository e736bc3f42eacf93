"""report.html: one file that opens without a network, filled from the templates beside this."""

import json
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from musecl.report.data import SPLIT_NAMES

FOLDER = Path(__file__).parent
# Concatenated in this order: each uses what stands before it.
SCRIPTS = ("numbers", "classes", "map", "scatter", "explorer", "page")


PERSPECTIVES = {"satellite": "from above", "street_view": "from the street"}
# By their names in map.js.
LAYERS = (
    ("observed", "Observed"),
    ("predicted", "Predicted"),
    ("error", "Error"),
    ("width", "Width of the interval"),
    ("residual", "Not explained by position"),
)


def render_report(
    *,
    city: str,
    imagery: dict[str, str | None],
    has_pois: bool,
    data: dict[str, Any],
    **values: Any,
) -> str:
    """Write report.html.

    Parameters
    ----------
    city : str
    imagery : dict
        By view, `rendered` or `photographic`, or None where the city lacks it.
    has_pois : bool
        Whether the city has any.
    data : dict
        As `page_data` makes it.
    **values
        What else page.html names.
    """
    seen = [
        f"{'rendered imagery' if kind == 'rendered' else 'imagery'} {PERSPECTIVES[view]}"
        for view, kind in imagery.items()
        if kind
    ]
    return render(
        "page.html",
        city=city,
        seen=_listed([*seen, *(["pois"] if has_pois else [])]),
        rendered=[
            f"the images {PERSPECTIVES[view]}"
            for view, kind in imagery.items()
            if kind == "rendered"
        ],
        regions=len(data["regions"]["id"]),
        indicators=data["indicators"],
        splits=data["splits"],
        layers=LAYERS,
        split_names=SPLIT_NAMES,
        map_style=read_map_style(),
        scripts=read_scripts(),
        data=as_json(data),
        **values,
    )


def _listed(words: list[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def render(template: str, **values: Any) -> str:
    """Fill a template of this folder; whatever stands in `values` is escaped.

    Parameters
    ----------
    template : str
        `page.html` or `tables.html`.
    **values
        What the template names; a missing one is an error.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"score": _score, "words": _words}
    return environment.get_template(template).render(style=read_style(), **values) + "\n"


def read_style() -> Markup:
    """Read the style sheet of both pages."""
    return Markup((FOLDER / "page.css").read_text(encoding="utf-8"))  # ours, no data


def read_map_style() -> Markup:
    """Read Leaflet's style sheet, less the images that it names: nothing may be loaded."""
    css = (FOLDER / "leaflet/leaflet.css").read_text(encoding="utf-8")
    return Markup(re.sub(r"[\w-]+: url\([^)]*\);", "", css))


def read_scripts() -> Markup:
    """Read Leaflet and the page's own scripts, as one."""
    leaflet = (FOLDER / "leaflet/leaflet.js").read_text(encoding="utf-8")
    # A browser's tools would look for the map of its source.
    leaflet = re.sub(r"//# sourceMappingURL=\S+", "", leaflet)
    ours = [(FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    joined = "\n".join(ours)
    return Markup(f"{leaflet}\n(() => {{\n'use strict';\n{joined}\n}})();")


def as_json(data: Any) -> Markup:
    """Write data for a script element: no name of a place can end it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _score(value: float) -> str:
    return f"{value:.3f}"


def _words(name: str) -> str:
    return name.replace("_", " ")
