"""Prediction intervals that aim at a coverage, from residuals that the fit has not seen.

Cross-conformal (Vovk 2015; the CV+ of Barber et al. 2021 with one centre): inside a training fold
each part is predicted without it, and an interval reaches as far from a prediction as the residuals
of a share of the training regions do. That is no guarantee: the theory of CV+ gives 80% where 90%
is aimed at, the penalty was chosen by the same residuals, and regions held out in whole cells are
not quite like the training ones. Hence the coverage is measured and told beside.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
COVERAGE = 0.9


def half_width(residuals: Array) -> Array:
    """How far an interval reaches to either side.

    Parameters
    ----------
    residuals : array of shape (n, T)
        Of n training regions, each predicted without its part; T indicators.

    Returns
    -------
    array of shape (T,)
        The ceil(0.9 (n + 1))-th smallest absolute residual, infinite where n is below nine.
    """
    rank = int(np.ceil(COVERAGE * (len(residuals) + 1)))
    if rank > len(residuals):
        return np.full(residuals.shape[1], np.inf)
    return np.asarray(np.sort(np.abs(residuals), axis=0)[rank - 1])
