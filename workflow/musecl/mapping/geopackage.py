"""A GeoPackage that explains itself: what each column is, its unit, and how to draw it.

The descriptions follow the GeoPackage schema extension (OGC 12-128r18, annex F.9), the styles the
table `layer_styles` that QGIS reads. The same rows give the same bytes.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import pandera.pandas as pa
import pyogrio

LAYER = "regions"
# When a run wrote it is no part of a result: the file must be the same from the same inputs.
WRITTEN = "2000-01-01T00:00:00.000Z"
GEOMETRY = "geom"
SCHEMA_EXTENSION = "http://www.geopackage.org/spec/#extension_schema"

DESCRIPTIONS = """
CREATE TABLE gpkg_data_columns (
  table_name TEXT NOT NULL,
  column_name TEXT NOT NULL,
  name TEXT,
  title TEXT,
  description TEXT,
  mime_type TEXT,
  constraint_name TEXT,
  CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name),
  CONSTRAINT gdc_tn UNIQUE (table_name, name)
);
CREATE TABLE gpkg_data_column_constraints (
  constraint_name TEXT NOT NULL,
  constraint_type TEXT NOT NULL,
  value TEXT,
  min NUMERIC,
  min_is_inclusive BOOLEAN,
  max NUMERIC,
  max_is_inclusive BOOLEAN,
  description TEXT,
  CONSTRAINT gdcc_ntv UNIQUE (constraint_name, constraint_type, value)
);
"""
STYLES = """
CREATE TABLE layer_styles (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  f_table_catalog TEXT(256),
  f_table_schema TEXT(256),
  f_table_name TEXT(256),
  f_geometry_column TEXT(256),
  styleName TEXT(30),
  styleQML TEXT,
  styleSLD TEXT,
  useAsDefault BOOLEAN,
  description TEXT,
  owner TEXT(30),
  ui TEXT(30),
  update_time DATETIME DEFAULT CURRENT_TIMESTAMP
);
"""


def write_geopackage(
    regions: gpd.GeoDataFrame,
    schema: pa.DataFrameSchema,
    styles: dict[str, str],
    default: str | None,
    path: Path,
) -> None:
    """Write a layer `regions` with descriptions of its columns and styles.

    Parameters
    ----------
    regions : GeoDataFrame
        Polygons, with a CRS.
    schema : pandera.pandas.DataFrameSchema
        Describes the columns; `unit` in a column's metadata is told, too.
    styles : dict of str
        QML by the name of the style.
    default : str or None
        Name of the style that a reader applies at first.
    path : Path
        Where to; must not exist.
    """
    options = {"OGR_CURRENT_DATE": WRITTEN}
    pyogrio.set_gdal_config_options(options)
    try:
        pyogrio.write_dataframe(regions, path, layer=LAYER, driver="GPKG", promote_to_multi=True)
    finally:
        pyogrio.set_gdal_config_options(dict.fromkeys(options))
    with closing(sqlite3.connect(path)) as database, database:
        _describe(database, schema)
        _add_styles(database, styles, default)


def _describe(database: sqlite3.Connection, schema: pa.DataFrameSchema) -> None:
    database.executescript(DESCRIPTIONS)
    tables = ("gpkg_data_columns", "gpkg_data_column_constraints")
    # GDAL makes the table where it writes an index of the geometries, but not always.
    database.execute(
        "CREATE TABLE IF NOT EXISTS gpkg_extensions (table_name TEXT, column_name TEXT, "
        "extension_name TEXT NOT NULL, definition TEXT NOT NULL, scope TEXT NOT NULL, "
        "CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name))"
    )
    database.executemany(
        "INSERT INTO gpkg_extensions VALUES (?, NULL, 'gpkg_schema', ?, 'read-write')",
        [(table, SCHEMA_EXTENSION) for table in tables],
    )
    rows = []
    for name, column in schema.columns.items():
        written = GEOMETRY if name == "geometry" else name
        unit = (column.metadata or {}).get("unit")
        text = f"{column.description} [{unit}]" if unit else column.description
        rows.append((LAYER, written, name, text))
    database.executemany(
        "INSERT INTO gpkg_data_columns (table_name, column_name, name, description) "
        "VALUES (?, ?, ?, ?)",
        rows,
    )


def _add_styles(database: sqlite3.Connection, styles: dict[str, str], default: str | None) -> None:
    database.executescript(STYLES)
    database.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change) "
        "VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?)",
        (WRITTEN,),
    )
    database.executemany(
        "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, "
        "f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner, "
        "update_time) VALUES ('', '', ?, ?, ?, ?, '', ?, ?, '', ?)",
        [
            (LAYER, GEOMETRY, name, qml, name == default, f"{name} in five classes", WRITTEN)
            for name, qml in styles.items()
        ],
    )
