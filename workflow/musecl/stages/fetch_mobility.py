"""`fetch_mobility`: the bytes of the city's layer `mobility` as its provider gives them."""

from musecl.runtime.job import Job
from musecl.sources.layers import fetch_layer


def run(job: Job) -> None:
    """Fill `raw/mobility`."""
    fetch_layer(job, "mobility")
