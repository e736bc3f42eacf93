"""How many people a city has by its predictions: without correction, by Duan, by Snowdon.

    PYTHONPATH=workflow python benchmarks/totals.py CITY [INDICATOR]

Reads data/CITY and results/CITY/embeddings.parquet of a finished run. Printed per split, in shares
of the sum that was observed: the sum of the exponentials of the predictions, the same times the
mean exponential of the left-out residuals (Duan 1983), and times the ratio of totals (Snowdon
1991): of the regions as they are, and as `predict` does it, with their land, predictions held at
the largest label, and the mean over repetitions taken of logarithms. All factors are of the
training fold alone. Beside each share stands its standard deviation over repetitions.
"""

import sys
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from musecl.evaluation.backtransform import land_of
from musecl.evaluation.judgeable import judgeable
from musecl.evaluation.labels import IndicatorGroup, scales_of, widen
from musecl.evaluation.methods import align
from musecl.evaluation.prediction import SeededFold, collect, fit_ridge
from musecl.evaluation.settings import EvaluateSettings
from musecl.runtime.tables import KEY, read_geotable, read_table, read_vectors
from musecl.runtime.workers import in_processes

Array = NDArray[np.float64]
WAYS = ("without", "Duan", "Snowdon", "Snowdon, as predict does it")


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
    group = IndicatorGroup(rows, [name], labels[rows])
    block = align(regions[KEY], keys, vectors, "embeddings.parquet").take(rows).compact()
    land = land_of(regions)[rows]
    observed = scale.original(group.labels[:, 0]) @ land
    settings = EvaluateSettings(**params["evaluate"])
    for split, _, trials in judgeable(regions, [group], settings, params["seed"])[0]:

        def fit(trial: SeededFold, group: IndicatorGroup = group) -> list[Array]:
            fitted = fit_ridge((block,), group.labels, trial.fold)
            said, seen, residuals = (
                part[:, 0] for part in (fitted.predictions, fitted.known, fitted.residuals)
            )
            left_out = seen - residuals
            duan = np.log(np.exp(residuals).mean())
            snowdon = np.log(np.exp(seen).sum() / np.exp(left_out).sum())
            ours = scale.corrected(said, seen, left_out, land[trial.fold.train])
            return [said, said + duan, said + snowdon, ours]

        answers = list(in_processes(fit, trials))
        shape = (len(rows),)
        print(f"{split}: observed {observed:.0f}")
        for way, of_way in zip(WAYS, zip(*answers, strict=True), strict=True):
            logarithms = collect(trials, list(of_way), shape)
            if np.isnan(logarithms).any():
                print("  does not test every region: no total")
                break
            each = scale.back(logarithms) @ land / observed
            together = scale.back(logarithms.mean(axis=0)) @ land / observed
            print(f"  {way}: {each.mean():.3f} (sd {each.std():.3f}), of the mean {together:.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
