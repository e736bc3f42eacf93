"""The most similar rows of a table of vectors, exactly and whatever the machine."""

import faiss
import numpy as np
from numpy.typing import NDArray

from musecl.runtime.errors import InputError

SPARE_CANDIDATES = 16
CANDIDATES_FACTOR = 8  # times as many candidates for those whose neighbours are not certain yet
FLOAT32_ERROR = 1e-5

Rows = NDArray[np.int64]
Values = NDArray[np.float64]


def nearest_rows(vectors: Values, top: int) -> tuple[Rows, Values]:
    """Find the nearest other rows of each row, exactly, ties in the order of the rows.

    Rows that are the same are looked at once: of a fine grid, most regions have no POI and no
    trip. FAISS proposes candidates in single precision; they are ranked again in double precision,
    and a row whose last place is not certain after that gets more of them. A row is told from
    itself by its number, not by a distance of zero.

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
    distinct, group = np.unique(vectors, axis=0, return_inverse=True)
    ordered = np.argsort(group, kind="stable")
    # One more than asked for, since a row is among the nearest of its own group.
    members = [rows[: top + 1] for rows in np.split(ordered, np.bincount(group)[:-1].cumsum())]
    nearest, distances = _nearest_of_groups(distinct, members, top + 1)
    nearest, distances = nearest[group], distances[group]
    itself = nearest == np.arange(count)[:, None]
    place = np.where(itself.any(axis=1), itself.argmax(axis=1), top)
    kept = np.arange(top) + (np.arange(top) >= place[:, None])
    return np.take_along_axis(nearest, kept, 1), np.take_along_axis(distances, kept, 1)


def _nearest_of_groups(distinct: Values, members: list[Rows], top: int) -> tuple[Rows, Values]:
    """Find the nearest rows of each group of rows that are the same, its own among them.

    Parameters
    ----------
    distinct : array of shape (G, D)
        The vector of each group.
    members : list of G arrays
        The first rows of each group.
    top : int

    Returns
    -------
    rows, distances : arrays of shape (G, top)
    """
    single = np.ascontiguousarray(distinct, dtype=np.float32)
    index = faiss.IndexFlatL2(single.shape[1])
    index.add(single)
    square = (distinct**2).sum(axis=1)
    found = np.empty((len(distinct), top), dtype=np.int64)
    distances = np.empty((len(distinct), top))
    waiting, wanted = np.arange(len(distinct)), top + SPARE_CANDIDATES
    while len(waiting):
        wanted = min(wanted, len(distinct))
        squared, proposed = index.search(single[waiting], wanted)
        uncertain = []
        for place, group in enumerate(waiting):
            rows, far = _rank(distinct, group, np.sort(proposed[place]), members, top)
            if wanted < len(distinct):
                # What is as near as the last one is no longer than this lets it be, so that its
                # single precision cannot have pushed it further back.
                slack = FLOAT32_ERROR * (1 + 3 * square[group] + 2 * far[-1] ** 2)
                if len(rows) < top or far[-1] ** 2 + 2 * slack >= squared[place, -1]:
                    uncertain.append(group)
                    continue
            found[group], distances[group] = rows, far
        waiting, wanted = np.array(uncertain, dtype=np.int64), CANDIDATES_FACTOR * wanted
    return found, distances


def _rank(
    distinct: Values, group: np.int64, candidates: Rows, members: list[Rows], top: int
) -> tuple[Rows, Values]:
    """Rank the rows of some groups by their distance from one of them, then by their number."""
    far = np.sqrt(((distinct[candidates] - distinct[group]) ** 2).sum(axis=1)).round(6)
    rows = np.concatenate([members[candidate] for candidate in candidates])
    far = np.repeat(far, [len(members[candidate]) for candidate in candidates])
    order = np.lexsort((rows, far))[:top]
    return rows[order], far[order]
