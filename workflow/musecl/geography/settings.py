"""`regions`: the cells that a city is divided into."""

from typing import Literal

from pydantic import Field

from musecl.runtime.section import NotNegative, Section


class RegionSettings(Section):
    """How the land is divided (the paper: hexagons of 0.86 km2 in New York, near H3's 0.74)."""

    grid: Literal["h3", "hexagon", "square", "polygons", "blocks"] = Field(
        description="H3 cells, or a lattice in metres of hexagons (as the paper) or squares, or "
        "the polygons of the boundary themselves, such as census tracts, or blocks between roads"
    )
    resolution: int = Field(
        ge=6,
        le=10,
        description="of the H3 grid; spatial blocks of polygons and blocks are two and three below",
    )
    spacing_m: float = Field(
        ge=100, le=20_000, description="between neighbouring centres of a metric lattice"
    )
    minimum_block_m2: NotNegative = Field(
        description="a smaller block joins the neighbour of the longest common edge"
    )
    minimum_land_share: float = Field(
        ge=0, le=1, description="a cell with a smaller share of land is left out"
    )
