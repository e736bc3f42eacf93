"""`fetch_street_view`: the bytes of the city's layer `street_view` as its provider gives them."""

from musecl.runtime.job import Job
from musecl.sources.layers import fetch_layer


def run(job: Job) -> None:
    """Fill `raw/street_view`."""
    fetch_layer(job, "street_view")
