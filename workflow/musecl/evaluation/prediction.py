"""Out-of-fold predictions of every method, for indicators known in the same regions.

Everything that is fitted (means for what is absent, scales, components, penalties, networks) is
fitted inside a training fold. A fold's inputs are decomposed once, for all indicators, penalties
and the perceptron's components.

Folds are worked on side by side, a process each: threads would wait for each other at Python's
lock.
"""

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musecl.evaluation.conformal import half_width
from musecl.evaluation.methods import Method, RegionFeatures, prepare
from musecl.evaluation.naive_baselines import forest, nearest
from musecl.evaluation.ridge import (
    Decomposition,
    choose_penalties,
    coefficients,
    decompose,
    left_out_residuals,
)
from musecl.evaluation.selection import SelectedPredictions, choose
from musecl.evaluation.settings import EvaluateSettings, MlpSettings
from musecl.evaluation.splits import SPLITS, Fold, draw_folds, paper_fold
from musecl.runtime.errors import InputError
from musecl.runtime.workers import in_processes

# Of either precision.
Array = NDArray[Any]

# Per training region, for inputs whose variances sum to one per modality; strongest first.
PENALTIES = np.logspace(2, -4, 13)
# Keys of generators: what is drawn for one purpose does not shift what is drawn for another.
DRAW_FOLDS, DRAW_FOREST, DRAW_NETWORK = 31, 32, 33


@dataclass(frozen=True)
class SeededFold:
    """One fold of one repetition: what is fitted and predicted once.

    Attributes
    ----------
    repetition : int
        Number of the seed, 0, 1, ...
    fold : Fold
        Rows to fit to and to predict.
    key : tuple of int
        Seeds what is drawn for it, after the purpose.
    """

    repetition: int
    fold: Fold
    key: tuple[int, ...]


@dataclass(frozen=True)
class MethodPredictions:
    """What one predictor of one method says.

    Attributes
    ----------
    method, predictor : str
        As in r2.csv.
    predictions : array of shape (S, N, T)
        Out of fold, a repetition each; NaN where no fold tests a region.
    """

    method: str
    predictor: str
    predictions: Array


def draw_trials(
    split: str,
    units: NDArray[np.str_] | None,
    rows: int,
    settings: EvaluateSettings,
    seed: int,
) -> list[SeededFold]:
    """Draw the folds of each repetition of a split.

    Parameters
    ----------
    split : str
        Seeds the draw, with `seed` and the number of the repetition.
    units : array of shape (N,), optional
        What stays together; see `splits.units_of`.
    rows : int
        N.
    settings : EvaluateSettings
        Folds and repetitions. Districts are left out one after the other, whatever the number of
        folds, and once, for there is nothing to draw; the split `paper` is a single fold.
    seed : int
        Of every draw.

    Raises
    ------
    InputError
        There are too few regions, or units, to divide.
    """
    kind = list(SPLITS).index(split)
    if split == "paper":
        return [SeededFold(0, paper_fold(rows), (seed, kind, 0, 0))]
    repetitions, folds = settings.seeds, settings.folds
    if split == "district":
        repetitions, folds = 1, rows
    trials = []
    for repetition in range(repetitions):
        generator = np.random.default_rng([seed, DRAW_FOLDS, kind, repetition])
        for place, fold in enumerate(draw_folds(units, rows, folds, generator)):
            trials.append(SeededFold(repetition, fold, (seed, kind, repetition, place)))
    return trials


def state_of(trial: SeededFold) -> int:
    """Seed of what is drawn for a trial by scikit-learn."""
    return int(np.random.default_rng([DRAW_FOREST, *trial.key]).integers(2**31))


def choose_by_place(coordinates: Array, labels: Array, trial: SeededFold) -> SelectedPredictions:
    """Predict from coordinates (N, 2) in metres: the nearest regions, or a forest."""
    candidates = [*nearest(coordinates), *forest(coordinates, state_of(trial))]
    return choose(candidates, labels, trial.fold)


def predict_without_vectors(
    coordinates: Array, labels: Array, trials: list[SeededFold]
) -> Iterator[MethodPredictions]:
    """Predict by the training mean, and from coordinates (N, 2) in metres.

    Parameters
    ----------
    coordinates : array of shape (N, 2)
        In a metric CRS.
    labels : array of shape (N, T)
        Indicators, known in all N regions.
    trials : list of SeededFold
        Folds to predict.
    """

    def by_mean(trial: SeededFold) -> Array:
        mean = labels[trial.fold.train].mean(axis=0)
        return np.broadcast_to(mean, (len(trial.fold.test), len(mean)))

    def by_place(trial: SeededFold) -> Array:
        return choose_by_place(coordinates, labels, trial).test

    means = [by_mean(trial) for trial in trials]
    yield MethodPredictions("dummy_mean", "mean", collect(trials, means, labels.shape))
    answers = list(in_processes(by_place, trials))
    yield MethodPredictions(
        "coordinates", "nearest or forest", collect(trials, answers, labels.shape)
    )


