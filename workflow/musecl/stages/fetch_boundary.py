"""`fetch_boundary`: the bytes of the city's layer `boundary` as its provider gives them."""

from musecl.runtime.job import Job
from musecl.sources.layers import fetch_layer


def run(job: Job) -> None:
    """Fill `raw/boundary`."""
    fetch_layer(job, "boundary")
