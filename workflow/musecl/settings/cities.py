"""`cities`: which cities there are, and where each layer of each city comes from."""

from typing import Literal

from pydantic import Field, model_validator

from musecl.step.section import Section


class Sources(Section):
    """A source per layer; `sample` is the New York data that ships inside packages."""

    boundary: Literal["sample"] = Field(description="land of the city")
    remote_view: Literal["sample"] = Field(description="imagery from above")
    street_view: Literal["sample"] = Field(description="imagery from the street")
    places: Literal["sample"] = Field(description="points of interest")
    mobility: Literal["sample"] = Field(description="trips between places")
    indicators: Literal["sample"] = Field(description="what is to be predicted")


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


class City(Section):
    """A city: its sources, and the part of it to work on (all of it where extent is null)."""

    sources: Sources
    extent: Extent | None
