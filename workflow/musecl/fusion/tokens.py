"""What the fusion attends to: views and texts, reduced and laid out as tokens by region.

A token is a chip, a viewpoint or a text. Its features are reduced by components that are fitted
once and applied to any region.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from musecl.fusion.inputs import TEXT, FusionInputs, ImageVectors, Vectors
from musecl.fusion.models import Kinds, Modalities, Tokens
from musecl.fusion.reduction import Reduction, fit_reduction

TOKEN_SIZE = 64


def fit_tokens(inputs: FusionInputs, fitted: list[str]) -> dict[str, dict[str, Reduction]]:
    """Find, by modality and kind, what reduces single views and texts; fitted to some regions."""
    return {
        modality: {
            kind: fit_reduction(values, TOKEN_SIZE, pd.Index(region_ids).isin(fitted))
            for kind, values in kinds.items()
        }
        for modality, (region_ids, kinds) in views_of(inputs).items()
    }


def views_of(inputs: FusionInputs) -> dict[str, ImageVectors]:
    """Name what tokens are made of: the single views of each kind, and the text."""
    views = dict(inputs.views)
    if TEXT in inputs.parts:
        region_ids, vectors = inputs.parts[TEXT]
        views[TEXT] = ImageVectors(region_ids, {"embedding": vectors})
    return views


def reduce_views(
    reductions: dict[str, dict[str, Reduction]], inputs: FusionInputs
) -> dict[str, ImageVectors]:
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
        scaled[modality] = ImageVectors(region_ids, reduced)
    return scaled


def lay_tokens(
    scaled: dict[str, ImageVectors], region_ids: list[str], text_as_input: bool
) -> Modalities:
    """Lay out tokens of `region_ids`; the text is hidden in all where `text_as_input` is not."""
    tokens = {
        modality: Tokens(
            *lay_out(views.region_ids, np.concatenate(list(views.kinds.values()), 1), region_ids)
        )
        for modality, views in scaled.items()
    }
    if TEXT in tokens and not text_as_input:
        values, present = tokens[TEXT]
        tokens[TEXT] = Tokens(values, torch.zeros_like(present))
    return tokens


def kinds_of(scaled: dict[str, ImageVectors], tokens: Modalities) -> Kinds:
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
