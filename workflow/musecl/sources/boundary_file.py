"""The boundary of any city, out of a file of the user's: polygons of land, with or without names.

Whatever GeoPandas reads does: a zipped shapefile, GeoPackage, GeoJSON, GeoParquet.
"""

from pathlib import Path
from typing import Literal

import geopandas as gpd
from pydantic import Field

from musecl.runtime.errors import InputError
from musecl.runtime.section import Section
from musecl.sources.files import find_file
from musecl.sources.provider import Provider, Request
from musecl.sources.shapes import CrsName, flat_polygons, read_shapes, text_ids, with_crs


class BoundaryFile(Section):
    """A file of polygons."""

    provider: Literal["file"]
    path: str = Field(min_length=1, description="the file, below inputs/{city}/boundary")
    layer: str | None = Field(None, description="of a GeoPackage with several")
    where: str | None = Field(None, description="condition in SQL on the columns of the file")
    district: str | None = Field(None, description="column that names parts of the city")
    name: str | None = Field(
        None, description="column that names each polygon, where regions.grid is polygons"
    )
    crs: CrsName | None = Field(None, description="where the file names none, such as EPSG:4326")
    repair: bool = Field(False, description="make invalid rings valid instead of refusing them")


def fetch(request: Request) -> None:
    """Copy the file and check that it is a boundary; errors as in `read`."""
    request.take(request.settings.path)
    read(request.folder, request.settings)


def read(folder: Path, settings: BoundaryFile) -> gpd.GeoDataFrame:
    """Read the land of the city.

    Returns
    -------
    GeoDataFrame
        Valid two-dimensional polygons in the CRS of the file; `district` and `name` (str) where
        their columns are given.

    Raises
    ------
    InputError
        The file is not readable, has no CRS, no such column, or a row that is empty, no polygon,
        invalid and not to be repaired, or without a name that is asked for.
    """
    path = find_file(folder, settings.path)
    asked = {"district": settings.district, "name": settings.name}
    named = {column: given for column, given in asked.items() if given is not None}
    shapes = read_shapes(path, list(named.values()), settings.layer, settings.where)
    land = flat_polygons(
        with_crs(shapes, settings.crs, path),
        path,
        settings.name or settings.district,
        settings.repair,
    )
    columns = {}
    for column, given in named.items():
        columns[column] = text_ids(land[given])
        nameless = columns[column].isna().to_numpy()
        if nameless.any():
            raise InputError(
                f"{path}: no {given} in row {nameless.argmax() + 1}; name it, or set {column} to "
                "null"
            )
    print(f"boundary: {len(land)} polygons in {land.crs.name}")
    return gpd.GeoDataFrame(columns, geometry=land.geometry.array, crs=land.crs)


PROVIDER = Provider(
    name="file",
    layer="boundary",
    settings=BoundaryFile,
    fetch=fetch,
    read=read,
    says="Polygons of land in a file that GeoPandas reads",
)
