"""The training loop: against a loop by hand, and killed and resumed."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from musecl.runtime.errors import InputError
from musecl.training.loop import train

SEED = 3


class KilledError(Exception):
    pass


class Regression(nn.Module):
    """A regression with everything that has a state: dropout, noise and momentum."""

    def __init__(self, dropout=0.5):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            self.layers = nn.Sequential(nn.Linear(4, 8), nn.Dropout(dropout), nn.Linear(8, 1))

    def loss(self, batch):
        inputs, targets = batch
        noise = torch.randn(inputs.shape) * 0.1
        return nn.functional.mse_loss(self.layers(inputs + noise), targets)

    def optimizer(self):
        return torch.optim.AdamW(self.parameters(), lr=0.02)


def draw(step):
    inputs = np.random.default_rng([SEED, 11, step]).normal(size=(16, 4)).astype(np.float32)
    targets = inputs.sum(axis=1, keepdims=True)
    return torch.from_numpy(inputs), torch.from_numpy(targets)


def draw_until(last):
    def drawn(step):
        if step > last:
            raise KilledError
        return draw(step)

    return drawn


def run(module, scratch, steps=20, every=4, draw=draw):
    scratch.mkdir(exist_ok=True)
    return train(module, draw, steps, SEED, scratch, every, "toy")


def weights(module):
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


@pytest.mark.parametrize("last", [0, 3, 6, 7, 8, 13, 18])
def test_a_killed_run_ends_with_the_same_weights(tmp_path, last):
    whole, resumed = Regression(), Regression()
    history = run(whole, tmp_path / "whole")

    with pytest.raises(KilledError):
        run(Regression(), tmp_path / "killed", draw=draw_until(last))
    resumed_history = run(resumed, tmp_path / "killed")

    assert torch.equal(weights(whole), weights(resumed))
    assert history.equals(resumed_history)
    assert history["step"].tolist() == list(range(20))


def test_a_run_killed_twice_ends_with_the_same_weights(tmp_path):
    whole, resumed = Regression(), Regression()
    run(whole, tmp_path / "whole")

    for last in (6, 13):
        with pytest.raises(KilledError):
            run(Regression(), tmp_path / "killed", draw=draw_until(last))
    run(resumed, tmp_path / "killed")

    assert torch.equal(weights(whole), weights(resumed))


def test_a_finished_run_is_not_run_again(tmp_path):
    whole, again = Regression(), Regression()
    history = run(whole, tmp_path)

    assert run(again, tmp_path, draw=draw_until(-1)).equals(history)
    assert torch.equal(weights(whole), weights(again))


def test_a_resumed_run_does_not_start_over(tmp_path):
    steps = []

    def noted(step):
        steps.append(step)
        return draw_until(10)(step)

    with pytest.raises(KilledError):
        run(Regression(), tmp_path, draw=noted)
    steps.clear()
    run(Regression(), tmp_path, draw=lambda step: steps.append(step) or draw(step))

    assert steps == list(range(8, 20))


def test_equals_a_loop_by_hand(tmp_path):
    module, expected = Regression(dropout=0.0), Regression(dropout=0.0)
    module.loss = lambda batch: nn.functional.mse_loss(module.layers(batch[0]), batch[1])
    history = run(module, tmp_path, steps=12)

    optimizer = expected.optimizer()
    losses = []
    for step in range(12):
        inputs, targets = draw(step)
        loss = nn.functional.mse_loss(expected.layers(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    assert history["loss"].tolist() == losses
    assert torch.equal(weights(module), weights(expected))


def test_the_seed_decides_noise(tmp_path):
    first, second = Regression(), Regression()
    for number, module in enumerate((first, second)):
        (tmp_path / str(number)).mkdir()
        train(module, draw, 3, number, tmp_path / str(number), 10, "toy")
    assert not torch.equal(weights(first), weights(second))


def test_a_module_in_evaluation_mode_stays_in_it(tmp_path):
    module = Regression()
    module.layers[1].eval()
    seen = []
    module.layers[1].register_forward_hook(lambda layer, *_: seen.append(layer.training))
    run(module, tmp_path, steps=6)
    assert seen == [False] * 6


def test_a_loss_that_is_not_finite_is_an_error(tmp_path):
    def poisoned(step):
        inputs, targets = draw(step)
        return inputs, targets * (float("nan") if step == 5 else 1.0)

    with pytest.raises(InputError, match="loss is nan at step 5"):
        run(Regression(), tmp_path, draw=poisoned)


def test_the_checkpoint_holds_tensors_and_plain_values(tmp_path):
    run(Regression(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
    assert len(torch.load(tmp_path / "last.ckpt", weights_only=True)["losses"]) == 20


SCRIPT = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {paths!r}
from test_training import Regression, draw, run

def dying(step):
    if step == 9:
        os.kill(os.getpid(), signal.{signal})
    return draw(step)

run(Regression(), Path({scratch!r}), draw=dying)
print("finished")
"""


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGKILL"])
def test_a_signal_ends_the_process(tmp_path, signal):
    scratch = tmp_path / "scratch"
    paths = [str(Path(__file__).parent), *(path for path in sys.path if path)]
    script = SCRIPT.format(paths=paths, signal=signal, scratch=str(scratch))
    work = tmp_path / "work"
    work.mkdir()

    process = subprocess.run(
        [sys.executable, "-c", script], cwd=work, capture_output=True, text=True, env=os.environ
    )

    assert process.returncode != 0
    assert "finished" not in process.stdout
    assert list(work.iterdir()) == []
    resumed, whole = Regression(), Regression()
    run(resumed, scratch)
    run(whole, tmp_path / "whole")
    assert torch.equal(weights(whole), weights(resumed))
