"""What `musecl city check` says of a layer."""

from dataclasses import dataclass, field

import geopandas as gpd

# With fewer regions nothing can be learnt, and with fewer labels nothing told.
FEW_REGIONS = 30


@dataclass
class Report:
    """What was found of a layer.

    Attributes
    ----------
    what : str
        In a line.
    doubts : list of str
        What may be wrong.
    problems : list of str
        For which it cannot be fetched, or would be of no use.
    said : list of str
        What the provider's reader printed.
    name : str
        Of the layer, or `indicators.{name}`.
    """

    what: str
    doubts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    name: str = ""

    @property
    def complete(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    def __str__(self) -> str:
        """Write a line for the layer, and one for whatever else there is to say."""
        told = self.what or self.problems[0]
        further = self.problems if self.what else self.problems[1:]
        return "\n".join(
            [
                f"{'ok' if self.complete else 'WRONG':6}{self.name}: {told}",
                *(f"{'':8}wrong: {problem}" for problem in further),
                *(f"{'':8}doubt: {doubt}" for doubt in self.doubts),
                *(f"{'':8}{line}" for line in self.said),
            ]
        )


@dataclass(frozen=True)
class Area:
    """Where a city lies: its land (any CRS) and its regions."""

    land: gpd.GeoDataFrame
    regions: gpd.GeoDataFrame