def predict_from_vectors(
    methods: Sequence[Method],
    labels: Array,
    trials: list[SeededFold],
    networks: MlpSettings | None,
) -> Iterator[MethodPredictions]:
    """Predict by ridge and, where a method says so, by the paper's perceptron.

    Parameters
    ----------
    methods : sequence of Method
        Vectors of N regions.
    labels : array of shape (N, T)
        Indicators, known in all N regions.
    trials : list of SeededFold
        Folds to predict.
    networks : MlpSettings, optional
        Of the perceptron; None leaves it out.

    Yields
    ------
    MethodPredictions
        Of each method in turn: by ridge, then by the perceptron.
    """
    if networks is not None:
        # Ridge needs no PyTorch; imported once, before processes are forked that fit networks.
        importlib.import_module("musecl.evaluation.network")
    blocks = [tuple(block.compact() for block in method.blocks) for method in methods]
    seeds = [
        networks.seeds if networks is not None and method.perceptron else 0 for method in methods
    ]

    def fit(task: tuple[int, SeededFold]) -> tuple[Array, Array | None]:
        number, trial = task
        fitted = fit_ridge(blocks[number], labels, trial.fold)
        if networks is None or trial.repetition >= seeds[number]:
            return fitted.predictions, None
        inputs = fitted.components(networks.components)
        return fitted.predictions, _fit_networks(inputs, labels, trial, networks)

    # All methods at once: a worker that is done with one need not wait for the others.
    found = in_processes(fit, list(product(range(len(methods)), trials)))
    for method, judged_seeds in zip(methods, seeds, strict=True):
        by_ridge, by_network = zip(*islice(found, len(trials)), strict=True)
        yield MethodPredictions(method.name, "ridge", collect(trials, list(by_ridge), labels.shape))
        judged = [trial for trial in trials if trial.repetition < judged_seeds]
        if judged:
            answers = [answer for answer in by_network if answer is not None]
            yield MethodPredictions(method.name, "mlp", collect(judged, answers, labels.shape))


@dataclass(frozen=True)
class RidgeFit:
    """Ridge fitted to a training fold.

    Attributes
    ----------
    fold : Fold
        Rows it was fitted to, and predicted.
    inputs : array of shape (N, P)
        Of all regions, made ready by what the training rows tell.
    decomposed : Decomposition
        Of the training rows.
    penalties : array of shape (T,)
        Chosen inside the training fold.
    known : array of shape (rows of the training fold, T)
        Its labels.
    """

    fold: Fold
    inputs: Array
    decomposed: Decomposition
    penalties: Array
    known: Array

    @property
    def predictions(self) -> Array:
        """Of the test fold's rows, an array of shape (rows, T)."""
        slopes = coefficients(self.decomposed, self.known, self.penalties)
        return np.asarray(self.known.mean(axis=0) + self.inputs[self.fold.test] @ slopes)

    @cached_property
    def residuals(self) -> Array:
        """Label less prediction of each training row without its part, of the shape of `known`."""
        return left_out_residuals(self.decomposed, self.known, self.fold.parts, self.penalties)

    @property
    def half_width(self) -> Array:
        """Of the 90% interval of each indicator, shape (T,); see `conformal`."""
        return half_width(self.residuals)

    def components(self, count: int) -> NDArray[np.float32]:
        """Principal components of all regions (N, count), fitted to the training fold.

        Their variance over the training rows is one, all together; those beyond the rank of the
        training inputs are zero.
        """
        first = self.inputs @ self.decomposed.right(count)
        first /= max(first[self.fold.train].std(), np.finfo(float).tiny) if first.size else 1
        padded = np.zeros((len(self.inputs), count), dtype=np.float32)
        padded[:, : first.shape[1]] = first
        return padded


def fit_ridge(blocks: tuple[RegionFeatures, ...], labels: Array, fold: Fold) -> RidgeFit:
    """Fit ridge to a training fold, with the penalty that predicts its parts best.

    Parameters
    ----------
    blocks : tuple of RegionFeatures
        Of N regions.
    labels : array of shape (N, T)
        Those of the test fold are not read.
    fold : Fold
        Rows to fit to and to predict.
    """
    inputs, known = prepare(blocks, fold.train), labels[fold.train]
    decomposed = decompose(inputs[fold.train])
    penalties = choose_penalties(decomposed, known, fold.parts, PENALTIES * len(known))
    return RidgeFit(fold, inputs, decomposed, penalties, known)


def _fit_networks(
    inputs: NDArray[np.float32], labels: Array, trial: SeededFold, settings: MlpSettings
) -> Array:
    """Predict the test fold (rows, T) by a network per indicator, all of a trial at once."""
    from musecl.evaluation.network import Member, fit_and_predict

    members = [
        Member(inputs, label, trial.fold, (DRAW_NETWORK, *trial.key, column))
        for column, label in enumerate(labels.T)
    ]
    batches = max(1, len(trial.fold.fitting) // settings.batch)
    return np.column_stack(fit_and_predict(members, settings, batches))


def collect(trials: list[SeededFold], answers: list[Array], shape: tuple[int, ...]) -> Array:
    """Put the answers of the trials' test folds into an array (S, N, T), NaN where none tests.

    Raises
    ------
    InputError
        An answer is no number: its region would pass for one that no fold tests.
    """
    if any(np.isnan(answer).any() for answer in answers):
        raise InputError(
            "a prediction is no number; look for extreme values in the embeddings, or lower "
            "evaluate.mlp.learning_rate"
        )
    predictions = np.full((1 + max(trial.repetition for trial in trials), *shape), np.nan)
    for trial, answer in zip(trials, answers, strict=True):
        predictions[trial.repetition, trial.fold.test] = answer
    return predictions
