"""Fuse the two views and the text of each region into one vector, and set it beside the residual.

`fusion.columns` says what the two columns hold. A region that lacks all modalities has no
row.

Components and training see all regions of the city, those that are held out later included, but no
indicator: the representation is transductive, as in the paper.
"""

import pandas as pd

from musecl.fusion.columns import ABOUT
from musecl.fusion.files import write_representation
from musecl.fusion.inputs import read_inputs
from musecl.fusion.representation import fit_representation
from musecl.fusion.settings import FuseSettings
from musecl.runtime.job import Job
from musecl.runtime.tables import write_csv, write_vectors


def run(job: Job) -> None:
    """Write `embeddings.parquet`, and beside it what was fitted, and its losses."""
    settings = job.settings("fuse", FuseSettings)
    inputs = read_inputs(job)
    with job.scratch() as scratch:
        fitted, losses = fit_representation(
            inputs, settings, int(job.value("seed")), scratch, inputs.region_ids
        )
        fused, embedding = fitted.apply(inputs, set(inputs.region_ids))
        write_representation(job.output("fusion"), fitted)
        write_vectors(
            job.output("embeddings.parquet"),
            pd.DataFrame({"region_id": inputs.region_ids}),
            ABOUT,
            fused=fused,
            embedding=embedding,
        )
        write_csv(losses, job.output("fuse_losses.csv"))
    total, known = len(inputs.region_ids), len(inputs.neighbours)
    lacking = [f"{name} {total - len(part.region_ids)}" for name, part in inputs.parts.items()]
    print(f"{total} of {known} regions have a modality; of these lack {', '.join(lacking)}")
