"""Work in pieces of fixed size, each by one thread, over as many cores as the job is given.

What a piece is does not depend on how many work: the outputs are the same bytes for any number of
workers. So no number of threads is a parameter, and no output is stale because of the machine.
"""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, TypeVar

from musecl.runtime.lifetime import begin_worker

Item = TypeVar("Item")
Result = TypeVar("Result")

# Set by a rule to Snakemake's {threads}.
GIVEN = "MUSECL_WORKERS"
# Each library's own threads, of which a worker has one: with more, sums would depend on the number.
LIBRARY_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
)


def given_workers() -> int:
    """Read how many cores this process may use: Snakemake's word, or all that it may run on."""
    asked = os.environ.get(GIVEN)
    if asked is not None:
        return int(asked)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux can bind a process to some of its cores
        return os.cpu_count() or 1


def hold_libraries_to_one_thread() -> None:
    """Keep libraries that are imported later from threads of their own, in every thread of ours."""
    for name in LIBRARY_THREADS:
        os.environ[name] = "1"


def in_pieces(work: Callable[[Item], Result], pieces: Iterable[Item]) -> Iterator[Result]:
    """Work on pieces side by side, each in one thread; yield the results in the pieces' order.

    Parameters
    ----------
    work : callable
        From a piece to its result; it must not depend on what other pieces are worked on.
    pieces : iterable
        Taken a few ahead of what is yielded, so that neither pieces nor results pile up.

    Yields
    ------
    object
        As `work` returns it.
    """
    workers = given_workers()
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for piece in pieces:
            waiting.append(pool.submit(work, piece))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def in_processes(work: Callable[[Item], Result], pieces: Sequence[Item]) -> Iterator[Result]:
    """Work on pieces side by side as `in_pieces` does, in processes that are forked for it.

    For work of many small calls, which would wait for each other at Python's lock. What the work
    reads is inherited and not copied; it must use no GPU.

    Parameters
    ----------
    work : callable
        From a piece to its result, which can be pickled.
    pieces : sequence

    Yields
    ------
    object
        As `work` returns it.
    """
    workers = min(given_workers(), len(pieces))
    if workers < 2:
        yield from map(work, pieces)
        return
    inherited[:] = [work, pieces]
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, fork, initializer=begin_worker) as pool:
        yield from pool.map(_work_on_inherited, range(len(pieces)))


# What a forked process works on: a function that is no module's own cannot be sent to it.
inherited: list[Any] = []


def _work_on_inherited(number: int) -> Any:
    work, pieces = inherited
    return work(pieces[number])
