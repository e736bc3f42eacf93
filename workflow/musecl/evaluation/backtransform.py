"""From the scale that is fitted back to the unit of an indicator, without losing the total.

An indicator is fitted as it is or as ln(1 + x). A bound of an interval is a quantile: its value in
the unit is the back-transformed one. A prediction is a mean, and the exponential of a mean
logarithm lies below the mean: summed over a city, people are missing. The ratio of totals
(Snowdon 1991) corrects that: the sum of 1 + x observed, over the sum of 1 + x as it is predicted
from left-out residuals of the training fold. Values per km2 are summed with the land of their
regions. Over Duan's smearing (1983), the mean of the exponentials of the residuals, it was chosen
by what was measured: docs/method.md has the figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Of either precision.
Array = NDArray[Any]

LOGARITHM = "ln(1+x)"
PER_AREA = (" per km2 of land", " per km2")


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

    @property
    def per_area(self) -> bool:
        """Whether a value times the land of its region can be summed over a city."""
        return self.unit.endswith(PER_AREA)

    def original(self, fitted: Array) -> Array:
        """Bring labels back to the unit, as they were before they were transformed."""
        with np.errstate(over="ignore"):
            return np.asarray(np.expm1(fitted) if self.logarithmic else fitted)

    def back(self, fitted: Array) -> Array:
        """Bring predictions back to the unit, within what is possible; quantiles stay such."""
        return np.asarray(np.clip(self.original(fitted), self.minimum, self.maximum))

    def corrected(self, fitted: Array, observed: Array, left_out: Array, land: Array) -> Array:
        """Shift predictions on the fitted scale so that they come back to the unit as means.

        Above the largest training label a prediction is held there: the exponential of what lies
        beyond all that was seen would weigh as much as a district. Where no logarithm is fitted,
        nothing changes.

        Parameters
        ----------
        fitted : array of shape (rows,)
            Predictions to shift.
        observed, left_out : arrays of shape (n,)
            Of n training regions: the labels, and what was predicted without their part.
        land : array of shape (n,)
            Their land in km2.

        Returns
        -------
        array of shape (rows,)
            On the fitted scale still.
        """
        if not self.logarithmic:
            return fitted
        largest = observed.max()
        weights = land if self.per_area else np.ones(len(observed))
        seen, said = np.exp(observed), np.exp(np.minimum(left_out, largest))
        ratio = (weights @ seen) / (weights @ said)
        return np.asarray(np.minimum(fitted, largest) + np.log(ratio))


def correct_each(
    scales: Sequence[Scale], fitted: Array, observed: Array, left_out: Array, land: Array
) -> Array:
    """Correct the predictions of T indicators, a column each; see `Scale.corrected`.

    Parameters
    ----------
    scales : sequence of T Scale
    fitted : array of shape (rows, T)
    observed, left_out : arrays of shape (n, T)
    land : array of shape (n,)

    Returns
    -------
    array of shape (rows, T)
    """
    columns = zip(scales, fitted.T, observed.T, left_out.T, strict=True)
    return np.column_stack(
        [scale.corrected(said, seen, unseen, land) for scale, said, seen, unseen in columns]
    )


def land_of(regions: pd.DataFrame) -> NDArray[np.float64]:
    """Land of each region (N,) in km2."""
    return (regions["area_km2"] * regions["land_share"]).to_numpy(dtype=float)
