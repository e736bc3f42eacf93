"""How regions are divided into folds: at random, by whole larger cells, or by district.

Adjacent regions are alike, so a random split measures interpolation as well as prediction. The
others hold out whole units, as srai and verde do: `spatial` the cells of `spatial_block`
(H3, two resolutions up), `spatial_wide` the `wide_spatial_block` cells (three up), `district` one
district after the other (in New York: leave one borough out). The same is drawn again inside a
training fold, so that a penalty or an early stop is chosen for the kind of gap that the test has.
`paper` is the one division of MuseCL's published code, see `paper_fold`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from musecl.runtime.errors import InputError

# The column of the region table whose regions stay together.
SPLITS = {
    "random": None,
    "spatial": "spatial_block",
    "spatial_wide": "wide_spatial_block",
    "district": "district",
    "paper": None,
}
# Fewer rows leave one of the three parts of the paper's split empty.
MINIMUM_ROWS = 6
# Of fewer units, or regions at random, a training fold could not be divided in turn.
MINIMUM_UNITS = 3


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

    @property
    def inner(self) -> "Fold":
        """The division inside the training fold: fit outside the validation part, predict it."""
        parts = self.parts[self.parts != 0]
        if len(np.unique(parts)) < 2:  # a single larger cell is left to fit to
            parts = np.arange(len(parts)) % 2
        return Fold(self.fitting, self.validation, parts)


def unit_folds(
    units: NDArray[np.str_], folds: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draw the fold of each row so that the regions of one unit stay together.

    Units are taken in random order, each into the fold that is smallest by then: the sizes differ
    by no more regions than the largest unit has.

    Parameters
    ----------
    units : array of shape (N,)
        The larger cell, or the district, of each region.
    folds : int
        How many, at most as many as there are units.
    generator : Generator
        Draws the order.
    """
    names, members = np.unique(units, return_inverse=True)
    counts = np.bincount(members)
    sizes = np.zeros(folds, dtype=np.int64)
    fold_of_unit = np.empty(len(names), dtype=np.int64)
    for unit in generator.permutation(len(names)):
        fold_of_unit[unit] = sizes.argmin()
        sizes[sizes.argmin()] += counts[unit]
    return fold_of_unit[members]


def parts_of(
    units: NDArray[np.str_], folds: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Divide a training fold (n,) by larger cells; by rows in turn where it lies within one."""
    count = min(folds, len(np.unique(units)))
    if count < 2:
        return np.arange(len(units)) % folds
    return unit_folds(units, count, generator)


def units_of(regions: pd.DataFrame, split: str) -> NDArray[np.str_] | None:
    """Name the unit of each region that a split holds out whole; None for the random one.

    Raises
    ------
    InputError
        A region lies in none.
    """
    column = SPLITS[split]
    if column is None:
        return None
    outside = int(regions[column].isna().sum())
    if outside:
        raise InputError(f"{outside} of its {len(regions)} regions lie in no {column}")
    return regions[column].to_numpy(dtype=str)


def paper_fold(rows: int) -> Fold:
    """Divide rows as MuseCL's published code does: 20% test, then 25% of the rest validation.

    With `numpy.random.seed(1)` and scikit-learn's `train_test_split`, rows in file order. The
    standard deviations of the labels that it tests on Beijing are those implied by R2 and RMSE in
    the paper's table, so that it is the paper's split. The perceptron fits to 60% and stops by 20%,
    as theirs. What chooses by all parts of a training fold has four, each predicted from the three
    others, which are 60%, and is fitted to the 80% in the end.

    Parameters
    ----------
    rows : int
        In the order of the file; of a city of ours, of `region_id`.

    Raises
    ------
    InputError
        There are fewer than six.
    """
    if rows < MINIMUM_ROWS:
        raise InputError(f"{rows} regions have a value, and the split takes {MINIMUM_ROWS} or more")
    state = np.random.RandomState(1)
    order = np.arange(rows)
    rest, test = train_test_split(order, test_size=0.2, random_state=state)
    _, validation = train_test_split(rest, test_size=0.25, random_state=state)
    train = np.sort(rest)
    parts = np.zeros(len(train), dtype=np.int64)
    fitting = ~np.isin(train, validation)
    parts[fitting] = 1 + np.arange(fitting.sum()) % 3
    return Fold(train, np.sort(test), parts)


def draw_folds(
    units: NDArray[np.str_] | None, rows: int, folds: int, generator: np.random.Generator
) -> list[Fold]:
    """Divide regions into folds, and each training fold into parts, in the same way.

    Parameters
    ----------
    units : array of shape (N,), optional
        What stays together, in the order of `region_id`; None divides at random.
    rows : int
        N.
    folds : int
        How many folds, and how many parts a training fold gets; fewer where there are fewer units.
    generator : Generator
        Draws everything.

    Raises
    ------
    InputError
        There are too few regions, or units, to divide them and each training fold.
    """
    if units is None and rows < max(folds, MINIMUM_UNITS):
        raise InputError(f"{rows} regions have a value, fewer than evaluate.folds ({folds}) takes")
    if units is not None and len(np.unique(units)) < MINIMUM_UNITS:
        raise InputError(
            f"its regions lie in {len(np.unique(units))} of the units that are held out whole, and "
            f"the split takes {MINIMUM_UNITS} or more"
        )
    everything = np.arange(rows)
    numbers = draw_numbers(units, everything, folds, generator)
    drawn = []
    for fold in range(numbers.max() + 1):
        train = np.flatnonzero(numbers != fold)
        parts = draw_numbers(units, train, folds, generator)
        drawn.append(Fold(train, np.flatnonzero(numbers == fold), parts))
    return drawn


def draw_numbers(
    units: NDArray[np.str_] | None,
    rows: NDArray[np.int64],
    folds: int,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw the number of the fold, or of the part, that each of some rows belongs to.

    Parameters
    ----------
    units : array of shape (N,), optional
        What stays together; None draws at random.
    rows : int array of shape (n,)
        Rows to divide.
    folds : int
        How many; fewer where there are fewer rows or units.
    generator : Generator
        Draws the numbers.

    Returns
    -------
    int array of shape (n,)

    Raises
    ------
    InputError
        There are fewer than two rows, or units.
    """
    count = len(rows) if units is None else len(np.unique(units[rows]))
    if count < 2:
        raise InputError("a training fold is a single region or larger cell; it cannot be divided")
    if units is None:
        return generator.permutation(count) % min(folds, count)
    return unit_folds(units[rows], min(folds, count), generator)
