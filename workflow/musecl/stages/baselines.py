"""Published baselines, and what a practitioner tries first, beside MuseCL on the same folds.

Every representation predicts by ridge. Rows by column `method`:

- `satellite_pretrained`, `street_view_pretrained`: features of the pretrained encoder, as the
  paper's ResNet-18 (satellite view) and Inception v3 (street view).
- `tile2vec`, `urban2vec` (with the text), `pg_simclr`: their encoders, see `pretrain_baselines`.
- `add_svrv`, `fusion_svrv`, `concat_published`: the two views of MuseCL as published, summed; under
  scalar attention, projected so that they align to each other (no term trains the attention's own
  weights there); side by side with the text.
- `musecl_published_code`: scalar attention over the views, aligned to the text by squared error;
  `musecl_published_paper`: the same by InfoNCE.
- `satellite`, `street_view`, `text`: each modality of ours alone, after our pretraining.
- `concat`: all that goes into our fusion side by side; `concat_with_k_rings`: the same, reduced,
  with as many rings of what is around as ours has; `musecl`: our representation.
- `coordinates_nearest`, `coordinates_forest`, `coordinates_gaussian_process`, `spatial_lag`,
  `poi_counts`: see `evaluation.naive_baselines`. They know where a region lies, or what stands in
  it, which no representation is told as such. `stacked` weighs these five (`STACKED`, whatever else
  there is), `stacked_with_musecl` the six.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from musecl.evaluation.comparison import judge, lay_out, write_comparison
from musecl.evaluation.judgeable import judgeable
from musecl.evaluation.labels import IndicatorGroup, read_labelled
from musecl.evaluation.methods import Method, RegionFeatures, align, read_blocks
from musecl.evaluation.naive_baselines import NAIVE_BASELINES, STACKED, Known
from musecl.evaluation.prediction import (
    MethodPredictions,
    SeededFold,
    collect,
    fit_ridge,
    predict_from_vectors,
    state_of,
)
from musecl.evaluation.selection import choose, stack
from musecl.evaluation.settings import EvaluateSettings
from musecl.evaluation.splits import Fold
from musecl.fusion.columns import without_fused
from musecl.fusion.inputs import (
    MODALITIES,
    FusionInputs,
    ImageVectors,
    RegionVectors,
    read_inputs,
    sorted_part,
)
from musecl.fusion.settings import FuseSettings
from musecl.fusion.several import Asked, represent_each
from musecl.geography.geo import metric_coordinates
from musecl.runtime.errors import InputError
from musecl.runtime.job import Job
from musecl.runtime.tables import KEY, read_by_region, read_vectors
from musecl.runtime.workers import in_processes

Array = NDArray[np.float64]

AS_PUBLISHED = {
    "mode": "scalar_attention",
    "text_as_input": False,
    "residual": False,
    "k_rings": 0,
    "text_weight": 1.0,
    "views_weight": 0.0,
    "pois_weight": 0.0,
}
FUSIONS = {
    "fusion_svrv": {**AS_PUBLISHED, "text_weight": 0.0, "views_weight": 1.0},
    "musecl_published_code": {**AS_PUBLISHED, "alignment": "mse"},
    "musecl_published_paper": {**AS_PUBLISHED, "alignment": "infonce"},
}


def run(job: Job) -> None:
    """Write `baselines.csv`."""
    settings = job.settings("evaluate", EvaluateSettings)
    seed = int(job.value("seed"))
    labelled = read_labelled(job)
    regions, primary = labelled.regions, labelled.primary
    tasks, _ = judgeable(regions, labelled.groups, settings, seed)
    with job.scratch() as scratch:
        methods = read_methods(job, regions[KEY], scratch)
        coordinates = metric_coordinates(regions)
        counts = read_counts(job.input("poi_category_counts.parquet"), regions[KEY])

        def predict(group: IndicatorGroup, trials: list[SeededFold]) -> Iterator[MethodPredictions]:
            here = [
                Method(name, tuple(block.take(group.rows) for block in blocks), perceptron=False)
                for name, blocks in methods.items()
            ]
            yield from predict_from_vectors(here, group.labels, trials, None)
            yield from predict_naively(
                coordinates[group.rows],
                counts[group.rows],
                methods["musecl"][0].take(group.rows),
                group.labels,
                trials,
            )

        judged = list(judge(predict, tasks, primary, regions, seed, "baselines"))
    table = lay_out(judged, primary, reference="musecl")
    write_comparison(table, job.city, job.output("baselines.csv"))


def read_methods(
    job: Job, regions: pd.Series, scratch: Path
) -> dict[str, tuple[RegionFeatures, ...]]:
    """Read, or train, the vectors of every representation: blocks of N regions by method."""
    ours = read_blocks(job.input, regions)

    def published(view: str, name: str) -> RegionVectors:
        return sorted_part(*read_vectors(job.input(f"baseline_{view}.parquet"), name))

    def block(part: RegionVectors) -> RegionFeatures:
        return align(regions, pd.DataFrame({KEY: part.region_ids}), part.vectors, "baselines")

    satellite = published("satellite", "musecl_published")
    street = published("street_view", "musecl_published")
    # The second half of a street view's numbers are deviations over its viewpoints.
    street = street._replace(vectors=street.vectors[:, : street.vectors.shape[1] // 2])
    methods: dict[str, tuple[RegionFeatures, ...]] = {
        "satellite_pretrained": (ours["satellite_pretrained"],),
        "street_view_pretrained": (ours["street_view_pretrained"],),
        "tile2vec": (block(published("satellite", "tile2vec")),),
        "urban2vec": (block(published("street_view", "urban2vec")), ours["text"]),
        "pg_simclr": (block(published("satellite", "pg_simclr")),),
        "add_svrv": (add(block(satellite), block(street)),),
        "concat_published": (block(satellite), block(street), ours["text"]),
    }
    settings, seed = job.settings("fuse", FuseSettings), int(job.value("seed"))
    inputs = published_inputs(read_inputs(job), satellite, street)
    asked = [
        Asked(
            inputs.without("text") if name == "fusion_svrv" else inputs,
            FuseSettings(**{**settings.model_dump(), **changes}),
            scratch / name,
        )
        for name, changes in FUSIONS.items()
    ]
    # A region with a text alone has nothing fused: it is absent, not zero.
    seeing = pd.Index(inputs.region_ids).isin({*satellite.region_ids, *street.region_ids})
    known = [region for region, sees in zip(inputs.region_ids, seeing, strict=True) if sees]
    for name, vectors in zip(FUSIONS, represent_each(asked, seed), strict=True):
        methods[name] = (block(RegionVectors(known, vectors[seeing])),)
    methods |= {name: (ours[name],) for name in MODALITIES}
    parts = [name for name in ours if name != "musecl"]
    methods["concat"] = tuple(ours[name] for name in parts)
    if settings.residual:
        keys, embedding = read_vectors(job.input("embeddings.parquet"), "embedding")
        around = without_fused(embedding, settings)
        methods["concat_with_k_rings"] = (align(regions, keys, around, "embeddings.parquet"),)
    methods["musecl"] = (ours["musecl"],)
    return methods


def published_inputs(
    inputs: FusionInputs, satellite: RegionVectors, street: RegionVectors
) -> FusionInputs:
    """Lay out what the published fusion sees: a vector per view and region, the text as target."""
    return FusionInputs(
        region_ids=inputs.region_ids,
        parts={
            "satellite embedding": satellite,
            "street_view embedding": street,
            "text": inputs.parts["text"],
        },
        views={
            "satellite": ImageVectors(satellite.region_ids, {"embedding": satellite.vectors}),
            "street_view": ImageVectors(street.region_ids, {"embedding": street.vectors}),
        },
        positives=inputs.positives,
        neighbours=inputs.neighbours,
    )


def add(first: RegionFeatures, second: RegionFeatures) -> RegionFeatures:
    """Sum two blocks of the same width; where one is absent the other stands alone.

    Raises
    ------
    InputError
        Their widths differ.
    """
    if first.values.shape != second.values.shape:
        raise InputError(
            "add_svrv: the views have vectors of different length; set pretrain_satellite."
            "embedding_size and pretrain_street_view.embedding_size alike"
        )
    return RegionFeatures(first.values + second.values, first.present | second.present)


def read_counts(path: Path, regions: pd.Series) -> Array:
    """Read ln(1 + POIs) of each category, (N, K); see `read_by_region`."""
    category_counts = read_by_region(path, regions, "counts")
    return np.asarray(
        np.log1p(category_counts[sorted(category_counts.columns)].to_numpy(dtype=float))
    )


def predict_naively(
    coordinates: Array,
    counts: Array,
    representation: RegionFeatures,
    labels: Array,
    trials: list[SeededFold],
) -> Iterator[MethodPredictions]:
    """Predict by what needs no image, by a stack of it, and by a stack with a representation.

    Parameters
    ----------
    coordinates : array of shape (n, 2)
        Metres, in a metric CRS.
    counts : array of shape (n, K)
        POIs per category.
    representation : RegionFeatures
        Of the same n regions.
    labels : array of shape (n, T)
    trials : list of SeededFold
    """

    def by_ridge(values: Array, fold: Fold) -> Array:
        return fit_ridge((representation,), values, fold).predictions

    def predict(trial: SeededFold) -> list[Array]:
        known = Known(coordinates, counts, state_of(trial))
        chosen = {
            name: choose(build(known), labels, trial.fold)
            for name, build in NAIVE_BASELINES.items()
        }
        weighed = [chosen[name] for name in STACKED]
        ours = choose([by_ridge], labels, trial.fold)
        stacks = [stack(parts, labels, trial.fold) for parts in (weighed, [*weighed, ours])]
        return [*(one.test for one in chosen.values()), *stacks]

    answers = list(in_processes(predict, trials))
    for place, name in enumerate((*NAIVE_BASELINES, "stacked", "stacked_with_musecl")):
        predictions = [of_trial[place] for of_trial in answers]
        yield MethodPredictions(name, "chosen", collect(trials, predictions, labels.shape))
