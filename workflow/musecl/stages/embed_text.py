"""Embed the texts of a city's places and average them to regions.

A region's vector is the mean of its places' unit vectors, each weighted by the share of the place
that lies in the region. A region without places has no row: it has no text, not a zero one.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from scipy.sparse import csr_array
from transformers import AutoModel, AutoTokenizer

from musecl.errors import InputError
from musecl.job import Job
from musecl.models.text import embed_texts
from musecl.tables import read_table, write_vectors


def run(job: Job) -> None:
    """Write `text_embeddings.parquet`, a row per region that has places."""
    tokenizer, model = load_text_encoder(job.input("models/text"))
    places = read_table(job.input("places.parquet"))
    if places.empty:
        raise InputError("places.parquet: holds no place; choose a source that covers the city")
    regions, weights, texts = weights_of_texts(places)
    vectors = weights @ embed_texts(texts, tokenizer, model)
    write_vectors(
        job.output("text_embeddings.parquet"),
        pd.DataFrame({"region_id": regions}),
        embedding=vectors,
    )
    print(f"{len(places)} places, {len(texts)} distinct texts, {len(regions)} regions with places")


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
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{folder}: no text model ({reason}); run fetch_models again") from error
    return tokenizer, model.eval()


def weights_of_texts(places: pd.DataFrame) -> tuple[list[str], csr_array, list[str]]:
    """Weigh each distinct text in each region, so that a region's weights sum to one.

    Parameters
    ----------
    places : DataFrame
        `region_id`, `text` and `weight`, a row per place and region, in any order.

    Returns
    -------
    regions : list of R str
        Sorted.
    weights : sparse array of shape (R, T)
        Rows sum to 1; a city of two million places would not fit as a dense one.
    texts : list of T str
        Distinct, sorted.

    Raises
    ------
    InputError
        A weight is not above zero.
    """
    if not (places["weight"] > 0).all():
        raise InputError("places.parquet: a place has no weight above 0; run places again")
    # A sum's last bit depends on its order, so the rows take one that is their own.
    rows = places[["region_id", "text", "weight"]].sort_values(["region_id", "text", "weight"])
    total = rows.groupby(["region_id", "text"])["weight"].sum()
    share = total / total.groupby("region_id").transform("sum")
    region, regions = pd.factorize(share.index.get_level_values("region_id"), sort=True)
    text, texts = pd.factorize(share.index.get_level_values("text"), sort=True)
    weights = csr_array(
        (share.to_numpy(), (region, text)), shape=(len(regions), len(texts)), dtype="float64"
    )
    return list(regions), weights, list(texts)
