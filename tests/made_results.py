"""The results of a made city, as `load_results` reads them, and the tables they are made of."""

from pathlib import Path

import numpy as np
import pandas as pd

from judged_city import EVALUATE
from musecl.imagery.images import write_view
from musecl.runtime.job import Job, run_job
from musecl.runtime.pipeline import Declaration
from musecl.runtime.tables import write_vectors
from musecl.stages import evaluate, predict
from test_evaluate import build_indicators, build_regions

SPLITS = ["random", "spatial"]
PREDICT = (
    *("predictions.parquet", "intervals.csv", "totals.csv", "districts.csv"),
    *("map.gpkg", "map.parquet"),
)
EVALUATE_OUTPUTS = ("r2.csv", "r2.png", "coverage.csv", "left_out.csv", "metrics.json")


def lay_results(root: Path) -> tuple[Path, Path]:
    """Write a city's tables and run what judges it; the folders of its results and its data."""
    data, results = root / "data/toy", root / "results/toy"
    data.mkdir(parents=True)
    results.mkdir(parents=True)
    generator = np.random.default_rng(2)
    regions = build_regions()
    hidden = generator.normal(size=(len(regions), 3))
    indicators = build_indicators(regions, hidden, generator)
    indicators["unit"] = "people per km2"
    regions.to_parquet(data / "regions.parquet")
    indicators.to_parquet(data / "indicators.parquet")
    keys = regions[["region_id"]]
    vectors = hidden @ generator.normal(size=(3, 20))
    write_vectors(results / "embeddings.parquet", keys, fused=vectors[:, :8], embedding=vectors)
    for view in ("satellite", "street_view"):
        write_view(data / view, None, "rendered")
        some = {"pretrained": vectors[:, :4], "embedding": vectors[:, 4:9]}
        write_vectors(data / f"{view}_embeddings.parquet", keys, **some)
    write_vectors(data / "text_embeddings.parquet", keys, embedding=vectors[:, 9:])
    tables = [f"{view}_embeddings.parquet" for view in ("satellite", "street_view", "text")]
    tables += ["regions.parquet", "indicators.parquet", "satellite", "street_view"]
    inputs = [*(f"data/toy/{name}" for name in tables), "results/toy/embeddings.parquet"]
    settings = {**EVALUATE, "splits": SPLITS, "mlp": {**EVALUATE["mlp"], "methods": []}}
    (root / "params.yaml").write_text(f"seed: 1\nevaluate: {settings}\n", encoding="utf-8")
    for stage, names in ((predict, PREDICT), (evaluate, EVALUATE_OUTPUTS)):
        outputs = tuple(f"results/toy/{name}" for name in names)
        declared = Declaration("toy_stage", "toy", "", tuple(inputs), outputs, ("seed", "evaluate"))
        run_job(Job(declared, root), stage)
    return results, data


def vectors_by_region(path: Path) -> pd.DataFrame:
    """The column `embedding` of a table, a row per region and a column per number."""
    table = pd.read_parquet(path).set_index("region_id")
    return pd.DataFrame(np.stack(table["embedding"].to_list()), index=table.index)
