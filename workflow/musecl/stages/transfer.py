"""Train on one city, predict another that shows none of its labels.

Rows by column `method`: `mean` (that of the training city), the pretrained features and the text,
whose spaces all cities share, each alone and side by side (`concat`), and `musecl`: encoders and
fusion of the training city, its components and scales, applied to the other's images and texts.
Ridge is fitted to the training city, its penalty chosen on larger cells held out there. R2 asks for
the level too, which another city may not share; `correlation` asks for the order alone.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray

from musecl.encoding.encoders import load_encoder
from musecl.encoding.features import read_features
from musecl.encoding.settings import EmbedViewSettings, VisionEncoderSettings
from musecl.evaluation.methods import Block, align
from musecl.evaluation.prediction import fit_ridge
from musecl.evaluation.scoring import score_once
from musecl.evaluation.settings import EvaluateSettings
from musecl.evaluation.splits import Fold, parts_of
from musecl.fusion.inputs import sorted_part
from musecl.fusion.representation import VIEWS, FusionInputs, Vectors, Views, represent
from musecl.fusion.settings import FuseSettings
from musecl.learning.contrastive import read_encoder
from musecl.learning.embedding import KINDS, average_regions, embed_kinds
from musecl.step.errors import InputError
from musecl.step.job import Job
from musecl.step.pipeline import BETWEEN
from musecl.step.tables import KEY, read_geotable, read_table, read_vectors, write_csv

Array = NDArray[np.float64]
DRAW_PARTS = 61

SCORES = pa.DataFrameSchema(
    {
        "from": pa.Column(str),
        "to": pa.Column(str),
        "indicator": pa.Column(str),
        "method": pa.Column(str),
        **{name: pa.Column(float) for name in ("r2", "rmse", "mae")},
        "correlation": pa.Column(float, pa.Check.in_range(-1, 1), nullable=True),
        "n_from": pa.Column(int),
        "n_to": pa.Column(int),
        "imagery": pa.Column(str),
    },
    strict=True,
    unique=["indicator", "method"],
)


class Seen(NamedTuple):
    """Vectors of both cities: keys (`region_id`, for single views `view`) and a row for each."""

    keys: pd.DataFrame
    vectors: Vectors


def run(job: Job) -> None:
    """Write `r2.csv` of a transfer."""
    source, _, target = job.city.partition(BETWEEN)
    cities = source, target
    seed = int(job.value("seed"))
    evaluate = job.settings("evaluate", EvaluateSettings)
    tables = [read_geotable(job.input(f"{city}/regions.parquet")) for city in cities]
    regions = pd.concat(tables, ignore_index=True).sort_values(KEY, ignore_index=True)
    inside = regions[KEY].isin(tables[0][KEY]).to_numpy()
    parts, views = read_both(job, source, target)
    inputs = FusionInputs(
        region_ids=sorted({region for part in parts.values() for region in part.keys[KEY]}),
        parts={name: sorted_part(*part) for name, part in parts.items()},
        views=views,
        positives=read_table(job.input(f"{source}/remote_view_pairs.parquet")),
        neighbours=dict(zip(regions[KEY], regions["neighbours"], strict=True)),
    )
    with job.scratch() as scratch:
        fit = np.flatnonzero(pd.Index(inputs.region_ids).isin(tables[0][KEY]))
        settings = job.settings("fuse", FuseSettings)
        embedding = represent(inputs, settings, seed, scratch, fit).embedding

    def block(keys: pd.DataFrame, vectors: Vectors) -> Block:
        return align(regions[KEY], keys, vectors, "transfer")

    shared = {
        name.replace(" ", "_"): block(*part)
        for name, part in parts.items()
        if name.endswith("pretrained") or name == "text"
    }
    methods = {name: (one,) for name, one in shared.items()} | {"concat": tuple(shared.values())}
    methods["musecl"] = (block(pd.DataFrame({KEY: inputs.region_ids}), embedding),)
    labelled = {city: read_table(job.input(f"{city}/indicators.parquet")) for city in cities}
    units = regions["parent"].to_numpy(dtype=str)
    rows = []
    for name, labels in shared_labels(labelled[source], labelled[target], regions[KEY]):
        known = ~np.isnan(labels)
        train, test = np.flatnonzero(inside & known), np.flatnonzero(~inside & known)
        generator = np.random.default_rng([seed, DRAW_PARTS])
        fold = Fold(train, test, parts_of(units[train], evaluate.folds, generator))
        for method, predicted in predict(methods, labels, fold):
            rows.append(score_once(labels[test], predicted) | {"indicator": name, "method": method})
            rows[-1] |= {"n_from": len(train), "n_to": len(test)}
    table = pd.DataFrame(rows).assign(imagery="rendered")
    table.insert(0, "from", source)
    table.insert(1, "to", target)
    write_csv(table[list(SCORES.columns)], job.output("r2.csv"), SCORES)
    shown = table.drop(columns=["from", "to", "imagery"])
    print(shown.round(3).to_string(index=False))


def read_both(job: Job, source: str, target: str) -> tuple[dict[str, Seen], dict[str, Views]]:
    """Read the vectors of both cities, the target's views through the source's encoders.

    Returns
    -------
    parts : dict of Seen
        Per region: both kinds of both views, and the text.
    views : dict of Views
        Single chips and viewpoints, of the regions of both cities.
    """
    parts, views = {}, {}
    for view in VIEWS:
        frozen = job.settings(f"encoders.{view}", VisionEncoderSettings)
        output = job.settings(f"embed_{view}", EmbedViewSettings).output
        encoder = load_encoder(job.input(f"models/{view}"), frozen.trainable_blocks)
        model = read_encoder(job.input(f"{source}/{view}_encoder"), encoder)
        features = read_features(job.input(f"{target}/{view}_features"))
        keys, vectors = embed_kinds(model, features, f"{view} of {target}", output)
        single, whole = f"{source}/{view}_view_embeddings.parquet", f"{view}_embeddings.parquet"
        kinds = {}
        for kind in KINDS:
            both = join(read_vectors(job.input(single), kind), (keys, vectors[kind]))
            order = both.keys.sort_values([KEY, "view"]).index.to_numpy()
            kinds[kind] = both.vectors[order]
            there = average_regions(keys, vectors[kind], with_deviation=view == "street_view")
            here = read_vectors(job.input(f"{source}/{whole}"), kind)
            parts[f"{view} {kind}"] = join(here, there)
        views[view] = Views(list(both.keys[KEY].iloc[order]), kinds)
    texts = [
        read_vectors(job.input(f"{city}/text_embeddings.parquet"), "embedding")
        for city in (source, target)
    ]
    return {**parts, "text": join(*texts)}, views


def join(here: tuple[pd.DataFrame, Vectors], there: tuple[pd.DataFrame, Vectors]) -> Seen:
    """Set the vectors of two cities one below the other.

    Raises
    ------
    InputError
        A region is in both: the cities overlap.
    """
    common = set(here[0][KEY]) & set(there[0][KEY])
    if common:
        raise InputError(
            f"transfer: the two cities share {len(common)} regions, first {min(common)!r}; "
            "choose cities that lie apart"
        )
    keys = pd.concat([here[0], there[0]], ignore_index=True)
    return Seen(keys, np.concatenate([here[1], there[1]]))


def shared_labels(
    first: pd.DataFrame, second: pd.DataFrame, regions: pd.Series
) -> Iterator[tuple[str, Array]]:
    """Name each indicator that both cities have, with its values (N,), NaN where it has none.

    Raises
    ------
    InputError
        They have none in common.
    """
    names = sorted(set(first["indicator"]) & set(second["indicator"]))
    if not names:
        raise InputError("transfer: the two cities have no indicator in common")
    both = pd.concat([first, second], ignore_index=True)
    for name in names:
        values = both[both["indicator"] == name].set_index(KEY)["value"]
        yield name, values.reindex(regions).to_numpy(dtype=float)


def predict(
    methods: dict[str, tuple[Block, ...]], labels: Array, fold: Fold
) -> Iterator[tuple[str, Array]]:
    """Predict the test rows by each method; no label of theirs is read."""
    yield "mean", np.full(len(fold.test), labels[fold.train].mean())
    for name, blocks in methods.items():
        yield name, fit_ridge(blocks, labels[:, None], fold).predictions[:, 0]
