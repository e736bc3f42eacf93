"""The one training loop, for pretraining and for the fusion: every step decided by its number.

Batch, dropout and noise of a step are drawn from the seed and the step's number, so that a run
that was killed goes on from its last checkpoint to the same weights, bit for bit.
"""

import logging
import math
import signal
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.utils.data import DataLoader, IterableDataset
from tqdm import tqdm

from musecl.step.errors import InputError

CHECKPOINT = "last.ckpt"


def train(
    module: pl.LightningModule,
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
    module : LightningModule
        `training_step` returns the loss; one optimiser. Its weights at the start have to be drawn
        from the seed, too. Submodules that the caller put into evaluation mode stay in it.
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
    checkpoint = scratch / CHECKPOINT
    record = _Record(steps, seed, checkpoint, every, description)
    with warnings.catch_warnings():
        # Lightning's advice on workers and loggers is for other kinds of run.
        warnings.filterwarnings("ignore", module=r"lightning\.pytorch")
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        trainer = pl.Trainer(
            accelerator="auto",
            devices=1,
            max_steps=steps,
            deterministic=True,
            callbacks=[record],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=scratch,
        )
        loader = DataLoader(_Batches(draw, trainer), batch_size=None)
        earlier = checkpoint if checkpoint.exists() else None
        try:
            trainer.fit(module, loader, ckpt_path=earlier, weights_only=True)
        except SIGTERMException as error:
            # Lightning would end with status 0, and whoever runs the stage take it for done.
            raise SystemExit(128 + signal.SIGTERM) from error
    return pd.DataFrame({"step": np.arange(len(record.losses)), "loss": record.losses})


class _Batches(IterableDataset[Any]):
    """Batches from the step that the trainer has reached; a fresh iterator per run."""

    def __init__(self, draw: Callable[[int], Any], trainer: pl.Trainer) -> None:
        self.draw = draw
        self.trainer = trainer

    def __iter__(self) -> Iterator[Any]:
        for step in range(self.trainer.global_step, self.trainer.max_steps):
            yield self.draw(step)


class _Record(Callback):  # type: ignore[misc]
    """Seeds each step, notes its loss and saves a checkpoint now and then."""

    def __init__(
        self, steps: int, seed: int, checkpoint: Path, every: int, description: str
    ) -> None:
        self.steps = steps
        self.seed = seed
        self.checkpoint = checkpoint
        self.every = every
        self.description = description
        self.losses: list[float] = []

    def state_dict(self) -> dict[str, Any]:
        return {"losses": self.losses}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.losses = list(state_dict["losses"])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.progress = tqdm(
            total=self.steps, initial=len(self.losses), desc=self.description, mininterval=5
        )

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        state = np.random.SeedSequence([self.seed, len(self.losses)]).generate_state(1, np.uint64)
        torch.manual_seed(int(state[0]))

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        loss = float(outputs["loss"])
        if not math.isfinite(loss):
            raise InputError(
                f"{self.description}: the loss is {loss} at step {len(self.losses)}; lower the "
                "learning rate in params.yaml, or look for values in the inputs that are not finite"
            )
        self.losses.append(loss)
        self.progress.update()
        if len(self.losses) % self.every == 0:
            partial = self.checkpoint.with_suffix(".partial")
            trainer.save_checkpoint(partial)
            partial.replace(self.checkpoint)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.progress.close()
