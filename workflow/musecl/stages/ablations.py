"""What each part of MuseCL adds: the representation without it, on the same folds.

Rows by column `method`: `musecl`; without one modality (`without_satellite`, ...); with random
regions for the pairs of POIs or of mobility (`random_poi_pairs`, `random_mobility_pairs`: in
pretraining, and for POIs in the fusion's alignment too); with a linear layer for the attention
(`without_attention`); without what is around a region (`without_k_rings`); and what goes into the
fusion, reduced, without it (`without_fusion`).

With random mobility pairs the attention sees a region's street view as one token, where ours sees
each viewpoint; `region_tokens` is ours with one token, to compare with. Where a region has too few
trips, ours pairs it with itself, and random pairs replace that, too.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from musecl.evaluation.comparison import judge, lay_out, write_comparison
from musecl.evaluation.judgeable import judgeable
from musecl.evaluation.labels import IndicatorGroup, read_labelled
from musecl.evaluation.methods import Method, RegionFeatures, align
from musecl.evaluation.prediction import MethodPredictions, SeededFold, predict_from_vectors
from musecl.evaluation.settings import EvaluateSettings
from musecl.fusion.columns import without_fused, without_k_rings
from musecl.fusion.inputs import FusionInputs, Vectors, read_inputs, sorted_part
from musecl.fusion.settings import FuseSettings
from musecl.fusion.several import Asked, represent_each
from musecl.runtime.job import Job
from musecl.runtime.tables import KEY, read_vectors

SHUFFLE = 51


def run(job: Job) -> None:
    """Write `ablations.csv`."""
    settings = job.settings("evaluate", EvaluateSettings)
    seed = int(job.value("seed"))
    fuse = job.settings("fuse", FuseSettings)
    labelled = read_labelled(job)
    regions, primary = labelled.regions, labelled.primary
    tasks, _ = judgeable(regions, labelled.groups, settings, seed)
    inputs = read_inputs(job)

    def block(vectors: Vectors) -> RegionFeatures:
        return align(regions[KEY], pd.DataFrame({KEY: inputs.region_ids}), vectors, "ablations")

    with job.scratch() as scratch:
        keys, ours = read_vectors(job.input("embeddings.parquet"), "embedding")
        methods = {"musecl": align(regions[KEY], keys, ours, "embeddings.parquet")}
        changed = variants(job, inputs)
        asked = [
            Asked(seen, FuseSettings(**{**fuse.model_dump(), **changes}), scratch / name)
            for name, (seen, changes) in changed.items()
        ]
        for name, vectors in zip(changed, represent_each(asked, seed), strict=True):
            methods[name] = block(vectors)
        drops = {"without_k_rings": without_k_rings}
        if fuse.residual:
            drops["without_fusion"] = without_fused
        for name, drop in drops.items():
            methods[name] = align(regions[KEY], keys, drop(ours, fuse), "embeddings.parquet")

        def predict(group: IndicatorGroup, trials: list[SeededFold]) -> Iterator[MethodPredictions]:
            here = [
                Method(name, (vectors.take(group.rows),), perceptron=False)
                for name, vectors in methods.items()
            ]
            return predict_from_vectors(here, group.labels, trials, None)

        judged = list(judge(predict, tasks, primary, regions, seed, "ablations"))
        table = lay_out(judged, primary, reference="musecl")
        write_comparison(table, job.city, job.output("ablations.csv"))


def variants(job: Job, inputs: FusionInputs) -> dict[str, tuple[FusionInputs, dict[str, str]]]:
    """List inputs and changed settings of the fusion, by method."""

    def random_pairs(view: str) -> FusionInputs:
        part = sorted_part(*read_vectors(job.input(f"baseline_{view}.parquet"), "random_pairs"))
        return inputs.replacing(f"{view} embedding", part)

    generator = np.random.default_rng([int(job.value("seed")), SHUFFLE])
    shuffled = inputs.positives.assign(
        positive=generator.permutation(inputs.positives["positive"].to_numpy())
    )
    changed: dict[str, tuple[FusionInputs, dict[str, str]]] = {
        f"without_{modality}": (inputs.without(modality), {}) for modality in inputs.modalities
    }
    changed["random_poi_pairs"] = (replace(random_pairs("satellite"), positives=shuffled), {})
    changed["random_mobility_pairs"] = (random_pairs("street_view"), {})
    part = inputs.parts["street_view embedding"]
    changed["region_tokens"] = (inputs.replacing("street_view embedding", part), {})
    changed["without_attention"] = (inputs, {"mode": "concat"})
    return changed
