"""The one training loop, for pretraining and for the fusion: every step decided by its number.

Batch, dropout and noise of a step are drawn from the seed and the step's number, so that a run
that was killed goes on from its last checkpoint to the same weights, bit for bit.

A loop of torch's own calls: of a training stage's eight seconds of imports, a trainer's were five.
"""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from musecl.encoding.encoders import fastest_device
from musecl.runtime.errors import InputError
from musecl.runtime.progress import progress

CHECKPOINT = "last.ckpt"


class Trainable(Protocol):
    """What `train` asks of a module, beside what every `torch.nn.Module` has."""

    def loss(self, batch: Any) -> Tensor:
        """Compute the loss of a batch, a tensor of one number."""

    def optimizer(self) -> torch.optim.Optimizer:
        """Build the optimiser of what is trained."""


def train(
    module: Any,
    draw: Callable[[int], Any],
    steps: int,
    seed: int,
    scratch: Path,
    every: int,
    description: str,
) -> pd.DataFrame:
    """Train a module in place, going on from the checkpoint in `scratch` where there is one.

    Parameters
    ----------
    module : Module that is Trainable
        Its weights at the start have to be drawn from the seed, too. Submodules that the caller
        put into evaluation mode stay in it. It is on the CPU afterwards.
    draw : callable
        From the number of a step (0, 1, ..) to its batch: tensors, or a tuple or dict of them. It
        must depend on that number alone, as with `default_rng([seed, constant, step])`.
    steps : int
        Steps in all, those of an earlier run that was killed included.
    seed : int
        Of what the module draws from torch: dropout, noise.
    scratch : Path
        Folder of the checkpoint; nothing is written elsewhere.
    every : int
        Steps between checkpoints.
    description : str
        What the progress bar says.

    Returns
    -------
    DataFrame
        `step` (int) and `loss` (float), a row per step.

    Raises
    ------
    InputError
        The loss is no longer a finite number.
    """
    device = fastest_device()
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    module.to(device)
    optimizer = module.optimizer()
    checkpoint = scratch / CHECKPOINT
    losses = _resume(checkpoint, module, optimizer, device) if checkpoint.exists() else []
    with progress(f"{description}, steps", total=steps, done=len(losses)) as shown:
        for step in range(len(losses), steps):
            state = np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)
            torch.manual_seed(int(state[0]))
            loss = module.loss(_moved(draw(step), device))
            if not math.isfinite(loss.item()):
                raise InputError(
                    f"{description}: the loss is {loss.item()} at step {step}; lower the learning "
                    "rate in params.yaml, or look for values in the inputs that are not finite"
                )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            shown.update()
            if len(losses) % every == 0:
                _save(checkpoint, module, optimizer, losses)
    module.to("cpu")
    return pd.DataFrame({"step": np.arange(len(losses)), "loss": losses})


def _save(
    checkpoint: Path, module: Any, optimizer: torch.optim.Optimizer, losses: list[float]
) -> None:
    partial = checkpoint.with_suffix(".partial")
    state = {"module": module.state_dict(), "optimizer": optimizer.state_dict(), "losses": losses}
    torch.save(state, partial)
    partial.replace(checkpoint)


def _resume(
    checkpoint: Path, module: Any, optimizer: torch.optim.Optimizer, device: torch.device
) -> list[float]:
    """Take up a checkpoint; the losses of its steps."""
    state = torch.load(checkpoint, map_location=device, weights_only=True)
    module.load_state_dict(state["module"])
    optimizer.load_state_dict(state["optimizer"])
    return list(state["losses"])


def _moved(batch: Any, device: torch.device) -> Any:
    """Bring the tensors of a batch to a device, in whatever tuples and dicts they stand."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {name: _moved(part, device) for name, part in batch.items()}
    parts = [_moved(part, device) for part in batch]
    return type(batch)(*parts) if hasattr(batch, "_fields") else tuple(parts)
