"""`fetch_remote_view`: the bytes of the city's layer `remote_view` as its provider gives them."""

from musecl.sources.layers import fetch_layer
from musecl.step.job import Job


def run(job: Job) -> None:
    """Fill `raw/remote_view`."""
    fetch_layer(job, "remote_view")
