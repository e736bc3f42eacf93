"""How regions are divided into folds: at random, or by whole larger cells.

Adjacent regions are alike, so a random split measures interpolation as well as prediction. The
spatial split holds out whole `parent` cells (H3, two resolutions up), as srai's and verde's
spatial blocks do. Both are drawn again inside a training fold, so that a penalty or an early stop
is chosen for the same kind of gap that the test has.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musecl.step.errors import InputError

SPLITS = ("random", "spatial")


@dataclass(frozen=True)
class Fold:
    """One division into what is fitted and what is predicted.

    Attributes
    ----------
    train, test : int arrays
        Row numbers, ascending; together they are all rows.
    parts : int array, one per training row
        The division inside the training fold, 0, 1, ...; part 0 is the validation part of a
        predictor that needs a single one.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    parts: NDArray[np.int64]

    @property
    def fitting(self) -> NDArray[np.int64]:
        """Rows of the training fold outside its validation part."""
        rows: NDArray[np.int64] = self.train[self.parts != 0]
        return rows

    @property
    def validation(self) -> NDArray[np.int64]:
        """Rows of the training fold's validation part."""
        rows: NDArray[np.int64] = self.train[self.parts == 0]
        return rows


def random_folds(rows: int, folds: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw the fold of each row at random; the folds' sizes differ by one at most.

    Raises
    ------
    InputError
        There are fewer rows than folds.
    """
    if rows < folds:
        raise InputError(f"random split: {rows} regions for {folds} folds; lower evaluate.folds")
    return generator.permutation(rows) % folds


def spatial_folds(
    parents: NDArray[np.str_], folds: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draw the fold of each row so that regions of one parent stay together.

    Parents are taken in random order, each into the fold that is smallest by then: the sizes
    differ by no more regions than the largest parent has.

    Parameters
    ----------
    parents : array of shape (N,)
        The larger cell of each region.
    folds : int
        How many.
    generator : Generator
        Draws the order.

    Raises
    ------
    InputError
        There are fewer parents than folds.
    """
    names, members = np.unique(parents, return_inverse=True)
    if len(names) < folds:
        raise InputError(
            f"spatial split: {len(names)} parent cells for {folds} folds; lower evaluate.folds"
        )
    counts = np.bincount(members)
    sizes = np.zeros(folds, dtype=np.int64)
    fold_of_parent = np.empty(len(names), dtype=np.int64)
    for parent in generator.permutation(len(names)):
        fold_of_parent[parent] = sizes.argmin()
        sizes[sizes.argmin()] += counts[parent]
    return fold_of_parent[members]


def draw_folds(
    split: str, parents: NDArray[np.str_], folds: int, generator: np.random.Generator
) -> list[Fold]:
    """Divide regions into folds, and each training fold into parts, by one kind of split.

    Parameters
    ----------
    split : str
        `random` or `spatial`.
    parents : array of shape (N,)
        The larger cell of each region, in the order of `region_id`.
    folds : int
        How many, and how many parts a training fold gets (fewer where it has fewer parents).
    generator : Generator
        Draws everything.

    Raises
    ------
    InputError
        There are too few regions or parents, also inside a training fold.
    """
    numbers = _number(split, parents, folds, generator)
    drawn = []
    for fold in range(folds):
        train = np.flatnonzero(numbers != fold)
        units = len(np.unique(parents[train])) if split == "spatial" else len(train)
        parts = _number(split, parents[train], max(2, min(folds, units)), generator)
        drawn.append(Fold(train, np.flatnonzero(numbers == fold), parts))
    return drawn


def _number(
    split: str, parents: NDArray[np.str_], folds: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    if split == "spatial":
        return spatial_folds(parents, folds, generator)
    return random_folds(len(parents), folds, generator)
