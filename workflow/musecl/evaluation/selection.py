"""Choice of a predictor's setting inside a training fold, and a stack of several predictors.

What is chosen, per indicator, is what predicts the validation part best; it is then fitted again to
the whole training fold. The weights of a stack are fitted to the predictions of the validation part
too, so that no predictor is trusted for what it was fitted to.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from musecl.evaluation.splits import Fold

Array = NDArray[np.float64]
# From labels (N, T) and a fold to predictions (rows of the test fold, T); labels of the test fold
# are not read.
Predictor = Callable[[Array, Fold], Array]


@dataclass(frozen=True)
class SelectedPredictions:
    """What the best of some predictors says, per indicator.

    Attributes
    ----------
    validation : array of shape (rows of the validation part, T)
        Fitted outside that part.
    test : array of shape (rows of the test fold, T)
        Fitted to the whole training fold.
    """

    validation: Array
    test: Array


def choose(candidates: Sequence[Predictor], labels: Array, fold: Fold) -> SelectedPredictions:
    """Predict by the candidate that is best on the validation part, per indicator.

    Parameters
    ----------
    candidates : sequence of Predictor
        The first wins a tie.
    labels : array of shape (N, T)
        Those of the test fold are not read.
    fold : Fold
        Rows to fit to and to predict.
    """
    guesses = np.stack([predict(labels, fold.inner) for predict in candidates])
    errors = ((guesses - labels[fold.validation]) ** 2).sum(axis=1)
    best = errors.argmin(axis=0)
    columns = np.arange(labels.shape[1])
    test = np.empty((len(fold.test), labels.shape[1]))
    for number in np.unique(best):
        same = best == number
        test[:, same] = candidates[number](labels[:, same], fold)
    return SelectedPredictions(guesses[best, :, columns].T, test)


def stack(parts: Sequence[SelectedPredictions], labels: Array, fold: Fold) -> Array:
    """Weigh predictors by what each adds on the validation part (Breiman 1996: no weight below 0).

    Parameters
    ----------
    parts : sequence of SelectedPredictions
        What each predictor says.
    labels : array of shape (N, T)
    fold : Fold

    Returns
    -------
    array of shape (rows of the test fold, T)
    """
    answers = np.empty_like(parts[0].test)
    known = labels[fold.validation]
    centre = known.mean(axis=0)
    for column in range(labels.shape[1]):
        seen = np.column_stack([part.validation[:, column] for part in parts])
        asked = np.column_stack([part.test[:, column] for part in parts])
        weights, _ = nnls(seen - centre[column], known[:, column] - centre[column])
        answers[:, column] = centre[column] + (asked - centre[column]) @ weights
    return answers
