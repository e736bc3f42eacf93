"""`satellite`, `street_view`: the images of a city."""

from pydantic import Field

from musecl.runtime.section import Section


class SatelliteSettings(Section):
    """One chip per region, centred on it."""

    ground_m: float = Field(ge=1, le=100_000, description="side of the chip on the ground")
    pixels: int = Field(ge=32, le=1024, description="side of the chip in the image")


class StreetViewSettings(Section):
    """Viewpoints on the streets, each a photograph or a panorama of four headings."""

    viewpoints: int = Field(ge=1, le=64, description="at most so many per region")
    pixels: int = Field(ge=32, le=1024, description="side of an image")
