"""A city of 84 regions for the stages that compare methods: every table they read, small."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from musecl.runtime.job import Job, run_job
from musecl.runtime.pipeline import Declaration
from musecl.runtime.tables import write_vectors
from test_evaluate import build_indicators, build_regions, few_trees

FUSE = {
    "mode": "cross_attention",
    "text_as_input": True,
    "residual": True,
    "k_rings": 1,
    "embedding_size": 16,
    "heads": 2,
    "alignment": "infonce",
    "temperature": 0.1,
    "text_weight": 1.0,
    "views_weight": 0.5,
    "pois_weight": 1.0,
    "batch": 32,
    "steps": 4,
    "learning_rate": 0.001,
}
MLP = {
    "methods": ["satellite", "street_view", "text", "concat", "musecl"],
    "seeds": 2,
    "components": 8,
    "hidden": [8],
    "learning_rate": 0.01,
    "batch": 16,
    "epochs": 2,
    "patience": 1,
}
EVALUATE = {"seeds": 2, "folds": 3, "splits": ["random", "spatial", "paper"], "mlp": MLP}
TABLES = [
    "baseline_satellite",
    "baseline_street_view",
    "embeddings",
    "indicators",
    "poi_category_counts",
    "regions",
    "satellite_embeddings",
    "satellite_pairs",
    "satellite_image_embeddings",
    "street_view_embeddings",
    "street_view_image_embeddings",
    "text_embeddings",
]


def lay_city(root: Path) -> Path:
    """Write every table; the text alone knows one indicator, the satellite view another."""
    data = root / "data/toy"
    data.mkdir(parents=True)
    (root / "results/toy").mkdir(parents=True)
    generator = np.random.default_rng(8)
    regions = build_regions()
    ids = regions["region_id"].to_numpy()
    hidden = generator.normal(size=(len(ids), 3))
    regions.to_parquet(data / "regions.parquet")
    build_indicators(regions, hidden, generator).to_parquet(data / "indicators.parquet")
    seen = {"satellite": [1, 0, 0], "street_view": [0, 0, 1], "text": [0, 1, 0]}

    def vectors(modality: str, rows: np.ndarray, width: int) -> np.ndarray:
        values = (hidden[rows] * seen[modality]) @ generator.normal(size=(3, width))
        return values + 0.1 * generator.normal(size=values.shape)

    everything = np.arange(len(ids))
    variants = {
        "satellite": {"tile2vec": 8, "pg_simclr": 8, "musecl_published": 8, "random_pairs": 10},
        "street_view": {"urban2vec": 16, "musecl_published": 16, "random_pairs": 20},
    }
    for view, views in (("satellite", 1), ("street_view", 2)):
        keys = pd.DataFrame({"region_id": ids})
        widths = {"pretrained": 12 * views, "embedding": 10 * views}
        whole = {kind: vectors(view, everything, width) for kind, width in widths.items()}
        write_vectors(data / f"{view}_embeddings.parquet", keys, **whole)
        columns = {name: vectors(view, everything, width) for name, width in variants[view].items()}
        write_vectors(data / f"baseline_{view}.parquet", keys, **columns)
        rows = np.repeat(everything, views)
        keys = pd.DataFrame({"region_id": ids[rows], "viewpoint": np.tile(range(views), len(ids))})
        single = {"pretrained": vectors(view, rows, 12), "embedding": vectors(view, rows, 10)}
        write_vectors(data / f"{view}_image_embeddings.parquet", keys, **single)
    keys = pd.DataFrame({"region_id": ids})
    write_vectors(data / "text_embeddings.parquet", keys, embedding=vectors("text", everything, 12))
    own = np.hstack([vectors(modality, everything, 16) for modality in seen])
    around = np.roll(own, 1, axis=0)
    both = np.hstack([own, around])
    write_vectors(data / "embeddings.parquet", keys, fused=own[:, :16], embedding=both)
    pairs = {"anchor": np.repeat(ids, 2), "positive": np.roll(np.repeat(ids, 2), 3)}
    pd.DataFrame(pairs).to_parquet(data / "satellite_pairs.parquet")
    counts = pd.DataFrame(generator.poisson(2, (len(ids), 3)), columns=["park", "shop", "school"])
    counts.assign(region_id=ids).to_parquet(data / "poi_category_counts.parquet")
    return root


@few_trees
def run_stage(root: Path, stage: Any, *outputs: str) -> list[pd.DataFrame]:
    """Run a stage over all of the tables, and read the CSVs that it writes."""
    declared = Declaration(
        stage=stage.__name__.rpartition(".")[2],
        city="toy",
        command="",
        inputs=tuple(f"data/toy/{name}.parquet" for name in TABLES),
        outputs=tuple(f"results/toy/{name}" for name in outputs),
        parameters=("seed", "fuse", "evaluate"),
    )
    params = f"seed: 1\nfuse: {FUSE}\nevaluate: {EVALUATE}\n"
    (root / "params.yaml").write_text(params, encoding="utf-8")
    run_job(Job(declared, root), stage)
    return [pd.read_csv(root / "results/toy" / name) for name in outputs]
