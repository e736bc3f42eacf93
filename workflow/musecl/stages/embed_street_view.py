"""Embed the street view; a region is the mean and the deviation of its viewpoints."""

from musecl.runtime.job import Job
from musecl.training.embedding import embed_view


def run(job: Job) -> None:
    """Write the embeddings per region and per viewpoint."""
    embed_view(job, "street_view", with_deviation=True)
