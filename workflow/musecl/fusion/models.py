"""How the two views and the text of a region become one vector: a module per `fuse.mode`.

A region is a few tokens: its remote view, its viewpoints on the street, its text. What a modality
holds where it is absent cannot change anything. Every mode projects the tokens in the same way and
makes of them what `forward` of any mode returns; `MODES` chooses by name.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from musecl.fusion.settings import FuseSettings

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


class Sizes(NamedTuple):
    """Features that the tokens of `Tokens` have.

    Attributes
    ----------
    remote_kinds : list of int
        How many of a chip's features are of each kind; a token is made of each.
    street, text : int
        Features of a viewpoint and of the text.
    """

    remote_kinds: list[int]
    street: int
    text: int


class Projection(nn.Module):
    """Each modality's tokens, brought to one size by a linear layer of its own."""

    def __init__(self, sizes: Sizes, embedding_size: int) -> None:
        super().__init__()
        self.remote_kinds = sizes.remote_kinds
        self.remote = nn.ModuleList(nn.Linear(kind, embedding_size) for kind in sizes.remote_kinds)
        self.street = nn.Linear(sizes.street, embedding_size)
        self.text = nn.Linear(sizes.text, embedding_size)

    def forward(self, tokens: Tokens) -> Tokens:
        """Project the tokens of B regions; a chip becomes as many tokens as it has kinds."""
        kinds = torch.split(_hidden(tokens.remote, tokens.remote_present), self.remote_kinds, dim=2)
        projected = [project(kind) for project, kind in zip(self.remote, kinds, strict=True)]
        return Tokens(
            torch.cat(projected, 1),
            tokens.remote_present.repeat(1, len(kinds)),
            self.street(_hidden(tokens.street, tokens.street_present)),
            tokens.street_present,
            self.text(_hidden(tokens.text, tokens.text_present)),
            tokens.text_present,
        )


class CrossAttention(nn.Module):
    """Two-way cross-attention between the views, both of which also look at the text.

    Parameters
    ----------
    sizes : Sizes
        Of the tokens.
    settings : FuseSettings
        Size of the fused vector and of every token inside; attention heads.
    """

    def __init__(self, sizes: Sizes, settings: FuseSettings) -> None:
        super().__init__()
        size = settings.embedding_size
        self.project = Projection(sizes, size)
        self.remote_looks = Attention(size, settings.heads)
        self.street_looks = Attention(size, settings.heads)
        self.text_looks = Attention(size, settings.heads)
        # Stands where a modality is absent; learned, so that absence is no point among the data.
        self.absent = nn.Parameter(torch.zeros(3, size))
        self.combine = nn.Sequential(
            nn.Linear(3 * size, 2 * size), nn.GELU(), nn.Dropout(DROPOUT), nn.Linear(2 * size, size)
        )

    def forward(self, tokens: Tokens) -> Fused:
        """Fuse the tokens of B regions."""
        projected = self.project(tokens)
        remote, remote_present, street, street_present, *_ = projected
        text, text_present = projected.text.unsqueeze(1), projected.text_present.unsqueeze(1)
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
        vectors, _ = by_modality(projected)
        return Fused(self.combine(torch.cat(parts, 1)), vectors[:, 0], vectors[:, 1])


class ScalarAttention(nn.Module):
    """One weight per modality, as in MuseCL's published code.

    u = tanh(W e + b) of each modality's vector e, score u.v, softmax over the modalities that are
    present, weighted sum of the vectors. The published code has the two views alone
    (`fuse.text_token: false`), and vectors that are frozen where ours are projected.

    Parameters
    ----------
    sizes : Sizes
        Of the tokens.
    settings : FuseSettings
        Size of the fused vector.
    """

    def __init__(self, sizes: Sizes, settings: FuseSettings) -> None:
        super().__init__()
        self.project = Projection(sizes, settings.embedding_size)
        self.transform = nn.Linear(settings.embedding_size, settings.embedding_size)
        self.context = nn.Linear(settings.embedding_size, 1, bias=False)

    def forward(self, tokens: Tokens) -> Fused:
        """Fuse the tokens of B regions; zero where a region has none."""
        vectors, present = by_modality(self.project(tokens))
        scores = self.context(torch.tanh(self.transform(vectors))).squeeze(2)
        # Not -inf: of a region that has nothing, a softmax over nothing is NaN.
        weights = scores.masked_fill(~present, torch.finfo(scores.dtype).min).softmax(1)
        return Fused((weights.unsqueeze(2) * vectors).sum(1), vectors[:, 0], vectors[:, 1])


