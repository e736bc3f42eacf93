"""What it is worth to have seen a region, without its labels, before it is predicted.

Pretraining asks for no label, and so it may see the regions that are held out (transductive, as the
paper's); in a place that was not there at training it may not (inductive). Rows by column `method`,
each trained on `all_regions` and on the `training_regions` of a fold:

- `fusion_*`: features of the pretrained encoders, which know nothing of the city, and texts, fused.
  Pairs of alike POIs, components, scales and training are those of the regions that may be seen.
- `satellite_*`, `street_view_*`, `musecl_*`: the whole method. Pairs are mined and encoders are
  trained before, too, on the regions that may be seen.

It is done on the splits `random` and `spatial` whatever `evaluate.splits` says, for the indicators
that most primary indicators share their regions with, or the next that can be judged. Column
`folds`: how many of one repetition's are tested. At random, where every region has seen neighbours
on either side, encoders are trained for the first alone, for that takes long.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from musecl.encoding.features import Features, read_features, rows_of_viewpoints
from musecl.encoding.settings import EmbedViewSettings, PretrainSettings
from musecl.evaluation.comparison import Predict, SplitResult, judge, lay_out, write_comparison
from musecl.evaluation.judgeable import first_judgeable
from musecl.evaluation.labels import IndicatorGroup, read_labelled
from musecl.evaluation.methods import Method, RegionFeatures, align
from musecl.evaluation.prediction import (
    MethodPredictions,
    SeededFold,
    collect,
    fit_ridge,
    predict_from_vectors,
)
from musecl.evaluation.settings import EvaluateSettings
from musecl.fusion.inputs import VIEWS, FusionInputs, RegionVectors, Vectors, read_inputs
from musecl.fusion.settings import FuseSettings
from musecl.fusion.several import Asked, represent_each
from musecl.pair_mining.mining import mobility_pairs, poi_pairs
from musecl.pair_mining.settings import PairSettings
from musecl.runtime.errors import InputError
from musecl.runtime.job import Job
from musecl.runtime.tables import KEY, read_table, read_vectors
from musecl.runtime.workers import in_processes
from musecl.training.embedding import average_regions
from musecl.training.pretraining import pretrain_and_embed

PAIR_STREAM, DRAWS = 14, 35
SPLITS = ["random", "spatial"]
ALL, TRAINING = "all_regions", "training_regions"


def run(job: Job) -> None:
    """Write `inductive.csv`."""
    settings = job.settings("evaluate", EvaluateSettings)
    seed = int(job.value("seed"))
    labelled = read_labelled(job)
    regions, primary = labelled.regions, labelled.primary
    most = sorted(labelled.groups, key=lambda one: (-len(primary & {*one.names}), -len(one.rows)))
    asked = settings.model_copy(update={"seeds": 1, "splits": SPLITS})
    tasks = first_judgeable(regions, most, asked, seed)
    city = read_city(job, regions)
    tables = []
    with job.scratch() as scratch:
        fusion, everything = by_fusion(job, city, scratch), by_everything(job, city, scratch)
        for predict, splits, folds in (
            (fusion, SPLITS, settings.folds),
            (everything, ["random"], 1),
            (everything, ["spatial"], settings.folds),
        ):
            here = [task for task in tasks if task.split in splits]
            judged = judge(on_first(predict, folds), here, primary, regions, seed, "inductive")
            tables.append(lay_out_pairs(list(judged), primary).assign(folds=folds))
    table = pd.concat(tables, ignore_index=True)
    write_comparison(table, job.city, job.output("inductive.csv"))


def on_first(predict: Predict, folds: int) -> Predict:
    """Predict so many folds, and no further one."""

    def predict_first(
        group: IndicatorGroup, trials: list[SeededFold]
    ) -> Iterable[MethodPredictions]:
        return predict(group, trials[:folds])

    return predict_first


@dataclass(frozen=True)
class City:
    """What pairs are mined from, and what is fused.

    Attributes
    ----------
    regions : DataFrame
        `region_id`, `neighbours` and `spatial_block` of N regions, sorted.
    category_counts, flows, origin_destination : DataFrame
        As the stages `pois` and `mobility` write them.
    inputs : FusionInputs
        Their views through encoders that have seen all regions.
    """

    regions: pd.DataFrame
    category_counts: pd.DataFrame
    flows: pd.DataFrame
    origin_destination: pd.DataFrame
    inputs: FusionInputs

    def of(self, seen: set[str]) -> "City":
        """Keep what may be seen of some regions; inputs stay, for all regions are represented.

        A trip to any other region counts as one that leaves the city, as it does to the stage
        `mobility` where regions end.
        """
        ends = self.origin_destination[["origin", "destination"]]
        regions = self.regions[self.regions[KEY].isin(seen)]
        kept = [[one for one in near if one in seen] for near in regions["neighbours"]]
        return replace(
            self,
            regions=regions.assign(neighbours=pd.Series(kept, index=regions.index)),
            category_counts=self.category_counts[self.category_counts[KEY].isin(seen)],
            flows=self.flows[self.flows[KEY].isin(seen)],
            origin_destination=self.origin_destination[ends.isin(seen).all(axis=1)],
        )


def read_city(job: Job, regions: pd.DataFrame) -> City:
    """Read what pairs are mined from and what is fused, of regions that are sorted."""
    return City(
        regions[[KEY, "neighbours", "spatial_block"]],
        read_table(job.input("poi_category_counts.parquet")),
        read_table(job.input("flows.parquet")),
        read_table(job.input("origin_destination.parquet")),
        read_inputs(job),
    )


def mine(job: Job, city: City, view: str) -> pd.DataFrame:
    """Pair the regions of a city for a view; see the stage `pairs`."""
    settings = job.settings("pairs", PairSettings)
    draws = np.random.default_rng([int(job.value("seed")), PAIR_STREAM, VIEWS.index(view)])
    if view == "satellite":
        return poi_pairs(settings.satellite, city.regions, city.category_counts, draws)
    return mobility_pairs(
        settings.street_view, city.regions, city.flows, city.origin_destination, draws
    )


def lay_out_pairs(judged: list[SplitResult], primary: set[str]) -> pd.DataFrame:
    """Lay out each representation with the one that has seen all regions as its reference."""
    seen = [one.method for one in judged if one.method.endswith(ALL)]
    names = [method.removesuffix(f"_{ALL}") for method in dict.fromkeys(seen)]
    tables = [
        lay_out(
            [one for one in judged if one.method in (f"{name}_{ALL}", f"{name}_{TRAINING}")],
            primary,
            reference=f"{name}_{ALL}",
        )
        for name in names
    ]
    return pd.concat(tables) if tables else lay_out([], primary, reference="")


def pretrained_alone(inputs: FusionInputs) -> FusionInputs:
    """Leave out what was trained on the city: the contrastive features of both views."""
    return replace(
        inputs,
        parts={name: part for name, part in inputs.parts.items() if not name.endswith("embedding")},
        views={
            view: one._replace(kinds={"pretrained": one.kinds["pretrained"]})
            for view, one in inputs.views.items()
        },
    )


def by_fusion(job: Job, city: City, scratch: Path) -> Predict:
    """Predict by a fusion of all regions and by one per trial of its training fold.

    Parameters
    ----------
    job : Job
        Of the stage.
    city : City
        With N regions.
    scratch : Path
        Holds a checkpoint per training.
    """
    inputs, ids = pretrained_alone(city.inputs), city.regions[KEY]
    asked = [asked_fusion(job, inputs, list(ids), scratch / "all regions")]
    (everything,) = fuse_each(job, asked)
    whole = block_of(ids, everything)

    def predict(group: IndicatorGroup, trials: list[SeededFold]) -> Iterator[MethodPredictions]:
        known = ids.to_numpy()[group.rows]
        seen = Method(f"fusion_{ALL}", (whole.take(group.rows),), perceptron=False)
        yield from predict_from_vectors([seen], group.labels, trials, None)
        asked = []
        for trial in trials:
            train = list(known[trial.fold.train])
            pairs = mine(job, city.of(set(train)), "satellite")
            name = "fold " + " ".join(str(part) for part in trial.key)
            changed = replace(inputs, positives=pairs)
            asked.append(asked_fusion(job, changed, train, scratch / name))
        blocks = [block_of(ids, part).take(group.rows) for part in fuse_each(job, asked)]
        yield predict_each(f"fusion_{TRAINING}", blocks, group, trials)

    return predict


def by_everything(job: Job, city: City, scratch: Path) -> Predict:
    """Predict each trial by the encoders and the fusion of the city, and of its training fold.

    Parameters are those of `by_fusion`.
    """
    features = {view: read_features(job.input(f"{view}_features")) for view in VIEWS}
    seen = {view: city.inputs.parts[f"{view} embedding"] for view in VIEWS}
    keys, vectors = read_vectors(job.input("embeddings.parquet"), "embedding")
    seen["musecl"] = RegionVectors(list(keys[KEY]), vectors)
    ids = city.regions[KEY]

    def predict(group: IndicatorGroup, trials: list[SeededFold]) -> Iterator[MethodPredictions]:
        parts: dict[str, list[RegionVectors]] = {name: [] for name in VIEWS}
        asked = []
        for trial in trials:
            train = list(ids.to_numpy()[group.rows[trial.fold.train]])
            folder = scratch / ("encoders " + " ".join(str(part) for part in trial.key))
            visible = city.of(set(train))
            pairs = {view: mine(job, visible, view) for view in VIEWS}
            inputs = replace(city.inputs, positives=pairs["satellite"])
            for view in VIEWS:
                vectors = train_and_embed(job, view, features[view], pairs[view], folder / view)
                inputs = with_vectors(inputs, view, features[view], vectors)
                parts[view].append(inputs.parts[f"{view} embedding"])
            asked.append(asked_fusion(job, inputs, train, folder / "fusion"))
        parts["musecl"] = list(fuse_each(job, asked))
        for name, part in seen.items():
            here = (block_of(ids, part).take(group.rows),)
            method = Method(f"{name}_{ALL}", here, perceptron=False)
            yield from predict_from_vectors([method], group.labels, trials, None)
            blocks = [block_of(ids, found).take(group.rows) for found in parts[name]]
            yield predict_each(f"{name}_{TRAINING}", blocks, group, trials)

    return predict


def predict_each(
    method: str, blocks: list[RegionFeatures], group: IndicatorGroup, trials: list[SeededFold]
) -> MethodPredictions:
    """Predict each trial by ridge from vectors of its own, which its training fold made."""

    def fit(at: int) -> np.ndarray:
        return fit_ridge((blocks[at],), group.labels, trials[at].fold).predictions

    found = list(in_processes(fit, range(len(trials))))
    return MethodPredictions(method, "ridge", collect(trials, found, group.labels.shape))


def asked_fusion(job: Job, inputs: FusionInputs, train: list[str], folder: Path) -> Asked:
    """Ask for a fusion whose components, scales and training see some regions.

    Parameters
    ----------
    job : Job
        Of the stage.
    inputs : FusionInputs
        Of all regions.
    train : list of str
        Those to fit to.
    folder : Path
        Of the checkpoint.
    """
    fit = pd.Index(inputs.region_ids).get_indexer(pd.Index(train))
    return Asked(inputs, job.settings("fuse", FuseSettings), folder, fit[fit >= 0])


def fuse_each(job: Job, asked: list[Asked]) -> Iterator[RegionVectors]:
    """Represent all regions by each fusion that is asked for."""
    found = represent_each(asked, int(job.value("seed")))
    for one, vectors in zip(asked, found, strict=True):
        yield RegionVectors(one.inputs.region_ids, vectors)


def train_and_embed(
    job: Job, view: str, features: Features, pairs: pd.DataFrame, folder: Path
) -> Vectors:
    """Pretrain the encoder of a view on pairs, and embed the viewpoints of all regions.

    Parameters are those of `pretrain_and_embed`; the folder is made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = job.settings(f"pretrain_{view}", PretrainSettings)
    output = job.settings(f"embed_{view}", EmbedViewSettings).output
    return pretrain_and_embed(job, view, features, pairs, settings, output, DRAWS, folder)


def with_vectors(
    inputs: FusionInputs, view: str, features: Features, vectors: Vectors
) -> FusionInputs:
    """Take other contrastive features of a view, by viewpoint and averaged to regions.

    Raises
    ------
    InputError
        The viewpoints are not those of the inputs.
    """
    keys, _ = rows_of_viewpoints(features.index)
    single = inputs.views[view]
    if list(keys[KEY]) != single.region_ids:
        raise InputError(f"{view}: features and embeddings are of other viewpoints; embed again")
    regions, averaged = average_regions(keys, vectors, with_deviation=view == "street_view")
    views = single._replace(kinds={**single.kinds, "embedding": vectors})
    part = RegionVectors(list(regions[KEY]), averaged)
    return replace(
        inputs,
        parts={**inputs.parts, f"{view} embedding": part},
        views={**inputs.views, view: views},
    )


def block_of(regions: pd.Series, part: RegionVectors) -> RegionFeatures:
    """Put the vectors of a part into the order of the region table."""
    return align(regions, pd.DataFrame({KEY: part.region_ids}), part.vectors, "inductive")
