"""R2, RMSE and MAE over the pooled out-of-fold predictions of a seed, then over seeds.

R2 compares with the mean of the observed labels of the regions that are evaluated, all folds
together, so `dummy_mean`, which knows its training folds alone, scores slightly below zero.
"""

from typing import Any

import numpy as np
import pandera.pandas as pa
from numpy.typing import NDArray

from musecl.evaluation.labels import IndicatorGroup
from musecl.evaluation.prediction import MethodPredictions

Array = NDArray[np.float64]


def score_columns() -> dict[str, pa.Column]:
    """Describe the columns of `score_once` for the schema of a table."""
    fitted = {"unit": "as fitted: ln(1+x), or the unit itself"}
    return {
        "r2": pa.Column(float, description="share of the variance that is explained, as fitted"),
        "rmse": pa.Column(float, description="root mean squared error", metadata=fitted),
        "mae": pa.Column(float, description="mean absolute error", metadata=fitted),
        "correlation": pa.Column(
            float,
            pa.Check.in_range(-1, 1),
            nullable=True,
            description="Pearson's, of observed and predicted; null of a constant prediction",
        ),
    }


def r2(observed: Array, predicted: Array) -> Array:
    """Coefficient of determination.

    Parameters
    ----------
    observed : array of shape (N, T)
        Labels of N regions, T indicators; no indicator is constant.
    predicted : array of shape (..., N, T)
        Predictions, e.g. of several seeds.

    Returns
    -------
    array of shape (..., T)
    """
    residual = ((observed - predicted) ** 2).sum(axis=-2)
    spread: Array = ((observed - observed.mean(axis=0)) ** 2).sum(axis=0)
    return np.asarray(1 - residual / spread)


def rmse(observed: Array, predicted: Array) -> Array:
    """Root mean squared error, in the units of the indicator; shapes as in `r2`."""
    return np.asarray(np.sqrt(((observed - predicted) ** 2).mean(axis=-2)))


def mae(observed: Array, predicted: Array) -> Array:
    """Mean absolute error, in the units of the indicator; shapes as in `r2`."""
    return np.asarray(np.abs(observed - predicted).mean(axis=-2))


def scored_rows(predicted: Array) -> NDArray[np.bool_]:
    """Rows (N,) of predictions (S, N, T) that a fold tests: not all where one fold stands alone."""
    return np.asarray(~np.isnan(predicted).all(axis=(0, 2)))


def summarise(observed: Array, predicted: Array) -> dict[str, Array]:
    """Score each seed over all its folds, then take mean and standard deviation over seeds.

    Parameters
    ----------
    observed : array of shape (N, T)
        Labels.
    predicted : array of shape (S, N, T)
        Out-of-fold predictions of S seeds; a region that no fold tests is left out.

    Returns
    -------
    dict of arrays of shape (T,)
        `r2_mean`, `r2_std`, `rmse_mean`, `rmse_std`, `mae_mean`; the deviation divides by S.
    """
    rows = scored_rows(predicted)
    observed, predicted = observed[rows], predicted[:, rows]
    determination, error = r2(observed, predicted), rmse(observed, predicted)
    return {
        "r2_mean": determination.mean(axis=0),
        "r2_std": determination.std(axis=0),
        "rmse_mean": error.mean(axis=0),
        "rmse_std": error.std(axis=0),
        "mae_mean": mae(observed, predicted).mean(axis=0),
    }


def describe(group: IndicatorGroup, answer: MethodPredictions) -> list[dict[str, Any]]:
    """Score one predictor's answers: a row per indicator, its keys columns of r2.csv."""
    values = summarise(group.labels, answer.predictions)
    return [
        {
            "indicator": name,
            "method": answer.method,
            "predictor": answer.predictor,
            **{score: float(value[column]) for score, value in values.items()},
            "n_regions": int(scored_rows(answer.predictions).sum()),
            "n_seeds": len(answer.predictions),
        }
        for column, name in enumerate(group.names)
    ]


def score_once(observed: Array, predicted: Array) -> dict[str, float]:
    """Score one prediction (n,) of one indicator: R2, RMSE, MAE and Pearson's correlation.

    The correlation, NaN of a constant prediction, asks for the order alone where R2 asks for the
    level too.
    """
    pair = observed[:, None], predicted[:, None]
    constant = predicted.std() < 1e-12
    return {
        "r2": float(r2(*pair)[0]),
        "rmse": float(rmse(*pair)[0]),
        "mae": float(mae(*pair)[0]),
        "correlation": np.nan if constant else float(np.corrcoef(observed, predicted)[0, 1]),
    }
