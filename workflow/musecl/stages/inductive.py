"""What it is worth to have seen a region, without its labels, before it is predicted.

Pretraining asks for no label, and so it may see the regions that are held out (transductive, as the
paper's); in a place that was not there at training it may not (inductive). Rows by column `method`,
each trained on `all_regions` and on the `training_regions` of a fold:

- `fusion_*`: features of the pretrained encoders, which know nothing of the city, and texts, fused.
  Components, scales and training of the fusion are fitted.
- `remote_view_*`, `street_view_*`, `musecl_*`: the whole method. The encoders are trained, on those
  pairs whose regions may all be seen, and then the fusion of their features.

Column `folds`: all of one repetition, or its first alone, for encoders take long to train. It is
done on the splits `random` and `spatial` whatever `evaluate.splits` says, for the indicators that
most of the headline shares its regions with. Which regions count as alike is told by the places and
trips of all regions on either side.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from musecl.encoding.encoders import load_encoder
from musecl.encoding.features import Features, read_features, rows_of_viewpoints
from musecl.encoding.settings import EmbedViewSettings, PretrainSettings, VisionEncoderSettings
from musecl.evaluation.comparison import Judged, Predict, judge, lay_out, write_comparison
from musecl.evaluation.labels import Group, read_labelled
from musecl.evaluation.methods import Block, align
from musecl.evaluation.prediction import Answers, Trial, collect, fit_ridge
from musecl.evaluation.settings import EvaluateSettings
from musecl.fusion.inputs import read_inputs
from musecl.fusion.representation import VIEWS, FusionInputs, Part, represent
from musecl.fusion.settings import FuseSettings
from musecl.learning.embedding import average_regions, embed_viewpoints
from musecl.learning.pretraining import ROLES, pretrain
from musecl.step.job import Job
from musecl.step.tables import KEY, read_table, read_vectors

DRAWS = 35
SPLITS = ("random", "spatial")
SEEN, UNSEEN = "all_regions", "training_regions"


def run(job: Job) -> None:
    """Write `inductive.csv`."""
    settings = job.settings("evaluate", EvaluateSettings)
    once = settings.model_copy(update={"seeds": 1, "splits": list(SPLITS)})
    seed = int(job.value("seed"))
    regions, groups, headline, _ = read_labelled(job)
    group = max(groups, key=lambda one: (len(headline & set(one.names)), len(one.rows)))
    shown = headline & set(group.names)
    inputs = read_inputs(job)
    tables = []
    with job.scratch() as scratch:
        predictions = {
            "all": by_fusion(job, pretrained_alone(inputs), regions[KEY], scratch),
            "first": by_everything(job, inputs, regions[KEY], scratch),
        }
        for folds, predict in predictions.items():
            judged = list(judge(predict, [group], shown, regions, once, seed, f"{folds} folds"))
            tables.append(lay_out_pairs(judged, shown).assign(folds=folds))
    table = pd.concat(tables, ignore_index=True)
    write_comparison(table, job.city, job.output("inductive.csv"))


def lay_out_pairs(judged: list[Judged], headline: set[str]) -> pd.DataFrame:
    """Lay out each representation with the one that has seen all regions as its reference."""
    seen = [one.method for one in judged if one.method.endswith(SEEN)]
    names = [method.removesuffix(f"_{SEEN}") for method in dict.fromkeys(seen)]
    return pd.concat(
        [
            lay_out(
                [one for one in judged if one.method in (f"{name}_{SEEN}", f"{name}_{UNSEEN}")],
                headline,
                reference=f"{name}_{SEEN}",
            )
            for name in names
        ]
    )


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


def by_fusion(job: Job, inputs: FusionInputs, regions: pd.Series, scratch: Path) -> Predict:
    """Predict by a fusion of all regions and by one per trial of its training fold.

    Parameters
    ----------
    job : Job
        Of the stage.
    inputs : FusionInputs
        Of the city; nothing in them was fitted to it.
    regions : Series of str
        N region_ids, sorted.
    scratch : Path
        Holds a checkpoint per training.
    """
    everything = block_of(regions, fuse(job, inputs, list(regions), scratch / "all regions"))

    def predict(group: Group, trials: list[Trial]) -> Iterator[Answers]:
        ids = regions.to_numpy()[group.rows]
        answers: dict[str, list[np.ndarray]] = {SEEN: [], UNSEEN: []}
        for trial in trials:
            name = "fold " + " ".join(str(part) for part in trial.key)
            part = fuse(job, inputs, list(ids[trial.fold.train]), scratch / name)
            for side, block in ((SEEN, everything), (UNSEEN, block_of(regions, part))):
                here = (block.take(group.rows),)
                answers[side].append(fit_ridge(here, group.labels, trial.fold).predictions)
        for side, predictions in answers.items():
            yield Answers(
                f"fusion_{side}", "ridge", collect(trials, predictions, group.labels.shape)
            )

    return predict


def by_everything(job: Job, inputs: FusionInputs, regions: pd.Series, scratch: Path) -> Predict:
    """Predict the first trial by the encoders and the fusion of the city, and of its training fold.

    Parameters are those of `by_fusion`, with inputs from encoders that have seen all regions.
    """
    features = {view: read_features(job.input(f"{view}_features")) for view in VIEWS}
    seen = {view: inputs.parts[f"{view} embedding"] for view in VIEWS}
    keys, vectors = read_vectors(job.input("embeddings.parquet"), "embedding")
    seen["musecl"] = Part(list(keys[KEY]), vectors)

    def predict(group: Group, trials: list[Trial]) -> Iterator[Answers]:
        trial = trials[0]
        train = list(regions.to_numpy()[group.rows[trial.fold.train]])
        folder = scratch / ("encoders " + " ".join(str(part) for part in trial.key))
        changed = inputs
        for view in VIEWS:
            vectors = train_and_embed(job, view, features[view], train, folder / view)
            changed = with_vectors(changed, view, features[view], vectors)
        unseen = {view: changed.parts[f"{view} embedding"] for view in VIEWS}
        unseen["musecl"] = fuse(job, changed, train, folder / "fusion")
        for side, parts in ((SEEN, seen), (UNSEEN, unseen)):
            for name, part in parts.items():
                here = (block_of(regions, part).take(group.rows),)
                found = fit_ridge(here, group.labels, trial.fold).predictions
                predicted = collect([trial], [found], group.labels.shape)
                yield Answers(f"{name}_{side}", "ridge", predicted)

    return predict


def fuse(job: Job, inputs: FusionInputs, train: list[str], folder: Path) -> Part:
    """Represent all regions by a fusion whose components, scales and training see some.

    Parameters
    ----------
    job : Job
        Of the stage.
    inputs : FusionInputs
        Of all regions.
    train : list of str
        Those to fit to.
    folder : Path
        Of the checkpoint; made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fit = pd.Index(inputs.region_ids).get_indexer(pd.Index(train))
    settings, seed = job.settings("fuse", FuseSettings), int(job.value("seed"))
    return Part(inputs.region_ids, represent(inputs, settings, seed, folder, fit[fit >= 0])[1])


