"""The most similar rows of a table of vectors, exactly and whatever the machine."""

import faiss
import numpy as np
from numpy.typing import NDArray

from musecl.step.errors import InputError

SPARE_CANDIDATES = 16
FLOAT32_ERROR = 1e-5


def nearest_rows(
    vectors: NDArray[np.float64], top: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the nearest other rows of each row, exactly, ties in the order of the rows.

    FAISS proposes candidates in single precision; they are ranked again in double precision, and
    a row whose last place is not certain after that is compared with every other row. A row is
    told from itself by its number, not by a distance of zero.

    Parameters
    ----------
    vectors : array of shape (N, D)
        Rows by `region_id`, sorted.
    top : int
        How many to find for each row, below N.

    Returns
    -------
    rows : array of shape (N, top)
        Row numbers, nearest first.
    distances : array of shape (N, top)
        Euclidean, rounded to a millionth: what is closer than that is a tie.

    Raises
    ------
    InputError
        There are not as many other rows as `top`.
    """
    count = len(vectors)
    if top >= count:
        raise InputError(f"{count} regions can have {count - 1} similar ones each, not {top}")
    single = np.ascontiguousarray(vectors, dtype=np.float32)
    index = faiss.IndexFlatL2(single.shape[1])
    index.add(single)
    squared, proposed = index.search(single, min(count, top + 1 + SPARE_CANDIDATES))
    slack = FLOAT32_ERROR * (1 + float((vectors**2).sum(axis=1).max()))
    found = np.empty((count, top), dtype=np.int64)
    distances = np.empty((count, top))
    everything = np.arange(count)
    for row in range(count):
        found[row], distances[row] = _rank(vectors, row, proposed[row], top)
        uncertain = distances[row, -1] ** 2 + 2 * slack >= squared[row, -1]
        if uncertain and proposed.shape[1] < count:
            found[row], distances[row] = _rank(vectors, row, everything, top)
    return found, distances


def _rank(
    vectors: NDArray[np.float64], row: int, candidates: NDArray[np.int64], top: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    others = np.sort(candidates[candidates != row])
    distances = np.sqrt(((vectors[others] - vectors[row]) ** 2).sum(axis=1)).round(6)
    order = np.argsort(distances, kind="stable")[:top]
    return others[order], distances[order]
