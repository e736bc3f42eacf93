"""Cross-modality attention over the two views and the text (MuseCL, the attentional fusion).

A region is a few tokens: its remote view, its viewpoints on the street, its text. Each modality
attends to the others; what a modality holds where it is absent cannot change anything.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

DROPOUT = 0.1


class Tokens(NamedTuple):
    """What B regions bring into the fusion.

    Attributes
    ----------
    remote : Tensor of shape (B, C, R)
        C chips from above; the features of each kind side by side.
    remote_present : bool Tensor of shape (B, C)
    street : Tensor of shape (B, V, S)
        V viewpoints on the street, in any order; the features of each kind side by side.
    street_present : bool Tensor of shape (B, V)
    text : Tensor of shape (B, T)
    text_present : bool Tensor of shape (B,)
    """

    remote: Tensor
    remote_present: Tensor
    street: Tensor
    street_present: Tensor
    text: Tensor
    text_present: Tensor

    def rows(self, index: Tensor) -> "Tokens":
        """Take regions by row."""
        return Tokens(*(part[index] for part in self))


class Fused(NamedTuple):
    """What the fusion makes of B regions, each Tensor of shape (B, D).

    Attributes
    ----------
    fused : Tensor
        The region's vector.
    remote, street : Tensor
        Each view before it has seen the other: the mean of its projected tokens, zero where the
        view is absent.
    """

    fused: Tensor
    remote: Tensor
    street: Tensor


class Attention(nn.Module):
    """Tokens of one modality look at those of the others: attention, residual, normalisation."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        # The learned key that `add_bias_kv` adds is never masked: a region whose other modalities
        # are all absent has something to look at, where a softmax over nothing is NaN.
        self.attend = nn.MultiheadAttention(
            size, heads, dropout=DROPOUT, add_bias_kv=True, batch_first=True
        )
        self.normalise = nn.LayerNorm(size)

    def forward(self, query: Tensor, others: Tensor, present: Tensor) -> Tensor:
        """Look from `query` (B, Q, D) at `others` (B, K, D) where `present` (B, K): (B, Q, D)."""
        seen, _ = self.attend(query, others, others, key_padding_mask=~present, need_weights=False)
        normalised: Tensor = self.normalise(query + seen)
        return normalised


class Fusion(nn.Module):
    """Two-way cross-attention between the views, both of which also look at the text.

    Parameters
    ----------
    remote_kinds : sequence of int
        How many of a chip's features are of each kind; a token is made of each.
    street_size, text_size : int
        Features of a viewpoint and of the text.
    target_size : int
        Of the text vectors that the fused ones are aligned to.
    embedding_size : int
        Of the fused vector, and of every token inside.
    heads : int
        Attention heads.
    """

    def __init__(
        self,
        remote_kinds: Sequence[int],
        street_size: int,
        text_size: int,
        target_size: int,
        embedding_size: int,
        heads: int,
    ) -> None:
        super().__init__()
        self.remote_kinds = list(remote_kinds)
        self.project_remote = nn.ModuleList(
            nn.Linear(size, embedding_size) for size in remote_kinds
        )
        self.project_street = nn.Linear(street_size, embedding_size)
        self.project_text = nn.Linear(text_size, embedding_size)
        self.remote_looks = Attention(embedding_size, heads)
        self.street_looks = Attention(embedding_size, heads)
        self.text_looks = Attention(embedding_size, heads)
        # Stands where a modality is absent; learned, so that absence is no point among the data.
        self.absent = nn.Parameter(torch.zeros(3, embedding_size))
        self.combine = nn.Sequential(
            nn.Linear(3 * embedding_size, 2 * embedding_size),
            nn.GELU(),
            nn.Dropout(DROPOUT),
            nn.Linear(2 * embedding_size, embedding_size),
        )
        self.align_fused = nn.Linear(embedding_size, embedding_size)
        self.align_text = nn.Linear(target_size, embedding_size)
        self.align_remote = nn.Linear(embedding_size, embedding_size)
        self.align_street = nn.Linear(embedding_size, embedding_size)
        self.regress_text = nn.Linear(embedding_size, target_size)

    def forward(self, tokens: Tokens) -> Fused:
        """Fuse the tokens of B regions."""
        remote, remote_present = self._remote(tokens)
        street = self.project_street(_hidden(tokens.street, tokens.street_present))
        text = self.project_text(_hidden(tokens.text, tokens.text_present)).unsqueeze(1)
        street_present, text_present = tokens.street_present, tokens.text_present.unsqueeze(1)

        remote_seen = self.remote_looks(
            remote, torch.cat([street, text], 1), torch.cat([street_present, text_present], 1)
        )
        street_seen = self.street_looks(
            street, torch.cat([remote, text], 1), torch.cat([remote_present, text_present], 1)
        )
        text_seen = self.text_looks(
            text, torch.cat([remote, street], 1), torch.cat([remote_present, street_present], 1)
        )
        parts = [
            mean_of_present(remote_seen, remote_present, self.absent[0]),
            mean_of_present(street_seen, street_present, self.absent[1]),
            mean_of_present(text_seen, text_present, self.absent[2]),
        ]
        nothing = torch.zeros_like(self.absent[0])
        return Fused(
            self.combine(torch.cat(parts, 1)),
            mean_of_present(remote, remote_present, nothing),
            mean_of_present(street, street_present, nothing),
        )

    def _remote(self, tokens: Tokens) -> tuple[Tensor, Tensor]:
        kinds = torch.split(_hidden(tokens.remote, tokens.remote_present), self.remote_kinds, dim=2)
        projected = [
            project(kind) for project, kind in zip(self.project_remote, kinds, strict=True)
        ]
        return torch.cat(projected, 1), tokens.remote_present.repeat(1, len(kinds))


def mean_of_present(tokens: Tensor, present: Tensor, absent: Tensor) -> Tensor:
    """Average the tokens (B, N, D) that are `present` (B, N); `absent` (D,) where none is."""
    weight = present.unsqueeze(-1).to(tokens.dtype)
    mean = (tokens * weight).sum(1) / weight.sum(1).clamp(min=1)
    return torch.where(present.any(1, keepdim=True), mean, absent)


def _hidden(values: Tensor, present: Tensor) -> Tensor:
    # Attention weighs a hidden token 0, and 0 times NaN is NaN: so nothing of it goes in at all.
    return values.masked_fill(~present.unsqueeze(-1), 0.0)
