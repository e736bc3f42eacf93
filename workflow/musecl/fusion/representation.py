"""Vectors of a city's modalities to one representation per region: the fusion as a library.

`fused` is the output of the fusion (`embedding_size` numbers). `embedding`, the representation
that predicts, is `fused` alone or, where `residual` is set, `fused` beside what went in: the
pretrained and the contrastive features of both views, and the text; each part centred, reduced by
PCA and of total variance 1. Aligned to texts and places, the fused vector forgets what they do not
tell, population for one; the residual keeps it. Its columns are components: scale them together,
not each to variance 1.

A region that lacks a modality holds, in that part, the mean of the regions that have it, and the
last columns of the residual, one per modality, say which are present (1) or absent (0). Where
`rings` is set, the mean of each ring of neighbours' columns stands beside a region's own: what a
place is like depends on what is around it.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from musecl.fusion.models import MODES, Alignments, Kinds, Modalities, Tokens
from musecl.fusion.reduction import Reduction, fit_reduction
from musecl.fusion.settings import FuseSettings
from musecl.fusion.training import TEXT, FusionTraining, Regions, draw_batch, fuse_regions
from musecl.geography.rings import means_of_rings
from musecl.learning.training import train
from musecl.step.errors import InputError

Vectors = NDArray[np.float32]

VIEWS = ("remote_view", "street_view")
MODALITIES = (*VIEWS, "text")
TOKEN_SIZE = 64
PART_SIZE = 128
STEPS_PER_CHECKPOINT = 100


#: What the columns of `embeddings.parquet` are; the metadata of the file says it.
ABOUT = {
    "region_id": "the region",
    "fused": "output of the fusion, `fuse.embedding_size` numbers",
    "embedding": "the representation that predicts: `fused` beside components of each modality and "
    "a mark of each that is present (where `fuse.residual` is true), then the same of each ring of "
    "neighbours (`fuse.rings`); components, to be scaled together and not each to variance 1",
}


class Part(NamedTuple):
    """Vectors of shape (M, D) and the M regions that they describe, sorted."""

    region_ids: list[str]
    vectors: Vectors


class Views(NamedTuple):
    """M single views, sorted by region: the region of each, and vectors (M, D) of each kind."""

    region_ids: list[str]
    kinds: dict[str, Vectors]


#: What a city without texts has to align to: one feature that no region holds.
NO_TEXT = Part([], np.zeros((0, 1), np.float32))
NOTHING = Part([], np.zeros((0, 0), np.float32))


@dataclass(frozen=True)
class FusionInputs:
    """What the fusion may see of the N regions of a city: no label is among it.

    Attributes
    ----------
    region_ids : list of str
        The regions to represent, sorted.
    parts : dict of Part
        Vectors per region, as they stand in the residual, by modality and kind:
        `remote_view pretrained`, `remote_view embedding`, the same of `street_view`, `text`. What
        the city lacks is not among them; what else describes it may be.
    views : dict of Views
        By modality but the text, its chips or viewpoints, of the same kinds and regions as its
        parts.
    positives : DataFrame
        `anchor`, `positive`: regions with alike places.
    neighbours : dict of list of str
        The adjacent regions of each region; others than `region_ids` are not looked at.
    """

    region_ids: list[str]
    parts: dict[str, Part]
    views: dict[str, Views]
    positives: pd.DataFrame
    neighbours: dict[str, list[str]]

    @property
    def modalities(self) -> list[str]:
        """Name the modalities, in the order of `parts`."""
        return modalities_of(self.parts)

    def without(self, modality: str) -> "FusionInputs":
        """Leave out a modality everywhere; all regions stay.

        The pairs of alike places stay, too: leave them out by `places_weight` 0.

        Raises
        ------
        InputError
            There is no such modality.
        """
        if modality not in self.modalities:
            raise InputError(f"no modality {modality!r}; there are {', '.join(self.modalities)}")
        return replace(
            self,
            parts={name: part for name, part in self.parts.items() if name.split()[0] != modality},
            views={view: views for view, views in self.views.items() if view != modality},
        )

    def replacing(self, name: str, part: Part) -> "FusionInputs":
        """Take another encoder's vectors for those of a part; every view holds its region's.

        Parameters
        ----------
        name : str
            A key of `parts`.
        part : Part
            Of the same regions as the part that it replaces.

        Raises
        ------
        InputError
            There is no such part, or it describes other regions.
        """
        if name not in self.parts:
            raise InputError(f"no part {name!r} to replace; there are {', '.join(self.parts)}")
        if part.region_ids != self.parts[name].region_ids:
            raise InputError(f"{name}: the vectors in its place are of other regions; sort them")
        inputs = replace(self, parts={**self.parts, name: part})
        view, _, kind = name.partition(" ")
        if view not in self.views:
            return inputs
        old = self.views[view]
        rows = pd.Index(part.region_ids).get_indexer(pd.Index(old.region_ids))
        new = old._replace(kinds={**old.kinds, kind: part.vectors[rows]})
        return replace(inputs, views={**self.views, view: new})


def modalities_of(parts: Iterable[str]) -> list[str]:
    """Name the modalities of parts such as `remote_view pretrained`, each once."""
    return list(dict.fromkeys(name.split()[0] for name in parts))


def represent(
    inputs: FusionInputs,
    settings: FuseSettings,
    seed: int,
    scratch: Path,
    fit_rows: NDArray[np.int64] | None = None,
) -> tuple[Vectors, Vectors]:
    """Train the fusion and represent every region.

    Parameters
    ----------
    inputs : FusionInputs
        Of N regions.
    settings : FuseSettings
        Mode, alignment, sizes and steps.
    seed : int
        Of first weights and draws.
    scratch : Path
        Folder of the checkpoint that a killed run goes on from; of this call alone, since a
        checkpoint of other inputs would be taken for its own.
    fit_rows : int array, optional
        Rows of `region_ids` that components, scales and training see; the others are embedded
        afterwards (inductive). All of them if None (transductive, as in the paper). The encoders
        before the fusion, and which regions count as alike, are not fitted here.

    Returns
    -------
    fused : array of shape (N, embedding_size), float32
    embedding : array of shape (N, E), float32

    Raises
    ------
    InputError
        A modality has no region among those to fit to.
    """
    rows = np.arange(len(inputs.region_ids)) if fit_rows is None else np.unique(fit_rows)
    fitted = [inputs.region_ids[row] for row in rows]
    representation, _ = fit_representation(inputs, settings, seed, scratch, fitted)
    return representation.apply(inputs, set(fitted))


@dataclass(frozen=True)
class Representation:
    """All that is fitted between the vectors of the modalities and those of the regions.

    Attributes
    ----------
    settings : FuseSettings
        What it was fitted with.
    kinds : dict of list of int
        Of the tokens, by modality; see `kinds_of`.
    tokens : dict of dict of Reduction
        By modality and kind: what tokens are made by.
    parts : dict of Reduction
        Of the fused vector (`fused`), and of each part of the residual; none without a residual.
    fusion : Module
        Trained.
    """

    settings: FuseSettings
    kinds: Kinds
    tokens: dict[str, dict[str, Reduction]]
    parts: dict[str, Reduction]
    fusion: nn.Module

    def apply(self, inputs: FusionInputs, fitted: Container[str] = ()) -> tuple[Vectors, Vectors]:
        """Represent regions, whether they were fitted to or not.

        Parameters
        ----------
        inputs : FusionInputs
            Of N regions. A modality that is not among them is absent in all.
        fitted : container of str
            A region of these sees only neighbours that are of these, too; see `means_of_rings`.

        Returns
        -------
        fused : array of shape (N, embedding_size), float32
        embedding : array of shape (N, E), float32

        Raises
        ------
        InputError
            The inputs have a modality that was not fitted.
        """
        unknown = [name for name in inputs.modalities if name not in self.kinds]
        if unknown:
            raise InputError(
                f"{unknown[0]}: the model was fitted without it; leave it out (it knows "
                f"{', '.join(self.kinds)})"
            )
        fused = self.fuse(inputs)
        embedding = self.beside_residual(fused, inputs) if self.settings.residual else fused
        around = means_of_rings(
            embedding, inputs.region_ids, inputs.neighbours, self.settings.rings, fitted
        )
        return fused, np.concatenate([embedding, *around], axis=1)

    def fuse(self, inputs: FusionInputs) -> Vectors:
        """Fuse the tokens of N regions: an array of shape (N, embedding_size)."""
        scaled = reduce_views(self.tokens, inputs)
        tokens = lay_tokens(scaled, inputs.region_ids, self.settings.text_token)
        return fuse_regions(self.fusion, tokens)

    def beside_residual(self, fused: Vectors, inputs: FusionInputs) -> Vectors:
        """Set the fused vectors (N, D) beside the parts and the presence of each modality.

        Within a part the components keep their relative variance; its total is 1, so that no part
        weighs more for being wider.
        """
        region_ids = inputs.region_ids
        given = {"fused": Part(region_ids, fused), **inputs.parts}
        columns = []
        for name, reduction in self.parts.items():
            size = reduction.directions.shape[1]
            here, vectors = given.get(name, NOTHING)
            scaled = reduction.apply(vectors) / np.sqrt(size) if here else np.zeros((0, size))
            columns.append(fill(Part(here, scaled.astype(np.float32)), region_ids)[0])
        have = {name.split()[0]: part.region_ids for name, part in inputs.parts.items()}
        presence = [
            pd.Index(region_ids).isin(have.get(modality, []))
            for modality in modalities_of(name for name in self.parts if name != "fused")
        ]
        return np.concatenate([*columns, np.stack(presence, axis=1)], axis=1, dtype=np.float32)


def fit_representation(
    inputs: FusionInputs, settings: FuseSettings, seed: int, scratch: Path, fitted: list[str]
) -> tuple[Representation, pd.DataFrame]:
    """Fit components and scales to some regions, and train the fusion on them.

    Parameters
    ----------
    inputs, settings, seed, scratch
        See `represent`.
    fitted : list of str
        Of `region_ids`, those that everything is fitted to.

    Returns
    -------
    representation : Representation
    losses : DataFrame
        `step`, `loss`: a row per step of the training.

    Raises
    ------
    InputError
        A modality has no region among those to fit to.
    """
    for name, part in inputs.parts.items():
        if not set(fitted) & set(part.region_ids):
            raise InputError(f"{name}: none of the {len(fitted)} regions to fit to has a vector")
    reductions = {
        modality: {
            kind: fit_reduction(values, TOKEN_SIZE, pd.Index(region_ids).isin(fitted))
            for kind, values in kinds.items()
        }
        for modality, (region_ids, kinds) in views_of(inputs).items()
    }
    scaled = reduce_views(reductions, inputs)
    target = inputs.parts.get(TEXT, NO_TEXT)
    laid, known = fill(target, fitted)
    tokens = lay_tokens(scaled, fitted, settings.text_token)
    regions = Regions(
        tokens,
        torch.from_numpy(laid),
        torch.from_numpy(known),
        positive_rows(inputs.positives, fitted),
    )
    kinds = kinds_of(scaled, tokens)
    fusion, losses = train_fusion(regions, kinds, settings, seed, scratch)
    found = Representation(settings, kinds, reductions, {}, fusion)
    if not settings.residual:
        return found, losses
    given = {"fused": Part(inputs.region_ids, found.fuse(inputs)), **inputs.parts}
    parts = {
        name: fit_reduction(part.vectors, PART_SIZE, pd.Index(part.region_ids).isin(fitted))
        for name, part in given.items()
    }
    return replace(found, parts=parts), losses


def views_of(inputs: FusionInputs) -> dict[str, Views]:
    """Name what tokens are made of: the single views of each kind, and the text."""
    views = dict(inputs.views)
    if TEXT in inputs.parts:
        region_ids, vectors = inputs.parts[TEXT]
        views[TEXT] = Views(region_ids, {"embedding": vectors})
    return views


def reduce_views(
    reductions: dict[str, dict[str, Reduction]], inputs: FusionInputs
) -> dict[str, Views]:
    """Reduce the single views of each kind, and the text, to what tokens are made of."""
    views, scaled = views_of(inputs), {}
    for modality, of_kinds in reductions.items():
        if modality in views:
            region_ids, kinds = views[modality]
            reduced = {kind: one.apply(kinds[kind]) for kind, one in of_kinds.items()}
        else:
            region_ids = []
            reduced = {
                kind: np.zeros((0, one.directions.shape[1]), np.float32)
                for kind, one in of_kinds.items()
            }
        scaled[modality] = Views(region_ids, reduced)
    return scaled


def lay_tokens(scaled: dict[str, Views], region_ids: list[str], text_token: bool) -> Modalities:
    """Lay out the tokens of `region_ids`; the text is hidden in all where `text_token` is not."""
    tokens = {
        modality: Tokens(
            *lay_out(views.region_ids, np.concatenate(list(views.kinds.values()), 1), region_ids)
        )
        for modality, views in scaled.items()
    }
    if TEXT in tokens and not text_token:
        values, present = tokens[TEXT]
        tokens[TEXT] = Tokens(values, torch.zeros_like(present))
    return tokens


def kinds_of(scaled: dict[str, Views], tokens: Modalities) -> Kinds:
    """Tell which features a token is made of: each kind, or all where a region has several views.

    A chip becomes a token per kind; with as many tokens again for each viewpoint on the street,
    attention would see little else.
    """
    kinds = {}
    for modality, views in scaled.items():
        sizes = [values.shape[1] for values in views.kinds.values()]
        kinds[modality] = sizes if tokens[modality].values.shape[1] == 1 else [sum(sizes)]
    return kinds


def lay_out(
    regions: Iterable[str], values: Vectors, region_ids: list[str]
) -> tuple[Tensor, Tensor]:
    """Lay out views by region, as many columns as the region with the most views needs.

    Parameters
    ----------
    regions : iterable of M str
        Region of each view, sorted; views of others than `region_ids` are left out.
    values : array of shape (M, D)
    region_ids : list of N str

    Returns
    -------
    values : Tensor of shape (N, V, D)
    present : bool Tensor of shape (N, V)
        False where a region has fewer views.
    """
    row = pd.Index(region_ids).get_indexer(pd.Index(regions))
    values, row = values[row >= 0], row[row >= 0]
    column = pd.Series(row).groupby(row).cumcount().to_numpy()
    place = (len(region_ids), column.max(initial=0) + 1)
    laid, present = np.zeros((*place, values.shape[1]), np.float32), np.zeros(place, bool)
    laid[row, column], present[row, column] = values, True
    return torch.from_numpy(laid), torch.from_numpy(present)


def fill(part: Part, region_ids: list[str]) -> tuple[Vectors, NDArray[np.bool_]]:
    """Lay out vectors by region (N, D), 0 where a region has none, and say which have (N,)."""
    row = pd.Index(part.region_ids).get_indexer(pd.Index(region_ids))
    present = row >= 0
    laid = np.zeros((len(region_ids), part.vectors.shape[1]), np.float32)
    laid[present] = part.vectors[row[present]]
    return laid, present


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


def train_fusion(
    regions: Regions, kinds: Kinds, settings: FuseSettings, seed: int, scratch: Path
) -> tuple[nn.Module, pd.DataFrame]:
    """Train the fusion that `settings.mode` names on all of `regions`; its losses stand beside."""
    torch.manual_seed(seed)
    fusion = MODES[settings.mode](kinds, settings)
    alignments = Alignments(
        settings.embedding_size, regions.text.shape[-1], [name for name in kinds if name != TEXT]
    )
    losses = train(
        FusionTraining(fusion, alignments, settings),
        lambda step: draw_batch(regions, settings.batch, seed, step),
        settings.steps,
        seed,
        scratch,
        STEPS_PER_CHECKPOINT,
        "fusion",
    )
    return fusion, losses


def without_fused(embedding: Vectors, settings: FuseSettings) -> Vectors:
    """Drop the fused vector from `embedding` (N, E), of a region itself and of each ring around it.

    What is left is the residual of a transductive run, with what is around where `rings` is set.

    Raises
    ------
    InputError
        There is no residual: the fused vector is all there is.
    """
    if not settings.residual:
        raise InputError("fuse.residual is false: nothing is left without the fused vector")
    blocks = np.split(embedding, 1 + settings.rings, axis=1)
    fused = min(PART_SIZE, settings.embedding_size, len(embedding))
    return np.hstack([block[:, fused:] for block in blocks])


def without_rings(embedding: Vectors, settings: FuseSettings) -> Vectors:
    """Drop what is around from `embedding` (N, E): the fused vector and the residual are left."""
    return np.split(embedding, 1 + settings.rings, axis=1)[0]
