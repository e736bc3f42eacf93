"""Prediction from coordinates alone: what a map of the training regions already tells.

The representations do not know where a region lies, so this is no rival on equal terms but the
measure of how much a split lets neighbours answer for each other.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from sklearn.neighbors import KNeighborsRegressor

from musecl.splits import Fold

Array = NDArray[np.float64]
NEAREST = 6
TREES = 100


def predict_from_coordinates(coordinates: Array, labels: Array, fold: Fold, state: int) -> Array:
    """Predict a test fold by nearest neighbours or a random forest, per label the better one.

    Which one is better is judged on the training fold's validation part; the winner is fitted
    again to the whole training fold.

    Parameters
    ----------
    coordinates : array of shape (N, 2)
        Metres east and north, in a metric CRS.
    labels : array of shape (N, T)
        Labels; those of the test fold are not read.
    fold : Fold
        Rows to fit to and to predict.
    state : int
        Seed of the forest.

    Returns
    -------
    array of shape (rows of the test fold, T)
    """
    tried = [
        predict(coordinates, labels, fold.fitting, fold.validation, state)
        for predict in (_nearest, _forest)
    ]
    errors = [((guess - labels[fold.validation]) ** 2).sum(axis=0) for guess in tried]
    nearest, forest = (
        predict(coordinates, labels, fold.train, fold.test, state)
        for predict in (_nearest, _forest)
    )
    return np.where(errors[0] <= errors[1], nearest, forest)


def _nearest(
    coordinates: Array,
    labels: Array,
    train: NDArray[np.int64],
    rows: NDArray[np.int64],
    state: int,
) -> Array:
    model = KNeighborsRegressor(min(NEAREST, len(train)), weights="distance", algorithm="kd_tree")
    return np.asarray(model.fit(coordinates[train], labels[train]).predict(coordinates[rows]))


def _forest(
    coordinates: Array,
    labels: Array,
    train: NDArray[np.int64],
    rows: NDArray[np.int64],
    state: int,
) -> Array:
    # One forest for all labels chooses its cuts by the sum of their variances: make them equal.
    centre, spread = labels[train].mean(axis=0), labels[train].std(axis=0)
    spread = np.where(spread > 0, spread, 1)
    forest = RandomForestRegressor(TREES, min_samples_leaf=3, random_state=state)
    scaled = (labels[train] - centre) / spread
    forest.fit(coordinates[train], scaled[:, 0] if scaled.shape[1] == 1 else scaled)
    answers = np.asarray(forest.predict(coordinates[rows])).reshape(len(rows), -1)
    return np.asarray(answers * spread + centre)
