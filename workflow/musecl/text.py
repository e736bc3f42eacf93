"""Vectors from a pretrained transformer: of a sentence, and of a word by itself.

A sentence's is the mean of its tokens as the last layer has them, of unit length. A word's is the
mean of its pieces as the first layer takes them: a table of word vectors, as word2vec's is one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musecl.step.progress import progress
from musecl.step.workers import in_pieces

TEXTS_PER_BATCH = 32


def mean_of_tokens(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    """Average token vectors over the tokens that are no padding, to unit length.

    The pooling that sentence-transformers trained all-MiniLM-L6-v2 with (Reimers and Gurevych,
    EMNLP 2019).

    Parameters
    ----------
    hidden : Tensor of shape (B, L, D)
        Last hidden state of the transformer.
    attention_mask : Tensor of shape (B, L)
        1 at a token, 0 at padding.

    Returns
    -------
    Tensor of shape (B, D)
    """
    weight = attention_mask.unsqueeze(-1).to(hidden.dtype)
    mean = (hidden * weight).sum(1) / weight.sum(1)
    return torch.nn.functional.normalize(mean, dim=1)


def embed_texts(texts: Sequence[str], tokenizer: Any, model: Any) -> NDArray[np.float32]:
    """Embed texts, each distinct one once, in batches of about equal length.

    Parameters
    ----------
    texts : sequence of N str
        In any order; may repeat. A text longer than the model reads is cut at its end.
    tokenizer, model : transformers tokenizer and model
        Of one pretrained encoder, the model in `eval()`.

    Returns
    -------
    array of shape (N, D)
        In the order of `texts`; rows of unit length.
    """
    # Texts of like length side by side need little padding; the text itself breaks ties, so that
    # batches, and with them the last bit of a vector, do not depend on the order given.
    distinct = sorted(set(texts), key=lambda text: (len(text), text))
    longest = min(tokenizer.model_max_length, model.config.max_position_embeddings)
    batches = [
        distinct[start : start + TEXTS_PER_BATCH]
        for start in range(0, len(distinct), TEXTS_PER_BATCH)
    ]
    # Here and not by the workers: a tokenizer cannot be used by two threads at once.
    tokenized = (
        tokenizer(batch, padding=True, truncation=True, max_length=longest, return_tensors="pt")
        for batch in progress("batches of texts", batches)
    )

    @torch.inference_mode()
    def embed(tokens: Any) -> Tensor:
        hidden = model(**tokens).last_hidden_state
        return mean_of_tokens(hidden, tokens["attention_mask"])

    vectors = np.concatenate([found.numpy() for found in in_pieces(embed, tokenized)])
    place = {text: row for row, text in enumerate(distinct)}
    return vectors[[place[text] for text in texts]]


@torch.inference_mode()
def embed_words(words: Sequence[str], tokenizer: Any, model: Any) -> NDArray[np.float32]:
    """Look single words up in the input vectors of a transformer.

    Parameters
    ----------
    words : sequence of W str
        A word may be of several pieces.
    tokenizer, model : transformers tokenizer and model
        Of one pretrained encoder.

    Returns
    -------
    array of shape (W, D)
        The mean over a word's pieces; zero for a word of which the tokenizer leaves nothing.
    """
    pieces = tokenizer(list(words), add_special_tokens=False)["input_ids"]
    starts = np.cumsum([0, *(len(word) for word in pieces[:-1])])
    vectors = torch.nn.functional.embedding_bag(
        torch.tensor([piece for word in pieces for piece in word], dtype=torch.long),
        model.get_input_embeddings().weight,
        torch.from_numpy(starts),
        mode="mean",
    )
    found: NDArray[np.float32] = vectors.numpy()
    return found
