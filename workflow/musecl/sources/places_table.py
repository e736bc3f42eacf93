"""Places of any city, out of a table or a geographic file of the user's: points or polygons."""

from pathlib import Path
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from musecl.sources.files import find_file
from musecl.sources.located import LocatedFile, read_located
from musecl.sources.positions import DEGREES, require_within
from musecl.sources.provider import Provider, Request
from musecl.step.errors import InputError

OTHER = "other"


class PlacesTable(LocatedFile):
    """A table of places; `names.primary` stands for a field inside a column."""

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
    def _one_source_of_categories(self) -> "PlacesTable":
        if (self.category is None) == (self.one_category is None):
            raise ValueError("give category (a column) or one_category (a word for all rows)")
        return self


def fetch(request: Request) -> None:
    """Copy the file and check it.

    Raises
    ------
    InputError
        As `read` does, or too few places lie in the city.
    """
    request.take(request.settings.path)
    places = read(request.folder, request.settings)
    if request.area is not None:
        inside = places.geometry.representative_point().to_crs(DEGREES)
        where = str(request.inputs / request.settings.path)
        require_within(inside.x.to_numpy(), inside.y.to_numpy(), request.area, where)


def read(folder: Path, settings: PlacesTable) -> gpd.GeoDataFrame:
    """Read the places.

    Returns
    -------
    GeoDataFrame
        `name` (str, empty where it has none), `category`, `text` (str) and points or polygons, in
        the CRS of the file. A place without a category is of the category `other`; one without
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
    places = gpd.GeoDataFrame(
        {"name": name, "category": category, "text": text},
        geometry=table.geometry.force_2d().to_numpy(),
        crs=table.crs,
    )
    _require_places(places, path)
    print(
        f"places: {len(places)}, {(name != '').sum()} with a name, "
        f"{category.nunique()} categories; {(places.geom_type == 'Point').sum()} points"
    )
    return places


def _require_places(places: gpd.GeoDataFrame, path: Path) -> None:
    other = ~places.geom_type.isin(["Point", "Polygon", "MultiPolygon"])
    if other.any():
        row = int(np.flatnonzero(other)[0])
        raise InputError(
            f"{path}: places are points or polygons; {other.sum()} are none, first a "
            f"{places.geom_type.iloc[row]} ({places['text'].iloc[row]})"
        )
    invalid = ~places.is_valid
    if invalid.any():
        row = int(np.flatnonzero(invalid)[0])
        raise InputError(
            f"{path}: {invalid.sum()} polygons are invalid, first {places['text'].iloc[row]}; "
            "repair the file"
        )


PROVIDER = Provider(
    name="table",
    layer="places",
    settings=PlacesTable,
    fetch=fetch,
    read=read,
    says="Points or polygons with a name and a category, in CSV, Parquet or a geographic file",
)
