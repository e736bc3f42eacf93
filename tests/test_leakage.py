"""No label on the way to a representation: what a stage may read, followed back to its sources."""

import pytest

from closure import ROOT
from musecl.runtime.pipeline import declaration, makers, read_stages

STAGES = read_stages(ROOT)
PER_CITY = [name for name, entry in STAGES.items() if "${cities" in entry.get("foreach", "")]
ONCE = [name for name, entry in STAGES.items() if "foreach" not in entry]
REPRESENTING = [
    "pretrain_baselines",
    "embed_satellite",
    "embed_street_view",
    "embed_text",
    "fuse",
]


def above(stage: str) -> set[str]:
    """Every stage whose outputs reach a stage, itself included."""
    made = makers(STAGES, [*ONCE, *(f"{name}@nyc" for name in PER_CITY)])
    found: set[str] = set()
    waiting = [f"{stage}@nyc"]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            stage, _, city = name.partition("@")
            waiting += [
                made[path] for path in declaration(ROOT, stage, city or None).inputs if path in made
            ]
    return {name.partition("@")[0] for name in found}


@pytest.mark.parametrize("stage", REPRESENTING)
def test_no_indicator_reaches_a_representation(stage: str) -> None:
    assert not {"indicators", "fetch_indicators"} & above(stage)
    assert "fetch_boundary" in above(stage)


def test_every_other_layer_reaches_the_fusion() -> None:
    layers = ("pois", "mobility", "satellite", "street_view")
    assert {f"fetch_{layer}" for layer in layers} <= above("fuse")


def test_indicators_reach_what_judges_and_nothing_else() -> None:
    judging = {
        *("evaluate", "predict", "baselines", "ablations", "inductive"),
        *("model", "report", "report_tables"),
    }
    for stage, more in (("indicators", set()), ("fetch_indicators", {"indicators"})):
        reached = {name for name in PER_CITY if stage in above(name)} - {stage}
        assert reached == judging | more
