"""`fetch_pois`: the bytes of the city's layer `pois` as its provider gives them."""

from musecl.runtime.job import Job
from musecl.sources.layers import fetch_layer


def run(job: Job) -> None:
    """Fill `raw/pois`."""
    fetch_layer(job, "pois")
