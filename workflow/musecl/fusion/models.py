"""How the modalities of a region become one vector: a module per `fuse.mode`.

A region is a few tokens of each modality: its satellite view, its street viewpoints, its text,
and whatever else is given. What a modality holds where it is absent cannot change anything. Every
mode projects the tokens in the same way and makes of them what `forward` of any mode returns;
`MODES` chooses by name.
"""

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn

from musecl.fusion.settings import FuseSettings

DROPOUT = 0.1


class Tokens(NamedTuple):
    """What B regions bring into the fusion from one modality.

    Attributes
    ----------
    values : Tensor of shape (B, n, D)
        n tokens in any order; the features of each kind side by side.
    present : bool Tensor of shape (B, n)
        False where a region has fewer.
    """

    values: Tensor
    present: Tensor


# By modality, in an order that the first weights are drawn in.
Modalities: TypeAlias = dict[str, Tokens]
# By modality, how many of a token's features are of each kind; a token is made of each.
Kinds: TypeAlias = dict[str, list[int]]


def rows_of(modalities: Modalities, index: Tensor) -> Modalities:
    """Take regions by row."""
    return {
        name: Tokens(tokens.values[index], tokens.present[index])
        for name, tokens in modalities.items()
    }


class Fused(NamedTuple):
    """What the fusion makes of B regions.

    Attributes
    ----------
    fused : Tensor of shape (B, D)
        The region's vector.
    alone : dict of Tensors of shape (B, D)
        Each modality before it has seen the others: the mean of its projected tokens, zero where
        it is absent.
    """

    fused: Tensor
    alone: dict[str, Tensor]


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


class Projection(nn.Module):
    """Each modality's tokens, brought to one size by a linear layer per kind of feature."""

    def __init__(self, kinds: Kinds, embedding_size: int) -> None:
        super().__init__()
        self.kinds = kinds
        self.linear = nn.ModuleDict(
            {
                name: nn.ModuleList(nn.Linear(size, embedding_size) for size in sizes)
                for name, sizes in kinds.items()
            }
        )

    def forward(self, modalities: Modalities) -> Modalities:
        """Project the tokens of B regions; one becomes as many as it has kinds."""
        return {name: self._project(name, modalities[name]) for name in self.kinds}

    def _project(self, name: str, tokens: Tokens) -> Tokens:
        kinds = torch.split(_hidden(tokens.values, tokens.present), self.kinds[name], dim=2)
        layers = cast(nn.ModuleList, self.linear[name])
        projected = [layer(kind) for layer, kind in zip(layers, kinds, strict=True)]
        return Tokens(torch.cat(projected, 1), tokens.present.repeat(1, len(kinds)))


class CrossAttention(nn.Module):
    """Each modality looks at the tokens of all others.

    Parameters
    ----------
    kinds : dict of list of int
        Of the tokens, by modality.
    settings : FuseSettings
        Size of the fused vector and of every token inside; attention heads.
    """

    def __init__(self, kinds: Kinds, settings: FuseSettings) -> None:
        super().__init__()
        size, count = settings.embedding_size, len(kinds)
        self.project = Projection(kinds, size)
        self.looks = nn.ModuleDict({name: Attention(size, settings.heads) for name in kinds})
        # Stands where a modality is absent; learned, so that absence is no point among the data.
        self.absent = nn.Parameter(torch.zeros(count, size))
        self.combine = nn.Sequential(
            nn.Linear(count * size, 2 * size),
            nn.GELU(),
            nn.Dropout(DROPOUT),
            nn.Linear(2 * size, size),
        )

    def forward(self, modalities: Modalities) -> Fused:
        """Fuse the tokens of B regions."""
        projected = self.project(modalities)
        parts = []
        for place, (name, tokens) in enumerate(projected.items()):
            others = [other for kind, other in projected.items() if kind != name]
            nothing = Tokens(tokens.values[:, :0], tokens.present[:, :0])
            values, present = (
                torch.cat(part, 1) for part in zip(*(others or [nothing]), strict=True)
            )
            seen = self.looks[name](tokens.values, values, present)
            parts.append(mean_of_present(seen, tokens.present, self.absent[place]))
        vectors, _ = by_modality(projected)
        return Fused(self.combine(torch.cat(parts, 1)), named(vectors, projected))


