"""Which regions of a city are like one of them."""

import geopandas as gpd
import numpy as np
import pandas as pd

from musecl.analysis.results import Results
from musecl.runtime.errors import InputError
from musecl.runtime.tables import KEY

# Outlines of adjacent regions may differ by rounding; a metre, in degrees.
TOUCHING_DEGREES = 1e-5


def similar_regions(
    results: Results, region_id: str, count: int = 10, leave_out_k_rings: int = 2
) -> pd.DataFrame:
    """Find the regions whose own vectors are most like that of one region.

    Compared is `results.fused`, which holds a region alone and nothing of what is around it, by
    the cosine after the mean of the city is taken off.

    Parameters
    ----------
    results : Results
        Of a city.
    region_id : str
        The region to compare with.
    count : int
        How many to return.
    leave_out_k_rings : int
        Rings of adjacent regions that are left out: next door everything is alike.

    Returns
    -------
    DataFrame
        `region_id`, `similarity` (the cosine, -1 to 1), `district`; the most similar first.

    Raises
    ------
    InputError
        There is no such region, or it has no vector.

    Examples
    --------
    >>> musecl.similar_regions(results, results.regions.index[0], count=5)
    """
    if region_id not in results.regions.index:
        raise InputError(f"no region {region_id!r} in {results.city}; results.regions lists them")
    if region_id not in results.fused.index:
        raise InputError(f"region {region_id!r} of {results.city} has no vector; choose another")
    centred = results.fused - results.fused.mean()
    lengths = np.linalg.norm(centred, axis=1).clip(min=np.finfo(float).tiny)
    unit = centred.div(lengths, axis=0)
    similarity = pd.Series(unit.to_numpy() @ unit.loc[region_id].to_numpy(), unit.index)
    left_out = around(results.regions, region_id, leave_out_k_rings)
    # Of regions that are equally similar the first by name comes first.
    beyond = similarity[~similarity.index.isin(left_out)].sort_index()
    found = beyond.sort_values(ascending=False, kind="stable").rename("similarity")
    table = found.head(count).rename_axis(KEY).reset_index()
    return table.assign(district=results.regions["district"].reindex(table[KEY]).to_numpy())


def around(regions: gpd.GeoDataFrame, region_id: str, k_rings: int) -> set[str]:
    """Name a region and those of some rings around it, by their outlines.

    Parameters
    ----------
    regions : GeoDataFrame
        Indexed by `region_id`.
    region_id : str
        The region in the middle.
    k_rings : int
        How many rings of adjacent regions.
    """
    reached = {region_id}
    for _ in range(k_rings):
        outline = regions.geometry.loc[sorted(reached)].union_all().buffer(TOUCHING_DEGREES)
        reached |= set(regions.index[regions.geometry.intersects(outline)])
    return reached
