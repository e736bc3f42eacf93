"""Embed the remote view; a region is the average of its chips."""

from musecl.learning.embedding import embed_view
from musecl.step.job import Job


def run(job: Job) -> None:
    """Write the embeddings per region and per viewpoint."""
    embed_view(job, "remote_view", with_deviation=False)
