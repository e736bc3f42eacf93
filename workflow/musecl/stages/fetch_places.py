"""`fetch_places`: the bytes of the city's layer `places` as its provider gives them."""

from musecl.sources.layers import fetch_layer
from musecl.step.job import Job


def run(job: Job) -> None:
    """Fill `raw/places`."""
    fetch_layer(job, "places")
