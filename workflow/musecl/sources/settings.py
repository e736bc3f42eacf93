"""`cities`: which cities there are, and where each layer of each city comes from."""

from typing import Literal

from pydantic import Field, model_validator

from musecl.step.section import Section


class Sources(Section):
    """A source per layer: `sample`, New York data inside packages, or `synth`, a generated city."""

    boundary: Literal["sample", "synth"] = Field(description="land of the city")
    remote_view: Literal["sample", "synth"] = Field(description="imagery from above")
    street_view: Literal["sample", "synth"] = Field(description="imagery from the street")
    places: Literal["sample", "synth"] = Field(description="points of interest")
    mobility: Literal["sample", "synth"] = Field(description="trips between places")
    indicators: Literal["sample", "synth"] = Field(description="what is to be predicted")


class Extent(Section):
    """A box in degrees (EPSG:4326) that cuts the city down to a part of it."""

    west: float = Field(ge=-180, le=180)
    south: float = Field(ge=-90, le=90)
    east: float = Field(ge=-180, le=180)
    north: float = Field(ge=-90, le=90)

    @model_validator(mode="after")
    def _not_empty(self) -> "Extent":
        if self.west >= self.east or self.south >= self.north:
            raise ValueError("west must be below east and south below north")
        return self


class Strength(Section):
    """How strongly each modality sees the hidden fields, beside noise of variance 1."""

    remote_view: float = Field(ge=0, le=100, description="0: chips show noise alone")
    street_view: float = Field(ge=0, le=100, description="0: street views show noise alone")
    places: float = Field(ge=0, le=100, description="0: places tell of noise alone")
    mobility: float = Field(ge=0, le=100, description="0: trips tell of noise alone")


class Generated(Section):
    """How a city whose sources are `synth` is drawn (docs/synth.md); null for any other."""

    cells: int = Field(ge=20, le=5000, description="H3 cells of resolution 8")
    seed: int = Field(ge=0, description="of the city, apart from the seed of all else")
    correlation_km: float = Field(
        gt=0, le=100, description="over which the hidden fields' correlation falls to 1/e"
    )
    noise: float = Field(ge=0, le=100, description="of the indicators, beside a signal of 1")
    strength: Strength


class City(Section):
    """A city: its sources, and the part of it to work on (all of it where extent is null)."""

    sources: Sources
    extent: Extent | None
    generated: Generated | None

    @model_validator(mode="after")
    def _generated_as_a_whole(self) -> "City":
        kinds = set(self.sources.model_dump().values())
        if "synth" in kinds and (kinds != {"synth"} or self.generated is None):
            raise ValueError("a city with a source synth needs all six synth, and `generated`")
        if "synth" not in kinds and self.generated is not None:
            raise ValueError("`generated` must be null where no source is synth")
        return self


class Transfer(Section):
    """Training on one city to predict another."""

    train: str = Field(description="the city whose labels are seen")
    predict: str = Field(description="the city that is predicted, no label of it seen")