class Add(nn.Module):
    """The sum of the modalities' vectors (the baseline Add-svrv of MuseCL, where views alone are).

    Parameters
    ----------
    sizes : Sizes
        Of the tokens.
    settings : FuseSettings
        Size of the fused vector.
    """

    def __init__(self, sizes: Sizes, settings: FuseSettings) -> None:
        super().__init__()
        self.project = Projection(sizes, settings.embedding_size)

    def forward(self, tokens: Tokens) -> Fused:
        """Fuse the tokens of B regions; zero where a region has none."""
        vectors, _ = by_modality(self.project(tokens))
        return Fused(vectors.sum(1), vectors[:, 0], vectors[:, 1])


class Concat(nn.Module):
    """A linear layer over the modalities' vectors side by side.

    Parameters
    ----------
    sizes : Sizes
        Of the tokens.
    settings : FuseSettings
        Size of the fused vector.
    """

    def __init__(self, sizes: Sizes, settings: FuseSettings) -> None:
        super().__init__()
        self.project = Projection(sizes, settings.embedding_size)
        self.absent = nn.Parameter(torch.zeros(3, settings.embedding_size))
        self.combine = nn.Linear(3 * settings.embedding_size, settings.embedding_size)

    def forward(self, tokens: Tokens) -> Fused:
        """Fuse the tokens of B regions."""
        vectors, present = by_modality(self.project(tokens))
        filled = torch.where(present.unsqueeze(2), vectors, self.absent)
        return Fused(self.combine(filled.flatten(1)), vectors[:, 0], vectors[:, 1])


MODES: dict[str, type[CrossAttention | ScalarAttention | Add | Concat]] = {
    "cross_attention": CrossAttention,
    "scalar_attention": ScalarAttention,
    "add": Add,
    "concat": Concat,
}


class Alignments(nn.Module):
    """What brings vectors that are aligned to each other into one space; dropped after training.

    Parameters
    ----------
    embedding_size : int
        Of the fused vector.
    target_size : int
        Of the text vectors that the fused ones are aligned to.
    """

    def __init__(self, embedding_size: int, target_size: int) -> None:
        super().__init__()
        self.fused = nn.Linear(embedding_size, embedding_size)
        self.text = nn.Linear(target_size, embedding_size)
        self.remote = nn.Linear(embedding_size, embedding_size)
        self.street = nn.Linear(embedding_size, embedding_size)
        self.regress_text = nn.Linear(embedding_size, target_size)


def by_modality(projected: Tokens) -> tuple[Tensor, Tensor]:
    """Average the projected tokens of each modality.

    Parameters
    ----------
    projected : Tokens
        As `Projection` makes them, of B regions.

    Returns
    -------
    vectors : Tensor of shape (B, 3, D)
        Remote view, street view, text; zero where absent.
    present : bool Tensor of shape (B, 3)
    """
    remote, remote_present, street, street_present, text, text_present = projected
    nothing = torch.zeros_like(text[0])
    means = [
        mean_of_present(remote, remote_present, nothing),
        mean_of_present(street, street_present, nothing),
        mean_of_present(text.unsqueeze(1), text_present.unsqueeze(1), nothing),
    ]
    present = [remote_present.any(1), street_present.any(1), text_present]
    return torch.stack(means, 1), torch.stack(present, 1)


def mean_of_present(tokens: Tensor, present: Tensor, absent: Tensor) -> Tensor:
    """Average the tokens (B, N, D) that are `present` (B, N); `absent` (D,) where none is."""
    weight = present.unsqueeze(-1).to(tokens.dtype)
    mean = (tokens * weight).sum(1) / weight.sum(1).clamp(min=1)
    return torch.where(present.any(1, keepdim=True), mean, absent)


def _hidden(values: Tensor, present: Tensor) -> Tensor:
    # Attention weighs a hidden token 0, and 0 times NaN is NaN: so nothing of it goes in at all.
    return values.masked_fill(~present.unsqueeze(-1), 0.0)
