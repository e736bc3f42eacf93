"""What contrastive pretraining trains: the top of a vision encoder, a pooling and a projection."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from musecl.encoding.encoders import Encoder
from musecl.encoding.settings import Pooling
from musecl.runtime.errors import InputError
from musecl.training.pieces import apply_in_pieces

PROJECTION_SIZE = 256
ATTENTION_SIZE = 64
WEIGHTS = "weights.safetensors"
SETTINGS = "settings.json"


class ContrastiveEncoder(nn.Module):
    """The top of an encoder, and a projection into the space of the contrastive loss.

    Parameters
    ----------
    encoder : Encoder
        Its trainable blocks are trained, the others stay frozen.
    embedding_size : int
        E, of the projection (the paper: 128).
    seed : int
        Of the first weights of projection and attention.
    pooling : str
        `mean` of a viewpoint's images, or `attention`: score = v . tanh(W f + b) of an image's
        features f, softmax over the viewpoint's images, weighted sum (the form in which the paper
        fuses views; here over images). It starts as the mean, v being zero.
    """

    def __init__(
        self, encoder: Encoder, embedding_size: int, seed: int, pooling: Pooling = "mean"
    ) -> None:
        super().__init__()
        self.encoder = encoder
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.projection = nn.Sequential(
                nn.Linear(encoder.size, PROJECTION_SIZE),
                nn.ReLU(),
                nn.Linear(PROJECTION_SIZE, embedding_size),
            )
            self.attention = _attention(encoder.size) if pooling == "attention" else None

    def forward(self, hidden: Tensor, viewpoint: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Embed viewpoints, each the average of its images, weighted where attention is learned.

        Parameters
        ----------
        hidden : Tensor of shape (R, C, h, w)
            The frozen trunk's output of R images.
        viewpoint : Tensor of int, shape (R,)
            Which of the viewpoints 0 to `count` - 1 each image belongs to; each has an image.
        count : int
            V, how many viewpoints there are.

        Returns
        -------
        features : Tensor of shape (V, D)
            The encoder's features, averaged.
        embedding : Tensor of shape (V, E)
            Their projection.
        """
        features = apply_in_pieces(self.encoder.top, self.encoder.trained(), hidden)
        if self.attention is None:
            weights = torch.bincount(viewpoint, minlength=count).unsqueeze(1)
        else:
            scores = self.attention(features)
            # A softmax is the same beside any shift; the largest score keeps exp from overflowing.
            shift = scores.new_zeros(count).scatter_reduce(
                0, viewpoint, scores.detach().squeeze(1), "amax", include_self=False
            )
            shares = torch.exp(scores - shift[viewpoint].unsqueeze(1))
            features = features * shares
            weights = shares.new_zeros(count, 1).index_add(0, viewpoint, shares)
        total = features.new_zeros(count, features.shape[1]).index_add(0, viewpoint, features)
        averaged = total / weights
        return averaged, self.projection(averaged)

    def trained(self) -> dict[str, Tensor]:
        """Collect the parameters that training changes, by name."""
        return {name: value for name, value in self.named_parameters() if value.requires_grad}


def _attention(size: int) -> nn.Sequential:
    """Build the score of an image's features, zero for all at the start."""
    last = nn.Linear(ATTENTION_SIZE, 1, bias=False)
    nn.init.zeros_(last.weight)
    return nn.Sequential(nn.Linear(size, ATTENTION_SIZE), nn.Tanh(), last)


def write_encoder(folder: Path, model: ContrastiveEncoder, settings: dict[str, Any]) -> None:
    """Write the trained weights and how they were trained into an existing folder."""
    weights = {name: value.detach().cpu().contiguous() for name, value in model.trained().items()}
    save_file(weights, folder / WEIGHTS)
    text = json.dumps({**settings, "feature_size": model.encoder.size}, indent=2, sort_keys=True)
    (folder / SETTINGS).write_text(text + "\n", encoding="utf-8")


def read_encoder(folder: Path, encoder: Encoder) -> ContrastiveEncoder:
    """Put trained weights into a pretrained encoder of the same kind.

    Parameters
    ----------
    folder : Path
        As `write_encoder` left it.
    encoder : Encoder
        The one that training started from.

    Raises
    ------
    InputError
        The weights are damaged, or of another encoder or number of trainable blocks.
    """
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        weights = load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(
            f"{folder}: not readable as an encoder ({error}); pretrain again"
        ) from error
    model = ContrastiveEncoder(encoder, settings["embedding_size"], 0, settings["pooling"])
    expected = {name: value.shape for name, value in model.trained().items()}
    if expected != {name: value.shape for name, value in weights.items()}:
        raise InputError(
            f"{folder}: holds weights of another encoder or other trainable blocks than "
            "encoders.* in params.yaml; pretrain again"
        )
    model.load_state_dict(weights, strict=False)
    return model.eval()
