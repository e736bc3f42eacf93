"""Vectors brought to few columns: centred, principal components, one scale."""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class Reduction(NamedTuple):
    """What `fit_reduction` finds; applied to any vectors of the same kind.

    Attributes
    ----------
    mean : array of shape (D,)
        Of the rows that were fitted to.
    directions : array of shape (D, P)
        Principal directions, columns of length 1.
    spread : float
        Standard deviation of all components of the rows that were fitted to.
    """

    mean: NDArray[np.float64]
    directions: NDArray[np.float64]
    spread: float

    def apply(self, vectors: Vectors) -> Vectors:
        """Reduce vectors (M, D) to (M, P); 0 is the mean of the rows that were fitted to."""
        return np.asarray(self._components(vectors) / self.spread, dtype=np.float32)

    def _components(self, vectors: Vectors) -> NDArray[np.float64]:
        return np.asarray((vectors.astype(np.float64) - self.mean) @ self.directions)


def fit_reduction(vectors: Vectors, size: int, fit: NDArray[np.bool_]) -> Reduction:
    """Find the mean, at most `size` principal directions, and one scale of some vectors.

    Columns keep their sizes against each other: after contrastive training hundreds are almost
    constant, and scaled one by one they would be noise as loud as the rest.

    Parameters
    ----------
    vectors : array of shape (M, D)
    size : int
        Fewer are kept where D or the rows to fit to are fewer.
    fit : bool array of shape (M,)
        The rows to fit to.

    Returns
    -------
    Reduction
        To min(size, D, rows to fit to) columns.
    """
    wide = vectors.astype(np.float64)
    mean = wide[fit].mean(axis=0)
    wide -= mean
    directions = principal_directions(wide[fit], size)
    spread = (wide @ directions)[fit].std()
    return Reduction(mean, directions, float(max(spread, np.finfo(np.float64).tiny)))


def principal_directions(seen: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Find the directions of largest variance by the smaller of the two Gram matrices.

    Parameters
    ----------
    seen : array of shape (n, D)
        Columns of mean zero.
    size : int
        Fewer are found where n or D are fewer.

    Returns
    -------
    array of shape (D, min(size, n, D))
        Columns of length 1, by variance, the largest entry of each above zero; a column of zeros
        where there is no variance left.
    """
    rows, columns = seen.shape
    last = min(rows, columns) - 1
    asked = (max(last + 1 - size, 0), last)
    gram = seen @ seen.T if rows < columns else seen.T @ seen
    squared, vectors = scipy.linalg.eigh(gram, subset_by_index=asked, check_finite=False)
    squared, vectors = squared[::-1], vectors[:, ::-1]
    directions = seen.T @ vectors if rows < columns else vectors
    lengths = np.linalg.norm(directions, axis=0)
    nothing = squared <= 1e-12 * max(squared[0], np.finfo(np.float64).tiny)
    directions = np.where(nothing, 0, directions / np.where(nothing, 1, lengths))
    largest = directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])]
    return np.asarray(directions * np.where(largest < 0, -1, 1))
