"""One row a region, as a map shows it: each indicator observed, predicted, and the difference."""

import geopandas as gpd
import pandas as pd
import pandera.pandas as pa

from musecl.runtime.tables import KEY, key_column

# What follows the name of an indicator: the column of `predictions.parquet` and what it is.
PARTS = {
    "": ("observed", "the label; null where there is none"),
    "_prediction": ("prediction", "the prediction"),
    "_lower_90": ("lower_90", "lower bound of its 90% interval"),
    "_upper_90": ("upper_90", "upper bound of its 90% interval"),
    "_error": ("error", "prediction less label; null where there is no label"),
    "_from_coordinates": ("prediction_from_coordinates", "what position alone tells"),
}
PREFERRED = "spatial"


def split_of_map(splits: list[str]) -> str:
    """Choose the split that a map shows: `spatial`, where that was judged, or else the first."""
    return PREFERRED if PREFERRED in splits or not splits else splits[0]


def map_schema(units: dict[str, str]) -> pa.DataFrameSchema:
    """Describe the columns of the map, of indicators given with their units."""
    columns = {
        KEY: key_column(),
        "district": pa.Column(str, nullable=True, description="part of the city it lies in"),
        "area_km2": pa.Column(float, description="area", metadata={"unit": "km2"}),
        "land_share": pa.Column(float, description="part of the area that is land"),
    }
    for name, unit in units.items():
        for ending, (_, text) in PARTS.items():
            columns[name + ending] = pa.Column(
                float,
                nullable=True,
                description=f"{name}: {text}",
                metadata={"unit": unit},
            )
        columns[f"{name}_made_by"] = pa.Column(
            str,
            nullable=True,
            description=f"{name}: `out of fold` where the model did not see the label of the "
            "region, `all labels` where it has none",
        )
    columns["geometry"] = pa.Column("geometry", description="outline of the region")
    return pa.DataFrameSchema(columns, strict=True)


def lay_out_map(
    regions: gpd.GeoDataFrame, predictions: pd.DataFrame, names: list[str]
) -> gpd.GeoDataFrame:
    """Lay out the predictions of one split, a row per region.

    Parameters
    ----------
    regions : GeoDataFrame
        `regions.parquet`, sorted; EPSG:4326.
    predictions : DataFrame
        Rows of `everywhere.PREDICTIONS` of one split.
    names : list of str
        The indicators, in the order of the columns.

    Returns
    -------
    GeoDataFrame
        As `map_schema`; null where a region is not predicted.
    """
    laid = regions[[KEY, "district", "area_km2", "land_share", "geometry"]].copy()
    predictions = predictions.assign(error=predictions["prediction"] - predictions["observed"])
    for name in names:
        rows = predictions[predictions["indicator"] == name].set_index(KEY).reindex(laid[KEY])
        for ending, (column, _) in PARTS.items():
            laid[name + ending] = rows[column].to_numpy(dtype=float)
        laid[f"{name}_made_by"] = rows["made_by"].to_numpy()
    return laid
