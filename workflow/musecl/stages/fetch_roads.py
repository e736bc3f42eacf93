"""`fetch_roads`: the bytes of the city's layer `roads` as its provider gives them."""

from musecl.runtime.job import Job
from musecl.sources.layers import fetch_layer


def run(job: Job) -> None:
    """Fill `raw/roads`."""
    fetch_layer(job, "roads")
