"""Roads of any city, out of a file of the user's: lines that regions are divided along."""

from pathlib import Path
from typing import Literal

import geopandas as gpd
from pydantic import Field

from musecl.runtime.errors import InputError
from musecl.runtime.section import Section
from musecl.sources.files import find_file
from musecl.sources.provider import Provider, Request
from musecl.sources.shapes import CrsName, read_shapes, with_crs

LINES = ["LineString", "MultiLineString"]


class RoadsFile(Section):
    """A file of lines."""

    provider: Literal["file"]
    path: str = Field(min_length=1, description="the file, below inputs/{city}/roads")
    layer: str | None = Field(None, description="of a GeoPackage with several")
    where: str | None = Field(None, description="condition in SQL on the columns of the file")
    crs: CrsName | None = Field(None, description="where the file names none, such as EPSG:4326")


def fetch(request: Request) -> None:
    """Copy the file and check that it holds roads; errors as in `read`."""
    request.take(request.settings.path)
    read(request.folder, request.settings)


def read(folder: Path, settings: RoadsFile) -> gpd.GeoDataFrame:
    """Read the roads: lines in the CRS of the file; what is no line is left out and counted.

    Raises
    ------
    InputError
        The file is not readable, has no CRS, or holds no line.
    """
    path = find_file(folder, settings.path)
    shapes = with_crs(read_shapes(path, [], settings.layer, settings.where), settings.crs, path)
    lines = shapes[shapes.geom_type.isin(LINES) & ~shapes.geometry.is_empty]
    if lines.empty:
        raise InputError(f"{path}: holds no line; roads are lines along their middle")
    if len(lines) < len(shapes):
        print(f"roads: {len(shapes) - len(lines)} of {len(shapes)} rows are no line: left out")
    return gpd.GeoDataFrame(geometry=lines.geometry.array, crs=lines.crs)


PROVIDER = Provider(
    name="file",
    layer="roads",
    settings=RoadsFile,
    fetch=fetch,
    read=read,
    says="Lines of roads in a file that GeoPandas reads",
)
