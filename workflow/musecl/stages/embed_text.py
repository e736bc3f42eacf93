"""Embed the texts of a city's places and average them to regions; `region_texts` says how."""

import numpy as np
import pandas as pd

from musecl.encoding.settings import EmbedTextSettings
from musecl.region_texts import embed_places
from musecl.step.job import Job
from musecl.step.tables import read_table, write_vectors
from musecl.text import load_text_encoder


def run(job: Job) -> None:
    """Write `text_embeddings.parquet`, a row per region that has places."""
    method = job.settings("embed_text", EmbedTextSettings).method
    tokenizer, model = load_text_encoder(job.input("models/text"))
    places = read_table(job.input("places.parquet"))
    if places.empty:
        print("text: this city has no places")
        nothing = pd.DataFrame(columns=["region_id"])
        write_vectors(job.output("text_embeddings.parquet"), nothing, embedding=np.zeros((0, 0)))
        return
    keys, vectors, distinct = embed_places(places, tokenizer, model, method)
    write_vectors(job.output("text_embeddings.parquet"), keys, embedding=vectors)
    unit = "passages" if method == "transformer" else "words"
    print(f"{len(places)} places in {len(keys)} regions, {distinct} distinct {unit}")
