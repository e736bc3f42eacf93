"""How alike two regions are, by their places and by their mobility: a profile of each region.

Yong and Zhou (2024) name lambda^POI and lambda^PM and leave both formulas open, as their code
does; these definitions are ours.

lambda^POI_ij = -|p_i - p_j|
    h_i is the histogram of places of region i over K categories. p_i holds ln(1 + u) for the
    three histograms u = h_i, the mean of h over the neighbours of i, and the mean of h over their
    other neighbours; each of the 3K entries is standardised over the regions. Places are sparse:
    by h alone, every second region of New York is as like the tenth as the eleventh region, and
    one region is a positive of 300. With the two rings 1% are, and no region is of more than 30.
lambda^PM_ij = cos(m_i, m_j)
    m_i holds ln(1 + trips) from region i to each larger cell (`parent` in the region table) and
    to anywhere outside the regions, and the same from there to i; hours are added up. It says
    with which parts of the city a region exchanges people, and how much in either direction.
"""

from fnmatch import fnmatchcase

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from musecl.step.errors import InputError
from musecl.tables import require_same_regions


def place_profiles(
    histogram: pd.DataFrame, regions: pd.DataFrame, ignored: list[str]
) -> NDArray[np.float64]:
    """Describe each region by the places in and around it: p_i of the module.

    Parameters
    ----------
    histogram : DataFrame
        N rows: `region_id` and a column per category.
    regions : DataFrame
        N rows: `region_id`, `neighbours`.
    ignored : list of str
        Categories to leave out; `*` in one stands for any text.

    Returns
    -------
    array of shape (N, 3K)
        Rows by `region_id`, sorted; categories that every region has alike are left out.

    Raises
    ------
    InputError
        The two tables differ in their regions, or no category is left.
    """
    require_same_regions(regions["region_id"], histogram["region_id"], "place histogram")
    absent = sorted(set(regions["region_id"]) - set(histogram["region_id"]))
    if absent:
        raise InputError(
            f"place histogram: {len(absent)} regions are absent, first {absent[0]!r}; run places"
        )
    kept = sorted(
        name
        for name in histogram.columns
        if name != "region_id" and not any(fnmatchcase(name, pattern) for pattern in ignored)
    )
    counts = histogram.set_index("region_id").sort_index()[kept]
    rings = _rings(regions.set_index("region_id")["neighbours"].sort_index())
    values = counts.to_numpy(dtype=float)
    around = [np.stack([_mean_of_rows(values, rows) for rows in ring]) for ring in rings]
    profiles = np.log1p(np.concatenate([values, *around], axis=1))
    deviation = profiles.std(axis=0)
    varied = deviation > 1e-9
    if not varied.any():
        raise InputError(
            "place histogram: no category is left that tells regions apart; shorten "
            "pairs.remote_view.ignored_categories in params.yaml"
        )
    centred = profiles - profiles.mean(axis=0)
    standardised: NDArray[np.float64] = centred[:, varied] / deviation[varied]
    return standardised


def _rings(neighbours: pd.Series) -> tuple[list[list[int]], list[list[int]]]:
    """Row numbers of each region's neighbours, and of theirs that are not yet among them."""
    place = {region: row for row, region in enumerate(neighbours.index)}
    first = [sorted(place[other] for other in others) for others in neighbours]
    second = [
        sorted({far for near in ring for far in first[near]} - {row, *ring})
        for row, ring in enumerate(first)
    ]
    return first, second


def _mean_of_rows(values: NDArray[np.float64], rows: list[int]) -> NDArray[np.float64]:
    """Mean of some rows of (N, K): zeros where there are none, as of a region with no places."""
    mean: NDArray[np.float64] = values[rows].sum(axis=0) / max(len(rows), 1)
    return mean


def mobility_profiles(
    regions: pd.DataFrame, flows: pd.DataFrame, origin_destination: pd.DataFrame
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Describe each region by where its trips go to and come from: m_i of the module.

    Parameters
    ----------
    regions : DataFrame
        N rows: `region_id`, `parent`.
    flows : DataFrame
        `region_id`, `inflow`, `outflow`; regions without trips are absent.
    origin_destination : DataFrame
        `origin`, `destination`, `trips`.

    Returns
    -------
    profiles : array of shape (N, 2 (P + 1))
        Unit length (zero where a region has no trips), rows by `region_id`, sorted; P parents.
    trips : array of shape (N,)
        Trip ends in the region: inflow plus outflow.

    Raises
    ------
    InputError
        A table names an unknown region, or tells of more trips between regions than of flows.
    """
    parent = regions.set_index("region_id")["parent"].sort_index()
    known = regions["region_id"]
    require_same_regions(known, flows["region_id"], "flows")
    total = flows.groupby("region_id")[["outflow", "inflow"]].sum().reindex(parent.index)
    total = total.fillna(0).astype(int)
    parts = []
    for here, there, flow in (
        ("origin", "destination", "outflow"),
        ("destination", "origin", "inflow"),
    ):
        require_same_regions(known, origin_destination[here], "origin-destination table")
        part = _trips_by_parent(origin_destination, here, there, parent)
        outside = total[flow] - part.sum(axis=1)
        if (outside < 0).any():
            raise InputError(
                f"origin-destination table: more trips than the {flow} of region "
                f"{outside.idxmin()}; build both again with the mobility stage"
            )
        parts += [part.to_numpy(), outside.to_numpy()[:, None]]
    profiles = np.log1p(np.concatenate(parts, axis=1).astype(float))
    length = np.linalg.norm(profiles, axis=1, keepdims=True)
    return profiles / np.where(length > 0, length, 1), total.sum(axis=1).to_numpy()


def _trips_by_parent(
    origin_destination: pd.DataFrame, here: str, there: str, parent: pd.Series
) -> pd.DataFrame:
    """Count the trips of each region (rows) by the larger cell of their other end (columns)."""
    cell = origin_destination[there].map(parent)
    counts = origin_destination.groupby([origin_destination[here], cell.rename("cell")])["trips"]
    cells = sorted(parent.unique())
    return counts.sum().unstack(fill_value=0).reindex(parent.index, columns=cells, fill_value=0)
