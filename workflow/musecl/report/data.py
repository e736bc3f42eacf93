"""What the page's script reads: the results of a city as plain lists, a place for each region.

The order of the regions is that of the region table, sorted by `region_id`; a number that is not
known is None. Numbers are rounded to four digits: more is nothing that a reader sees.
"""

from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from musecl.report.similar import Similar
from musecl.runtime.job import Job
from musecl.runtime.tables import KEY, read_geotable, read_table

# Of degrees: a metre. Shapes are drawn, not measured.
COORDINATE_DECIMALS = 5
SIMPLIFIED_DEGREES = 1e-5
CATEGORIES, NAMES = 5, 4
SPLIT_NAMES = {
    "random": "regions held out at random",
    "spatial": "whole spatial blocks held out",
    "spatial_wide": "whole wide spatial blocks held out",
    "district": "whole districts held out",
    "paper": "one fifth held out, as in the paper",
}
MADE_BY_ALL = "all labels"

Number = float | int | None


class Results(NamedTuple):
    """The tables of a city that the page shows, as their stages wrote them.

    Attributes
    ----------
    regions : GeoDataFrame
        EPSG:4326, sorted by `region_id`.
    indicators : DataFrame
        A row per indicator, the primary ones first: `indicator`, `unit`, `year`, `source`,
        `transform`, `label_provenance`, `primary`.
    predictions : DataFrame
        A row per region, indicator and split, in the indicator's own unit.
    scores, intervals, coverage, districts, left_out : DataFrame
        r2.csv and the tables of the same names.
    """

    regions: gpd.GeoDataFrame
    indicators: pd.DataFrame
    predictions: pd.DataFrame
    scores: pd.DataFrame
    intervals: pd.DataFrame
    coverage: pd.DataFrame
    districts: pd.DataFrame
    left_out: pd.DataFrame


def read_results(job: Job) -> Results:
    """Read the tables of a job's city.

    Raises
    ------
    InputError
        A table is absent or damaged.
    """
    regions = read_geotable(job.input("regions.parquet")).to_crs(4326)
    labels = read_table(job.input("indicators.parquet"))
    predictions = read_table(job.input("predictions.parquet"))
    about = labels.drop_duplicates("indicator").sort_values(
        "primary", ascending=False, kind="stable"
    )
    csv = {
        name: pd.read_csv(job.input(f"{name}.csv"), keep_default_na=False, na_values=[""])
        for name in ("r2", "intervals", "coverage", "districts", "left_out")
    }
    return Results(
        regions.sort_values(KEY, ignore_index=True),
        about[about["indicator"].isin(predictions["indicator"])].reset_index(drop=True),
        predictions,
        csv.pop("r2"),
        **csv,
    )


def rounded(values: Any, digits: int = 4) -> list[Number]:
    """Round numbers to significant digits, whole ones to int; what is not finite becomes None."""
    return [_rounded(float(value), digits) for value in np.asarray(values, dtype=float)]


def _rounded(value: float, digits: int) -> Number:
    if not np.isfinite(value):
        return None
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() else short


def describe_regions(regions: gpd.GeoDataFrame) -> dict[str, list[Any]]:
    """List id, district, size and shape of each region; a shape is `[[[lat, lon], ..], ..], ..`."""
    shapes = regions.geometry.simplify(SIMPLIFIED_DEGREES)
    return {
        "id": regions[KEY].to_list(),
        "district": [name or None for name in regions["district"].fillna("")],
        "area": rounded(regions["area_km2"]),
        "land": rounded(regions["land_share"], 2),
        "centre": [
            [round(y, COORDINATE_DECIMALS), round(x, COORDINATE_DECIMALS)]
            for x, y in zip(regions["longitude"], regions["latitude"], strict=True)
        ],
        "shape": [_rings(shape) for shape in shapes],
    }


def _rings(shape: shapely.Geometry) -> list[list[list[list[float]]]]:
    def points(ring: Any) -> list[list[float]]:
        corners = np.round(shapely.get_coordinates(ring)[:-1, ::-1], COORDINATE_DECIMALS)
        rows: list[list[float]] = corners.tolist()
        return rows

    return [
        [points(polygon.exterior), *map(points, polygon.interiors)]
        for polygon in shapely.get_parts(shape)
    ]


