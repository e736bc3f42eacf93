"""Train the last blocks of the remote view encoder on pairs of regions with alike places.

A batch holds a random turn of each chip: from above no direction is up.
"""

from musecl.learning.pretraining import pretrain_view
from musecl.step.job import Job

DRAWS = 31


def run(job: Job) -> None:
    """Write the trained weights, the history of the loss and the settings."""
    pretrain_view(job, "remote_view", whole_viewpoints=False, draws=DRAWS)
