"""`pairs`: which regions count as alike for the two contrastive stages."""

from typing import Annotated, Literal

from pydantic import Field

from musecl.runtime.section import Count, Section

Positives = Literal["similar", "neighbours", "same_region", "random"]
Fallback = Literal["neighbours", "same_region", "random"]
Negatives = Literal["random", "hard"]
MobilityProfile = Literal["origin_destination", "origin_destination_rows", "flows"]

POSITIVES = (
    "`similar` in {} (the paper), adjacent regions (Tile2Vec, Urban2Vec), another image of the "
    "region, or any region (an ablation)"
)
FALLBACK = "the positives of a city that has no {}"
NEGATIVES = (
    "any region that is neither the anchor nor a positive (the paper), or of the most similar ones "
    "that are no positives (ours)"
)
Top = Annotated[int, Field(ge=1, le=10_000)]
TOP = "positives of a region at most; the published code: 1"


class PoiPairSettings(Section):
    """Satellite view pairs, by similarity of POIs."""

    positives: Positives = Field(description=POSITIVES.format("POIs"))
    fallback: Fallback = Field(description=FALLBACK.format("POIs"))
    negatives: Negatives = Field(description=NEGATIVES)
    top: Top = Field(description=TOP)
    k_rings: int = Field(
        ge=0,
        le=2,
        description="rings of neighbours whose POIs enter the similarity; the paper: 0",
    )
    ignored_categories: list[str] = Field(
        description="POI categories left out of the similarity; * stands for any text"
    )


class MobilityPairSettings(Section):
    """Street view pairs, by similarity of mobility."""

    positives: Positives = Field(description=POSITIVES.format("mobility"))
    fallback: Fallback = Field(description=FALLBACK.format("mobility"))
    negatives: Negatives = Field(description=NEGATIVES)
    top: Top = Field(description=TOP)
    profile: MobilityProfile = Field(
        description="what mobility is compared by: where trips end, by larger cell or region by "
        "region (ours), or inflow and outflow by hour (the paper's m_in and m_out)"
    )
    minimum_trips: Count = Field(
        description="a region with fewer trips is its own positive (another image of it)"
    )


class PairSettings(Section):
    """Both kinds of pairs."""

    satellite: PoiPairSettings
    street_view: MobilityPairSettings
