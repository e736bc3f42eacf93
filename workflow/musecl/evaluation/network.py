"""The paper's predictor (a small perceptron per indicator), many fitted at once.

Folds, seeds and indicators are stacked along a first axis, each with weights, batches and an early
stop of its own, so that a layer of the whole stack is one batched matrix product. It fits the same
networks as a loop would, several times faster.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musecl.evaluation.settings import MlpSettings
from musecl.evaluation.splits import Fold

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Member:
    """One network to fit.

    Attributes
    ----------
    inputs : float32 array of shape (N, D)
        All regions; members of one fold share it.
    labels : array of shape (N,)
        Those of the test rows are not read.
    fold : Fold
        Rows to fit to, to stop by and to predict.
    key : sequence of int
        Seeds the member's own generator: its first weights, then its batches.
    """

    inputs: Array
    labels: NDArray[np.float64]
    fold: Fold
    key: tuple[int, ...]


def fit_and_predict(
    members: list[Member], settings: MlpSettings, batches: int
) -> list[NDArray[np.float64]]:
    """Fit a stack of networks and predict each one's test rows with its best weights.

    Best is the epoch of the smallest squared error on the validation rows; a member that has not
    improved for `patience` epochs leaves the stack.

    Parameters
    ----------
    members : list of Member
        Of one fold, or of folds alike in size; three to fifteen cost the same each.
    settings : MlpSettings
        Layers, learning rate, batch, epochs and patience.
    batches : int
        Of an epoch. Every member draws as many, each of its own rows, so that its fit does not
        depend on what it is stacked with.

    Returns
    -------
    list of arrays
        Predictions of each member's test rows, in the units of the labels.
    """
    generators = [np.random.default_rng(member.key) for member in members]
    scales = [_scale(member) for member in members]
    inputs = torch.from_numpy(np.stack([member.inputs for member in members]))
    labels = torch.from_numpy(
        np.stack([(m.labels - c) / s for m, (c, s) in zip(members, scales, strict=True)])
    ).float()
    weights = _first_weights(generators, [inputs.shape[2], *settings.hidden, 1])
    best = [weight.clone() for weight in weights]
    lowest = torch.full((len(members),), torch.inf)
    waited = torch.zeros(len(members), dtype=torch.int64)
    validation, counted = _padded([member.fold.validation for member in members])

    stack = torch.arange(len(members))
    optimizer = _adam(weights, settings.learning_rate)
    for _ in range(settings.epochs):
        drawn = [_batches(members[i], generators[i], batches, settings.batch) for i in stack]
        for batch in torch.from_numpy(np.stack(drawn, axis=1)):
            guess = _forward(weights, _rows(inputs, stack, batch))
            loss = (guess - labels[stack[:, None], batch]).square().mean(dim=1).sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            guess = _forward(weights, _rows(inputs, stack, validation[stack]))
            wrong = (guess - labels[stack[:, None], validation[stack]]).square()
            error = (wrong * counted[stack]).sum(dim=1) / counted[stack].sum(dim=1)
            better = error < lowest[stack]
            lowest[stack[better]] = error[better]
            waited[stack] = torch.where(better, 0, waited[stack] + 1)
            for kept, weight in zip(best, weights, strict=True):
                kept[stack[better]] = weight[better]
        going = waited[stack] < settings.patience
        if not going.all():
            stack = stack[going]
            if len(stack) == 0:
                break
            weights, optimizer = _keep(weights, optimizer, going)

    rows, _ = _padded([member.fold.test for member in members])
    with torch.no_grad():
        last = _forward(best, _rows(inputs, torch.arange(len(members)), rows)).double().numpy()
    return [
        last[i, : len(member.fold.test)] * spread + centre
        for i, (member, (centre, spread)) in enumerate(zip(members, scales, strict=True))
    ]


def _scale(member: Member) -> tuple[float, float]:
    known = member.labels[member.fold.fitting]
    spread = float(known.std())
    return float(known.mean()), spread if spread > 0 else 1.0


def _first_weights(generators: list[np.random.Generator], widths: list[int]) -> list[Tensor]:
    """Weights and biases by turns, uniform within 1 / sqrt(inputs) as PyTorch's Linear has them."""
    drawn: list[list[NDArray[np.float32]]] = [[] for _ in range(2 * (len(widths) - 1))]
    for generator in generators:
        for layer, (before, after) in enumerate(pairwise(widths)):
            for offset, shape in enumerate(((before, after), (1, after))):
                values = generator.uniform(-1, 1, shape) / np.sqrt(before)
                drawn[2 * layer + offset].append(values.astype(np.float32))
    return [torch.from_numpy(np.stack(values)).requires_grad_() for values in drawn]


def _forward(weights: list[Tensor], inputs: Tensor) -> Tensor:
    """Answers (M, B) to inputs (M, B, D)."""
    hidden = inputs
    for layer in range(0, len(weights), 2):
        if layer:
            hidden = hidden.relu()
        hidden = torch.baddbmm(weights[layer + 1], hidden, weights[layer])
    return hidden.squeeze(2)


def _rows(inputs: Tensor, stack: Tensor, rows: Tensor) -> Tensor:
    return inputs[stack[:, None], rows]


def _padded(rows: list[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
    """Row numbers (M, longest), filled with row 0, and 1 where they count, 0 where filled."""
    longest = max(len(numbers) for numbers in rows)
    padded = torch.zeros((len(rows), longest), dtype=torch.int64)
    counted = torch.zeros((len(rows), longest))
    for i, numbers in enumerate(rows):
        padded[i, : len(numbers)] = torch.from_numpy(numbers)
        counted[i, : len(numbers)] = 1
    return padded, counted


def _batches(
    member: Member, generator: np.random.Generator, batches: int, batch: int
) -> NDArray[np.int64]:
    """Row numbers (batches, batch) of an epoch: as many shuffled rounds of the rows as it takes."""
    needed = batches * batch
    rounds = -(-needed // len(member.fold.fitting))
    rows = np.concatenate([generator.permutation(member.fold.fitting) for _ in range(rounds)])
    return rows[:needed].reshape(batches, batch)


def _adam(weights: list[Tensor], learning_rate: float) -> torch.optim.Adam:
    return torch.optim.Adam(weights, lr=learning_rate, fused=True)


def _keep(
    weights: list[Tensor], optimizer: torch.optim.Adam, going: Tensor
) -> tuple[list[Tensor], torch.optim.Adam]:
    """Take the members that go on out of the weights and out of Adam's running moments."""
    kept = [weight.detach()[going].requires_grad_() for weight in weights]
    smaller = _adam(kept, optimizer.param_groups[0]["lr"])
    for old, new in zip(weights, kept, strict=True):
        state = optimizer.state[old]
        smaller.state[new] = {
            "step": state["step"],
            "exp_avg": state["exp_avg"][going],
            "exp_avg_sq": state["exp_avg_sq"][going],
        }
    return kept, smaller
