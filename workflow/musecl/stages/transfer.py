"""Train on one city, predict another that shows none of its labels.

Rows by column `method`: `dummy_mean` (of the training city), the pretrained features and the text,
whose spaces all cities share, each alone and side by side (`concat`), and `musecl`: encoders and
fusion of the training city, its components and scales, applied to the other's images and texts.
Ridge is fitted to the training city, its penalty chosen on larger cells held out there. R2 asks for
the level too, which another city may not share; `correlation` asks for the order alone.

`predictions.parquet` holds what `musecl` says of every region of the other city, in the unit of the
training city, with an interval from its residuals. No label of the other city is needed for that:
one without indicators is predicted all the same, and `r2.csv` has a header only. What cannot be
trained on, or not be judged, stands in `left_out.csv`.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from musecl.encoding.features import read_features
from musecl.encoding.settings import EmbedViewSettings, VisionEncoderSettings
from musecl.evaluation.methods import RegionFeatures, align
from musecl.evaluation.settings import EvaluateSettings
from musecl.evaluation.transfer import (
    LEFT_OUT,
    PREDICTIONS,
    SCORES,
    carry_over,
    labels_of_both,
    sort_out,
)
from musecl.fusion.inputs import VIEWS, FusionInputs, ImageVectors, Vectors, sorted_part
from musecl.fusion.representation import represent
from musecl.fusion.settings import FuseSettings
from musecl.imagery.images import imagery_of_views
from musecl.runtime.errors import InputError
from musecl.runtime.job import Job
from musecl.runtime.pipeline import BETWEEN
from musecl.runtime.tables import (
    KEY,
    read_geotable,
    read_table,
    read_vectors,
    write_csv,
    write_table,
)
from musecl.training.embedding import KINDS, apply_encoder, average_regions


class BothCities(NamedTuple):
    """Vectors of both cities: keys (`region_id`, of single images `viewpoint`), a row for each."""

    keys: pd.DataFrame
    vectors: Vectors


def run(job: Job) -> None:
    """Write `predictions.parquet`, `r2.csv` and `left_out.csv` of a transfer."""
    source, _, target = job.city.partition(BETWEEN)
    cities = source, target
    seed = int(job.value("seed"))
    evaluate = job.settings("evaluate", EvaluateSettings)
    tables = [read_geotable(job.input(f"{city}/regions.parquet")) for city in cities]
    regions = pd.concat(tables, ignore_index=True).sort_values(KEY, ignore_index=True)
    inside = regions[KEY].isin(tables[0][KEY]).to_numpy()
    given, beside = (read_table(job.input(f"{city}/indicators.parquet")) for city in cities)
    trainable, left_out = sort_out(labels_of_both(given, beside, regions[KEY]), inside)
    parts, views = read_both(job, source, target)
    inputs = FusionInputs(
        region_ids=sorted({region for part in parts.values() for region in part.keys[KEY]}),
        parts={name: sorted_part(*part) for name, part in parts.items()},
        views=views,
        positives=read_table(job.input(f"{source}/satellite_pairs.parquet")),
        neighbours=dict(zip(regions[KEY], regions["neighbours"], strict=True)),
    )
    with job.scratch() as scratch:
        fit = np.flatnonzero(pd.Index(inputs.region_ids).isin(tables[0][KEY]))
        settings = job.settings("fuse", FuseSettings)
        _, embedding = represent(inputs, settings, seed, scratch, fit)

    def block(keys: pd.DataFrame, vectors: Vectors) -> RegionFeatures:
        return align(regions[KEY], keys, vectors, "transfer")

    shared = {
        name.replace(" ", "_"): block(*part)
        for name, part in parts.items()
        if name.endswith("pretrained") or name == "text"
    }
    methods = {name: (one,) for name, one in shared.items()} | {"concat": tuple(shared.values())}
    methods["musecl"] = (block(pd.DataFrame({KEY: inputs.region_ids}), embedding),)
    images = [job.input(f"{target}/{view}") for view in VIEWS]
    predicted, scored = [], []
    for carried in trainable:
        rows, scores = carry_over(carried, methods, regions, inside, evaluate.folds, seed)
        predicted.append(rows)
        scored += scores
    predictions = pd.concat(predicted).sort_values(["indicator", KEY])
    predictions = predictions.assign(made_by=f"labels of {source}")
    write_table(predictions, PREDICTIONS, job.output("predictions.parquet"))
    table = pd.DataFrame(scored, columns=list(SCORES.columns))
    table = table.assign(source=source, target=target, imagery=imagery_of_views(images))
    write_csv(table, job.output("r2.csv"), SCORES)
    write_csv(left_out, job.output("left_out.csv"), LEFT_OUT)
    shown = table.drop(columns=["source", "target", "imagery"])
    print(shown.round(3).to_string(index=False) if scored else "nothing to judge: no common label")


def read_both(
    job: Job, source: str, target: str
) -> tuple[dict[str, BothCities], dict[str, ImageVectors]]:
    """Read the vectors of both cities, the target's views through the source's encoders.

    Returns
    -------
    parts : dict of BothCities
        Per region: both kinds of both views, and the text. What the source lacks is not among
        them, for nothing was trained on it; what the target lacks is that of the source alone.
    views : dict of ImageVectors
        Single chips and viewpoints, of the regions of both cities.

    Raises
    ------
    InputError
        The cities overlap, or have no modality in common.
    """
    parts, views = {}, {}
    common = False
    for view in VIEWS:
        names = f"{view}_image_embeddings.parquet", f"{view}_embeddings.parquet"
        here = {
            kind: [read_vectors(job.input(f"{source}/{name}"), kind) for name in names]
            for kind in KINDS
        }
        if any(keys.empty for given in here.values() for keys, _ in given):
            continue
        there = embed_target(job, source, target, view)
        common = common or bool(there)
        kinds = {}
        for kind in KINDS:
            both, parts[f"{view} {kind}"] = map(join, here[kind], there.get(kind, (None, None)))
            order = both.keys.sort_values([KEY, "viewpoint"]).index.to_numpy()
            kinds[kind] = both.vectors[order]
        views[view] = ImageVectors(list(both.keys[KEY].iloc[order]), kinds)
    text, other = (
        read_vectors(job.input(f"{city}/text_embeddings.parquet"), "embedding")
        for city in (source, target)
    )
    if not text[0].empty:
        parts["text"] = join(text, None if other[0].empty else other)
        common = common or not other[0].empty
    if not common:
        raise InputError(
            f"transfer: {target} has none of the inputs that {source} was trained on; give it "
            "images or POIs"
        )
    return parts, views


def embed_target(
    job: Job, source: str, target: str, view: str
) -> dict[str, tuple[tuple[pd.DataFrame, Vectors], tuple[pd.DataFrame, Vectors]]]:
    """Embed a view of the target: by kind, single views and regions; {} where it lacks the view."""
    frozen = job.settings(f"encoders.{view}", VisionEncoderSettings)
    features = read_features(job.input(f"{target}/{view}_features"))
    if features.index.empty:
        return {}
    keys, vectors = apply_encoder(
        features,
        job.input(f"models/{view}"),
        job.input(f"{source}/{view}_encoder"),
        frozen.trainable_blocks,
        job.settings(f"embed_{view}", EmbedViewSettings).output,
        f"{view} of {target}",
    )
    deviation = view == "street_view"
    return {
        kind: ((keys, vectors[kind]), average_regions(keys, vectors[kind], deviation))
        for kind in KINDS
    }


def join(
    here: tuple[pd.DataFrame, Vectors], there: tuple[pd.DataFrame, Vectors] | None
) -> BothCities:
    """Set the vectors of two cities one below the other; of one alone where the other has none.

    Raises
    ------
    InputError
        A region is in both: the cities overlap.
    """
    if there is None:
        return BothCities(*here)
    common = set(here[0][KEY]) & set(there[0][KEY])
    if common:
        raise InputError(
            f"transfer: the two cities share {len(common)} regions, first {min(common)!r}; "
            "choose cities that lie apart"
        )
    keys = pd.concat([here[0], there[0]], ignore_index=True)
    return BothCities(keys, np.concatenate([here[1], there[1]]))
