"""Train the last blocks of the street view encoder on pairs of regions with alike mobility.

A viewpoint is the average of its headings.
"""

from musecl.runtime.job import Job
from musecl.training.pretraining import pretrain_view

DRAWS = 32


def run(job: Job) -> None:
    """Write the trained weights, the history of the loss and the settings."""
    pretrain_view(job, "street_view", whole_viewpoints=True, draws=DRAWS)
