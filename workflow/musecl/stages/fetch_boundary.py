"""`fetch_boundary`: the bytes of the city's layer `boundary` as its provider gives them."""

from musecl.sources.layers import fetch_layer
from musecl.step.job import Job


def run(job: Job) -> None:
    """Fill `raw/boundary`."""
    fetch_layer(job, "boundary")
