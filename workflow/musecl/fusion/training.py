"""Training of the fusion: what a step draws, and what its vectors are aligned to.

Follows MuseCL's Algorithm 1, step 3 (Yong and Zhou, IJCAI 2024): the fused vector of a region is
aligned to its text by a contrastive loss. Two further terms keep what the text does not tell: the
views of a region are aligned to each other, and regions with alike places.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from musecl.fusion.models import Alignments, Fused, Modalities, Tokens, rows_of
from musecl.fusion.settings import FuseSettings
from musecl.learning.losses import false_negatives, infonce

TEXT = "text"
DRAWS = 7
NOISE = 0.1
SHOWN_VIEWPOINTS = 0.6
SHOWN_TEXTS = 0.5
SAME_TEXT = 0.95
WEIGHT_DECAY = 0.01


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
        Rows of the regions with the most alike places; -1 fills up.
    """

    tokens: Modalities
    text: Tensor
    text_known: Tensor
    positives: Tensor


class Batch(NamedTuple):
    """One step's B regions, each beside one with alike places.

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


class FusionTraining(nn.Module):
    """The fusion and its losses, as `learning.training.train` takes them.

    Parameters
    ----------
    fusion : module
        One of `fusion.models.MODES`, trained in place.
    alignments : Alignments
        Trained in place, too.
    settings : FuseSettings
        Weights of the terms, temperature and learning rate.
    """

    def __init__(self, fusion: nn.Module, alignments: Alignments, settings: FuseSettings) -> None:
        super().__init__()
        self.fusion = fusion
        self.align = alignments
        self.settings = settings

    def loss(self, batch: Batch) -> Tensor:
        """Add up the terms; a region that lacks what a term compares is left out of that term."""
        anchor = self.fusion(batch.anchor)
        return (
            self.settings.text_weight * self.text_term(batch, anchor)
            + self.settings.views_weight * self.views_term(batch, anchor)
            + self.settings.places_weight * self.places_term(batch, anchor)
        )

    def text_term(self, batch: Batch, anchor: Fused) -> Tensor:
        """Align fused vectors to texts that they have not seen; alike texts are no negatives."""
        rows = batch.text_known
        if TEXT in batch.anchor:
            rows = rows & ~batch.anchor[TEXT].present.any(1)
        fused, text = anchor.fused[rows], batch.text[rows]
        if self.settings.alignment == "mse":
            error: Tensor = (self.align.regress_text(fused) - text).square().sum()
            return error / max(len(text), 1)
        unit = functional.normalize(text, dim=1)
        return self._contrast(
            self.align.fused(fused), self.align.text(text), unit @ unit.T > SAME_TEXT
        )

    def views_term(self, batch: Batch, anchor: Fused) -> Tensor:
        """Align the views of a region to each other: the mean over pairs of modalities.

        The text is none of them.
        """
        pairs = list(combinations(self.align.alone, 2))
        terms = [anchor.fused.new_zeros(())]
        for one, other in pairs:
            rows = batch.anchor[one].present.any(1) & batch.anchor[other].present.any(1)
            first = self.align.alone[one](anchor.alone[one][rows])
            second = self.align.alone[other](anchor.alone[other][rows])
            terms.append(self._contrast(first, second, None))
        return torch.stack(terms).sum() / max(len(pairs), 1)

    def places_term(self, batch: Batch, anchor: Fused) -> Tensor:
        """Align the fused vectors of regions that have alike places."""
        rows = batch.positive_row >= 0
        if not rows.any():
            return anchor.fused.new_zeros(())
        positive = self.fusion(rows_of(batch.positive, rows)).fused
        return self._contrast(
            self.align.fused(anchor.fused[rows]),
            self.align.fused(positive),
            false_negatives(batch.anchor_row[rows], batch.positive_row[rows]),
        )

    def _contrast(self, anchors: Tensor, positives: Tensor, same: Tensor | None) -> Tensor:
        if len(anchors) == 0:
            return anchors.sum()
        return infonce(anchors, positives, self.settings.temperature, same)

    def optimizer(self) -> torch.optim.Optimizer:
        """AdamW over everything."""
        return torch.optim.AdamW(
            self.parameters(), lr=self.settings.learning_rate, weight_decay=WEIGHT_DECAY
        )


@torch.inference_mode()
def fuse_regions(fusion: nn.Module, modalities: Modalities) -> NDArray[np.float32]:
    """Fuse N regions, undisturbed and with every text shown: an array of shape (N, D)."""
    fused: NDArray[np.float32] = fusion.eval()(modalities).fused.numpy()
    return fused
