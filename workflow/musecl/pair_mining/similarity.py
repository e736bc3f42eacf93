"""How alike two regions are, by their POIs and by their mobility: a profile of each region.

Yong and Zhou (2024) name lambda^POI and lambda^PM and leave both formulas open, as their code
does; these definitions are ours.

lambda^POI_ij = -|p_i - p_j|
    h_i counts the POIs of region i by K categories. p_i holds ln(1 + u) for three vectors of
    counts: u = h_i, the mean of h over the neighbours of i, and the mean of h over their
    other neighbours; each of the 3K entries is standardised over the regions. POIs are sparse:
    by h alone, every second region of New York is as like the tenth as the eleventh region, and
    one region is a positive of 300. With the two rings 1% are, and no region is of more than 30.
    `k_rings` says how many of them enter; with 0, p_i is of h_i alone, as in the paper's words.
lambda^PM_ij = cos(m_i, m_j)
    m_i holds ln(1 + trips) from region i to each larger cell (`spatial_block` in the region table)
    and to anywhere outside the regions, and the same from there to i; hours are added up. It says
    with which parts of the city a region exchanges people, and how much in either direction.
    `origin_destination_rows` has each region in place of its larger cell: the rows of the table.
lambda^PM_ij = -|f_i - f_j|
    `flows`, the paper's m_i^d, d in {in, out}: f_i holds ln(1 + inflow) and ln(1 + outflow) of
    every hour of the day, or of all trips together where a source tells no hours. Two totals say
    little by their direction, so that lengths count here.
"""

from fnmatch import fnmatchcase

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from musecl.geography.k_rings import k_rings_of
from musecl.pair_mining.settings import MobilityProfile
from musecl.runtime.errors import InputError
from musecl.runtime.tables import require_same_regions


def poi_profiles(
    category_counts: pd.DataFrame, regions: pd.DataFrame, ignored: list[str], k_rings: int
) -> NDArray[np.float64]:
    """Describe each region by the POIs in and around it: p_i of the module.

    Parameters
    ----------
    category_counts : DataFrame
        N rows: `region_id` and a column per category.
    regions : DataFrame
        N rows: `region_id`, `neighbours`.
    ignored : list of str
        Categories to leave out; `*` in one stands for any text.
    k_rings : int
        How many rings of neighbours enter, 0 to 2.

    Returns
    -------
    array of shape (N, (1 + k_rings) K)
        Rows by `region_id`, sorted; categories that every region has alike are left out.

    Raises
    ------
    InputError
        The two tables differ in their regions, or no category is left.
    """
    require_same_regions(regions["region_id"], category_counts["region_id"], "POI category counts")
    absent = sorted(set(regions["region_id"]) - set(category_counts["region_id"]))
    if absent:
        raise InputError(
            f"POI category counts: {len(absent)} regions are absent, first {absent[0]!r}; run pois"
        )
    kept = sorted(
        name
        for name in category_counts.columns
        if name != "region_id" and not any(fnmatchcase(name, pattern) for pattern in ignored)
    )
    counts = category_counts.set_index("region_id").sort_index()[kept]
    members = _rings(regions.set_index("region_id")["neighbours"].sort_index(), k_rings)
    values = counts.to_numpy(dtype=float)
    around = [np.stack([_mean_of_rows(values, rows) for rows in ring]) for ring in members]
    profiles = np.log1p(np.concatenate([values, *around], axis=1))
    deviation = profiles.std(axis=0)
    varied = deviation > 1e-9
    if not varied.any():
        raise InputError(
            "POI category counts: no category is left that tells regions apart; shorten "
            "pairs.satellite.ignored_categories in params.yaml"
        )
    centred = profiles - profiles.mean(axis=0)
    standardised: NDArray[np.float64] = centred[:, varied] / deviation[varied]
    return standardised


def _rings(neighbours: pd.Series, count: int) -> list[list[list[int]]]:
    """Row numbers of the regions in each ring around each region, ring by ring."""
    place = {region: row for row, region in enumerate(neighbours.index)}
    known = {str(region): others for region, others in neighbours.items()}
    around = [k_rings_of(region, known, count) for region in known]
    return [
        [sorted(place[other] for other in k_rings[at]) for k_rings in around] for at in range(count)
    ]


