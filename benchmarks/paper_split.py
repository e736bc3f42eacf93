"""What coordinates alone reach on the labels and the split that MuseCL's authors published.

`python benchmarks/paper_split.py FOLDER`: the folder holds pop_density.csv, res_density.csv and
poi_count.csv of chicosirius/MuseCL-demo (bj_data/), as latitude, longitude, value. They carry no
licence and are not in this repository. Each line ends with the paper's figure for the same row.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyproj import Transformer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from musecl.evaluation.naive_baselines import forest, gaussian_process, nearest, spatial_lag  # noqa: E402
from musecl.evaluation.scoring import r2  # noqa: E402
from musecl.evaluation.selection import choose, stack  # noqa: E402
from musecl.evaluation.splits import Fold, draw_folds, paper_fold  # noqa: E402

# R2 of MuseCL in the paper's table of Beijing, and the standard deviation of the labels tested.
PAPER = {
    "pop_density": ("population density", 0.5310, 1.4782),
    "res_density": ("housing density", 0.5708, 1.0218),
    "poi_count": ("number of POIs", 0.9471, 1.7046),
}
BLOCK_M = 15_000
REPETITIONS = 20


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    print("| label | regions | predictor | paper's split | random, sd | 15 km blocks | MuseCL |")
    print("|---|---|---|---|---|---|---|")
    for name, (label, published, spread) in PAPER.items():
        table = pd.read_csv(folder / f"{name}.csv", header=None)
        columns = table.columns
        to_metres = Transformer.from_crs("EPSG:4326", "EPSG:32650", always_xy=True)
        pois = np.column_stack(
            to_metres.transform(table[columns[1]].to_numpy(), table[columns[0]].to_numpy())
        )
        values = np.log1p(table[columns[2]].to_numpy(dtype=float))[:, None]
        fold = paper_fold(len(values))
        found = values[fold.test].std()
        if abs(found - spread) > 1e-3:
            raise SystemExit(f"{name}: sd {found:.4f} of the tested labels, the paper's {spread}")
        rows = score(pois, values)
        for predictor, (once, mean, deviation, blocks) in rows.items():
            print(
                f"| {label} | {len(values)} | {predictor} | {once:.3f} | "
                f"{mean:.3f} ± {deviation:.3f} | {blocks:.3f} | {published} |",
                flush=True,
            )


def predict(
    pois: NDArray[np.float64], values: NDArray[np.float64], fold: Fold
) -> dict[str, NDArray[np.float64]]:
    """Predict the test rows by each predictor and by their stack."""
    kinds = {
        "nearest": nearest(pois),
        "forest": forest(pois, 1),
        "gaussian process": gaussian_process(pois),
        "spatial lag": spatial_lag(pois),
    }
    chosen = {name: choose(candidates, values, fold) for name, candidates in kinds.items()}
    answers = {name: one.test for name, one in chosen.items()}
    return answers | {"stacked": stack(list(chosen.values()), values, fold)}


def score(
    pois: NDArray[np.float64], values: NDArray[np.float64]
) -> dict[str, tuple[float, float, float, float]]:
    """R2 on the paper's split; mean and sd over other random ones; on blocks, out of fold."""
    once = scored(values, fitting_alone(paper_fold(len(values))), pois)
    generator = np.random.default_rng(0)
    others = [
        scored(values, fitting_alone(draw_folds(None, len(values), 5, generator)[0]), pois)
        for _ in range(REPETITIONS)
    ]
    blocks = np.array([f"{x}_{y}" for x, y in (pois // BLOCK_M).astype(int)])
    pooled: dict[str, NDArray[np.float64]] = {}
    for fold in draw_folds(blocks, len(values), 5, generator):
        for name, answer in predict(pois, values, fold).items():
            pooled.setdefault(name, np.empty_like(values))[fold.test] = answer
    return {
        name: (
            value,
            float(np.mean([other[name] for other in others])),
            float(np.std([other[name] for other in others])),
            float(r2(values, pooled[name])[0]),
        )
        for name, value in once.items()
    }


def fitting_alone(fold: Fold) -> Fold:
    """Fit to 60%, as the published code does: its validation part is not fitted to afterwards."""
    return Fold(fold.fitting, fold.test, np.arange(len(fold.fitting)) % 5)


def scored(values: NDArray[np.float64], fold: Fold, pois: NDArray[np.float64]) -> dict[str, float]:
    """R2 of each predictor on one test fold."""
    answers = predict(pois, values, fold)
    return {name: float(r2(values[fold.test], answer)[0]) for name, answer in answers.items()}


if __name__ == "__main__":
    main()
