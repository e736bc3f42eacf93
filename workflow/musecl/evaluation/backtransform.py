"""From the scale that is fitted back to the unit of an indicator, without losing the total.

An indicator is fitted as it is or as ln(1 + x). A bound of an interval is a quantile: its value in
the unit is the back-transformed one. A prediction is a mean, and the exponential of a mean
logarithm lies below the mean: summed over a city, people are missing. The ratio of totals
(Snowdon 1991) corrects that: the sum of 1 + x observed, over the sum of 1 + x as it is predicted
from left-out residuals of the training fold. Over Duan's smearing (1983), the mean of the
exponentials of the residuals, it was chosen by what was measured: docs/method.md has the figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of either precision.
Array = NDArray[Any]

LOGARITHM = "ln(1+x)"
# Nothing that is counted has a larger logarithm; below it sums of exponentials stay finite.
LARGEST = 300.0


@dataclass(frozen=True)
class Scale:
    """What the fitted numbers of an indicator mean.

    Attributes
    ----------
    unit : str
        Of a value before it is transformed.
    transform : str
        `ln(1+x)` or `identity`: what is fitted.
    minimum, maximum : float
        What is possible, in the unit; infinite where no bound is known.
    """

    unit: str
    transform: str
    minimum: float = -np.inf
    maximum: float = np.inf

    @property
    def logarithmic(self) -> bool:
        """Whether the logarithm is fitted."""
        return self.transform == LOGARITHM

    def original(self, fitted: Array) -> Array:
        """Bring labels back to the unit, as they were before they were transformed."""
        with np.errstate(over="ignore"):
            return np.asarray(np.expm1(fitted) if self.logarithmic else fitted)

    def back(self, fitted: Array) -> Array:
        """Bring predictions back to the unit, within what is possible; quantiles stay such."""
        return np.asarray(np.clip(self.original(fitted), self.minimum, self.maximum))

    def ratio_of_totals(self, observed: Array, predicted: Array) -> float:
        """Compare what was observed with what was predicted without looking.

        Parameters
        ----------
        observed, predicted : arrays of shape (n,)
            Fitted values of n training regions; each is predicted without its part of the fold.

        Returns
        -------
        float
            Sum of 1 + x observed over that predicted; 1 where no logarithm is fitted, since a mean
            needs no correction there.
        """
        if not self.logarithmic:
            return 1.0
        seen, said = np.minimum(observed, LARGEST), np.minimum(predicted, LARGEST)
        return float(np.exp(seen).sum() / np.exp(said).sum())

    def mean(self, fitted: Array, ratio: float) -> Array:
        """Bring predictions back to the unit as means; `ratio` is that of `ratio_of_totals`."""
        return self.back(fitted + np.log(ratio))


def means(scales: Sequence[Scale], fitted: Array, observed: Array, left_out: Array) -> Array:
    """Bring predictions of several indicators back to their units as means.

    Parameters
    ----------
    scales : sequence of T Scale
    fitted : array of shape (rows, T)
        Predictions on the fitted scale.
    observed, left_out : arrays of shape (n, T)
        Of the training regions: what was observed, and what was predicted without looking.

    Returns
    -------
    array of shape (rows, T)
    """
    columns = [
        scale.mean(said, scale.ratio_of_totals(seen, unseen))
        for scale, said, seen, unseen in zip(scales, fitted.T, observed.T, left_out.T, strict=True)
    ]
    return np.column_stack(columns)
