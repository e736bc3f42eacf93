"""What is around a region: its neighbours, theirs that are not yet among them, and so on."""

from collections.abc import Container, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def k_rings_of(region: str, neighbours: Mapping[str, Sequence[str]], count: int) -> list[set[str]]:
    """List the regions of each ring around one, the nearest first.

    Parameters
    ----------
    region : str
        A key of `neighbours`.
    neighbours : mapping of str to sequence of str
        The adjacent regions of each region.
    count : int
        How many rings; one may be empty at the edge of a city.
    """
    reached, ring = {region}, {region}
    k_rings = []
    for _ in range(count):
        ring = {other for near in ring for other in neighbours[near]} - reached
        reached |= ring
        k_rings.append(ring)
    return k_rings


def means_of_k_rings(
    vectors: NDArray[np.floating],
    region_ids: Sequence[str],
    neighbours: Mapping[str, Sequence[str]],
    count: int,
    fitted: Container[str],
) -> list[NDArray[np.floating]]:
    """Average the vectors of each ring around each region.

    Parameters
    ----------
    vectors : array of shape (N, D)
    region_ids : sequence of N str
    neighbours : mapping of str to sequence of str
        Others than `region_ids` are not looked at.
    count : int
        How many k_rings.
    fitted : container of str
        A region of these sees only neighbours that are of these, too: what is held out stays out
        of a fit. All other regions see all.

    Returns
    -------
    list of arrays of shape (N, D)
        One per ring; zero, the mean region, where a ring is empty.
    """
    row = {region: number for number, region in enumerate(region_ids)}
    means = [np.zeros_like(vectors) for _ in range(count)]
    for region, here in row.items():
        seen = fitted if region in fitted else row
        for mean, ring in zip(means, k_rings_of(region, neighbours, count), strict=True):
            there = sorted(row[other] for other in ring if other in row and other in seen)
            if there:
                mean[here] = vectors[there].mean(axis=0)
    return means
