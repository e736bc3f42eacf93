"""POIs of any city, out of a table or a geographic file of the user's: points or polygons."""

from pathlib import Path
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from musecl.runtime.errors import InputError
from musecl.sources.files import find_file
from musecl.sources.located import LocatedFile, read_located
from musecl.sources.positions import DEGREES, require_within
from musecl.sources.provider import Provider, Request

OTHER = "other"


class PoisTable(LocatedFile):
    """A table of POIs; `names.primary` stands for a field inside a column."""

    provider: Literal["table"]
    name: str | None = Field(None, description="column of names")
    category: str | None = Field(None, description="column of categories")
    one_category: str | None = Field(
        None, min_length=1, description="the category of all rows, where no column tells it"
    )
    text: str | None = Field(
        None, description="column of the phrase that is encoded; null for `category name`"
    )

    @model_validator(mode="after")
    def _one_source_of_categories(self) -> "PoisTable":
        if (self.category is None) == (self.one_category is None):
            raise ValueError("give category (a column) or one_category (a word for all rows)")
        return self


def fetch(request: Request) -> None:
    """Copy the file and check it.

    Raises
    ------
    InputError
        As `read` does, or too few POIs lie in the city.
    """
    request.take(request.settings.path)
    pois = read(request.folder, request.settings)
    if request.area is not None:
        inside = pois.geometry.representative_point().to_crs(DEGREES)
        where = str(request.inputs / request.settings.path)
        require_within(inside.x.to_numpy(), inside.y.to_numpy(), request.area, where)


def read(folder: Path, settings: PoisTable) -> gpd.GeoDataFrame:
    """Read the POIs.

    Returns
    -------
    GeoDataFrame
        `name` (str, empty where it has none), `category`, `text` (str) and points or polygons, in
        the CRS of the file. A POI without a category is of the category `other`; one without
        text is told by its category and name. Rows without position are left out and counted.

    Raises
    ------
    InputError
        The file is not readable, lacks a column or CRS, or holds lines or invalid polygons.
    """
    path = find_file(folder, settings.path)
    columns = [settings.name, settings.category, settings.text]
    named = [name for name in columns if name is not None]
    table = read_located(path, named, settings).reset_index(drop=True)
    unknown = pd.Series(None, index=table.index, dtype=object)

    def column(name: str | None) -> pd.Series:
        return unknown if name is None else table[name]

    name = column(settings.name).fillna("")
    category = column(settings.category).fillna(settings.one_category or OTHER)
    phrase = (category.str.replace("_", " ") + " " + name).str.strip()
    text = column(settings.text).fillna(phrase)
    pois = gpd.GeoDataFrame(
        {"name": name, "category": category, "text": text},
        geometry=table.geometry.force_2d().to_numpy(),
        crs=table.crs,
    )
    _require_pois(pois, path)
    print(
        f"pois: {len(pois)}, {(name != '').sum()} with a name, "
        f"{category.nunique()} categories; {(pois.geom_type == 'Point').sum()} points"
    )
    return pois


def _require_pois(pois: gpd.GeoDataFrame, path: Path) -> None:
    other = ~pois.geom_type.isin(["Point", "Polygon", "MultiPolygon"])
    if other.any():
        row = int(np.flatnonzero(other)[0])
        raise InputError(
            f"{path}: POIs are points or polygons; {other.sum()} are none, first a "
            f"{pois.geom_type.iloc[row]} ({pois['text'].iloc[row]})"
        )
    invalid = ~pois.is_valid
    if invalid.any():
        row = int(np.flatnonzero(invalid)[0])
        raise InputError(
            f"{path}: {invalid.sum()} polygons are invalid, first {pois['text'].iloc[row]}; "
            "repair the file"
        )


PROVIDER = Provider(
    name="table",
    layer="pois",
    settings=PoisTable,
    fetch=fetch,
    read=read,
    says="Points or polygons with a name and a category, in CSV, Parquet or a geographic file",
)
