"""Train the last blocks of the satellite view encoder on pairs of regions with alike POIs.

A batch holds a random turn of each chip: from above no direction is up.
"""

from musecl.runtime.job import Job
from musecl.training.pretraining import pretrain_view

DRAWS = 31


def run(job: Job) -> None:
    """Write the trained weights, the history of the loss and the settings."""
    pretrain_view(job, "satellite", whole_viewpoints=False, draws=DRAWS)
