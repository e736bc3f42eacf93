"""What a practitioner tries before any image: where a region lies, and what stands in it.

Each function builds predictors with settings to choose from (`selection.choose`). The coordinates
are information that the representations do not have: no rivals on equal terms, but the measure of
how much a split lets neighbours answer for each other.

`NAIVE_BASELINES` names them all: a new one is a function and a line there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

from musecl.evaluation.selection import Predictor
from musecl.evaluation.splits import Fold

Array = NDArray[np.float64]
NEIGHBOURS = (3, 6, 12)
LEAVES = (3, 10)
TREES = 100
LENGTHS_M = (1500.0, 4000.0, 10_000.0)
NOISES = (0.05, 0.3, 1.0)
ITERATIONS = (30, 120)


def nearest(coordinates: Array) -> list[Predictor]:
    """Mean of the nearest training regions, by inverse distance; 3, 6 or 12 of them.

    Parameters
    ----------
    coordinates : array of shape (N, 2)
        Metres, in a metric CRS.
    """

    def predict(labels: Array, fold: Fold, neighbours: int) -> Array:
        count = min(neighbours, len(fold.train))
        model = KNeighborsRegressor(count, weights="distance", algorithm="kd_tree")
        model.fit(coordinates[fold.train], labels[fold.train])
        return np.asarray(model.predict(coordinates[fold.test]))

    return [partial(predict, neighbours=count) for count in NEIGHBOURS]


def forest(coordinates: Array, state: int) -> list[Predictor]:
    """Random forest on coordinates (N, 2); 3 or 10 regions in a leaf at least.

    Parameters
    ----------
    coordinates : array of shape (N, 2)
        Metres, in a metric CRS.
    state : int
        Seed of the forest.
    """

    def predict(labels: Array, fold: Fold, leaf: int) -> Array:
        # One forest for all labels chooses its cuts by the sum of their variances: make them equal.
        centre, spread = centre_and_spread(labels[fold.train])
        model = RandomForestRegressor(TREES, min_samples_leaf=leaf, random_state=state)
        scaled = (labels[fold.train] - centre) / spread
        model.fit(coordinates[fold.train], scaled[:, 0] if scaled.shape[1] == 1 else scaled)
        answers = np.asarray(model.predict(coordinates[fold.test])).reshape(len(fold.test), -1)
        return np.asarray(answers * spread + centre)

    return [partial(predict, leaf=leaf) for leaf in LEAVES]


def gaussian_process(coordinates: Array) -> list[Predictor]:
    """Gaussian process on coordinates (kriging): Matérn 3/2, three lengths, three shares of noise.

    Parameters
    ----------
    coordinates : array of shape (N, 2)
        Metres, in a metric CRS.
    """

    def predict(labels: Array, fold: Fold, length: float, noise: float) -> Array:
        centre, spread = centre_and_spread(labels[fold.train])
        kernel = Matern(length_scale=length, nu=1.5)
        model = GaussianProcessRegressor(kernel, alpha=noise, optimizer=None)
        model.fit(coordinates[fold.train], (labels[fold.train] - centre) / spread)
        answers = np.asarray(model.predict(coordinates[fold.test])).reshape(len(fold.test), -1)
        return np.asarray(answers * spread + centre)

    return [partial(predict, length=a, noise=b) for a in LENGTHS_M for b in NOISES]


def poi_counts(counts: Array, state: int) -> list[Predictor]:
    """Gradient boosting on the number of POIs of each category; 30 or 120 iterations.

    Parameters
    ----------
    counts : array of shape (N, K)
        POIs per category.
    state : int
        Seed of the boosting.
    """

    def predict(labels: Array, fold: Fold, iterations: int) -> Array:
        columns = []
        for label in labels.T:
            model = HistGradientBoostingRegressor(
                max_iter=iterations, max_leaf_nodes=15, early_stopping=False, random_state=state
            )
            model.fit(counts[fold.train], label[fold.train])
            columns.append(model.predict(counts[fold.test]))
        return np.column_stack(columns)

    return [partial(predict, iterations=count) for count in ITERATIONS]


def spatial_lag(coordinates: Array) -> list[Predictor]:
    """Linear in the mean of the training labels around a region, its own label left out.

    The mean is weighted by exp(-distance / length), with three lengths to choose from: a spatial
    lag (Anselin 1988) that is defined in the middle of a held-out block too.

    Parameters
    ----------
    coordinates : array of shape (N, 2)
        Metres, in a metric CRS.
    """

    def predict(labels: Array, fold: Fold, length: float) -> Array:
        around = np.exp(-cdist(coordinates, coordinates[fold.train]) / length)
        around[fold.train, np.arange(len(fold.train))] = 0
        total = around.sum(axis=1, keepdims=True)
        lag = around @ labels[fold.train] / np.maximum(total, np.finfo(float).tiny)
        return np.column_stack(
            [
                LinearRegression()
                .fit(lag[fold.train, column, None], label[fold.train])
                .predict(lag[fold.test, column, None])
                for column, label in enumerate(labels.T)
            ]
        )

    return [partial(predict, length=length) for length in LENGTHS_M]


def centre_and_spread(labels: Array) -> tuple[Array, Array]:
    """Mean and standard deviation (T,) of labels (n, T); 1 for a constant one."""
    spread = labels.std(axis=0)
    return labels.mean(axis=0), np.where(spread > 0, spread, 1)


@dataclass(frozen=True)
class Known:
    """What a naive baseline may know of N regions beside the labels of its training rows.

    Attributes
    ----------
    coordinates : array of shape (N, 2)
        Metres, in a metric CRS.
    poi_counts : array of shape (N, K)
        ln(1 + POIs) of each category.
    state : int
        Seed of what is drawn at random.
    """

    coordinates: Array
    poi_counts: Array
    state: int


# Rows of `baselines.csv`, in this order.
NAIVE_BASELINES: dict[str, Callable[[Known], list[Predictor]]] = {
    "coordinates_nearest": lambda known: nearest(known.coordinates),
    "coordinates_forest": lambda known: forest(known.coordinates, known.state),
    "coordinates_gaussian_process": lambda known: gaussian_process(known.coordinates),
    "spatial_lag": lambda known: spatial_lag(known.coordinates),
    "poi_counts": lambda known: poi_counts(known.poi_counts, known.state),
}
# What `stacked` weighs. A list of its own: a new baseline changes no figure of `stacked` that is
# published already.
STACKED = (
    "coordinates_nearest",
    "coordinates_forest",
    "coordinates_gaussian_process",
    "spatial_lag",
    "poi_counts",
)
