"""An indicator out of OpenStreetMap: how long its streets are, asked online (`osm_streets`).

It needs no file, so that a city known by its name alone has something to be predicted.
"""

from pathlib import Path
from typing import Literal

import geopandas as gpd
import pandas as pd
import shapely
from pydantic import Field

from musecl.runtime.errors import InputError
from musecl.runtime.section import Section
from musecl.runtime.tables import KEY
from musecl.sources.addresses import ServiceUrl
from musecl.sources.contract import OfRegions
from musecl.sources.osm.taking import OVERPASS, answered, ask, osm_provider
from musecl.sources.provider import Request


class Streets(Section):
    """Length of streets as OpenStreetMap has them today."""

    provider: Literal["osm_streets"]
    overpass_url: ServiceUrl = Field(
        default=OVERPASS, description="of the Overpass API that is asked"
    )


def fetch(request: Request) -> None:
    """Ask Overpass for the streets of the city; errors as in `ask`."""
    from musecl.sources.osm.tags import ROADS

    assert request.area is not None
    ask(request, request.area, {"highway": list(ROADS)})


def read(folder: Path, settings: Streets) -> OfRegions:
    """Read the streets, to be measured in regions.

    Raises
    ------
    InputError
        OpenStreetMap has none here: zeros would be taken for a city without streets.
    """
    from musecl.sources.osm.collectors import Roads
    from musecl.sources.osm.extract import scan

    streets = Roads()
    with answered(folder) as path:
        scan(path, streets)
    table = streets.table()
    if table.empty:
        raise InputError(
            "indicators: OpenStreetMap has no streets in this city; choose another provider"
        )
    return OfRegions(lambda regions: street_density(table, regions))


def street_density(streets: gpd.GeoDataFrame, regions: gpd.GeoDataFrame) -> pd.Series:
    """Measure the streets of each region.

    Parameters
    ----------
    streets : GeoDataFrame
        Lines, EPSG:4326.
    regions : GeoDataFrame
        The region table, EPSG:4326.

    Returns
    -------
    Series of float
        km of street per km2 of land, by `region_id`; 0 where a region has none, nan where it has no
        land. A street on the edge between two regions counts in both.
    """
    from musecl.sources.osm.collectors import lengths

    shapes, lines = regions.geometry.to_numpy(), streets.geometry.to_numpy()
    line, region = shapely.STRtree(shapes).query(lines, predicate="intersects")
    metres = lengths(shapely.intersection(lines[line], shapes[region]))
    ids = regions[KEY].to_numpy()
    # Sorted before it is summed: the last bit of a sum depends on the order of its terms.
    pieces = pd.DataFrame({KEY: ids[region], "km": metres / 1000}).sort_values([KEY, "km"])
    km = pieces.groupby(KEY)["km"].sum().reindex(ids, fill_value=0.0)
    land = (regions["area_km2"] * regions["land_share"]).set_axis(ids)
    density: pd.Series = km / land.where(land > 0)
    return density


PROVIDER = osm_provider(
    layer="indicators",
    name="osm_streets",
    settings=Streets,
    fetch=fetch,
    read=read,
    says="km of street for cars and walkers per km2 of land, as OpenStreetMap has them today",
)
