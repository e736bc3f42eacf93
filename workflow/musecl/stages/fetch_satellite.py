"""`fetch_satellite`: the bytes of the city's layer `satellite` as its provider gives them."""

from musecl.runtime.job import Job
from musecl.sources.layers import fetch_layer


def run(job: Job) -> None:
    """Fill `raw/satellite`."""
    fetch_layer(job, "satellite")
