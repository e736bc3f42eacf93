"""Vectors of a city's modalities to one representation per region: the fusion as a library.

`represent` does all of it; `fit_representation` fits it to some regions, and the `Representation`
that comes out is applied to any. `fusion.columns` says what the vectors hold.
"""

from collections.abc import Container
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from musecl.fusion.batches import Regions, positive_rows
from musecl.fusion.columns import beside_residual, fit_parts
from musecl.fusion.inputs import TEXT, FusionInputs, RegionVectors, Vectors, fill
from musecl.fusion.models import Kinds
from musecl.fusion.reduction import Reduction
from musecl.fusion.settings import FuseSettings
from musecl.fusion.tokens import fit_tokens, kinds_of, lay_tokens, reduce_views
from musecl.fusion.training import fuse_regions, train_fusion
from musecl.geography.k_rings import means_of_k_rings
from musecl.runtime.errors import InputError

#: What a city without texts has to align to: one feature that no region holds.
NO_TEXT = RegionVectors([], np.zeros((0, 1), np.float32))


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
            A region of these sees only neighbours that are of these, too; see `means_of_k_rings`.

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
        embedding = beside_residual(fused, inputs, self.parts) if self.settings.residual else fused
        around = means_of_k_rings(
            embedding, inputs.region_ids, inputs.neighbours, self.settings.k_rings, fitted
        )
        return fused, np.concatenate([embedding, *around], axis=1)

    def fuse(self, inputs: FusionInputs) -> Vectors:
        """Fuse the tokens of N regions: an array of shape (N, embedding_size)."""
        scaled = reduce_views(self.tokens, inputs)
        tokens = lay_tokens(scaled, inputs.region_ids, self.settings.text_as_input)
        return fuse_regions(self.fusion, tokens)


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
    reductions = fit_tokens(inputs, fitted)
    scaled = reduce_views(reductions, inputs)
    target = inputs.parts.get(TEXT, NO_TEXT)
    laid, known = fill(target, fitted)
    tokens = lay_tokens(scaled, fitted, settings.text_as_input)
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
    return replace(found, parts=fit_parts(found.fuse(inputs), inputs, fitted)), losses
