"""Vectors from a pretrained transformer: of a sentence, and of a word by itself.

A sentence's is the mean of its tokens as the last layer has them, of unit length. A word's is the
mean of its pieces as the first layer takes them: a table of word vectors, as word2vec's is one.
"""

import bisect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musecl.runtime.errors import InputError, first_line
from musecl.runtime.progress import progress
from musecl.runtime.workers import in_pieces

TEXTS_PER_BATCH = 32
# More than a passage holds; a model of longer texts would need much memory to no end.
MOST_TOKENS = 1024
# Two short texts of other words and of unlike length, in several scripts: a tokenizer knows some.
PAIRS = (
    ("the north bridge", "a park of the museum"),
    ("старый мост", "парк у городского музея"),  # noqa: RUF001
    ("北桥", "博物馆的公园"),
    ("الجسر", "حديقة المتحف"),
)


def load_text_encoder(folder: Path) -> tuple[Any, Any]:
    """Load the text encoder of a transformers model from a folder, reading safetensors only.

    Parameters
    ----------
    folder : Path
        Holds config.json, tokenizer files and model.safetensors.

    Returns
    -------
    tokenizer, model
        The model in evaluation mode, in single precision.

    Raises
    ------
    InputError
        The folder lacks a file or a weight, or holds no text model.
    """
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    # Its own bar would be one endless line of a log.
    logging.disable_progress_bar()

    try:
        # Code of a model's own is not trusted: else it would ask at the terminal.
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        model, report = AutoModel.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            dtype=torch.float32,
        )
    except Exception as error:  # transformers raises errors of many libraries
        reason = first_line(error)
        raise InputError(f"{folder}: no text model ({reason}); run fetch_models again") from error
    encoder = _encoder_of(model)
    own = {id(parameter) for parameter in encoder.parameters()}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if name in report["missing_keys"] and id(parameter) in own and "pooler" not in name:
            raise InputError(f"{folder}: holds no weights of {name}; take a complete model")
    if tokenizer.pad_token is None:
        # What stands there is masked, whatever it is.
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    return tokenizer, encoder.eval()


def _encoder_of(model: Any) -> Any:
    """Take of a model the part that reads text: T5 also writes, CLIP also sees."""
    if getattr(model.config, "is_encoder_decoder", False):
        return model.get_encoder()
    return getattr(model, "text_model", model)


def check_text_model(folder: Path, said: str) -> None:
    """Refuse a text model whose vectors are no use, by what it does with two texts.

    Parameters
    ----------
    folder : Path
        As `load_text_encoder` takes it.
    said : str
        What chose the model, for the message.

    Raises
    ------
    InputError
        The model cannot be loaded; or its tokenizer knows no word; or it fails, or gives one text
        two vectors, two texts the same, a text another one beside others, or numbers that are
        none.
    """
    tokenizer, model = load_text_encoder(folder)
    pair = next((pair for pair in PAIRS if _are_told_apart(pair, tokenizer)), None)
    if pair is None:
        raise InputError(
            f"{said}: its tokenizer knows no word; save it beside the model: "
            "`tokenizer.save_pretrained(FOLDER)`"
        )
    try:
        first, again = (torch.from_numpy(embed_texts(pair, tokenizer, model)) for _ in range(2))
        alone = torch.cat(
            [torch.from_numpy(embed_texts([text], tokenizer, model)) for text in pair]
        )
        words = embed_words(pair[1].split(), tokenizer, model)
    except Exception as error:  # a model raises whatever it likes
        raise InputError(
            f"{said}: does not give vectors of texts ({first_line(error)}); choose another model"
        ) from error
    faults = {
        "gives numbers that are not finite": not (
            first.isfinite().all() and np.isfinite(words).all()
        ),
        "gives one text another vector each time": not torch.allclose(first, again, 1e-3, 1e-4),
        "gives two texts the same vector": torch.allclose(first[0], first[1], 1e-4, 1e-6),
        "gives a text another vector beside others": not torch.allclose(first, alone, 1e-2, 1e-3),
    }
    for fault, found in faults.items():
        if found:
            raise InputError(f"{said}: {fault}; choose another model")


def _are_told_apart(pair: tuple[str, str], tokenizer: Any) -> bool:
    """Tell whether a tokenizer knows words of both texts, and not the same ones."""
    special = set(tokenizer.all_special_ids)
    one, other = (set(tokenizer(text)["input_ids"]) - special for text in pair)
    return bool(one) and bool(other) and one != other


def longest_input(tokenizer: Any, model: Any) -> int:
    """Find out by trying how many tokens a model reads: not every configuration says it."""
    said = getattr(model.config, "max_position_embeddings", None) or MOST_TOKENS
    most = int(min(tokenizer.model_max_length, said, MOST_TOKENS))
    # Any but padding, which has no place of its own.
    token = int(getattr(model.config, "pad_token_id", None) == 0)

    @torch.inference_mode()
    def reads(length: int) -> bool:
        tokens = torch.full((1, length), token)
        try:
            model(input_ids=tokens, attention_mask=torch.ones_like(tokens))
        except (IndexError, RuntimeError, ValueError):
            return False
        return True

    if reads(most):
        return most
    return bisect.bisect_left(range(1, most), True, key=lambda length: not reads(length))


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
    longest = longest_input(tokenizer, model)
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
