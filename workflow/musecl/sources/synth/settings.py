"""How a generated city is drawn (docs/synth.md); every layer of it has the same settings."""

from typing import Literal

from pydantic import Field

from musecl.runtime.section import Section


class Strength(Section):
    """How strongly each modality sees the hidden fields, beside noise of variance 1."""

    satellite: float = Field(ge=0, le=100, description="0: chips show noise alone")
    street_view: float = Field(ge=0, le=100, description="0: street views show noise alone")
    pois: float = Field(ge=0, le=100, description="0: POIs tell of noise alone")
    mobility: float = Field(ge=0, le=100, description="0: trips tell of noise alone")


class Generated(Section):
    """A city whose best reachable R2 is known."""

    provider: Literal["synth"]
    cells: int = Field(ge=20, le=5000, description="H3 cells of resolution 8")
    seed: int = Field(ge=0, lt=2**63, description="of the city, apart from the seed of all else")
    correlation_km: float = Field(
        gt=0, le=100, description="over which the hidden fields' correlation falls to 1/e"
    )
    noise: float = Field(ge=0, le=100, description="of the indicators, beside a signal of 1")
    strength: Strength
