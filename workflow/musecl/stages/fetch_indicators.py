"""`fetch_indicators`: the bytes that the city's indicators are made of, by provider."""

from musecl.sources.layers import fetch_indicators
from musecl.step.job import Job


def run(job: Job) -> None:
    """Fill `raw/indicators`."""
    fetch_indicators(job)
