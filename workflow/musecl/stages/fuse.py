"""Fuse the two views and the text of each region into one vector, and set it beside the residual.

`fused` is the output of the attention (`embedding_size` numbers). `embedding`, the representation
that predicts, is `fused` beside what went in: the pretrained and the contrastive features of both
views, and the text; each part centred, reduced by PCA and of total variance 1. Aligned to
texts and places, the fused vector forgets what they do not tell, population for one; the residual
keeps it. Its columns are components: scale them together, not each to variance 1.

A region that lacks a modality holds, in that part, the mean of the regions that have it, and the
last three columns of `embedding` say which of remote view, street view and text are present (1) or
absent (0). A region that lacks all three has no row.

PCA and training see all regions of the city, those that are held out later
included, but no indicator: the representation is transductive, as in the paper.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor

from musecl.fusion import FusionTraining, Regions, draw_batch, fuse_regions
from musecl.models.fusion import Fusion, Tokens
from musecl.settings.fuse import FuseSettings
from musecl.step.job import Job
from musecl.tables import (
    read_geotable,
    read_table,
    read_vectors,
    require_same_regions,
    write_vectors,
)
from musecl.training import train

Vectors = NDArray[np.float32]

VIEWS = ("remote_view", "street_view")
KINDS = ("pretrained", "embedding")
PRESENCE = ("remote_view pretrained", "street_view pretrained", "text")
TOKEN_SIZE = 64
PART_SIZE = 128
STEPS_PER_CHECKPOINT = 100


class Part(NamedTuple):
    """Vectors of shape (M, D) and the M regions that they describe, sorted."""

    region_ids: list[str]
    vectors: Vectors


def run(job: Job) -> None:
    """Write `embeddings.parquet`: a row per region that has any modality."""
    settings = job.settings("fuse", FuseSettings)
    parts = read_parts(job)
    region_ids = sorted({region for part in parts.values() for region in part.region_ids})
    known = read_geotable(job.input("regions.parquet"))["region_id"]
    require_same_regions(known, pd.Series(region_ids), "fuse")
    regions = read_regions(job, parts["text"], region_ids)
    with job.scratch() as scratch:
        fused = train_fusion(regions, settings, int(job.value("seed")), scratch)
        write_vectors(
            job.output("embeddings.parquet"),
            pd.DataFrame({"region_id": region_ids}),
            fused=fused,
            embedding=representation(fused, parts, region_ids),
        )
    lacking = [f"{name} {len(region_ids) - len(part.region_ids)}" for name, part in parts.items()]
    print(
        f"{len(region_ids)} of {len(known)} regions have a modality; of these lack "
        f"{', '.join(lacking)}"
    )


def read_parts(job: Job) -> dict[str, Part]:
    """Read what there is per region: both kinds of features of both views, and the text."""
    parts = {}
    for name in [f"{view} {kind}" for view in VIEWS for kind in KINDS]:
        view, kind = name.split()
        keys, vectors = read_vectors(job.input(f"{view}_embeddings.parquet"), kind)
        parts[name] = _sorted(keys, vectors)
    keys, vectors = read_vectors(job.input("text_embeddings.parquet"), "embedding")
    return {**parts, "text": _sorted(keys, vectors)}


def _sorted(keys: pd.DataFrame, vectors: Vectors) -> Part:
    order = keys["region_id"].argsort().to_numpy()
    return Part(list(keys["region_id"].iloc[order]), vectors[order])


def read_regions(job: Job, text: Part, region_ids: list[str]) -> Regions:
    """Read the single views and the pairs, and lay all out by region for the training."""
    chips, kinds = read_views(job.input("remote_view_view_embeddings.parquet"))
    remote = lay_out(chips, np.concatenate(kinds, axis=1), region_ids)
    remote_kinds = [values.shape[1] for values in kinds]
    viewpoints, kinds = read_views(job.input("street_view_view_embeddings.parquet"))
    street = lay_out(viewpoints, np.concatenate(kinds, axis=1), region_ids)
    scaled = Part(text.region_ids, reduce(text.vectors, TOKEN_SIZE))
    tokens = Tokens(*remote, *street, *map(torch.from_numpy, fill(scaled, region_ids)))
    return Regions(
        tokens,
        torch.from_numpy(fill(text, region_ids)[0]),
        positive_rows(read_table(job.input("remote_view_pairs.parquet")), region_ids),
        remote_kinds,
    )


def read_views(path: Path) -> tuple[pd.Series, list[Vectors]]:
    """Read the region of each view, sorted, and the views' features of each kind, scaled."""
    kinds = []
    for kind in KINDS:
        keys, vectors = read_vectors(path, kind)
        order = keys.sort_values(["region_id", "view"]).index.to_numpy()
        kinds.append(reduce(vectors[order], TOKEN_SIZE))
    return keys["region_id"].iloc[order], kinds


