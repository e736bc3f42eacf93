"""Vectors of regions from the texts of their POIs.

`transformer`: the texts of a region are joined into passages that the model reads whole, so that
each is understood beside its neighbours; a region's vector is the mean of its passages' vectors,
weighted by how much their POIs weigh in the region, of unit length. On the New York sample this
predicts better than the mean of the POIs' own vectors, on random and spatial splits alike.

`word_average`: a place is the mean of its words' vectors, a region the weighted mean of its POIs,
of unit length. So does the published code of MuseCL, with word2vec trained on labels of POIs;
here the words' vectors are those that the pretrained model reads its input as.

A region without POIs has no row: it has no text, not a zero one.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from musecl.runtime.errors import InputError
from musecl.runtime.tables import KEY
from musecl.text import embed_texts, embed_words

# About 200 tokens; all-MiniLM-L6-v2 was trained on 256.
PASSAGE_CHARACTERS = 800
WORD = r"\w+"


def embed_pois(
    pois: pd.DataFrame, tokenizer: Any, model: Any, method: str
) -> tuple[pd.DataFrame, NDArray[np.float64], int]:
    """Embed the texts of the POIs of each region.

    Parameters
    ----------
    pois : DataFrame
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
        regions, weights, texts = weights_of_passages(join_texts(pois))
        vectors = weights @ embed_texts(texts, tokenizer, model)
    else:
        regions, weights, texts = weights_of_passages(split_texts(pois))
        vectors = weights @ embed_words(texts, tokenizer, model)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return pd.DataFrame({KEY: regions}), vectors, len(texts)


def join_texts(pois: pd.DataFrame) -> pd.DataFrame:
    """Join the texts of each region into passages, those that weigh most first.

    Parameters
    ----------
    pois : DataFrame
        `region_id`, `text` and `weight`, a row per place and region, in any order. A text that a
        region holds several times is written once, with the sum of the weights.

    Returns
    -------
    DataFrame
        `region_id`, `passage` and `weight` (the sum over the passage's POIs), sorted by region.

    Raises
    ------
    InputError
        A weight is not above zero.
    """
    rows = _in_order(pois).groupby(["region_id", "text"])["weight"].sum().reset_index()
    rows = rows.sort_values(["region_id", "weight", "text"], ascending=[True, False, True])
    before = rows["text"].str.len().groupby(rows["region_id"]).cumsum() - rows["text"].str.len()
    by_passage = rows.groupby(["region_id", before // PASSAGE_CHARACTERS], sort=True)
    passages = by_passage.agg(passage=("text", "; ".join), weight=("weight", "sum"))
    return passages.reset_index("region_id").reset_index(drop=True)


def split_texts(pois: pd.DataFrame) -> pd.DataFrame:
    """Split each place's text into words, which share its weight alike.

    Parameters
    ----------
    pois : DataFrame
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
    rows = _in_order(pois)
    words = rows["text"].str.findall(WORD)
    weight = rows["weight"] / words.map(len)
    split = rows.assign(passage=words, weight=weight).explode("passage").dropna(subset="passage")
    if split.empty:
        raise InputError("pois.parquet: no text holds a word; choose `transformer`")
    return split[["region_id", "passage", "weight"]].reset_index(drop=True)


def _in_order(pois: pd.DataFrame) -> pd.DataFrame:
    """Sort the rows: a sum's last bit depends on its order, so they take one that is their own."""
    if not (pois["weight"] > 0).all():
        raise InputError("pois.parquet: a POI has no weight above 0; run pois again")
    columns = ["region_id", "text", "weight"]
    return pois[columns].sort_values(columns)


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
        Rows sum to 1; a city of two million POIs would not fit as a dense one.
    passages : list of P str
        Distinct, sorted.
    """
    region, regions = pd.factorize(passages["region_id"], sort=True)
    passage, distinct = pd.factorize(passages["passage"], sort=True)
    share = passages["weight"] / passages.groupby("region_id")["weight"].transform("sum")
    shape = (len(regions), len(distinct))
    weights = csr_array((share.to_numpy(), (region, passage)), shape=shape, dtype="float64")
    return list(regions), weights, list(distinct)
