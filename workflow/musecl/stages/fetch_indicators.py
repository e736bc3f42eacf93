"""`fetch_indicators`: the bytes that the city's indicators are made of, by provider."""

from musecl.runtime.job import Job
from musecl.sources.layers import fetch_indicators


def run(job: Job) -> None:
    """Fill `raw/indicators`."""
    fetch_indicators(job)
