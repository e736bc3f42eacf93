"""Contrastive losses: InfoNCE with false negatives masked, and the triplet loss of the paper."""

import torch
from torch import Tensor
from torch.nn import functional


def infonce(
    anchors: Tensor, positives: Tensor, temperature: float, same: Tensor | None = None
) -> Tensor:
    """Compute the symmetric InfoNCE loss of a batch of pairs.

    Row i of both tensors is a pair; the other rows are its negatives, in both directions (van den
    Oord et al. 2018; symmetric as in CLIP, Radford et al. 2021). This is the contrastive loss of
    MuseCL's fusion, whose matching pairs are the diagonal of an N x N matrix.

    Parameters
    ----------
    anchors, positives : Tensor of shape (N, D)
        Embeddings; they are L2-normalised here, so their length never counts.
    temperature : float
        Divides the cosine similarities.
    same : Tensor of bool, shape (N, N), optional
        True at (i, j) where positive j must not count as a negative of anchor i; see
        `false_negatives`. The diagonal is not read.

    Returns
    -------
    Tensor
        A scalar, the mean over pairs and directions.
    """
    similarity = functional.normalize(anchors, dim=1) @ functional.normalize(positives, dim=1).T
    logits = similarity / temperature
    pairs = torch.arange(len(anchors), device=logits.device)
    if same is not None:
        own = torch.eye(len(anchors), dtype=torch.bool, device=logits.device)
        logits = logits.masked_fill(same & ~own, -torch.inf)
    forward = functional.cross_entropy(logits, pairs)
    backward = functional.cross_entropy(logits.T, pairs)
    return (forward + backward) / 2


def false_negatives(anchor_regions: Tensor, positive_regions: Tensor) -> Tensor:
    """Mark the pairs of a batch that are alike although they stand in different rows.

    Parameters
    ----------
    anchor_regions, positive_regions : Tensor of int, shape (N,)
        A number per region; row i is a pair.

    Returns
    -------
    Tensor of bool, shape (N, N)
        True at (i, j) where rows i and j share their anchor or their positive, or one's anchor is
        the other's positive; the mask is symmetric, and so are the two directions of `infonce`.
    """
    shared_anchor = anchor_regions[:, None] == anchor_regions[None]
    shared_positive = positive_regions[:, None] == positive_regions[None]
    crossed = anchor_regions[:, None] == positive_regions[None]
    return shared_anchor | shared_positive | crossed | crossed.T


def triplet(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """Compute the triplet loss of MuseCL, on Euclidean distance (Algorithm 1; margin 5).

    Parameters
    ----------
    anchor, positive, negative : Tensor of shape (N, D)
        Embeddings, not normalised: on a sphere no distance reaches the margin.
    margin : float
        How much nearer than the negative the positive has to be, in the embeddings' unit.

    Returns
    -------
    Tensor
        A scalar, the mean over the batch.
    """
    return functional.triplet_margin_loss(anchor, positive, negative, margin=margin, p=2)
