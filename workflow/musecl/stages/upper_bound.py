"""Which share of the best reachable R2 was reached, in a generated city, where that is known.

The hidden truth is in no file: this stage draws the city again from its settings.

`upper_bound` is the closed form of `latents.best_r2`; `upper_bound_measured` the out-of-fold R2 of
a linear regression on what the modalities see, x, before any of it became images, texts or trips:
it checks the form on these very regions. `reached` is ridge's R2 in r2.csv, by the method of the
modality's name, and `musecl` for all of them. `share` is reached over the upper bound.

`all` is satellite view, street view and POIs, the inputs of `musecl`. Mobility is not among them:
it decides only which street views are pairs. Its own row says what the trips would tell; no method
predicts from them, so nothing is reached. The upper bound is that of a region's own inputs: a
neighbour tells of it too. `musecl` sees as many k-rings around a region as `fuse.k_rings` says:
`upper_bound_with_k_rings` is the measured one with the means of x in these rings, and the share of
`all` is of that where it is the higher one.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, cross_val_predict

from musecl.evaluation.scoring import r2
from musecl.geography.k_rings import means_of_k_rings
from musecl.runtime.errors import InputError
from musecl.runtime.job import Job
from musecl.runtime.tables import KEY, read_geotable, read_table, write_csv
from musecl.sources.synth.latents import Latents, best_r2, draw_latents
from musecl.sources.synth.settings import Generated

# Per row of the table: the modalities it knows, and the method of r2.csv that predicts from them.
ROWS = {
    "satellite": (("satellite",), "satellite"),
    "street_view": (("street_view",), "street_view"),
    "text": (("pois",), "text"),
    "mobility": (("mobility",), None),
    "all": (("satellite", "street_view", "pois"), "musecl"),
}
FOLDS = 5
UPPER_BOUNDS = pa.DataFrameSchema(
    {
        "city": pa.Column(str, description="the city, a generated one"),
        "indicator": pa.Column(str, description="what is predicted"),
        "split": pa.Column(str, description="how regions are held out"),
        "modality": pa.Column(str, pa.Check.isin(list(ROWS)), description="what is seen"),
        "upper_bound": pa.Column(
            float, pa.Check.in_range(0, 1), description="best R2 that is possible, in closed form"
        ),
        "upper_bound_measured": pa.Column(
            float, description="R2 of a linear regression on what the modality truly sees"
        ),
        "upper_bound_with_k_rings": pa.Column(
            float, nullable=True, description="the same with what is around; of the row `all`"
        ),
        "reached": pa.Column(
            float, nullable=True, description="R2 in r2.csv; null where no method predicts from it"
        ),
        "share": pa.Column(
            float,
            nullable=True,
            description=(
                "reached over upper_bound, or over upper_bound_with_k_rings where that is higher"
            ),
        ),
    },
    strict=True,
    unique=["indicator", "split", "modality"],
)


def run(job: Job) -> None:
    """Write upper_bound.csv and print it."""
    settings = job.settings("cities.{city}.boundary", Generated)
    latents = draw_latents(settings)
    regions = read_geotable(job.input("regions.parquet"))
    indicators = read_table(job.input("indicators.parquet"))
    require_cells(regions[KEY], latents)
    scores = pd.read_csv(job.input("r2.csv"), keep_default_na=False)
    seed = job.value("seed")
    known_signal = known_signal_r2(latents.observed, latents.cells, indicators, seed)
    neighbours = dict(zip(regions[KEY], regions["neighbours"], strict=True))
    around = see_around(latents, neighbours, int(job.value("fuse.k_rings")))
    known_signal["around"] = known_signal_r2(around, latents.cells, indicators, seed)["all"]
    table = compare(scores, known_signal, settings)
    table.insert(0, "city", job.city)
    write_csv(table, job.output("upper_bound.csv"), UPPER_BOUNDS)
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
            "an upper bound is known for the cells that the city was drawn on: set regions.grid h3 "
            "and regions.resolution 8 in params.yaml"
        )


def see_around(
    latents: Latents, neighbours: Mapping[str, Sequence[str]], k_rings: int
) -> dict[str, NDArray[np.float64]]:
    """Set the means of x in the rings around a cell beside its own, for each modality."""
    known = {cell: neighbours.get(cell, ()) for cell in latents.cells}
    return {
        modality: np.hstack([x, *means_of_k_rings(x, latents.cells, known, k_rings, known)])
        for modality, x in latents.observed.items()
    }


def known_signal_r2(
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


def compare(scores: pd.DataFrame, known_signal: pd.DataFrame, settings: Generated) -> pd.DataFrame:
    """Set what was reached beside the upper bounds.

    Parameters
    ----------
    scores : DataFrame
        r2.csv.
    known_signal : DataFrame
        As `known_signal_r2` returns it.
    settings : Generated
        What the city was drawn with.

    Returns
    -------
    DataFrame
        The columns of `UPPER_BOUNDS` but `city`: a row per indicator, split and row of `ROWS`.
    """
    ridge = scores[scores["predictor"] == "ridge"]
    reached = ridge.set_index(["indicator", "split", "method"])["r2_mean"]
    table = pd.DataFrame(
        [
            {
                "indicator": indicator,
                "split": split,
                "modality": row,
                "upper_bound": best_r2(settings, seen),
                "upper_bound_measured": known_signal.loc[indicator, row],
                "upper_bound_with_k_rings": known_signal.loc[indicator, "around"]
                if row == "all"
                else np.nan,
                "reached": reached.get((indicator, split, method), np.nan),
            }
            for split in sorted(scores["split"].unique())
            for indicator in sorted(known_signal.index)
            for row, (seen, method) in ROWS.items()
        ]
    )
    best = table[["upper_bound", "upper_bound_with_k_rings"]].max(axis=1)
    # Of an upper_bound of zero there is no share.
    return table.assign(share=table["reached"] / best.where(best > 0))
