"""`cities`: which cities there are, and where each layer of each city comes from."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from musecl.runtime.errors import ParameterError
from musecl.runtime.section import Distinct, Section
from musecl.sources.providers import chosen

Input = Literal["pois", "mobility", "satellite", "street_view", "text", "pairs"]


# Columns of the map: those of a region, and what follows the name of an indicator.
OF_A_REGION = ("region_id", "district", "area_km2", "land_share", "geometry", "geom", "fid")
OF_AN_INDICATOR = (
    *("", "_prediction", "_lower_90", "_upper_90", "_error", "_from_coordinates"),
    "_made_by",
)


def check_names(indicators: Iterable[str]) -> None:
    """Refuse names of indicators of which two would be one column of the map.

    Raises
    ------
    ValueError
        Names the second; a GeoPackage does not tell capitals from small letters.
    """
    taken = set(OF_A_REGION)
    for name in indicators:
        columns = {f"{name}{ending}".lower() for ending in OF_AN_INDICATOR}
        if columns & taken:
            column = min(columns & taken)
            raise ValueError(f"{name!r}: another column of the map is named {column!r}; rename it")
        taken |= columns


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

    def holds(self, longitude: float, latitude: float) -> bool:
        """Whether a point (EPSG:4326) lies in the box."""
        return self.west <= longitude <= self.east and self.south <= latitude <= self.north


class Indicator(Section):
    """What is to be known of an indicator; its provider's settings stand beside these keys."""

    unit: str = Field(description="of a value before it is transformed")
    year: int = Field(ge=0, le=9999, description="that it tells of; 0 where none is known")
    transform: Literal["ln(1+x)", "identity"] = Field(description="what is fitted and scored")
    primary: bool = Field(description="whether it counts in the mean that is told first")
    label_provenance: Distinct[tuple[Input, ...]] = Field(
        strict=False, description="inputs that come from the same source as its values"
    )
    minimum_value: float | None = Field(
        None,
        allow_inf_nan=False,
        description="in the unit: no value is below, so no prediction is; such as 0",
    )
    maximum_value: float | None = Field(
        None,
        allow_inf_nan=False,
        description="in the unit: no value is above, so no prediction is; 100 of a percentage",
    )
    source: dict[str, Any] = Field(description="provider, and its settings")

    @model_validator(mode="before")
    @classmethod
    def _provider_beside(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        keys = set(cls.model_fields) - {"source"}
        about = {key: value for key, value in given.items() if key in keys}
        return {"source": {key: given[key] for key in given if key not in about}, **about}

    @model_validator(mode="after")
    def _bounds_in_order(self) -> "Indicator":
        lowest, highest = self.minimum_value, self.maximum_value
        if lowest is not None and highest is not None and lowest >= highest:
            raise ValueError("minimum_value must be below maximum_value")
        return self

    @field_validator("source")
    @classmethod
    def _known_provider(cls, source: dict[str, Any]) -> dict[str, Any]:
        _checked("indicators", source, [key for key in cls.model_fields if key != "source"])
        return source


def _checked(layer: str, given: dict[str, Any], beside: Sequence[str] = ()) -> Section:
    """Check a provider's settings; pydantic says of a ValueError which key it belongs to."""
    try:
        return chosen(layer, given, beside)[1]
    except ParameterError as error:
        raise ValueError(error) from error


def _chooser(layer: str) -> BeforeValidator:
    """Read a layer as the settings of the provider that its entry names, or null."""

    def choose(given: Any) -> Any:
        if not isinstance(given, dict):
            raise ValueError("name a provider: {provider: ...}, or null")
        return _checked(layer, given)

    return BeforeValidator(choose)


Boundary = Annotated[Section, _chooser("boundary")]
Roads = Annotated[Section, _chooser("roads")]
Pois = Annotated[Section, _chooser("pois")]
Mobility = Annotated[Section, _chooser("mobility")]
Satellite = Annotated[Section, _chooser("satellite")]
StreetView = Annotated[Section, _chooser("street_view")]


class City(Section):
    """A city: a provider for each layer, null for one that it lacks."""

    extent: Extent | None = Field(description="the part of it to work on; all of it where null")
    boundary: Boundary = Field(description="land of the city")
    roads: Roads | None = Field(description="that regions are divided along, where grid is blocks")
    pois: Pois | None = Field(description="points of interest")
    mobility: Mobility | None = Field(description="trips between places")
    satellite: Satellite | None = Field(description="imagery from above")
    street_view: StreetView | None = Field(description="imagery from the street")
    indicators: dict[str, Indicator] = Field(
        description="what is to be predicted, by name; {} where no label is known"
    )

    @field_validator("indicators")
    @classmethod
    def _columns_of_their_own(cls, indicators: dict[str, Indicator]) -> dict[str, Indicator]:
        check_names(indicators)
        return indicators

    @model_validator(mode="after")
    def _something_to_learn_from(self) -> "City":
        if self.pois is None and self.satellite is None and self.street_view is None:
            raise ValueError("one of pois, satellite and street_view must not be null")
        return self


class Transfer(Section):
    """Training on one city to predict another."""

    train: str = Field(description="the city whose labels are seen")
    predict: str = Field(description="the city that is predicted, no label of it seen")
