"""The map of a city in both of its formats."""

from pathlib import Path

import geopandas as gpd
import pandas as pd

from musecl.evaluation.backtransform import Scale
from musecl.mapping.geopackage import write_geopackage
from musecl.mapping.layout import lay_out_map, map_schema
from musecl.mapping.style import graduated_style
from musecl.runtime.tables import write_table


def write_map(
    regions: gpd.GeoDataFrame,
    predictions: pd.DataFrame,
    scales: dict[str, Scale],
    primary: set[str],
    geopackage: Path,
    parquet: Path,
) -> None:
    """Write what was predicted on one split as GeoPackage and as GeoParquet.

    Parameters
    ----------
    regions : GeoDataFrame
        `regions.parquet`, sorted; EPSG:4326.
    predictions : DataFrame
        Rows of `everywhere.PREDICTIONS` of one split.
    scales : dict of Scale
        By indicator, in the order of the columns.
    primary : set of str
        The first of these is what a reader of the GeoPackage sees at first.
    geopackage, parquet : Path
        Where to.
    """
    names = list(scales)
    schema = map_schema({name: scale.unit for name, scale in scales.items()})
    laid = lay_out_map(regions, predictions, names)
    write_table(laid, schema, parquet)
    styles = {
        name: graduated_style(f"{name}_prediction", laid[f"{name}_prediction"].to_numpy())
        for name in names
    }
    first = next((name for name in names if name in primary), None)
    write_geopackage(laid[list(schema.columns)], schema, styles, first, geopackage)
