"""Out-of-fold predictions of every method, for indicators known in the same regions.

Everything that is fitted (means for what is absent, scales, components, penalties, networks) is
fitted inside a training fold. A fold's inputs are decomposed once, for all indicators, penalties
and the perceptron's components.

Folds are worked on side by side, one thread each. Threads inside a matrix product would wait for
each other at every small step, and take seven times the time on a machine that is busy.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from musecl.methods import Block, Method, prepare
from musecl.models.coordinates import predict_from_coordinates
from musecl.models.predictor import Member, fit_and_predict
from musecl.models.ridge import choose_penalties, coefficients, decompose
from musecl.settings.evaluate import EvaluateSettings, MlpSettings
from musecl.splits import SPLITS, Fold, draw_folds

Array = NDArray[np.float64]
Item = TypeVar("Item")
Result = TypeVar("Result")

# Per training region, for inputs whose variances sum to one per modality; strongest first.
PENALTIES = np.logspace(2, -4, 13)
STACK = 15
# Keys of generators: what is drawn for one purpose does not shift what is drawn for another.
DRAW_FOLDS, DRAW_FOREST, DRAW_NETWORK = 31, 32, 33


@dataclass(frozen=True)
class Trial:
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
class Answers:
    """What one predictor of one method says.

    Attributes
    ----------
    method, predictor : str
        As in r2.csv.
    predictions : array of shape (S, N, T)
        Out of fold, a repetition each.
    """

    method: str
    predictor: str
    predictions: Array


def draw_trials(
    split: str, parents: NDArray[np.str_], settings: EvaluateSettings, seed: int
) -> list[Trial]:
    """Draw the folds of each of `settings.seeds` repetitions of a split."""
    kind = SPLITS.index(split)
    trials = []
    for repetition in range(settings.seeds):
        generator = np.random.default_rng([seed, DRAW_FOLDS, kind, repetition])
        for place, fold in enumerate(draw_folds(split, parents, settings.folds, generator)):
            trials.append(Trial(repetition, fold, (seed, kind, repetition, place)))
    return trials


def predict_without_vectors(
    coordinates: Array, labels: Array, trials: list[Trial], threads: int
) -> Iterator[Answers]:
    """Predict by the training mean, and from coordinates (N, 2) in metres.

    Parameters
    ----------
    coordinates : array of shape (N, 2)
        In a metric CRS.
    labels : array of shape (N, T)
        Indicators, known in all N regions.
    trials : list of Trial
        Folds to predict.
    threads : int
        Trials at once.
    """

    def by_mean(trial: Trial) -> Array:
        mean = labels[trial.fold.train].mean(axis=0)
        return np.broadcast_to(mean, (len(trial.fold.test), len(mean)))

    def by_place(trial: Trial) -> Array:
        generator = np.random.default_rng([DRAW_FOREST, *trial.key])
        state = int(generator.integers(2**31))
        return predict_from_coordinates(coordinates, labels, trial.fold, state)

    means = [by_mean(trial) for trial in trials]
    yield Answers("mean", "mean", _collect(trials, means, labels.shape))
    answers = _map(by_place, trials, threads)
    yield Answers("coordinates", "nearest or forest", _collect(trials, answers, labels.shape))


def predict_from_vectors(
    method: Method,
    labels: Array,
    trials: list[Trial],
    settings: MlpSettings,
    threads: int,
) -> Iterator[Answers]:
    """Predict by ridge and, where the method says so, by the paper's perceptron.

    Parameters
    ----------
    method : Method
        Vectors of N regions.
    labels : array of shape (N, T)
        Indicators, known in all N regions.
    trials : list of Trial
        Folds to predict.
    settings : MlpSettings
        Of the perceptron.
    threads : int
        Trials, or stacks of networks, at once.
    """

    def fit(trial: Trial) -> tuple[Array, NDArray[np.float32]]:
        return fit_ridge(method.blocks, labels, trial.fold, settings.components)

    fitted = _map(fit, trials, threads)
    predictions = _collect(trials, [answer for answer, _ in fitted], labels.shape)
    yield Answers(method.name, "ridge", predictions)
    if method.perceptron:
        components = [inputs for _, inputs in fitted]
        predictions = _fit_mlp(components, labels, trials, settings, threads)
        yield Answers(method.name, "mlp", predictions)


def fit_ridge(
    blocks: tuple[Block, ...], labels: Array, fold: Fold, components: int
) -> tuple[Array, NDArray[np.float32]]:
    """Predict a test fold by ridge; also return the fold's principal components of all regions.

    Parameters
    ----------
    blocks : tuple of Block
        Of N regions.
    labels : array of shape (N, T)
        Those of the test fold are not read.
    fold : Fold
        Rows to fit to and to predict.
    components : int
        How many; those beyond the rank of the training inputs are zero.

    Returns
    -------
    predictions : array of shape (rows of the test fold, T)
    components : float32 array of shape (N, components)
        Their variance over the training rows is one, all together.
    """
    inputs, known = prepare(blocks, fold.train), labels[fold.train]
    decomposed = decompose(inputs[fold.train])
    penalties = choose_penalties(decomposed, known, fold.parts, PENALTIES * len(known))
    slopes = coefficients(decomposed, known, penalties)
    first = inputs @ decomposed.right[:, :components]
    first /= max(first[fold.train].std(), np.finfo(float).tiny) if first.size else 1
    padded = np.zeros((len(inputs), components), dtype=np.float32)
    padded[:, : first.shape[1]] = first
    return known.mean(axis=0) + inputs[fold.test] @ slopes, padded


def _fit_mlp(
    components: list[NDArray[np.float32]],
    labels: Array,
    trials: list[Trial],
    settings: MlpSettings,
    threads: int,
) -> Array:
    """Predict by a network per trial and indicator, in stacks that the cache holds."""
    members = [
        Member(inputs, labels[:, column], trial.fold, (DRAW_NETWORK, *trial.key, column))
        for inputs, trial in zip(components, trials, strict=True)
        for column in range(labels.shape[1])
    ]
    batches = max(1, min(len(trial.fold.fitting) for trial in trials) // settings.batch)
    stacks = [members[start : start + STACK] for start in range(0, len(members), STACK)]

    def fit(stack: list[Member]) -> list[Array]:
        return fit_and_predict(stack, settings, batches)

    answers = [answer for stack in _map(fit, stacks, threads) for answer in stack]
    width = labels.shape[1]
    by_trial = [
        np.column_stack(answers[start : start + width]) for start in range(0, len(answers), width)
    ]
    return _collect(trials, by_trial, labels.shape)


def _collect(trials: list[Trial], answers: list[Array], shape: tuple[int, ...]) -> Array:
    """Put the answers of the trials' test folds into an array (S, N, T)."""
    predictions = np.full((1 + max(trial.repetition for trial in trials), *shape), np.nan)
    for trial, answer in zip(trials, answers, strict=True):
        predictions[trial.repetition, trial.fold.test] = answer
    return predictions


def _map(work: Callable[[Item], Result], items: list[Item], threads: int) -> list[Result]:
    """Work on items side by side, each in one thread, whatever its libraries would take."""
    with (
        threadpool_limits(1),
        ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        return list(pool.map(work, items))
