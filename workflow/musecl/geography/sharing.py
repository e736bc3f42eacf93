"""How much of each zone lies in each region, by area or by a weight such as people."""

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from musecl.geography.geo import DEGREES, cells_of_points, equal_area_crs
from musecl.runtime.tables import KEY

SHARE_DIGITS = 9


def share_zones(
    zones: gpd.GeoSeries, regions: gpd.GeoDataFrame, weights: gpd.GeoDataFrame | None = None
) -> pd.DataFrame:
    """Measure what each zone and each region have in common.

    Parameters
    ----------
    zones : GeoSeries
        Polygons in any CRS, unique index.
    regions : GeoDataFrame
        The region table, EPSG:4326; no region overlaps another.
    weights : GeoDataFrame, optional
        `weight` (0 or above) and points, or polygons over which a weight is spread evenly, in any
        CRS.

    Returns
    -------
    DataFrame
        A row per zone and region that meet, sorted by both: `zone` (of the index), `region_id`,
        `area` (m2 of what they have in common), `part` (weight in it; `area` without weights) and
        `share` (of the whole zone, also of what lies in no region: by weight, or by area where
        there are no weights or the zone holds none, which is counted and printed). The shares of a
        zone that the regions cover add up to 1.
    """
    crs = equal_area_crs(regions.geometry)
    cells = regions.sort_values(KEY, ignore_index=True)
    cell_shapes = cells.geometry.to_crs(crs).to_numpy()
    zone_shapes = zones.to_crs(crs).to_numpy()
    zone, cell = shapely.STRtree(cell_shapes).query(zone_shapes, predicate="intersects")
    pieces = shapely.intersection(zone_shapes[zone], cell_shapes[cell])
    table = pd.DataFrame({"zone": zone, KEY: cells[KEY].to_numpy()[cell]})
    table["area"] = shapely.area(pieces)
    by_area = table["area"] / shapely.area(zone_shapes)[zone]
    if weights is None:
        table = table.assign(part=table["area"], share=by_area)
    elif (weights.geom_type == "Point").all():
        table["share"] = by_area
        table, whole = _share_points(table, zone_shapes, regions, weights, crs)
        table["share"] = _weighted(table, whole)
    else:
        spread = weights.to_crs(crs)
        table = table.assign(part=_weight_within(pieces, spread), share=by_area)
        table["share"] = _weighted(table, _weight_within(zone_shapes, spread))
    met = table[(table["area"] > 0) | (table["part"] > 0)].sort_values(["zone", KEY])
    return met.assign(zone=zones.index.to_numpy()[met["zone"]]).reset_index(drop=True)


def share_all(
    zones: gpd.GeoDataFrame, regions: gpd.GeoDataFrame, weights: gpd.GeoDataFrame | None = None
) -> pd.DataFrame:
    """Share out zones as `share_zones` does, with a row for what lies in no region.

    Parameters
    ----------
    zones : GeoDataFrame
        `zone` (str, unique) and polygons in any CRS.
    regions, weights : GeoDataFrame
        As in `share_zones`.

    Returns
    -------
    DataFrame
        `zone`, `region_id` (None: in no region), `share` (above 0, adds up to 1 in each zone),
        sorted.
    """
    met = share_zones(zones.set_index("zone").geometry, regions, weights)
    # Areas have a last bit that depends on the machine's GEOS; a billionth is plenty.
    inside = met[["zone", KEY, "share"]].assign(share=met["share"].round(SHARE_DIGITS))
    total = inside.groupby("zone")["share"].sum().reindex(sorted(zones["zone"]), fill_value=0.0)
    rest = (1 - total).round(SHARE_DIGITS).clip(lower=0)
    outside = pd.DataFrame({"zone": rest.index, KEY: None, "share": rest.to_numpy()})
    table = pd.concat([inside, outside.astype({KEY: object})])
    table = table[table["share"] > 0].sort_values(["zone", KEY], ignore_index=True)
    return table.assign(share=table["share"] / table.groupby("zone")["share"].transform("sum"))


def _weighted(table: pd.DataFrame, whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take shares by weight; a zone without any keeps those by area, so that none is lost."""
    total = whole[table["zone"].to_numpy()]
    bare = table.loc[(total <= 0) & (table["area"] > 0), "zone"].nunique()
    if bare:
        print(f"{bare} of {table['zone'].nunique()} zones have no weight: shared out by area")
    by_weight = table["part"].to_numpy() / np.where(total > 0, total, 1)
    return np.where(total > 0, by_weight, table["share"].to_numpy())


def _share_points(
    table: pd.DataFrame,
    zone_shapes: NDArray[np.object_],
    regions: gpd.GeoDataFrame,
    weights: gpd.GeoDataFrame,
    crs: object,
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Add the weight of the points to each zone and region, and sum it by zone."""
    degrees = weights.geometry.to_crs(DEGREES)
    region = cells_of_points(degrees.x.to_numpy(), degrees.y.to_numpy(), regions)
    point, zone = shapely.STRtree(zone_shapes).query(
        weights.geometry.to_crs(crs).to_numpy(), predicate="intersects"
    )
    weight = weights["weight"].to_numpy(dtype=float)[point]
    found = pd.DataFrame({"zone": zone, KEY: region[point], "part": weight})
    whole = _sums(zone, weight, len(zone_shapes))
    # Sorted before it is summed: the last bit of a sum depends on the order of its terms.
    found = found.dropna(subset=KEY).sort_values(["zone", KEY, "part"])
    parts = found.groupby(["zone", KEY], as_index=False)["part"].sum()
    # Points on a rim may lie in a region that the zone does not overlap by area.
    return table.merge(parts, how="outer", on=["zone", KEY]).fillna(0.0), whole


def _weight_within(shapes: NDArray[np.object_], weights: gpd.GeoDataFrame) -> NDArray[np.float64]:
    """Sum the weights spread over polygons within each shape, all in one equal-area CRS."""
    ground = weights.geometry.to_numpy()
    shape, row = shapely.STRtree(ground).query(shapes, predicate="intersects")
    common = shapely.area(shapely.intersection(shapes[shape], ground[row]))
    amount = weights["weight"].to_numpy(dtype=float)[row] * common / shapely.area(ground)[row]
    return _sums(shape, amount, len(shapes))


def _sums(
    group: NDArray[np.int64], values: NDArray[np.float64], groups: int
) -> NDArray[np.float64]:
    order = np.lexsort((values, group))
    return np.bincount(group[order], weights=values[order], minlength=groups).astype(float)
