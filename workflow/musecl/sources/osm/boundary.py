"""A boundary out of OpenStreetMap: asked online (`osm`), or read of an extract (`osm_extract`)."""

from pathlib import Path
from typing import Literal

import geopandas as gpd
from pydantic import Field, model_validator

from musecl.runtime.section import Section
from musecl.sources.addresses import ServiceUrl
from musecl.sources.osm.taking import (
    CUT,
    NOMINATIM,
    OVERPASS,
    answered,
    find_extract,
    osm_provider,
    record_answer,
    record_cut,
)
from musecl.sources.provider import Request

PLACE = "place.geojson"
NUMBER = r"^[RW][1-9]\d*$"
DISTRICTS = "admin_level of the districts, which regions.grid polygons takes; null for none"


class OnlineBoundary(Section):
    """The outline of a place as OpenStreetMap has it today."""

    provider: Literal["osm"]
    place: str | None = Field(default=None, description="such as `Lisboa, Portugal`")
    osm_id: str | None = Field(
        default=None, pattern=NUMBER, description="in its stead: R and the relation's number"
    )
    district_level: int | None = Field(default=None, ge=1, le=15, description=DISTRICTS)
    nominatim_url: ServiceUrl = Field(
        default=NOMINATIM, description="of the Nominatim that is asked"
    )
    overpass_url: ServiceUrl = Field(
        default=OVERPASS, description="of the Overpass API that is asked"
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> "OnlineBoundary":
        if (self.place is None) == (self.osm_id is None):
            raise ValueError("give either place or osm_id")
        return self


class ExtractBoundary(Section):
    """An area of an OpenStreetMap extract."""

    provider: Literal["osm_extract"]
    path: str = Field(description="a file .osm.pbf that holds the boundary as a whole")
    name: str | None = Field(default=None, description="of the city, in any language")
    osm_id: str | None = Field(
        default=None, pattern=NUMBER, description="in its stead: R and the relation's number"
    )
    admin_level: int | None = Field(
        default=None, ge=1, le=15, description="of the city, where areas share the name"
    )
    district_level: int | None = Field(default=None, ge=1, le=15, description=DISTRICTS)

    @model_validator(mode="after")
    def _one_of_both(self) -> "ExtractBoundary":
        if (self.name is None) == (self.osm_id is None):
            raise ValueError("give either name or osm_id")
        return self


def fetch_online(request: Request) -> None:
    """Ask Nominatim for the place, and Overpass for its coast and its districts.

    Raises
    ------
    InputError
        There is no such place, or a service does not answer as it should.
    """
    from musecl.sources.osm.online import Services, fetch_features, find_place

    wanted = request.settings
    services = Services(wanted.overpass_url, wanted.nominatim_url, request.folder)
    place = find_place(services, wanted.place, wanted.osm_id)
    print(f"boundary: took {place['display_name'].iloc[0]} ({place['osm_id'].iloc[0]})", flush=True)
    (request.folder / PLACE).write_text(place.to_json() + "\n", encoding="utf-8")
    request.record(request.folder / PLACE, source=wanted.nominatim_url)
    for path in sorted((request.folder / "nominatim").glob("*.json")):
        request.record(path, source=wanted.nominatim_url)
    tags: dict[str, bool | list[str]] = {"natural": ["coastline"]}
    if wanted.district_level is not None:
        tags["admin_level"] = [str(wanted.district_level)]
    for path in fetch_features(services, place.geometry.iloc[0], tags):
        record_answer(request, path)


def read_online(folder: Path, settings: OnlineBoundary) -> gpd.GeoDataFrame:
    """Read the land of the city, EPSG:4326, by `district` and `name` where these were asked for."""
    place = gpd.read_file(folder / PLACE)
    with answered(folder) as path:
        return _land(path, place, settings.district_level)


def fetch_extract(request: Request) -> None:
    """Cut the boundary, its districts and its coast out of the user's extract.

    Raises
    ------
    InputError
        There is no such file, it is damaged, or does not hold the one area that is meant.
    """
    from musecl.sources.osm.extract import cut
    from musecl.sources.osm.land import find_boundary, find_inside

    source, wanted = find_extract(request), request.settings
    found, known = find_boundary(source, wanted.osm_id, wanted.name, wanted.admin_level)
    districts, coast = find_inside(source, found.geometry.iloc[0], wanted.district_level)
    print(
        f"boundary: took {found['name'].iloc[0]} ({found['osm_id'].iloc[0]}) of {source.name}, as "
        f"of {known.timestamp or 'no date'}; {len(districts)} districts"
    )
    ids = [name for table in (found, districts, coast) for name in table["osm_id"]]
    cut(source, request.folder / CUT, ids)
    record_cut(request, source, known.timestamp)


def read_extract(folder: Path, settings: ExtractBoundary) -> gpd.GeoDataFrame:
    """Read the land of the city, EPSG:4326, by `district` and `name` where these were asked for."""
    from musecl.sources.osm.land import find_boundary

    path = folder / CUT
    found, _ = find_boundary(path, settings.osm_id, settings.name, settings.admin_level)
    return _land(path, found, settings.district_level)


def _land(path: Path, boundary: gpd.GeoDataFrame, level: int | None) -> gpd.GeoDataFrame:
    from musecl.sources.osm.land import find_inside, land_within

    districts, coast = find_inside(path, boundary.geometry.iloc[0], level)
    return land_within(boundary, districts, coast)


ONLINE = osm_provider(
    layer="boundary",
    name="osm",
    settings=OnlineBoundary,
    fetch=fetch_online,
    read=read_online,
    says="a place of OpenStreetMap by name or number, asked by Nominatim; the water cut off",
)
EXTRACT = osm_provider(
    layer="boundary",
    name="osm_extract",
    settings=ExtractBoundary,
    fetch=fetch_extract,
    read=read_extract,
    says="an area of an OpenStreetMap extract (.osm.pbf) of your own; the water cut off",
)
