"""Raw values of an indicator by region, whatever they were provided as."""

import geopandas as gpd
import numpy as np
import pandas as pd

from musecl.geography.geo import cells_of_points
from musecl.geography.sharing import share_zones
from musecl.indicators.rasters import measure_raster
from musecl.runtime.errors import InputError
from musecl.runtime.tables import KEY, require_same_regions
from musecl.sources.contract import OfRegions, Points, Raster, Values, Zones

MINIMUM_KNOWN_SHARE = 0.5
# The boundaries of two sources differ by so much of a region or a zone.
SMALLEST_SHARE = 0.01


def values_by_region(
    given: Values | Points | Zones | Raster | OfRegions, regions: gpd.GeoDataFrame
) -> pd.Series:
    """Bring what a provider gave to regions.

    Values stay as they are. Points are counted in the region that they lie in. A polygon's count
    is shared out by area or weight, so that the city's sum is that of the polygons; a share or mean
    is averaged by area or weight. A raster's pixels count by how much of each a region covers, in
    the raster's own CRS, never resampled.

    Parameters
    ----------
    given : Values, Points, Zones, Raster or OfRegions
        See `sources.contract`.
    regions : GeoDataFrame
        N rows: `region_id`, `geometry` (EPSG:4326), `area_km2`, `land_share` (0 to 1).

    Returns
    -------
    Series of float
        `value` by `region_id`, sorted; only regions whose value is known.

    Raises
    ------
    InputError
        Values name a region that is not in the table, or one twice; a raster is unreadable.
    """
    if isinstance(given, Values):
        found = _own_values(given, regions)
    elif isinstance(given, Points):
        found = _per_km2(_count_points(given, regions), given.per_km2, regions)
    elif isinstance(given, OfRegions):
        found = given.compute(regions)
    elif isinstance(given, Zones):
        found = _per_km2(_carry_over_zones(given, regions), given.per_km2, regions)
    else:
        found = _per_km2(_read_pixels(given, regions), given.per_km2, regions)
    return found.dropna().astype(float).sort_index().rename("value").rename_axis(KEY)


def _own_values(given: Values, regions: gpd.GeoDataFrame) -> pd.Series:
    table = given.table
    require_same_regions(regions[KEY], table[KEY], "indicators")
    twice = table[KEY][table[KEY].duplicated()]
    if len(twice):
        raise InputError(
            f"indicators: {twice.nunique()} regions have several values, first {twice.min()!r}"
        )
    return table.set_index(KEY)["value"]


def _count_points(given: Points, regions: gpd.GeoDataFrame) -> pd.Series:
    points = given.table
    found = cells_of_points(points["longitude"].to_numpy(), points["latitude"].to_numpy(), regions)
    located = points.assign(**{KEY: found}).dropna(subset=KEY)
    if given.statistic in ("count", "distinct"):
        if given.statistic == "distinct":
            located = located.drop_duplicates([KEY, "key"])
        numbers = located.groupby(KEY).size()
        values = numbers.astype(float)
    else:
        # Sorted before it is summed: the last bit of a sum depends on the order of its terms.
        groups = located.sort_values([KEY, "value"]).groupby(KEY)["value"]
        numbers, values = groups.size(), groups.agg(given.statistic)
    values = values[numbers >= given.minimum]
    if given.minimum == 0 and given.statistic in ("count", "distinct", "sum"):
        values = values.reindex(regions[KEY], fill_value=0.0)
    return values


def _carry_over_zones(given: Zones, regions: gpd.GeoDataFrame) -> pd.Series:
    """Share out or average; a region that the zones do not tell enough of has no value.

    A share or mean is unknown where known zones cover less than half of the region's land. Of a
    count, zones may leave out where nothing is, so it is unknown only where less than half of what
    zones cover is known, and where a region and its zones only touch: they cover below 1% of it,
    and it holds below 1% of each of them.
    """
    table = regions.set_index(KEY)
    zones = given.table.reset_index(drop=True)
    met = share_zones(zones.geometry, regions, given.weights)
    met["value"] = met["zone"].map(zones["value"])
    known = met.dropna(subset="value")
    known_area = known.groupby(KEY)["area"].sum()
    if given.kind == "extensive":
        pieces = known.assign(piece=known["value"] * known["share"])
        values = _sum_by_region(pieces)
        covered = met.groupby(KEY)["area"].sum().reindex(known_area.index)
        whole = 1e6 * table["area_km2"].reindex(known_area.index)
        largest = np.maximum(covered / whole, known.groupby(KEY)["share"].max())
        enough = (known_area >= MINIMUM_KNOWN_SHARE * covered) & (largest >= SMALLEST_SHARE)
    else:
        parts = _sum_by_region(known.assign(piece=known["part"]))
        pieces = known.assign(piece=known["value"] * known["part"])
        values = _sum_by_region(pieces) / parts.where(parts > 0)
        land = 1e6 * (table["area_km2"] * table["land_share"]).reindex(known_area.index)
        enough = known_area >= MINIMUM_KNOWN_SHARE * land
    carried: pd.Series = values[enough]
    return carried


def _sum_by_region(pieces: pd.DataFrame) -> pd.Series:
    # Sorted before it is summed: the last bit of a sum depends on the order of its terms.
    total: pd.Series = pieces.sort_values([KEY, "piece"]).groupby(KEY)["piece"].sum()
    return total


def _read_pixels(given: Raster, regions: gpd.GeoDataFrame) -> pd.Series:
    """Sum or average; a region has no value where the raster has too little of it.

    A mean is unknown where less than half of the region's land has data. Of a sum, pixels may lack
    data where nothing is, so it is unknown only where no pixel has data, or where less than half of
    the land lies within the raster.
    """
    found = measure_raster(given, regions)
    land = regions.set_index(KEY)["land_share"].reindex(found.index)
    if given.statistic == "sum":
        values, enough = found["sum"], found["within"] >= MINIMUM_KNOWN_SHARE * land
    else:
        values, enough = (
            found["sum"] / found["pixels"],
            found["known"] >= MINIMUM_KNOWN_SHARE * land,
        )
    known: pd.Series = values[enough & (found["known"] > 0)]
    return known


def _per_km2(values: pd.Series, area: str | None, regions: gpd.GeoDataFrame) -> pd.Series:
    if area is None:
        return values
    table = regions.set_index(KEY)
    km2 = table["area_km2"] * (table["land_share"] if area == "land" else 1.0)
    density: pd.Series = values / km2.where(km2 > 0).reindex(values.index)
    return density
