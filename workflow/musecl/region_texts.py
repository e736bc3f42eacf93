"""Vectors of regions from the texts of their places.

`transformer`: the texts of a region are joined into passages that the model reads whole, so that
each is understood beside its neighbours; a region's vector is the mean of its passages' vectors,
weighted by how much their places weigh in the region, of unit length. On the New York sample this
predicts better than the mean of the places' own vectors, on random and spatial splits alike.

`word_average`: a place is the mean of its words' vectors, a region the weighted mean of its places,
of unit length. So does the published code of MuseCL, with word2vec trained on labels of places;
here the words' vectors are those that the pretrained model reads its input as.

A region without places has no row: it has no text, not a zero one.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from musecl.step.errors import InputError
from musecl.step.tables import KEY
from musecl.text import embed_texts, embed_words

# About 200 tokens; all-MiniLM-L6-v2 was trained on 256.
PASSAGE_CHARACTERS = 800
WORD = r"\w+"


def embed_places(
    places: pd.DataFrame, tokenizer: Any, model: Any, method: str
) -> tuple[pd.DataFrame, NDArray[np.float64], int]:
    """Embed the texts of the places of each region.

    Parameters
    ----------
    places : DataFrame
        As in `join_texts`, one row at least.
    tokenizer, model
        As `load_text_encoder` gives them.
    method : str
        `transformer` or `word_average`.

    Returns
    -------
    keys : DataFrame
        `region_id`, R rows, sorted.
    vectors : array of shape (R, D)
        Of unit length.
    distinct : int
        How many passages, or words, were embedded.

    Raises
    ------
    InputError
        As `join_texts` and `split_texts`.
    """
    if method == "transformer":
        regions, weights, texts = weights_of_passages(join_texts(places))
        vectors = weights @ embed_texts(texts, tokenizer, model)
    else:
        regions, weights, texts = weights_of_passages(split_texts(places))
        vectors = weights @ embed_words(texts, tokenizer, model)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return pd.DataFrame({KEY: regions}), vectors, len(texts)


def load_text_encoder(folder: Path) -> tuple[Any, Any]:
    """Load a transformers text model from a folder, reading safetensors only.

    Parameters
    ----------
    folder : Path
        Holds config.json, tokenizer files and model.safetensors.

    Returns
    -------
    tokenizer, model
        The model in evaluation mode.

    Raises
    ------
    InputError
        The folder lacks a file, or is no text model.
    """
    # Its own bar would be one endless line of a log.
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{folder}: no text model ({reason}); run fetch_models again") from error
    return tokenizer, model.eval()


def join_texts(places: pd.DataFrame) -> pd.DataFrame:
    """Join the texts of each region into passages, those that weigh most first.

    Parameters
    ----------
    places : DataFrame
        `region_id`, `text` and `weight`, a row per place and region, in any order. A text that a
        region holds several times is written once, with the sum of the weights.

    Returns
    -------
    DataFrame
        `region_id`, `passage` and `weight` (the sum over the passage's places), sorted by region.

    Raises
    ------
    InputError
        A weight is not above zero.
    """
    rows = _in_order(places).groupby(["region_id", "text"])["weight"].sum().reset_index()
    rows = rows.sort_values(["region_id", "weight", "text"], ascending=[True, False, True])
    before = rows["text"].str.len().groupby(rows["region_id"]).cumsum() - rows["text"].str.len()
    by_passage = rows.groupby(["region_id", before // PASSAGE_CHARACTERS], sort=True)
    passages = by_passage.agg(passage=("text", "; ".join), weight=("weight", "sum"))
    return passages.reset_index("region_id").reset_index(drop=True)


def split_texts(places: pd.DataFrame) -> pd.DataFrame:
    """Split each place's text into words, which share its weight alike.

    Parameters
    ----------
    places : DataFrame
        As in `join_texts`.

    Returns
    -------
    DataFrame
        `region_id`, `passage` (a word, as often as it stands there) and `weight`, sorted by region;
        a text without any word is left out.

    Raises
    ------
    InputError
        A weight is not above zero, or no text holds a word.
    """
    rows = _in_order(places)
    words = rows["text"].str.findall(WORD)
    weight = rows["weight"] / words.map(len)
    split = rows.assign(passage=words, weight=weight).explode("passage").dropna(subset="passage")
    if split.empty:
        raise InputError("places.parquet: no text holds a word; choose `transformer`")
    return split[["region_id", "passage", "weight"]].reset_index(drop=True)


def _in_order(places: pd.DataFrame) -> pd.DataFrame:
    """Sort the rows: a sum's last bit depends on its order, so they take one that is their own."""
    if not (places["weight"] > 0).all():
        raise InputError("places.parquet: a place has no weight above 0; run places again")
    columns = ["region_id", "text", "weight"]
    return places[columns].sort_values(columns)


def weights_of_passages(passages: pd.DataFrame) -> tuple[list[str], csr_array, list[str]]:
    """Lay the weights out by region and distinct passage, so that a region's sum to one.

    Parameters
    ----------
    passages : DataFrame
        As `join_texts` or `split_texts` makes them.

    Returns
    -------
    regions : list of R str
        Sorted.
    weights : sparse array of shape (R, P)
        Rows sum to 1; a city of two million places would not fit as a dense one.
    passages : list of P str
        Distinct, sorted.
    """
    region, regions = pd.factorize(passages["region_id"], sort=True)
    passage, distinct = pd.factorize(passages["passage"], sort=True)
    share = passages["weight"] / passages.groupby("region_id")["weight"].transform("sum")
    shape = (len(regions), len(distinct))
    weights = csr_array((share.to_numpy(), (region, passage)), shape=shape, dtype="float64")
    return list(regions), weights, list(distinct)
