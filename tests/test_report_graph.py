import re

import pandas as pd

from closure import ROOT
from musecl.report.graph import draw_curves, draw_graph, graph_of, read_city_stages


def stage(reads, writes):
    return {
        "foreach": "${cities}",
        "do": {
            "cmd": "x",
            "deps": [f"${{key}}/{name}" for name in reads],
            "outs": [f"${{key}}/{writes}"],
        },
    }


def test_every_stage_of_the_pipeline_is_drawn_below_what_it_reads():
    stages = read_city_stages(ROOT)
    assert "baselines" not in stages
    graph = graph_of(stages, "nyc")
    depth = {name: row for row, layer in enumerate(graph.layers) for name in layer}
    assert set(depth) == set(stages)
    assert all(depth[source] < depth[target] for source, target in graph.arrows)
    drawn = draw_graph(graph)
    assert set(re.findall(r">(\w+)</text>", drawn)) == set(stages)
    assert drawn.count('class="arrow"') == len(graph.arrows)


def test_an_arrow_that_others_imply_is_left_out():
    stages = {"a": stage([], "a"), "b": stage(["a"], "b"), "c": stage(["a", "b"], "c")}
    assert graph_of(stages, "toy").arrows == [("a", "b"), ("b", "c")]


def test_what_reads_nothing_stands_right_above_its_reader():
    stages = {"a": stage([], "a"), "b": stage(["a"], "b"), "c": stage(["b", "w"], "c")}
    stages["w"] = stage([], "w")
    assert graph_of(stages, "toy").layers == [["a"], ["b", "w"], ["c"]]


def test_a_curve_goes_from_the_first_loss_to_the_last():
    trained, untrained = draw_curves(
        {
            "satellite": pd.DataFrame({"step": [0, 1, 2], "loss": [4.0, 2.0, 3.0]}),
            "street_view": pd.DataFrame({"step": [], "loss": []}),
        }
    )
    assert trained.name == "Satellite"
    assert 'points="0.0,0.0 160.0,120.0 320.0,60.0"' in trained.drawing
    assert (untrained.losses, untrained.drawing) == ([], "")
