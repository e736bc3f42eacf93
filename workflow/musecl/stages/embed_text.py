"""Embed the texts of a city's POIs and average them to regions; `region_texts` says how."""

import numpy as np
import pandas as pd

from musecl.encoding.settings import EmbedTextSettings
from musecl.region_texts import embed_pois
from musecl.runtime.job import Job
from musecl.runtime.tables import read_table, write_vectors
from musecl.text import load_text_encoder


def run(job: Job) -> None:
    """Write `text_embeddings.parquet`, a row per region that has POIs."""
    method = job.settings("embed_text", EmbedTextSettings).method
    tokenizer, model = load_text_encoder(job.input("models/text"))
    pois = read_table(job.input("pois.parquet"))
    if pois.empty:
        print("text: this city has no POIs")
        nothing = pd.DataFrame(columns=["region_id"])
        write_vectors(job.output("text_embeddings.parquet"), nothing, embedding=np.zeros((0, 0)))
        return
    keys, vectors, distinct = embed_pois(pois, tokenizer, model, method)
    write_vectors(job.output("text_embeddings.parquet"), keys, embedding=vectors)
    unit = "passages" if method == "transformer" else "words"
    print(f"{len(pois)} POIs in {len(keys)} regions, {distinct} distinct {unit}")
