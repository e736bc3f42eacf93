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
from typing import Any, NamedTuple

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

    def fitted(self, original: Array) -> Array:
        """Bring labels from the unit to the scale that is fitted; NaN where that has none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.log1p(original) if self.logarithmic else original
        return np.where(np.isfinite(found), found, np.nan)

    def original(self, fitted: Array) -> Array:
        """Bring labels back to the unit, as they were before they were transformed."""
        with np.errstate(over="ignore"):
            return np.asarray(np.expm1(fitted) if self.logarithmic else fitted)

    def back(self, fitted: Array) -> Array:
        """Bring predictions back to the unit, within what is possible; quantiles stay such."""
        return np.asarray(np.clip(self.original(fitted), self.minimum, self.maximum))

    def corrected(
        self,
        fitted: Array,
        observed: Array,
        left_out: Array,
        land: Array,
        largest: float | None = None,
    ) -> Array:
        """Shift predictions (rows,) so that they come back to the unit as means; `correction`."""
        return self.correction(observed, left_out, land, largest).apply(fitted)

    def correction(
        self, observed: Array, left_out: Array, land: Array, largest: float | None = None
    ) -> "Correction":
        """Find what brings predictions on the fitted scale back to the unit as means.

        Where no logarithm is fitted, nothing changes.

        Parameters
        ----------
        observed, left_out : arrays of shape (n,)
            Of n training regions: the labels, and what was predicted without their part.
        land : array of shape (n,)
            Their land in km2.
        largest : float, optional
            The largest training label, where these regions are a part of those of training.
        """
        if not self.logarithmic:
            return Correction()
        largest = float(observed.max()) if largest is None else largest
        weights = land if self.per_area else np.ones(len(observed))
        seen, said = np.exp(observed), np.exp(np.minimum(left_out, largest))
        return Correction(largest, float(np.log((weights @ seen) / (weights @ said))))


class Correction(NamedTuple):
    """What brings predictions of one indicator back to its unit as means.

    Above the largest training label a prediction is held there: the exponential of what lies
    beyond all that was seen would weigh as much as a district.

    Attributes
    ----------
    largest : float
        Predictions are held at it, on the fitted scale.
    shift : float
        Is added to them.
    """

    largest: float = np.inf
    shift: float = 0.0

    def apply(self, fitted: Array) -> Array:
        """Correct predictions of shape (rows,), on the fitted scale still."""
        return np.asarray(np.minimum(fitted, self.largest) + self.shift)


def correct_each(
    scales: Sequence[Scale],
    fitted: Array,
    observed: Array,
    left_out: Array,
    land: Array,
    largest: Array | None = None,
) -> Array:
    """Correct the predictions of T indicators, a column each; see `Correction`.

    Parameters
    ----------
    scales : sequence of T Scale
    fitted : array of shape (rows, T)
    observed, left_out : arrays of shape (n, T)
    land : array of shape (n,)
    largest : array of shape (T,), optional

    Returns
    -------
    array of shape (rows, T)
    """
    held = observed.max(axis=0) if largest is None else largest
    columns = zip(scales, fitted.T, observed.T, left_out.T, held, strict=True)
    return np.column_stack(
        [
            scale.corrected(said, seen, unseen, land, most)
            for scale, said, seen, unseen, most in columns
        ]
    )


def land_of(regions: pd.DataFrame) -> NDArray[np.float64]:
    """Land of each region (N,) in km2."""
    return (regions["area_km2"] * regions["land_share"]).to_numpy(dtype=float)
