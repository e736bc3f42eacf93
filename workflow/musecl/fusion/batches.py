"""What a step of the training sees: regions drawn at random, disturbed, each beside one alike."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from musecl.fusion.inputs import TEXT
from musecl.fusion.models import Modalities, Tokens, rows_of

DRAWS = 7
NOISE = 0.1
SHOWN_VIEWPOINTS = 0.6
SHOWN_TEXTS = 0.5


class Regions(NamedTuple):
    """All N regions of a city.

    Attributes
    ----------
    tokens : dict of Tokens
        By modality, of N regions.
    text : Tensor of shape (N, E)
        What fused vectors are aligned to; not read where `text_known` is False.
    text_known : bool Tensor of shape (N,)
        Also True where `tokens` do not show the text.
    positives : int64 Tensor of shape (N, P)
        Rows of the regions with the most alike POIs; -1 fills up.
    """

    tokens: Modalities
    text: Tensor
    text_known: Tensor
    positives: Tensor


class Batch(NamedTuple):
    """One step's B regions, each beside one with alike POIs.

    Attributes
    ----------
    anchor, positive : dict of Tokens
        With noise, and with viewpoints and texts hidden at random. Where a region has no
        positive, `positive` holds the region itself.
    anchor_row, positive_row : int64 Tensor of shape (B,)
        Which regions they are; -1 for no positive.
    text : Tensor of shape (B, E)
        The anchors' texts.
    text_known : bool Tensor of shape (B,)
    """

    anchor: Modalities
    positive: Modalities
    anchor_row: Tensor
    positive_row: Tensor
    text: Tensor
    text_known: Tensor


def draw_batch(regions: Regions, size: int, seed: int, step: int) -> Batch:
    """Draw the regions of a step, without replacement, and a positive for each.

    Parameters
    ----------
    regions : Regions
        All N regions.
    size : int
        Regions to draw; all of them where there are fewer.
    seed, step : int
        Decide the draw.

    Returns
    -------
    Batch
    """
    generator = np.random.default_rng([seed, DRAWS, step])
    total = len(regions.positives)
    anchor = torch.from_numpy(generator.permutation(total)[:size])
    candidates = regions.positives[anchor]
    count = (candidates >= 0).sum(1)
    choice = torch.from_numpy(generator.integers(0, count.clamp(min=1).numpy()))
    positive = candidates.gather(1, choice.unsqueeze(1)).squeeze(1)
    return Batch(
        anchor=disturb(rows_of(regions.tokens, anchor), generator),
        positive=disturb(
            rows_of(regions.tokens, torch.where(positive >= 0, positive, anchor)), generator
        ),
        anchor_row=anchor,
        positive_row=positive,
        text=regions.text[anchor],
        text_known=regions.text_known[anchor],
    )


def disturb(modalities: Modalities, generator: np.random.Generator) -> Modalities:
    """Add noise, and hide viewpoints and texts, so that no single token suffices.

    Of a modality with several tokens a region keeps one at least. Half of the texts are hidden:
    only where the text is hidden does aligning the fused vector to it teach anything.
    """
    shown = {name: tokens.present for name, tokens in modalities.items()}
    for name, present in shown.items():
        if name != TEXT and present.shape[1] > 1:
            draws = torch.from_numpy(generator.random(present.shape))
            # The token with the smallest draw stays, whatever the draw.
            draws = draws.masked_fill(~present, 2.0)
            kept = (draws < SHOWN_VIEWPOINTS) | (draws == draws.amin(1, keepdim=True))
            shown[name] = present & kept
    if TEXT in shown:
        texts = torch.from_numpy(generator.random(len(shown[TEXT])) < SHOWN_TEXTS)
        shown[TEXT] = shown[TEXT] & texts.unsqueeze(1)

    def noisy(values: Tensor) -> Tensor:
        noise = generator.standard_normal(values.shape, dtype=np.float32)
        return values + NOISE * torch.from_numpy(noise)

    return {
        name: Tokens(tokens.values if name == TEXT else noisy(tokens.values), shown[name])
        for name, tokens in modalities.items()
    }


def positive_rows(pairs: pd.DataFrame, region_ids: list[str]) -> Tensor:
    """List the regions with the most alike POIs of each region, by row; -1 fills up.

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
