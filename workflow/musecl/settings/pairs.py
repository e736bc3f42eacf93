"""`pairs`: which regions count as alike for the two contrastive stages."""

from pydantic import Field

from musecl.step.section import Section


class PlacePairSettings(Section):
    """Remote view pairs, by similarity of places."""

    top: int = Field(ge=1, description="most similar regions that count as positives")
    ignored_categories: list[str] = Field(
        description="place categories left out of the similarity; * stands for any text"
    )


class MobilityPairSettings(Section):
    """Street view pairs, by similarity of mobility."""

    top: int = Field(ge=1, description="most similar regions that count as positives")
    minimum_trips: int = Field(
        ge=1, description="a region with fewer trips is its own positive (another view of it)"
    )


class PairSettings(Section):
    """Both kinds of pairs."""

    remote_view: PlacePairSettings
    street_view: MobilityPairSettings
