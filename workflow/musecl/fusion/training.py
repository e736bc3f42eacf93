"""Training of the fusion: what its vectors are aligned to.

Follows MuseCL's Algorithm 1, step 3 (Yong and Zhou, IJCAI 2024): the fused vector of a region is
aligned to its text by a contrastive loss. Two further terms keep what the text does not tell: the
views of a region are aligned to each other, and regions with alike POIs.
"""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from musecl.fusion.batches import Batch, Regions, draw_batch
from musecl.fusion.inputs import TEXT
from musecl.fusion.models import MODES, Alignments, Fused, Kinds, Modalities, rows_of
from musecl.fusion.settings import FuseSettings
from musecl.training.loop import train
from musecl.training.losses import false_negatives, infonce

SAME_TEXT = 0.95
WEIGHT_DECAY = 0.01
STEPS_PER_CHECKPOINT = 100


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
            + self.settings.pois_weight * self.pois_term(batch, anchor)
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

    def pois_term(self, batch: Batch, anchor: Fused) -> Tensor:
        """Align the fused vectors of regions that have alike POIs."""
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


@torch.inference_mode()
def fuse_regions(fusion: nn.Module, modalities: Modalities) -> NDArray[np.float32]:
    """Fuse N regions, undisturbed and with every text shown: an array of shape (N, D)."""
    fused: NDArray[np.float32] = fusion.eval()(modalities).fused.numpy()
    return fused
