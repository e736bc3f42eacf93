"""Embed the satellite view; a region is the average of its chips."""

from musecl.runtime.job import Job
from musecl.training.embedding import embed_view


def run(job: Job) -> None:
    """Write the embeddings per region and per viewpoint."""
    embed_view(job, "satellite", with_deviation=False)
