"""Dasymetric interpolation: counts of zones carried over to regions by where the people live."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def interpolate_counts(lots: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    """Share a zone's counts among the regions as its population is shared among them.

    A region r gets sum over zones z of c_z * P(r, z) / P(z): P(z) is the population of all lots
    of the zone, also of those in no region, and P(r, z) that of its lots in r (dasymetric
    mapping with population weights). A lot of a zone without counts is left out.

    Parameters
    ----------
    lots : DataFrame
        A row per lot: `region_id` (missing where the lot lies in no region), `neighbourhood`
        (the zone's code) and `population` (people).
    counts : DataFrame
        A row per zone, indexed by its code; columns are counts that add up (people, households).

    Returns
    -------
    DataFrame
        Indexed by `region_id`, sorted; the columns of `counts`. Only regions with a lot of
        population above zero in a zone with counts.
    """
    known = lots[lots["neighbourhood"].isin(counts.index) & (lots["population"] > 0)]
    # Sorted before it is summed: the last bit of a sum depends on the order of its terms.
    known = known.sort_values(["neighbourhood", "region_id", "population"], kind="stable")
    zone = known.groupby("neighbourhood")["population"].sum()
    part = known.groupby(["region_id", "neighbourhood"])["population"].sum()
    codes = part.index.get_level_values("neighbourhood")
    shares = part.to_numpy() / zone.loc[codes].to_numpy()
    pieces = counts.loc[codes].mul(shares, axis=0)
    return pieces.groupby(part.index.get_level_values("region_id").rename("region_id")).sum()


def median_of_classes(counts: NDArray[np.floating], edges: Sequence[float]) -> NDArray[np.floating]:
    """Estimate the median of each row of a table of counts per class, linearly within its class.

    Parameters
    ----------
    counts : array of shape (N, C)
        How many fall into each class.
    edges : sequence of C + 1 floats
        Limits of the classes, ascending; the last one stands for an open class.

    Returns
    -------
    array of shape (N,)
        In the unit of `edges`; nan where a row has no counts.
    """
    total = counts.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        before = np.concatenate([np.zeros_like(total), np.cumsum(counts, axis=1)], axis=1) / total
        row = np.arange(len(counts))
        last = (before[:, 1:] >= 0.5).argmax(axis=1)
        low, high = before[row, last], before[row, last + 1]
        limits = np.asarray(edges, dtype=float)
        inside = (0.5 - low) / (high - low)
    return np.where(
        total[:, 0] > 0, limits[last] + inside * (limits[last + 1] - limits[last]), np.nan
    )