def train_and_embed(
    job: Job, view: str, features: Features, train: list[str], folder: Path
) -> np.ndarray:
    """Pretrain the encoder of a view on the pairs of some regions, and embed all viewpoints.

    Parameters
    ----------
    job : Job
        Of the stage.
    view : str
        `remote_view` or `street_view`.
    features : Features
        Of the images of all regions.
    train : list of str
        Regions that may be seen: all roles of a pair are among them.
    folder : Path
        Of the checkpoint; made.

    Returns
    -------
    array of shape (V, D), float32
        A row per viewpoint, in the order of `rows_of_viewpoints`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    streets = view == "street_view"
    frozen = job.settings(f"encoders.{view}", VisionEncoderSettings)
    settings = job.settings(f"pretrain_{view}", PretrainSettings)
    output = job.settings(f"embed_{view}", EmbedViewSettings).output
    encoder = load_encoder(job.input(f"models/{view}"), frozen.trainable_blocks)
    pairs = read_table(job.input(f"{view}_pairs.parquet"))
    kept = pairs[pairs[ROLES[settings.loss]].isin(set(train)).all(axis=1)]
    random = int(job.value("seed")), DRAWS + streets
    model, _ = pretrain(encoder, features, kept, settings, streets, random, folder, view)
    return embed_viewpoints(model, features, view, output)


def with_vectors(
    inputs: FusionInputs, view: str, features: Features, vectors: np.ndarray
) -> FusionInputs:
    """Take other contrastive features of a view, by viewpoint and averaged to regions."""
    keys, _ = rows_of_viewpoints(features.index)
    regions, averaged = average_regions(keys, vectors, with_deviation=view == "street_view")
    changed = inputs.replacing(f"{view} embedding", Part(list(regions[KEY]), averaged))
    single = inputs.views[view]
    views = single._replace(kinds={**single.kinds, "embedding": vectors})
    return replace(changed, views={**changed.views, view: views})


def block_of(regions: pd.Series, part: Part) -> Block:
    """Put the vectors of a part into the order of the region table."""
    return align(regions, pd.DataFrame({KEY: part.region_ids}), part.vectors, "inductive")
