"""What the fusion sees of a city, read from the tables that the embedding stages write."""

import pandas as pd

from musecl.fusion.representation import VIEWS, FusionInputs, Part, Vectors, Views
from musecl.learning.embedding import KINDS
from musecl.step.errors import InputError
from musecl.step.job import Job
from musecl.step.tables import KEY, read_geotable, read_table, read_vectors, require_same_regions


def read_inputs(job: Job) -> FusionInputs:
    """Read both kinds of features of both views, by region and by single view, text and pairs.

    A region that lacks all modalities is not among the inputs, and neither is a modality that the
    city lacks.

    Raises
    ------
    InputError
        A region is not in the region table, or no modality describes any.
    """
    regions = read_geotable(job.input("regions.parquet"))
    found = {}
    for view in VIEWS:
        for kind in KINDS:
            found[f"{view} {kind}"] = read_vectors(job.input(f"{view}_embeddings.parquet"), kind)
    found["text"] = read_vectors(job.input("text_embeddings.parquet"), "embedding")
    parts = {name: sorted_part(*vectors) for name, vectors in found.items() if len(vectors[0])}
    if not parts:
        raise InputError("fuse: no modality describes any region; give the city one")
    region_ids = sorted({region for part in parts.values() for region in part.region_ids})
    require_same_regions(regions[KEY], pd.Series(region_ids), "fuse")
    return FusionInputs(
        region_ids=region_ids,
        parts=parts,
        views={view: read_views(job, view) for view in VIEWS if f"{view} embedding" in parts},
        positives=read_table(job.input("remote_view_pairs.parquet")),
        neighbours=dict(zip(regions[KEY], regions["neighbours"], strict=True)),
    )


def sorted_part(keys: pd.DataFrame, vectors: Vectors) -> Part:
    """Sort vectors (M, D) by the `region_id` of their keys."""
    order = keys["region_id"].argsort().to_numpy()
    return Part(list(keys["region_id"].iloc[order]), vectors[order])


def read_views(job: Job, view: str) -> Views:
    """Read the single chips or viewpoints of a view, sorted, in both kinds."""
    kinds = {}
    for kind in KINDS:
        keys, vectors = read_vectors(job.input(f"{view}_view_embeddings.parquet"), kind)
        order = keys.sort_values(["region_id", "view"]).index.to_numpy()
        kinds[kind] = vectors[order]
    return Views(list(keys["region_id"].iloc[order]), kinds)
