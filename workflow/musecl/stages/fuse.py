"""Fuse the two views and the text of each region into one vector, and set it beside the residual.

`representation` says what the two columns hold. A region that lacks all modalities has no row.

Components and training see all regions of the city, those that are held out later included, but no
indicator: the representation is transductive, as in the paper.
"""

import pandas as pd

from musecl.representation import VIEWS, FusionInputs, Part, Vectors, Views, represent
from musecl.settings.fuse import FuseSettings
from musecl.step.job import Job
from musecl.tables import (
    read_geotable,
    read_table,
    read_vectors,
    require_same_regions,
    write_vectors,
)

KINDS = ("pretrained", "embedding")


def run(job: Job) -> None:
    """Write `embeddings.parquet`: a row per region that has any modality."""
    settings = job.settings("fuse", FuseSettings)
    regions = read_geotable(job.input("regions.parquet"))
    inputs = read_inputs(job, dict(zip(regions["region_id"], regions["neighbours"], strict=True)))
    with job.scratch() as scratch:
        fused, embedding = represent(inputs, settings, int(job.value("seed")), scratch)
        write_vectors(
            job.output("embeddings.parquet"),
            pd.DataFrame({"region_id": inputs.region_ids}),
            fused=fused,
            embedding=embedding,
        )
    total = len(inputs.region_ids)
    lacking = [f"{name} {total - len(part.region_ids)}" for name, part in inputs.parts.items()]
    print(f"{total} of {len(regions)} regions have a modality; of these lack {', '.join(lacking)}")


def read_inputs(job: Job, neighbours: dict[str, list[str]]) -> FusionInputs:
    """Read both kinds of features of both views, by region and by single view, text and pairs.

    Raises
    ------
    InputError
        A region is not among those that `neighbours` tells of: all regions of the city.
    """
    parts = {}
    for view in VIEWS:
        for kind in KINDS:
            keys, vectors = read_vectors(job.input(f"{view}_embeddings.parquet"), kind)
            parts[f"{view} {kind}"] = _sorted(keys, vectors)
    keys, vectors = read_vectors(job.input("text_embeddings.parquet"), "embedding")
    parts["text"] = _sorted(keys, vectors)
    region_ids = sorted({region for part in parts.values() for region in part.region_ids})
    require_same_regions(pd.Series(list(neighbours)), pd.Series(region_ids), "fuse")
    return FusionInputs(
        region_ids=region_ids,
        parts=parts,
        views={view: read_views(job, view) for view in VIEWS},
        positives=read_table(job.input("remote_view_pairs.parquet")),
        neighbours=neighbours,
    )


def _sorted(keys: pd.DataFrame, vectors: Vectors) -> Part:
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
