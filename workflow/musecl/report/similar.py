"""Which regions are alike: by cosine of their own vectors, with and without their neighbourhood.

As `musecl.similar_regions`, it takes the city's mean off: what all regions share says nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musecl.geography.k_rings import k_rings_of

TOP = 10
RINGS = 2
PAIRS = 4
# Similarities that differ by less are a tie, which the order of the regions decides.
DECIMALS = 6
ROWS_AT_ONCE = 512

# A row of the region table, and the similarity to it.
Found = tuple[int, float]


class Similar(NamedTuple):
    """The most similar regions of each, and some pairs.

    Attributes
    ----------
    everywhere, elsewhere : list of list of (row, similarity)
        Per row of the region table, the nearest first: among all other regions, and among those
        more than two rings away. Empty for a region without a vector.
    alike, unlike : list of (row, row, similarity)
        The most similar pairs of regions more than two rings apart, and the least similar ones;
        no region is in two pairs of one list.
    """

    everywhere: list[list[Found]]
    elsewhere: list[list[Found]]
    alike: list[tuple[int, int, float]]
    unlike: list[tuple[int, int, float]]


def find_similar(
    vectors: NDArray[np.floating],
    rows: NDArray[np.int64],
    region_ids: Sequence[str],
    neighbours: Mapping[str, Sequence[str]],
) -> Similar:
    """Find the ten most similar regions of each region, and the most and least similar pairs.

    Parameters
    ----------
    vectors : array of shape (M, D)
        Each region's own vector: one that holds its neighbours', too, would find those.
    rows : int array of shape (M,)
        Which rows of the region table they describe.
    region_ids : sequence of N str
    neighbours : mapping of str to sequence of str
        The adjacent regions of each of them.
    """
    everywhere: list[list[Found]] = [[] for _ in region_ids]
    elsewhere: list[list[Found]] = [[] for _ in region_ids]
    nearest, farthest = [], []
    place = np.full(len(region_ids), -1)
    place[rows] = np.arange(len(rows))
    row_of = {region: row for row, region in enumerate(region_ids)}
    for number, cosines in enumerate(_cosines(vectors)):
        here = int(rows[number])
        cosines[number] = -np.inf
        everywhere[here] = _first(cosines, rows)
        around = set().union(*k_rings_of(region_ids[here], neighbours, RINGS))
        near = place[[row_of[region] for region in around]] if around else np.zeros(0, np.int64)
        cosines[near[near >= 0]] = -np.inf
        elsewhere[here] = _first(cosines, rows)
        if np.isfinite(cosines).any():
            other, cosine = elsewhere[here][0]
            nearest.append((here, other, cosine))
            last = int(np.where(np.isfinite(cosines), cosines, np.inf).argmin())
            farthest.append((here, int(rows[last]), float(cosines[last])))
    return Similar(
        everywhere,
        elsewhere,
        _disjoint(sorted(nearest, key=lambda pair: (-pair[2], pair[:2]))),
        _disjoint(sorted(farthest, key=lambda pair: (pair[2], pair[:2]))),
    )


def _cosines(vectors: NDArray[np.floating]) -> Iterator[NDArray[np.float64]]:
    """Compare each vector with all, one row after the other; a vector of the mean is like none."""
    unit = vectors.astype(np.float64)
    unit -= unit.mean(axis=0) if len(unit) else 0
    lengths = np.linalg.norm(unit, axis=1, keepdims=True) if len(unit) else 1
    unit = unit / np.where(lengths == 0, 1, lengths)
    for start in range(0, len(unit), ROWS_AT_ONCE):
        yield from (unit[start : start + ROWS_AT_ONCE] @ unit.T).round(DECIMALS)


def _first(cosines: NDArray[np.float64], rows: NDArray[np.int64]) -> list[Found]:
    order = np.argsort(-cosines, kind="stable")[:TOP]
    return [(int(rows[k]), float(cosines[k])) for k in order if np.isfinite(cosines[k])]


def _disjoint(pairs: list[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    chosen: list[tuple[int, int, float]] = []
    for one, other, cosine in pairs:
        if not {one, other} & {row for pair in chosen for row in pair[:2]}:
            chosen.append((one, other, cosine))
    return chosen[:PAIRS]
