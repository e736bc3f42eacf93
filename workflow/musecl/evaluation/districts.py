"""What a model of one district (in New York: borough) says of each other."""

import numpy as np
import pandas as pd
import pandera.pandas as pa

from musecl.evaluation.labels import IndicatorGroup, varies
from musecl.evaluation.methods import RegionFeatures
from musecl.evaluation.prediction import fit_ridge
from musecl.evaluation.scoring import score_columns, score_once
from musecl.evaluation.splits import Fold, parts_of

DRAW_PARTS = 71
# Regions that a district must have to be trained in, or judged.
MINIMUM_REGIONS = 20

DISTRICTS = pa.DataFrameSchema(
    {
        "source": pa.Column(str, description="the district whose labels are seen"),
        "target": pa.Column(str, description="the district that is predicted"),
        "indicator": pa.Column(str, description="what is predicted"),
        **score_columns(),
        "n_source": pa.Column(int, description="in training", metadata={"unit": "regions"}),
        "n_target": pa.Column(int, description="predicted", metadata={"unit": "regions"}),
    },
    strict=True,
    coerce=True,  # a table without rows has the same types
    unique=["source", "target", "indicator"],
)


def between_districts(
    regions: pd.DataFrame,
    block: RegionFeatures,
    groups: list[IndicatorGroup],
    folds: int,
    seed: int,
) -> pd.DataFrame:
    """Train in one district, predict another: a row per ordered pair and indicator.

    Parameters
    ----------
    regions : DataFrame
        N regions, sorted.
    block : RegionFeatures
        Their vectors.
    groups : list of IndicatorGroup
        The indicators.
    folds : int
        Parts of a training district that choose the penalty.
    seed : int
        Of these parts.

    Returns
    -------
    DataFrame
        As `DISTRICTS`; a region outside every district is in none, a city without districts has no
        row, and so has an indicator that is constant in one of the two.
    """
    district = regions["district"].fillna("").to_numpy()
    spatial_block = regions["spatial_block"].to_numpy(dtype=str)
    rows = []
    for source in sorted({*district} - {""}):
        for group in groups:
            here = district[group.rows]
            train = np.flatnonzero(here == source)
            if len(train) < MINIMUM_REGIONS:
                continue
            generator = np.random.default_rng([seed, DRAW_PARTS])
            parts = parts_of(spatial_block[group.rows][train], folds, generator)
            fold = Fold(train, np.flatnonzero(here != source), parts)
            answers = np.full(group.labels.shape, np.nan)
            answers[fold.test] = fit_ridge(
                (block.take(group.rows),), group.labels, fold
            ).predictions
            for target in sorted({*here[fold.test]} - {""}):
                there = here == target
                if there.sum() < MINIMUM_REGIONS:
                    continue
                for column, name in enumerate(group.names):
                    labels = group.labels[:, column]
                    if not (varies(labels[train]) and varies(labels[there])):
                        continue
                    scores = score_once(labels[there], answers[there, column])
                    row = {"source": source, "target": target, "indicator": name, **scores}
                    rows.append(row | {"n_source": len(train), "n_target": int(there.sum())})
    return pd.DataFrame(rows, columns=list(DISTRICTS.columns))
