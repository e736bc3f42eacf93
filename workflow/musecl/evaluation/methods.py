"""Which vectors each method predicts from, and how they are made ready inside a training fold.

A region that a modality does not know (no street, no POI) is not left out: its vector is the
mean of the training regions that have one, and a further column says 1 where there is a vector
and 0 where there is none. Counts of both are in coverage.csv.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.linalg
from numpy.typing import NDArray

from musecl.runtime.errors import InputError
from musecl.runtime.tables import KEY, read_vectors, require_same_regions

# Of either precision.
Array = NDArray[Any]

# The file and the column of each block.
VECTORS = {
    "satellite_pretrained": ("satellite_embeddings.parquet", "pretrained"),
    "street_view_pretrained": ("street_view_embeddings.parquet", "pretrained"),
    "satellite": ("satellite_embeddings.parquet", "embedding"),
    "street_view": ("street_view_embeddings.parquet", "embedding"),
    "text": ("text_embeddings.parquet", "embedding"),
    "musecl": ("embeddings.parquet", "embedding"),
}


@dataclass(frozen=True)
class RegionFeatures:
    """The vectors of one modality, in the order of the region table.

    Attributes
    ----------
    values : array of shape (N, D)
        Zeros where there is no vector; they are never read.
    present : bool array of shape (N,)
        Where there is one.
    width : int, optional
        Columns that the vectors had before they were made compact; D if None.
    """

    values: Array
    present: NDArray[np.bool_]
    width: int | None = None

    def take(self, rows: NDArray[np.int64]) -> "RegionFeatures":
        """Take regions by row."""
        return replace(self, values=self.values[rows], present=self.present[rows])

    def compact(self) -> "RegionFeatures":
        """Hold the vectors in single precision, in no more columns than there are regions.

        Wider ones are turned so that inner products are kept, which are all that ridge and
        principal components know of their inputs. The smallest penalty is far above what single
        precision loses.
        """
        regions, columns = self.values.shape
        known = self.values[self.present]
        if columns <= regions or not len(known):
            return replace(self, values=self.values.astype(np.float32, copy=False))
        centred = (known - known.mean(axis=0)).astype(np.float32)
        squared, vectors = scipy.linalg.eigh(centred @ centred.T, driver="evd", check_finite=False)
        values = np.zeros((regions, len(known)), np.float32)
        values[self.present] = vectors * np.sqrt(squared.clip(min=0))
        return replace(self, values=values, width=self.width or columns)


@dataclass(frozen=True)
class Method:
    """A name of r2.csv and the blocks it predicts from.

    Attributes
    ----------
    name : str
        As in the column `method`.
    blocks : tuple of RegionFeatures
        Beside each other.
    perceptron : bool
        Whether the paper's predictor is fitted too, after ridge.
    """

    name: str
    blocks: tuple[RegionFeatures, ...]
    perceptron: bool


def align(
    regions: pd.Series, keys: pd.DataFrame, vectors: NDArray[np.floating], where: str
) -> RegionFeatures:
    """Put vectors into the order of the region table, by `region_id`.

    Parameters
    ----------
    regions : Series of str
        N region_ids, in order.
    keys : DataFrame
        M rows with `region_id`, the row order of the vectors.
    vectors : array of shape (M, D)
        The vectors.
    where : str
        Name of the file, for an error.

    Raises
    ------
    InputError
        The keys name a region that the region table does not hold, or one twice.
    """
    require_same_regions(regions, keys[KEY], where)
    if keys[KEY].duplicated().any():
        twice = keys[KEY][keys[KEY].duplicated()].iloc[0]
        raise InputError(f"{where}: region {twice!r} has two rows; build it again")
    rows = pd.Index(keys[KEY]).get_indexer(regions)
    present = rows >= 0
    values = np.zeros((len(regions), vectors.shape[1]))
    values[present] = vectors[rows[present]]
    return RegionFeatures(values, present)


def read_blocks(find: Callable[[str], Path], regions: pd.Series) -> dict[str, RegionFeatures]:
    """Read every block of `VECTORS` that the city has.

    Parameters
    ----------
    find : callable
        From the name of a file to its path, as `Job.input`.
    regions : Series of str
        N region_ids, in order.
    """
    found = {name: read_vectors(find(file), column) for name, (file, column) in VECTORS.items()}
    return {
        name: align(regions, keys, vectors, where=VECTORS[name][0])
        for name, (keys, vectors) in found.items()
        if len(keys)
    }


def build_methods(
    blocks: dict[str, RegionFeatures], lots: NDArray[np.int64] | None, perceptrons: Collection[str]
) -> list[Method]:
    """List the methods that predict from vectors.

    Parameters
    ----------
    blocks : dict of RegionFeatures
        `satellite_pretrained`, `street_view_pretrained` (frozen features), `satellite`,
        `street_view`, `text` (trained, and text, embeddings), `musecl` (fused beside residual);
        what the city lacks is not among them.
    lots : int array of shape (N,), optional
        Lots per region, where the imagery is drawn from them: the plainest thing it shows.
    perceptrons : collection of str
        Methods that the paper's predictor is fitted to, too.

    Returns
    -------
    list of Method
        `concat` has all inputs of the fusion beside each other: what `musecl` must beat to
        show that attention, and not the mere width, predicts.
    """
    single = ["satellite_pretrained", "street_view_pretrained", "satellite", "street_view"]
    single.append("text")
    present = [name for name in single if name in blocks]
    of_method: dict[str, tuple[RegionFeatures, ...]] = {name: (blocks[name],) for name in present}
    of_method["concat"] = tuple(blocks[name] for name in present)
    of_method["musecl"] = (blocks["musecl"],)
    if lots is not None:
        known = np.ones(len(lots), dtype=np.bool_)
        count = RegionFeatures(np.log1p(lots.astype(np.float64))[:, None], known)
        of_method = {"lot_count": (count,), **of_method}
    return [Method(name, found, name in perceptrons) for name, found in of_method.items()]


def prepare(blocks: tuple[RegionFeatures, ...], train: NDArray[np.int64]) -> Array:
    """Impute, mark and scale the inputs of all regions by what the training regions tell.

    Every column gets mean zero over the training regions, and each block one scale, so that its
    columns' variances add up to one: a modality does not weigh more for being wider. The columns
    of a block keep their sizes against each other, for they come from one network; scaled one by
    one, the hundreds that are almost constant after contrastive training would drown the rest.

    Parameters
    ----------
    blocks : tuple of RegionFeatures
        N regions each.
    train : int array
        Rows to fit to.

    Returns
    -------
    array of shape (N, P)
        P is the sum over blocks of their width and one (the column that marks presence).
    """
    return np.hstack([fit_preparation(block, train).apply(block) for block in blocks])


@dataclass(frozen=True)
class Preparation:
    """How the vectors of a block are made ready, by what its training regions tell.

    Attributes
    ----------
    fill : array of shape (D,)
        Stands where a region has no vector: the mean of the training regions that have one.
    centre : array of shape (D,)
        Is taken off.
    spread : float
        Of all columns together; 0 where they are constant.
    mark_centre, mark_spread : float
        The same of the column that says whether there is a vector.
    """

    fill: Array
    centre: Array
    spread: float
    mark_centre: float
    mark_spread: float

    def apply(self, block: RegionFeatures) -> Array:
        """Make the vectors of a block ready: (N, D + 1), the mark last."""
        width = block.width or block.values.shape[1]
        mark = _divide(_mark(block) - self.mark_centre, self.mark_spread)
        values = _divide(_filled(block, self.fill) - self.centre, self.spread)
        return np.hstack([values, mark / np.float32(np.sqrt(width))])


def fit_preparation(block: RegionFeatures, train: NDArray[np.int64]) -> Preparation:
    """Find the means and scales of a block's training rows."""
    known = train[block.present[train]]
    fill = (
        block.values[known].mean(axis=0)
        if len(known)
        else np.zeros(block.values.shape[1], block.values.dtype)
    )
    values, mark = _filled(block, fill), _mark(block)
    centre, mark_centre = values[train].mean(axis=0), mark[train].mean()
    return Preparation(
        fill,
        centre,
        _spread((values - centre)[train]),
        mark_centre,
        _spread((mark - mark_centre)[train]),
    )


def _filled(block: RegionFeatures, fill: Array) -> Array:
    values = block.values.copy()
    values[~block.present] = fill
    return values


def _mark(block: RegionFeatures) -> Array:
    return block.present.astype(block.values.dtype)[:, None]


def _spread(centred: Array) -> float:
    """Root of the columns' summed variance; 0 of what is constant, lest it explode in the test."""
    spread = np.sqrt(centred.var(axis=0).sum())
    return 0.0 if spread < 1e-9 else spread


def _divide(values: Array, spread: float) -> Array:
    return np.asarray(values / spread) if spread else np.zeros_like(values)
