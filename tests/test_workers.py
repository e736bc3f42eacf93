"""Pieces of work: in order, side by side, the same for any number of workers."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest
import torch
from torch import nn

from musecl.runtime.errors import InputError
from musecl.runtime.workers import GIVEN, given_workers, in_pieces, in_processes
from musecl.training.pieces import PIECE, apply_in_pieces

WORKERS = (1, 2, 3, 8)


@pytest.mark.parametrize("workers", WORKERS)
def test_results_come_in_the_order_of_the_pieces(monkeypatch, workers) -> None:
    monkeypatch.setenv(GIVEN, str(workers))
    first = threading.Event()

    def work(number: int) -> int:
        if number == 0 and workers > 1:
            first.wait()
        first.set() if number == 1 else None
        return number * number

    assert list(in_pieces(work, range(20))) == [number * number for number in range(20)]


@pytest.mark.parametrize("workers", [2, 8])
def test_so_many_pieces_are_worked_on_at_once(monkeypatch, workers) -> None:
    monkeypatch.setenv(GIVEN, str(workers))
    together = threading.Barrier(workers)
    assert len(list(in_pieces(lambda _: together.wait(timeout=60), range(2 * workers)))) == (
        2 * workers
    )


def test_pieces_are_taken_as_they_are_needed(monkeypatch) -> None:
    monkeypatch.setenv(GIVEN, "2")
    taken = []
    results = in_pieces(lambda number: number, (taken.append(n) or n for n in range(100)))
    next(results)
    assert len(taken) == 5


def test_an_error_reaches_the_caller(monkeypatch) -> None:
    monkeypatch.setenv(GIVEN, "2")
    with pytest.raises(ZeroDivisionError):
        list(in_pieces(lambda number: 1 // (5 - number), range(10)))


def test_all_cores_are_given_where_nobody_says_otherwise(monkeypatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(7)))
    monkeypatch.delenv(GIVEN, raising=False)
    assert given_workers() == 7
    monkeypatch.setenv(GIVEN, "3")
    assert given_workers() == 3


@pytest.mark.parametrize("workers", WORKERS)
def test_processes_give_results_in_the_order_of_the_pieces(monkeypatch, workers) -> None:
    monkeypatch.setenv(GIVEN, str(workers))
    base = np.arange(3)
    found = list(in_processes(lambda number: (number + base, os.getpid()), range(10)))
    assert [list(values) for values, _ in found] == [[n, n + 1, n + 2] for n in range(10)]
    assert ({process for _, process in found} == {os.getpid()}) == (workers == 1)


def test_an_error_of_a_process_reaches_the_caller(monkeypatch) -> None:
    monkeypatch.setenv(GIVEN, "2")

    def work(number: int) -> int:
        if number == 3:
            raise InputError("a piece: wrong; mend it")
        return number

    with pytest.raises(InputError, match="a piece: wrong; mend it"):
        list(in_processes(work, range(10)))


def test_a_process_that_dies_is_an_error_and_not_a_wait(monkeypatch) -> None:
    monkeypatch.setenv(GIVEN, "2")
    with pytest.raises(BrokenProcessPool):
        list(in_processes(lambda number: os.kill(os.getpid(), signal.SIGKILL), range(4)))


ORPHANS = """
import os, signal, sys
sys.path[:0] = {paths!r}
from musecl.runtime.workers import in_processes

def work(number):
    os.write(1, b"%d\\n" % os.getpid())  # at once, or two of them mix
    signal.pause()

list(in_processes(work, range(2)))
"""


def test_processes_end_with_the_one_that_forked_them() -> None:
    script = ORPHANS.format(paths=[path for path in sys.path if path])
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, GIVEN: "2"},
    )
    assert parent.stdout is not None
    children = [int(parent.stdout.readline()) for _ in range(2)]
    parent.kill()
    try:
        # The output ends when nobody holds its other end, the two processes neither.
        parent.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        for child in children:
            os.kill(child, signal.SIGKILL)
        raise


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, 4))


def gradients(model: nn.Module, batch: torch.Tensor, pieces: bool) -> list[np.ndarray]:
    model.zero_grad()
    parameters = list(model.parameters())
    outputs = apply_in_pieces(model, parameters, batch) if pieces else model(batch)
    # Something that ties the rows together, as a contrastive loss does.
    torch.logsumexp(outputs @ outputs.T, dim=1).sum().backward()
    return [outputs.detach().numpy(), *(parameter.grad.numpy() for parameter in parameters)]


def test_a_network_in_pieces_gives_what_it_gives_whole(monkeypatch) -> None:
    model, batch = network(), torch.randn(3 * PIECE + 5, 3, 8, 8)
    whole = gradients(model, batch, pieces=False)
    for workers in WORKERS:
        monkeypatch.setenv(GIVEN, str(workers))
        for found, expected in zip(gradients(model, batch, pieces=True), whole, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_a_network_in_pieces_gives_the_same_bytes_for_any_workers(monkeypatch) -> None:
    model, batch = network(), torch.randn(5 * PIECE + 3, 3, 8, 8)
    found = []
    for workers in WORKERS:
        monkeypatch.setenv(GIVEN, str(workers))
        found.append([array.tobytes() for array in gradients(model, batch, pieces=True)])
    assert found[1:] == found[:1] * 3


def test_a_network_that_nothing_trains_has_no_gradient() -> None:
    model = network().requires_grad_(False)
    assert not apply_in_pieces(model, [], torch.randn(20, 3, 8, 8)).requires_grad
