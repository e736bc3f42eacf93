"""Geographic files that users bring, polygons checked row by row.

Their coordinate reference system is that of the file, or the one that params.yaml gives.
"""

from pathlib import Path
from typing import Annotated, Any

import geopandas as gpd
import pandas as pd
import pyogrio
import shapely
from pydantic import AfterValidator
from pyproj import CRS
from pyproj.exceptions import CRSError

from musecl.runtime.errors import InputError
from musecl.sources.files import PARQUET, kind_of, names_in_zip, not_readable

POLYGONS = ["Polygon", "MultiPolygon"]
ZIPPED = {".shp", ".gpkg", ".geojson", ".json", ".fgb"}


def _known_crs(name: str) -> str:
    try:
        CRS.from_user_input(name)
    except CRSError as error:
        raise ValueError(f"no coordinate reference system {name!r}; try EPSG:4326") from error
    return name


CrsName = Annotated[str, AfterValidator(_known_crs)]


def read_shapes(
    path: Path, columns: list[str], layer: str | None = None, where: str | None = None
) -> gpd.GeoDataFrame:
    """Read a geographic file: zipped or plain shapefile, GeoPackage, GeoJSON, GeoParquet and more.

    Parameters
    ----------
    path : Path
        The file.
    columns : list of str
        Which to read beside the geometry.
    layer : str, optional
        Of a file with several.
    where : str, optional
        Condition in SQL on its columns, also on others than `columns`.

    Returns
    -------
    GeoDataFrame
        `columns` and its shapes, in its CRS; indexed by the number of the row, from 1.

    Raises
    ------
    InputError
        It is not readable, or has no such layer or column, or no shapes.
    """
    parquet = kind_of(path) == PARQUET
    if parquet and (layer is not None or where is not None):
        raise InputError(f"{path}: Parquet knows no layer and no where; leave them null")
    try:
        if parquet:
            shapes = gpd.read_parquet(path)
            _require(columns, [str(name) for name in shapes.columns], path)
            kept = [name for name in columns if name != shapes.geometry.name]
            shapes = shapes[[*kept, shapes.geometry.name]]
        else:
            source = _inside_zip(path) if path.suffix.lower() == ".zip" else str(path)
            chosen = _layer(source, layer, path)
            _require(columns, list(pyogrio.read_info(source, layer=chosen)["fields"]), path)
            shapes = pyogrio.read_dataframe(source, layer=chosen, where=where, columns=columns)
    except InputError:
        raise
    except Exception as error:  # pyogrio's own errors have no common base
        raise not_readable(path, error) from error
    if not isinstance(shapes, gpd.GeoDataFrame):
        raise InputError(f"{path}: holds no shapes; give another file or layer")
    return shapes.set_axis(range(1, len(shapes) + 1), axis=0)


def _inside_zip(path: Path) -> str:
    """Name what GDAL opens of a zip: its only file of shapes, which may lie in a folder."""
    members = [name for name in names_in_zip(path) if Path(name).suffix.lower() in ZIPPED]
    return f"/vsizip/{path}/{members[0]}" if len(members) == 1 else f"/vsizip/{path}"


def _layer(source: str, layer: str | None, path: Path) -> str | None:
    """Name the layer asked for, or the only one with shapes; None where GDAL finds none."""
    kinds = {str(name): kind for name, kind in pyogrio.list_layers(source)}
    names = list(kinds) if layer is not None else [name for name in kinds if kinds[name]]
    if (len(names) > 1 and layer is None) or (layer is not None and layer not in names):
        raise InputError(f"{path}: holds the layers {', '.join(names)}; set layer to one of them")
    return layer or (names[0] if names else None)


def _require(columns: list[str], known: list[str], path: Path) -> None:
    missing = [name for name in columns if name not in known]
    if missing:
        raise InputError(
            f"{path}: no column {', '.join(map(repr, missing))}; the file has "
            f"{', '.join(known)[:1000] or 'none'}"
        )


def with_crs(shapes: gpd.GeoDataFrame, crs: str | None, path: Path) -> gpd.GeoDataFrame:
    """Give shapes the CRS of params.yaml where their file has none, or one that it does not name.

    Raises
    ------
    InputError
        Neither says one, or the file names another.
    """
    if crs is None:
        if shapes.crs is None:
            raise InputError(f"{path}: names no CRS; set crs in params.yaml, such as EPSG:4326")
        return shapes
    given = CRS.from_user_input(crs)
    named = shapes.crs is not None and shapes.crs.to_authority() is not None
    if named and not shapes.crs.equals(given, ignore_axis_order=True):
        raise InputError(f"{path}: is in {shapes.crs.name}, not {given.name}; leave crs null")
    return shapes.set_crs(given, allow_override=True)


def flat_polygons(
    shapes: gpd.GeoDataFrame, path: Path, name: str | None, repair: bool
) -> gpd.GeoDataFrame:
    """Check that shapes are polygons, and drop their third coordinate.

    Parameters
    ----------
    shapes : GeoDataFrame
        In any CRS, indexed by the number of the row.
    path : Path
        Where they come from.
    name : str or None
        Column by which a message names a row beside its number.
    repair : bool
        Make invalid rings valid instead of refusing them.

    Returns
    -------
    GeoDataFrame
        Two-dimensional, valid, none empty.

    Raises
    ------
    InputError
        A shape is empty, no polygon, or invalid; or there is none.
    """

    def rows(wrong: pd.Series) -> str:
        numbers = shapes.index[wrong.to_numpy()]
        said = [
            f"row {number}" + (f" ({shapes.at[number, name]})" if name else "")
            for number in numbers[:5]
        ]
        return ", ".join(said) + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")

    if shapes.empty:
        raise InputError(f"{path}: holds no row; give another file, layer or where")
    geometry = shapes.geometry
    empty = geometry.isna() | geometry.is_empty
    if empty.any():
        raise InputError(f"{path}: no geometry in {rows(empty)}; leave them out by where")
    other = ~geometry.geom_type.isin(POLYGONS)
    if other.any():
        kinds = ", ".join(sorted(set(geometry.geom_type[other])))
        raise InputError(f"{path}: must hold polygons; {kinds} in {rows(other)}")
    flat = gpd.GeoSeries(shapely.force_2d(geometry.to_numpy()), shapes.index, crs=shapes.crs)
    invalid = ~flat.is_valid
    if invalid.any():
        if not repair:
            reason = shapely.is_valid_reason(flat[invalid].iloc[0])
            raise InputError(
                f"{path}: invalid polygon in {rows(invalid)} ({reason}); repair the file, or set "
                "repair: true"
            )
        flat[invalid] = flat[invalid].make_valid(method="structure", keep_collapsed=False)
        print(f"{path.name}: repaired invalid polygons: {rows(invalid)}")
        gone = ~flat.geom_type.isin(POLYGONS) | flat.is_empty
        if gone.any():
            raise InputError(f"{path}: no polygon is left of {rows(gone)}; leave them out by where")
    return shapes.set_geometry(flat)


def text_ids(values: pd.Series) -> pd.Series:
    """Write ids of a geographic file as text, as `columns.as_text` does; missing where empty."""

    def text(value: Any) -> str | None:
        if pd.isna(value):
            return None
        whole = isinstance(value, float) and value.is_integer()
        return str(int(value) if whole else value).strip() or None

    return pd.Series([text(value) for value in values], index=values.index, dtype=object)