class ScalarAttention(nn.Module):
    """One weight per modality, as in MuseCL's published code.

    u = tanh(W e + b) of each modality's vector e, score u.v, softmax over the modalities that are
    present, weighted sum of the vectors. The published code has the two views alone
    (`fuse.text_as_input: false`), and vectors that are frozen where ours are projected.

    Parameters
    ----------
    kinds : dict of list of int
        Of the tokens, by modality.
    settings : FuseSettings
        Size of the fused vector.
    """

    def __init__(self, kinds: Kinds, settings: FuseSettings) -> None:
        super().__init__()
        self.project = Projection(kinds, settings.embedding_size)
        self.transform = nn.Linear(settings.embedding_size, settings.embedding_size)
        self.context = nn.Linear(settings.embedding_size, 1, bias=False)

    def forward(self, modalities: Modalities) -> Fused:
        """Fuse the tokens of B regions; zero where a region has none."""
        vectors, present = by_modality(self.project(modalities))
        scores = self.context(torch.tanh(self.transform(vectors))).squeeze(2)
        # Not -inf: of a region that has nothing, a softmax over nothing is NaN.
        weights = scores.masked_fill(~present, torch.finfo(scores.dtype).min).softmax(1)
        return Fused((weights.unsqueeze(2) * vectors).sum(1), named(vectors, modalities))


class Add(nn.Module):
    """The sum of the modalities' vectors (the baseline Add-svrv of MuseCL, where views alone are).

    Parameters
    ----------
    kinds : dict of list of int
        Of the tokens, by modality.
    settings : FuseSettings
        Size of the fused vector.
    """

    def __init__(self, kinds: Kinds, settings: FuseSettings) -> None:
        super().__init__()
        self.project = Projection(kinds, settings.embedding_size)

    def forward(self, modalities: Modalities) -> Fused:
        """Fuse the tokens of B regions; zero where a region has none."""
        vectors, _ = by_modality(self.project(modalities))
        return Fused(vectors.sum(1), named(vectors, modalities))


class Concat(nn.Module):
    """A linear layer over the modalities' vectors side by side.

    Parameters
    ----------
    kinds : dict of list of int
        Of the tokens, by modality.
    settings : FuseSettings
        Size of the fused vector.
    """

    def __init__(self, kinds: Kinds, settings: FuseSettings) -> None:
        super().__init__()
        self.project = Projection(kinds, settings.embedding_size)
        size, count = settings.embedding_size, len(kinds)
        self.absent = nn.Parameter(torch.zeros(count, size))
        self.combine = nn.Linear(count * size, size)

    def forward(self, modalities: Modalities) -> Fused:
        """Fuse the tokens of B regions."""
        vectors, present = by_modality(self.project(modalities))
        filled = torch.where(present.unsqueeze(2), vectors, self.absent)
        return Fused(self.combine(filled.flatten(1)), named(vectors, modalities))


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
    modalities : iterable of str
        Those that are aligned to each other: all but the text.
    """

    def __init__(self, embedding_size: int, target_size: int, modalities: Iterable[str]) -> None:
        super().__init__()
        self.fused = nn.Linear(embedding_size, embedding_size)
        self.text = nn.Linear(target_size, embedding_size)
        self.alone = nn.ModuleDict(
            {name: nn.Linear(embedding_size, embedding_size) for name in modalities}
        )
        self.regress_text = nn.Linear(embedding_size, target_size)


def by_modality(projected: Modalities) -> tuple[Tensor, Tensor]:
    """Average the projected tokens of each of M modalities.

    Parameters
    ----------
    projected : dict of Tokens
        As `Projection` makes them, of B regions.

    Returns
    -------
    vectors : Tensor of shape (B, M, D)
        Zero where absent.
    present : bool Tensor of shape (B, M)
    """
    means = [
        mean_of_present(values, present, torch.zeros_like(values[0, 0]))
        for values, present in projected.values()
    ]
    here = [tokens.present.any(1) for tokens in projected.values()]
    return torch.stack(means, 1), torch.stack(here, 1)


def named(vectors: Tensor, modalities: Iterable[str]) -> dict[str, Tensor]:
    """Name the vectors (B, M, D) of M modalities."""
    return dict(zip(modalities, vectors.unbind(1), strict=True))


def mean_of_present(tokens: Tensor, present: Tensor, absent: Tensor) -> Tensor:
    """Average the tokens (B, N, D) that are `present` (B, N); `absent` (D,) where none is."""
    weight = present.unsqueeze(-1).to(tokens.dtype)
    mean = (tokens * weight).sum(1) / weight.sum(1).clamp(min=1)
    return torch.where(present.any(1, keepdim=True), mean, absent)


def _hidden(values: Tensor, present: Tensor) -> Tensor:
    # Attention weighs a hidden token 0, and 0 times NaN is NaN: so nothing of it goes in at all.
    return values.masked_fill(~present.unsqueeze(-1), 0.0)
