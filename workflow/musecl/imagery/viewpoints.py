"""Which viewpoints a region has, of all that it could have."""

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from musecl.runtime.tables import KEY

DRAW_VIEWPOINTS = 3


def choose_viewpoints(candidates: pd.DataFrame, at_most: int, seed: int) -> pd.DataFrame:
    """Take viewpoints in each region, none twice.

    A region's choice depends on its own candidates alone, not on which other regions there are.

    Parameters
    ----------
    candidates : DataFrame
        `region_id`, and `weight` where they are drawn at random, heavier ones more often; without
        it the first ones are taken.
    at_most : int
        Viewpoints per region; of a region with fewer, all.
    seed : int
        Of the whole run.

    Returns
    -------
    DataFrame
        The chosen candidates, with `viewpoint` from 0 in each region; sorted by region and view.
    """
    chosen = [
        some.iloc[_choose(some, at_most, str(region), seed)].assign(
            viewpoint=lambda drawn: np.arange(len(drawn))
        )
        for region, some in candidates.groupby(KEY, sort=True)
    ]
    return pd.concat(chosen, ignore_index=True) if chosen else candidates.assign(viewpoint=0)


def _choose(some: pd.DataFrame, at_most: int, region: str, seed: int) -> NDArray[np.intp]:
    count = min(at_most, len(some))
    if "weight" not in some.columns:
        return np.arange(count)
    key = int.from_bytes(hashlib.sha256(region.encode()).digest()[:8], "big")
    generator = np.random.default_rng([seed, DRAW_VIEWPOINTS, key])
    weights = some["weight"].to_numpy()
    return generator.choice(len(some), count, replace=False, p=weights / weights.sum())
