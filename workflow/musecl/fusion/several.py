"""Several fusions of one city, trained side by side: each works in one thread."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musecl.encoding.encoders import fastest_device
from musecl.fusion.inputs import FusionInputs, Vectors
from musecl.fusion.representation import represent
from musecl.fusion.settings import FuseSettings
from musecl.runtime.workers import in_processes


class Asked(NamedTuple):
    """A fusion to train; see `represent`. The folder `scratch` is made."""

    inputs: FusionInputs
    settings: FuseSettings
    scratch: Path
    fit_rows: NDArray[np.int64] | None = None


def represent_each(asked: Sequence[Asked], seed: int) -> Iterator[Vectors]:
    """Train fusions and represent every region by each of them.

    Parameters
    ----------
    asked : sequence of Asked
    seed : int
        Of every one of them.

    Yields
    ------
    array of shape (N, E), float32
        The embedding by each fusion in turn.
    """

    def work(one: Asked) -> Vectors:
        one.scratch.mkdir(parents=True, exist_ok=True)
        return represent(one.inputs, one.settings, seed, one.scratch, one.fit_rows)[1]

    # A GPU takes no forked processes, and one fusion after the other.
    return map(work, asked) if fastest_device().type == "cuda" else in_processes(work, asked)
