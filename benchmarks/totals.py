"""How many people a city has by its predictions: without correction, by Duan, by Snowdon.

    PYTHONPATH=workflow python benchmarks/totals.py CITY [INDICATOR]

Reads data/CITY and results/CITY/embeddings.parquet of a finished run. Printed per split, in shares
of the sum that was observed: the sum of the exponentials of the predictions, the same times the
mean exponential of the left-out residuals (Duan 1983), and times the ratio of totals (Snowdon
1991). Both factors are of the training fold alone.
"""

import sys
from pathlib import Path

import numpy as np
import yaml

from musecl.evaluation.judgeable import judgeable
from musecl.evaluation.labels import Group, scales_of, widen
from musecl.evaluation.methods import align
from musecl.evaluation.prediction import Trial, fit_ridge
from musecl.evaluation.settings import EvaluateSettings
from musecl.step.tables import KEY, read_geotable, read_table, read_vectors
from musecl.step.workers import in_processes

WAYS = ("without", "Duan", "Snowdon")


def main(city: str, name: str = "population_density") -> None:
    """Print the totals of one indicator."""
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    regions = read_geotable(Path(f"data/{city}/regions.parquet")).sort_values(KEY)
    indicators = read_table(Path(f"data/{city}/indicators.parquet"))
    indicators = indicators[indicators["indicator"] == name]
    scale = scales_of(indicators.drop_duplicates("indicator").set_index("indicator"))[name]
    keys, vectors = read_vectors(Path(f"results/{city}/embeddings.parquet"), "embedding")
    labels = widen(regions[KEY], indicators)[[name]].to_numpy()
    rows = np.flatnonzero(~np.isnan(labels[:, 0]))
    group = Group(rows, [name], labels[rows])
    block = align(regions[KEY], keys, vectors, "embeddings.parquet").take(rows).compact()
    land = (regions["area_km2"] * regions["land_share"]).to_numpy()[rows]
    observed = scale.original(group.labels[:, 0]) @ land
    settings = EvaluateSettings(**params["evaluate"])
    for split, _, trials in judgeable(regions, [group], settings, params["seed"])[0]:

        def total(trial: Trial, group: Group = group) -> list[float]:
            fitted = fit_ridge((block,), group.labels, trial.fold)
            said, seen, residuals = (
                part[:, 0] for part in (fitted.predictions, fitted.known, fitted.residuals)
            )
            ratio = scale.ratio_of_totals(seen, seen - residuals)
            factors = (1.0, float(np.exp(residuals).mean()), ratio)
            return [float(scale.mean(said, factor) @ land[trial.fold.test]) for factor in factors]

        repetitions = 1 + max(trial.repetition for trial in trials)
        totals = np.sum(list(in_processes(total, trials)), axis=0) / repetitions
        tested = np.unique(np.concatenate([trial.fold.test for trial in trials]))
        whole = observed if len(tested) == len(rows) else np.nan
        shares = ", ".join(
            f"{way} {one / whole:.3f}" for way, one in zip(WAYS, totals, strict=True)
        )
        print(f"{split}: observed {whole:.0f}; {shares}")


if __name__ == "__main__":
    main(*sys.argv[1:])
