"""`scene`, `remote_view`, `street_view`: the sample's drawn city and the images of a city."""

from pydantic import Field

from musecl.step.section import Section


class SceneSettings(Section):
    """The georeferenced raster that the sample's images are rendered from."""

    metres_per_pixel: float = Field(ge=1, le=20, description="of its raster")


class RemoteViewSettings(Section):
    """One chip per region, centred on it."""

    ground_m: float = Field(gt=0, description="side of the chip on the ground")
    pixels: int = Field(ge=32, le=1024, description="side of the chip in the image")


class StreetViewSettings(Section):
    """Panoramas at points sampled along roads, each cut into four headings of 90 degrees."""

    viewpoints: int = Field(ge=1, le=64, description="at most so many per region")
    pixels: int = Field(ge=32, le=1024, description="side of a view")
