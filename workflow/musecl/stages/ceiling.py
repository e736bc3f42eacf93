"""Which share of the best reachable R2 was reached, in a generated city, where that is known.

The hidden truth is in no file: this stage draws the city again from its settings.

`ceiling` is the closed form of `latents.best_r2`; `ceiling_oracle` the out-of-fold R2 of a linear
regression on what the modalities see, x, before any of it became images, texts or trips: it checks
the form on these very regions. `reached` is ridge's R2 in r2.csv, by the method of the modality's
name, and `musecl` for all of them. `share` is reached over ceiling.

`all` is remote view, street view and places, the inputs of `musecl`. Mobility is not among them: it
decides only which street views are pairs. Its own row says what the trips would tell; no method
predicts from them, so nothing is reached. The ceiling is that of a region's own inputs: a neighbour
tells of it too. `musecl` sees as many rings of what is around as `fuse.rings` says: `oracle_around`
is the oracle's R2 with the means of x in these rings, and the share of `all` is of that where it is
the higher one.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, cross_val_predict

from musecl.evaluation.scoring import r2
from musecl.geography.rings import means_of_rings
from musecl.sources.synth.latents import Latents, best_r2, draw_latents
from musecl.sources.synth.settings import Generated
from musecl.step.errors import InputError
from musecl.step.job import Job
from musecl.step.tables import KEY, read_geotable, read_table, write_csv

# Per row of the table: the modalities it knows, and the method of r2.csv that predicts from them.
ROWS = {
    "remote_view": (("remote_view",), "remote_view"),
    "street_view": (("street_view",), "street_view"),
    "text": (("places",), "text"),
    "mobility": (("mobility",), None),
    "all": (("remote_view", "street_view", "places"), "musecl"),
}
FOLDS = 5
CEILINGS = pa.DataFrameSchema(
    {
        "city": pa.Column(str, description="the city, a generated one"),
        "indicator": pa.Column(str, description="what is predicted"),
        "split": pa.Column(str, description="how regions are held out"),
        "modality": pa.Column(str, pa.Check.isin(list(ROWS)), description="what is seen"),
        "ceiling": pa.Column(
            float, pa.Check.in_range(0, 1), description="best R2 that is possible, in closed form"
        ),
        "ceiling_oracle": pa.Column(
            float, description="R2 of a linear regression on what the modality truly sees"
        ),
        "oracle_around": pa.Column(
            float, nullable=True, description="the same with what is around; of the row `all`"
        ),
        "reached": pa.Column(
            float, nullable=True, description="R2 in r2.csv; null where no method predicts from it"
        ),
        "share": pa.Column(
            float,
            nullable=True,
            description="reached over the ceiling, or over oracle_around where that is higher",
        ),
    },
    strict=True,
    unique=["indicator", "split", "modality"],
)


def run(job: Job) -> None:
    """Write ceiling.csv and print it."""
    settings = job.settings("cities.{city}.boundary", Generated)
    latents = draw_latents(settings)
    regions = read_geotable(job.input("regions.parquet"))
    indicators = read_table(job.input("indicators.parquet"))
    require_cells(regions[KEY], latents)
    scores = pd.read_csv(job.input("r2.csv"), keep_default_na=False)
    seed = job.value("seed")
    oracle = oracle_r2(latents.observed, latents.cells, indicators, seed)
    neighbours = dict(zip(regions[KEY], regions["neighbours"], strict=True))
    around = see_around(latents, neighbours, int(job.value("fuse.rings")))
    oracle["around"] = oracle_r2(around, latents.cells, indicators, seed)["all"]
    table = compare(scores, oracle, settings)
    table.insert(0, "city", job.city)
    write_csv(table, job.output("ceiling.csv"), CEILINGS)
    print(table.drop(columns="city").round(3).to_string(index=False), flush=True)


def require_cells(regions: pd.Series, latents: Latents) -> None:
    """Refuse regions that are not the cells that the city was drawn on.

    Raises
    ------
    InputError
        With the settings that make them so.
    """
    if not set(regions) <= set(latents.cells):
        raise InputError(
            "a ceiling is known for the cells that the city was drawn on: set regions.grid h3 and "
            "regions.resolution 8 in params.yaml"
        )


def see_around(
    latents: Latents, neighbours: Mapping[str, Sequence[str]], rings: int
) -> dict[str, NDArray[np.float64]]:
    """Set the means of x in the rings around a cell beside its own, for each modality."""
    known = {cell: neighbours.get(cell, ()) for cell in latents.cells}
    return {
        modality: np.hstack([x, *means_of_rings(x, latents.cells, known, rings, known)])
        for modality, x in latents.observed.items()
    }


def oracle_r2(
    observed: Mapping[str, NDArray[np.float64]],
    cells: Sequence[str],
    indicators: pd.DataFrame,
    seed: int,
) -> pd.DataFrame:
    """Score the out-of-fold prediction from what the modalities truly see.

    Parameters
    ----------
    observed : mapping of str to array of shape (N, K)
        x of each modality.
    cells : sequence of N str
        The cells that it is seen in.
    indicators : DataFrame
        `indicators.parquet`: the regions, and the values to predict.
    seed : int
        Of the folds, which are drawn at random whatever the split: given x, regions are
        independent.

    Returns
    -------
    DataFrame
        R2, a row per indicator and a column per row of `ROWS`.
    """
    place = pd.Series(range(len(cells)), index=list(cells))
    folds = KFold(FOLDS, shuffle=True, random_state=seed)
    scores: dict[str, dict[str, float]] = {}
    for name, rows in indicators.groupby("indicator"):
        order = place.loc[rows[KEY]].to_numpy()
        values = rows["value"].to_numpy()[:, None]
        scores[str(name)] = {}
        for row, (seen, _) in ROWS.items():
            inputs = np.hstack([observed[modality][order] for modality in seen])
            predicted = cross_val_predict(LinearRegression(), inputs, values, cv=folds)
            scores[str(name)][row] = float(r2(values, predicted)[0])
    return pd.DataFrame(scores).T


def compare(scores: pd.DataFrame, oracle: pd.DataFrame, settings: Generated) -> pd.DataFrame:
    """Set what was reached beside the ceilings.

    Parameters
    ----------
    scores : DataFrame
        r2.csv.
    oracle : DataFrame
        As `oracle_r2` returns it.
    settings : Generated
        What the city was drawn with.

    Returns
    -------
    DataFrame
        The columns of `CEILINGS` but `city`: a row per indicator, split and row of `ROWS`.
    """
    ridge = scores[scores["predictor"] == "ridge"]
    reached = ridge.set_index(["indicator", "split", "method"])["r2_mean"]
    table = pd.DataFrame(
        [
            {
                "indicator": indicator,
                "split": split,
                "modality": row,
                "ceiling": best_r2(settings, seen),
                "ceiling_oracle": oracle.loc[indicator, row],
                "oracle_around": oracle.loc[indicator, "around"] if row == "all" else np.nan,
                "reached": reached.get((indicator, split, method), np.nan),
            }
            for split in sorted(scores["split"].unique())
            for indicator in sorted(oracle.index)
            for row, (seen, method) in ROWS.items()
        ]
    )
    best = table[["ceiling", "oracle_around"]].max(axis=1)
    # Of a ceiling of zero there is no share.
    return table.assign(share=table["reached"] / best.where(best > 0))
