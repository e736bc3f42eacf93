"""Train the encoders of published baselines and of ablations, each with the budget of ours.

All start from the same pretrained weights, projection and cached features, and take the steps,
batch, rate and trainable blocks of `pretrain_*`; they differ in their pairs, their loss and the
vector that leaves them. The published ones' is the projection, which their loss sees; that of an
ablation is the features, as ours is where `embed_*.output` is as shipped.

Satellite view:

- `tile2vec`: adjacent regions against random ones, triplet loss (Jean et al., AAAI 2019).
- `pg_simclr`: regions with alike POIs, InfoNCE (Xi et al., WWW 2022); its second view of
  adjacency is left out, as MuseCL's paper describes it by POIs alone.
- `musecl_published`: the most similar region by its own POIs, a random negative, triplet loss
  with margin 5: what MuseCL's paper and code say. `ignored_categories` stays ours, for theirs are
  POIs and none is made of trips.
- `random_pairs`: ours, with any region as the positive. What it loses is what POI pairs tell.

Street view:

- `urban2vec`: adjacent regions against random ones, triplet loss (Wang et al., AAAI 2020); its
  POIs' text is a modality of its own here.
- `musecl_published`: the most similar region by inflow and outflow, whatever the number of trips,
  otherwise as above.
- `random_pairs`: ours, with any region as the positive. What it loses is what mobility pairs tell.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from musecl.encoding.features import read_features, rows_of_viewpoints
from musecl.encoding.settings import Output, PretrainSettings
from musecl.pair_mining.mining import mobility_pairs, poi_pairs
from musecl.pair_mining.settings import MobilityPairSettings, PairSettings, PoiPairSettings
from musecl.runtime.job import Job
from musecl.runtime.tables import read_geotable, read_table, write_vectors
from musecl.training.embedding import average_regions
from musecl.training.pretraining import pretrain_and_embed

PAIR_STREAM, DRAWS = 13, 33
VECTORS = "vectors.npy"


@dataclass(frozen=True)
class Variant:
    """How a baseline differs from ours.

    Attributes
    ----------
    pairs, training : dict
        What is changed in `pairs.*` and in `pretrain_*`.
    output : str
        The vector that leaves the encoder: `features` or `projection`.
    """

    pairs: dict[str, Any]
    training: dict[str, Any]
    output: Output


TRIPLET = {"loss": "triplet", "margin": 5.0, "pooling": "mean"}
INFONCE = {"loss": "infonce", "pooling": "mean"}
ADJACENT = Variant({"positives": "neighbours", "negatives": "random"}, TRIPLET, "projection")
ANY = Variant({"positives": "random", "negatives": "random"}, {}, "features")
BY_POIS = {"positives": "similar", "negatives": "random", "k_rings": 0}
BY_FLOWS = {
    "positives": "similar",
    "negatives": "random",
    "profile": "flows",
    "top": 1,
    "minimum_trips": 1,
}
SATELLITE = {
    "tile2vec": ADJACENT,
    "pg_simclr": Variant(BY_POIS, INFONCE, "projection"),
    "musecl_published": Variant({**BY_POIS, "top": 1}, TRIPLET, "projection"),
    "random_pairs": ANY,
}
STREET_VIEW = {
    "urban2vec": ADJACENT,
    "musecl_published": Variant(BY_FLOWS, TRIPLET, "projection"),
    "random_pairs": ANY,
}


def run(job: Job) -> None:
    """Write baseline_satellite.parquet and baseline_street_view.parquet.

    A row per region that has images, and a column of vectors per variant. Regions are averaged as
    in embed_satellite and embed_street_view.
    """
    pairs = job.settings("pairs", PairSettings)
    regions = read_geotable(job.input("regions.parquet"))
    category_counts = read_table(job.input("poi_category_counts.parquet"))
    flows = read_table(job.input("flows.parquet"))
    origin_destination = read_table(job.input("origin_destination.parquet"))

    def by_pois(changes: dict[str, Any], draws: np.random.Generator) -> pd.DataFrame:
        settings = PoiPairSettings(**{**pairs.satellite.model_dump(), **changes})
        return poi_pairs(settings, regions, category_counts, draws)

    def by_mobility(changes: dict[str, Any], draws: np.random.Generator) -> pd.DataFrame:
        settings = MobilityPairSettings(**{**pairs.street_view.model_dump(), **changes})
        return mobility_pairs(settings, regions, flows, origin_destination, draws)

    with job.scratch() as scratch:
        train_view(job, "satellite", SATELLITE, by_pois, scratch)
        train_view(job, "street_view", STREET_VIEW, by_mobility, scratch)


def train_view(
    job: Job,
    view: str,
    variants: dict[str, Variant],
    pair: Callable[[dict[str, Any], np.random.Generator], pd.DataFrame],
    scratch: Path,
) -> None:
    """Train every variant of a view and write their vectors side by side.

    Parameters
    ----------
    job : Job
        Of the stage.
    view : str
        `satellite` or `street_view`.
    variants : dict of Variant
        By the name of their column.
    pair : callable
        Builds the pairs of changed settings; its draws are the same for every variant.
    scratch : Path
        Folder that a killed run goes on from, also past the variants that it had finished.
    """
    streets = view == "street_view"
    seed = int(job.value("seed"))
    ours = job.settings(f"pretrain_{view}", PretrainSettings)
    features = read_features(job.input(f"{view}_features"))
    keys, _ = rows_of_viewpoints(features.index)
    columns = {}
    for number, (name, variant) in enumerate(variants.items(), 1):
        print(f"{view}: {name}, {number} of {len(variants)}", flush=True)
        folder = scratch / view / name
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / VECTORS).exists():
            pairs = pair(variant.pairs, np.random.default_rng([seed, PAIR_STREAM, streets]))
            settings = PretrainSettings(**{**ours.model_dump(), **variant.training})
            vectors = pretrain_and_embed(
                job, view, features, pairs, settings, variant.output, DRAWS, folder
            )
            np.save(folder / "partial.npy", vectors)
            (folder / "partial.npy").replace(folder / VECTORS)
        found: NDArray[np.float32] = np.load(folder / VECTORS)
        regions, columns[name] = average_regions(keys, found, with_deviation=streets)
    write_vectors(job.output(f"baseline_{view}.parquet"), regions, **columns)
