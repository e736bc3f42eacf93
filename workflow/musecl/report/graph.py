"""Drawings in SVG: the stages of a city and what each reads, and the losses of the trainings."""

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from markupsafe import Markup, escape

from musecl.runtime.pipeline import declared_in, read_stages, read_tables

BOX, GAP, ROW, MARGIN = (150, 26), 14, 62, 8
CURVE = (320, 120)


class Graph(NamedTuple):
    """Stages in layers, each below all that it reads, and the arrows that no other implies."""

    layers: list[list[str]]
    arrows: list[tuple[str, str]]


def read_city_stages(root: Path) -> dict[str, Any]:
    """Read the stages of dvc.yaml as they are written, without those of the long tables."""
    tables = read_tables(root)
    return {name: entry for name, entry in read_stages(root).items() if name not in tables}


def graph_of(stages: Mapping[str, Any], city: str) -> Graph:
    """Lay out the stages of dvc.yaml for one city.

    Parameters
    ----------
    stages : mapping
        As they are written; see `musecl.runtime.pipeline.read_stages`.
    city : str
    """
    declared = {
        name: declared_in(dict(stages), name, city if "foreach" in entry else None)
        for name, entry in stages.items()
    }
    maker = {path: name for name, stage in declared.items() for path in stage.outputs}
    above = {
        name: {maker[path] for path in stage.inputs if path in maker}
        for name, stage in declared.items()
    }
    depth: dict[str, int] = {}
    reached: dict[str, set[str]] = {}
    for name in TopologicalSorter(above).static_order():
        depth[name] = 1 + max((depth[other] for other in above[name]), default=-1)
        reached[name] = above[name].union(*(reached[other] for other in above[name]))
    arrows = [
        (source, name)
        for name in declared
        for source in sorted(above[name])
        if not any(source in reached[other] for other in above[name])
    ]
    for name in declared:
        # What reads nothing stands right above what first reads it.
        below = [depth[other] for other in declared if name in above[other]]
        if not above[name] and below:
            depth[name] = min(below) - 1
    layers: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    for name in declared:
        layers[depth[name]].append(name)
    return Graph(_untangled(layers, arrows), arrows)


def _untangled(layers: list[list[str]], arrows: list[tuple[str, str]]) -> list[list[str]]:
    """Order each layer by where what it reads stands, so that few arrows cross."""
    place: dict[str, float] = {}

    def middle(name: str) -> float:
        sources = [place[source] for source, target in arrows if target == name]
        return sum(sources) / len(sources) if sources else 0.5

    for layer in layers:
        layer.sort(key=middle)
        place.update({name: (number + 1) / (len(layer) + 1) for number, name in enumerate(layer)})
    return layers


def draw_graph(graph: Graph) -> Markup:
    """Draw stages as boxes, from top to bottom."""
    width = max(map(len, graph.layers), default=0) * (BOX[0] + GAP) + 2 * MARGIN
    height = len(graph.layers) * ROW - (ROW - BOX[1]) + 2 * MARGIN
    corner: dict[str, tuple[float, float]] = {}
    for row, layer in enumerate(graph.layers):
        left = (width - len(layer) * (BOX[0] + GAP) + GAP) / 2
        for column, name in enumerate(layer):
            corner[name] = left + column * (BOX[0] + GAP), MARGIN + row * ROW
    parts = []
    for source, target in graph.arrows:
        x, y = corner[source][0] + BOX[0] / 2, corner[source][1] + BOX[1]
        to_x, to_y = corner[target][0] + BOX[0] / 2, corner[target][1]
        bend = (to_y - y) / 2
        path = f"M{x:g} {y:g}C{x:g} {y + bend:g} {to_x:g} {to_y - bend:g} {to_x:g} {to_y:g}"
        parts.append(f'<path class="arrow" d="{path}"/>')
    for name, (x, y) in corner.items():
        parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{BOX[0]}" height="{BOX[1]}" rx="5"/>'
            f'<text x="{x + BOX[0] / 2:g}" y="{y + 17:g}">{escape(name)}</text>'
        )
    label = "Stages of the pipeline, each below what it reads"
    return Markup(  # all names are escaped above
        f'<svg class="graph" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" '
        f'aria-label="{label}">{"".join(parts)}</svg>'
    )


class Curve(NamedTuple):
    """The losses of a training, and their drawing; both empty where nothing was trained."""

    name: str
    losses: list[float]
    drawing: Markup


def draw_curves(histories: Mapping[str, pd.DataFrame]) -> list[Curve]:
    """Draw the loss of each step as a line, by what was trained; a history is `step`, `loss`."""
    curves = []
    for name, history in histories.items():
        losses: list[float] = history["loss"].astype(float).to_list()
        title = name.replace("_", " ")
        curves.append(Curve(title[:1].upper() + title[1:], losses, _line_through(losses, title)))
    return curves


def _line_through(losses: Sequence[float], name: str) -> Markup:
    if not losses:
        return Markup("")
    low, high = min(losses), max(losses)
    spread = (high - low) or 1.0
    across = CURVE[0] / max(len(losses) - 1, 1)
    points = " ".join(
        f"{number * across:.1f},{CURVE[1] * (1 - (loss - low) / spread):.1f}"
        for number, loss in enumerate(losses)
    )
    label = f"Loss of {name}, from {losses[0]:.3f} to {losses[-1]:.3f} in {len(losses)} steps"
    return Markup(
        f'<svg class="curve" viewBox="-4 -6 {CURVE[0] + 8} {CURVE[1] + 12}" role="img" '
        f'aria-label="{escape(label)}"><polyline points="{points}"/></svg>'
    )
