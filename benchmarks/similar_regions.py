"""Exact nearest regions: this pipeline beside scikit-learn's brute force and a sort of every row.

    PYTHONPATH=workflow python benchmarks/similar_regions.py

Each way runs three times on the same vectors; the median and its ratio to ours are printed. That
all three name the same neighbours is checked first.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from musecl.pair_mining.nearest import nearest_rows

REGIONS, NUMBERS, TOP = 10_000, 32, 10
Found = NDArray[np.int64]


def ours(vectors: NDArray[np.float64]) -> Found:
    """As `pairs` does it: FAISS proposes, double precision ranks, ties go by name."""
    return nearest_rows(vectors, TOP)[0]


def scikit_learn(vectors: NDArray[np.float64]) -> Found:
    """Brute force; each row finds itself first."""
    model = NearestNeighbors(n_neighbors=TOP + 1, algorithm="brute").fit(vectors)
    return np.asarray(model.kneighbors(vectors, return_distance=False)[:, 1:])


def sorted_rows(vectors: NDArray[np.float64]) -> Found:
    """Sort all distances of every row, as a first version would."""
    squares = (vectors**2).sum(axis=1)
    found = np.empty((len(vectors), TOP), dtype=np.int64)
    for row in range(len(vectors)):
        distances = squares - 2 * vectors @ vectors[row]
        distances[row] = np.inf
        found[row] = np.argsort(distances)[:TOP]
    return found


def median_seconds(
    way: Callable[[NDArray[np.float64]], Found], vectors: NDArray[np.float64]
) -> float:
    """Median of three runs."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        way(vectors)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def main() -> None:
    """Check that the ways agree, then time them."""
    vectors = np.random.default_rng(0).normal(size=(REGIONS, NUMBERS))
    ways = {"musecl": ours, "scikit-learn, brute": scikit_learn, "sort of every row": sorted_rows}
    answers = [way(vectors[:2_000]) for way in ways.values()]
    if not all((answer == answers[0]).all() for answer in answers):
        raise SystemExit("the ways do not name the same neighbours")
    seconds = {name: median_seconds(way, vectors) for name, way in ways.items()}
    for name, value in seconds.items():
        print(f"{name:20} {value:7.2f} s {value / seconds['musecl']:6.2f} x")


if __name__ == "__main__":
    main()
