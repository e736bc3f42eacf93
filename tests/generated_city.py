"""Small generated cities, and their entry in params.yaml."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from musecl.sources.providers import LAYERS
from musecl.sources.synth.settings import Generated

SHIPPED = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text(encoding="utf-8"))
MODALITIES = ("satellite", "street_view", "pois", "mobility")


def generated(cells: int = 60, seed: int = 1, noise: float = 0.3, **strength: float) -> Generated:
    """Settings of a city whose every modality sees the hidden fields alike, but for these."""
    return Generated(
        provider="synth",
        cells=cells,
        seed=seed,
        correlation_km=2.0,
        noise=noise,
        strength=dict.fromkeys(MODALITIES, 1.5) | strength,
    )


def entry(settings: Generated, lacking: Collection[str] = ()) -> dict[str, Any]:
    """What params.yaml says of the city; it lacks some layers."""
    given = settings.model_dump()
    absent = {"roads", *lacking}
    layers = {layer: None if layer in absent else given for layer in LAYERS}
    indicators = SHIPPED["cities"]["synth"]["indicators"]
    measured = {name: about | given for name, about in indicators.items()}
    return {"extent": None, **layers, "indicators": measured}