def reduce(vectors: Vectors, size: int) -> Vectors:
    """Centre columns, keep at most `size` principal components, scale all to unit variance.

    Columns keep their sizes against each other: after contrastive training hundreds are almost
    constant, and scaled one by one they would be noise as loud as the rest.

    Parameters
    ----------
    vectors : array of shape (N, D)
    size : int
        Fewer are kept where D or N is smaller.

    Returns
    -------
    array of shape (N, min(size, D, N))
        The mean of each column is 0, so 0 is the mean region; the components keep their relative
        variance.
    """
    wide = vectors.astype(np.float64)
    wide -= wide.mean(axis=0)
    solver = "covariance_eigh" if len(wide) >= wide.shape[1] else "full"
    kept = PCA(min(size, *wide.shape), svd_solver=solver).fit_transform(wide)
    scaled: Vectors = (kept / max(kept.std(), np.finfo(np.float64).tiny)).astype(np.float32)
    return scaled


def lay_out(regions: pd.Series, values: Vectors, region_ids: list[str]) -> tuple[Tensor, Tensor]:
    """Lay out views by region, as many columns as the region with the most views needs.

    Parameters
    ----------
    regions : Series of M str
        Region of each view, sorted.
    values : array of shape (M, D)
    region_ids : list of N str

    Returns
    -------
    values : Tensor of shape (N, V, D)
    present : bool Tensor of shape (N, V)
        False where a region has fewer views.
    """
    row = pd.Index(region_ids).get_indexer(pd.Index(regions))
    column = regions.groupby(regions.to_numpy()).cumcount().to_numpy()
    place = (len(region_ids), column.max() + 1)
    laid, present = np.zeros((*place, values.shape[1]), np.float32), np.zeros(place, bool)
    laid[row, column], present[row, column] = values, True
    return torch.from_numpy(laid), torch.from_numpy(present)


def fill(part: Part, region_ids: list[str]) -> tuple[Vectors, NDArray[np.bool_]]:
    """Lay out vectors by region (N, D), 0 where a region has none, and say which have (N,)."""
    row = pd.Index(region_ids).get_indexer(pd.Index(part.region_ids))
    laid = np.zeros((len(region_ids), part.vectors.shape[1]), np.float32)
    laid[row] = part.vectors
    return laid, np.isin(np.arange(len(region_ids)), row)


def positive_rows(pairs: pd.DataFrame, region_ids: list[str]) -> Tensor:
    """List the regions with the most alike places of each region, by row; -1 fills up.

    Parameters
    ----------
    pairs : DataFrame
        `anchor`, `positive`; pairs of a region that is not among `region_ids` are left out.
    region_ids : list of N str

    Returns
    -------
    int64 Tensor of shape (N, P)
    """
    index = pd.Index(region_ids)
    rows = np.stack([index.get_indexer(pd.Index(pairs[side])) for side in ("anchor", "positive")])
    anchor, positive = np.unique(rows[:, (rows >= 0).all(axis=0)], axis=1)
    rank = pd.Series(anchor).groupby(anchor).cumcount().to_numpy()
    laid = np.full((len(region_ids), rank.max(initial=0) + 1), -1)
    laid[anchor, rank] = positive
    return torch.from_numpy(laid)


def train_fusion(regions: Regions, settings: FuseSettings, seed: int, scratch: Path) -> Vectors:
    """Train the fusion on all regions and apply it to them: an array of shape (N, D)."""
    tokens = regions.tokens
    torch.manual_seed(seed)
    fusion = Fusion(
        remote_kinds=regions.remote_kinds,
        street_size=tokens.street.shape[-1],
        text_size=tokens.text.shape[-1],
        target_size=regions.text.shape[-1],
        embedding_size=settings.embedding_size,
        heads=settings.heads,
    )
    train(
        FusionTraining(fusion, settings),
        lambda step: draw_batch(regions, settings.batch, seed, step),
        settings.steps,
        seed,
        scratch,
        STEPS_PER_CHECKPOINT,
        "fusion",
    )
    return fuse_regions(fusion, tokens)


def representation(fused: Vectors, parts: dict[str, Part], region_ids: list[str]) -> Vectors:
    """Set the fused vectors (N, D) beside the residual and the presence of each modality.

    Within a part the components keep their relative variance; its total is 1, so that no part
    weighs more for being wider.
    """
    everything = {"fused": Part(region_ids, fused), **parts}
    columns = []
    for part in everything.values():
        scaled = reduce(part.vectors, PART_SIZE)
        scaled /= np.sqrt(scaled.shape[1])
        columns.append(fill(Part(part.region_ids, scaled), region_ids)[0])
    presence = [fill(parts[name], region_ids)[1] for name in PRESENCE]
    return np.concatenate([*columns, np.stack(presence, axis=1)], axis=1, dtype=np.float32)