def describe_indicators(results: Results) -> list[dict[str, Any]]:
    """Say of each indicator its unit, year and kind, and list its values by split."""
    found = []
    for row in results.indicators.to_dict("records"):
        rows = results.predictions[results.predictions["indicator"] == row["indicator"]]
        labelled = rows.dropna(subset="observed").drop_duplicates(KEY)
        observed = labelled.set_index(KEY)["observed"].reindex(results.regions[KEY])
        found.append(
            {
                "name": row["indicator"],
                "title": title_of(row["indicator"]),
                "unit": row["unit"],
                "year": int(row["year"]),
                "log": row["transform"] == "ln(1+x)",
                "primary": bool(row["primary"]),
                "label_provenance": row["label_provenance"],
                "observed": rounded(observed),
                "splits": {
                    split: _predicted(rows[rows["split"] == split], results.regions[KEY])
                    for split in splits_of(results)
                },
            }
        )
    return found


def _predicted(rows: pd.DataFrame, regions: pd.Series) -> dict[str, list[Any]]:
    laid = rows.set_index(KEY).reindex(regions)
    return {
        "prediction": rounded(laid["prediction"]),
        "lower": rounded(laid["lower_90"]),
        "upper": rounded(laid["upper_90"]),
        "coordinates": rounded(laid["prediction_from_coordinates"]),
        # Rows, not a place for each: most regions of most cities are labelled.
        "all_labels": np.flatnonzero(laid["made_by"] == MADE_BY_ALL).tolist(),
    }


def splits_of(results: Results) -> list[str]:
    """Name the splits that were predicted, in the order of `SPLIT_NAMES`."""
    return [split for split in SPLIT_NAMES if (results.predictions["split"] == split).any()]


def title_of(name: str) -> str:
    """Write a name of a table's column as words."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def describe_pois(pois: pd.DataFrame, regions: pd.Series) -> list[dict[str, Any] | None]:
    """Say of each region its largest categories of POIs and some names.

    Parameters
    ----------
    pois : DataFrame
        `pois.parquet`. A category of areas, one with a weight below 1 anywhere in the city, is
        given as the share of the region that it covers, any other as a count.
    regions : Series of str
        N region ids.

    Returns
    -------
    list of dict or None
        `counts`: pairs of a category and its words; `names`. None without a POI.
    """
    areas = set(pois.loc[pois["weight"] < 1, "category"])
    found = {}
    for region, rows in pois.groupby(KEY):
        weight = rows.groupby("category")["weight"].sum()
        largest = weight.sort_values(ascending=False, kind="stable").head(CATEGORIES)
        named = rows[rows["category"].isin(largest.index) & (rows["name"] != "")]
        names = named.sort_values(["weight", "name"], ascending=[False, True])["name"]
        found[region] = {
            "counts": [
                [category, f"covers {total:.0%}" if category in areas else f"{total:,.0f}"]
                for category, total in largest.items()
            ],
            "names": names.drop_duplicates().head(NAMES).to_list(),
        }
    return [found.get(region) for region in regions]


def page_data(
    results: Results,
    pois: pd.DataFrame,
    similar: Similar,
    images: dict[str, dict[str, list[str]]],
) -> dict[str, Any]:
    """Put together what the page's script reads.

    Parameters
    ----------
    results : Results
    pois : DataFrame
        `pois.parquet`.
    similar : Similar
        By rows of the region table.
    images : dict
        By view, from `region_id` to its images.
    """
    keys = results.regions[KEY]

    def short(found: list[tuple[int, float]]) -> list[list[Number]]:
        return [[row, round(cosine, 3)] for row, cosine in found]

    return {
        "regions": describe_regions(results.regions),
        "indicators": describe_indicators(results),
        "splits": [{"name": name, "words": SPLIT_NAMES[name]} for name in splits_of(results)],
        "pois": describe_pois(pois, keys),
        "images": {view: [of.get(key, []) for key in keys] for view, of in images.items()},
        "similar": {
            "everywhere": [short(found) for found in similar.everywhere],
            "elsewhere": [short(found) for found in similar.elsewhere],
        },
        "pairs": {
            "alike": [[one, other, round(cosine, 3)] for one, other, cosine in similar.alike],
            "unlike": [[one, other, round(cosine, 3)] for one, other, cosine in similar.unlike],
        },
    }