def _mean_of_rows(values: NDArray[np.float64], rows: list[int]) -> NDArray[np.float64]:
    """Mean of some rows of (N, K): zeros where there are none, as of a region with no POIs."""
    mean: NDArray[np.float64] = values[rows].sum(axis=0) / max(len(rows), 1)
    return mean


def mobility_profiles(
    profile: MobilityProfile,
    regions: pd.DataFrame,
    flows: pd.DataFrame,
    origin_destination: pd.DataFrame,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Describe each region by its trips: m_i or f_i of the module.

    Parameters
    ----------
    profile : str
        `origin_destination`: where trips go to and come from, by spatial block;
        `origin_destination_rows`: the same by region; `flows`: how many, by hour.
    regions : DataFrame
        N rows: `region_id`, `spatial_block`.
    flows : DataFrame
        `region_id`, `hour` (null where unknown), `inflow`, `outflow`; regions without trips are
        absent.
    origin_destination : DataFrame
        `origin`, `destination`, `trips`.

    Returns
    -------
    profiles : array of shape (N, D)
        Rows by `region_id`, sorted; zero where a region has no trips. D is 2 (P + 1) for P
        spatial blocks, 2 (N + 1) by region, both of unit length, or 2 H for H hours.
    trips : array of shape (N,)
        Trip ends in the region: inflow plus outflow.

    Raises
    ------
    InputError
        A table names an unknown region, or tells of more trips between regions than of flows.
    """
    block = regions.set_index("region_id")["spatial_block"].sort_index()
    require_same_regions(regions["region_id"], flows["region_id"], "flows")
    total = flows.groupby("region_id")[["outflow", "inflow"]].sum().reindex(block.index)
    total = total.fillna(0).astype(int)
    if profile == "flows":
        profiles = _flows_by_hour(flows, block.index)
    else:
        by_region = profile == "origin_destination_rows"
        cell = block.index.to_series() if by_region else block
        profiles = _ends_by_cell(origin_destination, total, cell)
    return profiles, total.sum(axis=1).to_numpy()


def _flows_by_hour(flows: pd.DataFrame, region_ids: pd.Index) -> NDArray[np.float64]:
    """f_i of the module; trips of unknown hour count as of one further hour."""
    hour = flows["hour"].fillna(-1).astype(int)
    counts = flows.groupby([flows["region_id"], hour])[["inflow", "outflow"]].sum()
    table = counts.unstack(fill_value=0).reindex(region_ids, fill_value=0)
    logarithms: NDArray[np.float64] = np.log1p(table.to_numpy(dtype=float))
    return logarithms


def _ends_by_cell(
    origin_destination: pd.DataFrame, total: pd.DataFrame, cell: pd.Series
) -> NDArray[np.float64]:
    """m_i of the module, for the cell that each region counts as."""
    parts = []
    for here, there, flow in (
        ("origin", "destination", "outflow"),
        ("destination", "origin", "inflow"),
    ):
        known = cell.index.to_series()
        require_same_regions(known, origin_destination[here], "origin-destination table")
        part = _trips_by_cell(origin_destination, here, there, cell)
        outside = total[flow] - part.sum(axis=1)
        if (outside < 0).any():
            raise InputError(
                f"origin-destination table: more trips than the {flow} of region "
                f"{outside.idxmin()}; build both again with the mobility stage"
            )
        parts += [part.to_numpy(), outside.to_numpy()[:, None]]
    profiles = np.log1p(np.concatenate(parts, axis=1).astype(float))
    length = np.linalg.norm(profiles, axis=1, keepdims=True)
    unit: NDArray[np.float64] = profiles / np.where(length > 0, length, 1)
    return unit


def _trips_by_cell(
    origin_destination: pd.DataFrame, here: str, there: str, cell: pd.Series
) -> pd.DataFrame:
    """Count the trips of each region (rows) by the cell of their other end (columns)."""
    other = origin_destination[there].map(cell)
    counts = origin_destination.groupby([origin_destination[here], other.rename("cell")])["trips"]
    cells = sorted(cell.unique())
    return counts.sum().unstack(fill_value=0).reindex(cell.index, columns=cells, fill_value=0)
