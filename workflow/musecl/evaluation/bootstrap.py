"""How sure a difference between two methods is: a paired bootstrap over larger cells.

Adjacent regions are alike, so that regions drawn one by one would pretend to know more than they
do. Whole larger cells are drawn with replacement instead (block bootstrap, Künsch 1989), the same
ones for both methods, and the mean R2 of each is computed on the regions drawn.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
DRAWS = 2000
LEVEL = 0.95
# Of fewer larger cells no interval is told: resamples of a handful are nearly alike.
MINIMUM_UNITS = 8


@dataclass(frozen=True)
class Difference:
    """Mean R2 of one method less that of another, and the bounds of its 95% interval.

    The fits are those of the sample: what another training seed changes is not in the interval.
    """

    mean: float
    low: float
    high: float


def draw_weights(units: NDArray[np.str_], generator: np.random.Generator) -> Array:
    """Draw how often each region counts in each resample.

    Parameters
    ----------
    units : array of shape (N,)
        The larger cell of each region.
    generator : Generator
        Draws the cells.

    Returns
    -------
    array of shape (DRAWS, N)
    """
    names, members = np.unique(units, return_inverse=True)
    counts = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS)
    return counts[:, members].astype(np.float64)


def resampled_r2(observed: Array, predicted: Array, weights: Array) -> Array:
    """Mean R2 over indicators and seeds in each resample.

    Parameters
    ----------
    observed : array of shape (N, T)
        NaN where an indicator has no value.
    predicted : array of shape (S, N, T)
        Out of fold; not read where `observed` is NaN, and NaN in a region that no fold tests.
    weights : array of shape (B, N)
        How often each region counts.

    Returns
    -------
    array of shape (B,)
        Mean over the indicators that vary in the resample.
    """
    known = ~np.isnan(observed) & ~np.isnan(predicted).all(axis=0)
    labels = np.where(known, observed, 0)
    error = np.where(known, (predicted - observed) ** 2, 0).mean(axis=0)
    count = weights @ known
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = weights @ labels / count
        spread = weights @ labels**2 / count - mean**2
        scores = 1 - (weights @ error / count) / np.where(spread > 1e-12, spread, np.nan)
    return np.asarray(np.nanmean(scores, axis=1))


def paired_difference(first: Array, second: Array, units: int) -> Difference:
    """Compare two methods on the same resamples, the first row of which is the sample itself.

    Parameters
    ----------
    first, second : arrays of shape (1 + B,)
        Of `resampled_r2`, the first entry with every region once.
    units : int
        How many larger cells were drawn from; of fewer than eight the bounds are NaN.
    """
    differences = first - second
    if units < MINIMUM_UNITS:
        return Difference(float(differences[0]), np.nan, np.nan)
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(differences[1:], [tail, 100 - tail])
    return Difference(float(differences[0]), float(low), float(high))
