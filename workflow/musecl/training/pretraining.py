"""Contrastive pretraining of a vision encoder: regions that are alike should look alike."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from musecl.encoding.encoders import Encoder, load_encoder
from musecl.encoding.features import Features, read_features, rows_of_viewpoints
from musecl.encoding.settings import Output, PretrainSettings, VisionEncoderSettings
from musecl.runtime.errors import InputError, ParameterError
from musecl.runtime.job import Job
from musecl.runtime.tables import KEY, read_table
from musecl.training.contrastive import ContrastiveEncoder, write_encoder
from musecl.training.embedding import embed_viewpoints
from musecl.training.loop import train
from musecl.training.losses import false_negatives, infonce, triplet

WEIGHT_DECAY = 1e-4
CHECKPOINT_STEPS = 20
# InfoNCE takes its negatives from the batch.
ROLES = {"infonce": ["anchor", "positive"], "triplet": ["anchor", "positive", "negative"]}


class PairSampler:
    """Draws the batch of a step: a viewpoint of each anchor and of the other roles of its pair.

    Parameters
    ----------
    features : Features
        Of all images.
    pairs : DataFrame
        A column of region ids per role, anchor and positive first; every region has images.
    batch : int
        Anchors per step, or all there are.
    whole_viewpoints : bool
        Whether all images of a viewpoint are averaged (the headings of a street view), or one of
        them is drawn (a turn of a satellite view).
    random : tuple of int
        The seed and a constant of the stage; step i is drawn from these and i alone.
    """

    def __init__(
        self,
        features: Features,
        pairs: pd.DataFrame,
        batch: int,
        whole_viewpoints: bool,
        random: tuple[int, int],
    ) -> None:
        keys, self.rows = rows_of_viewpoints(features.index)
        regions, starts = np.unique(keys[KEY].to_numpy(dtype=str), return_index=True)
        self.viewpoints = np.split(np.arange(len(keys)), starts[1:])
        ordered = pairs.sort_values(list(pairs.columns)).to_numpy(dtype=str)
        self.pairs = np.searchsorted(regions, ordered)
        self.first_pairs = np.unique(self.pairs[:, 0], return_index=True)[1]
        self.last_pairs = np.append(self.first_pairs[1:], len(self.pairs))
        self.hidden = features.hidden
        self.batch = min(batch, len(self.first_pairs))
        self.whole_viewpoints = whole_viewpoints
        self.random = random

    def __call__(self, step: int) -> dict[str, Tensor]:
        """Draw the batch of a step.

        Returns
        -------
        dict
            `regions` (B, roles): a number per region. `hidden` (R, C, h, w), float16: of the
            images of B anchors, then B positives, then B of the next role. `viewpoint` (R,):
            which of these viewpoints each image belongs to.
        """
        generator = np.random.default_rng([*self.random, step])
        chosen = generator.choice(len(self.first_pairs), self.batch, replace=False)
        rows = generator.integers(self.first_pairs[chosen], self.last_pairs[chosen])
        regions = self.pairs[rows]
        images = self._images(regions, generator)
        counts = [len(image) for image in images]
        return {
            "regions": torch.from_numpy(regions),
            "hidden": torch.from_numpy(self.hidden[np.concatenate(images)]),
            "viewpoint": torch.from_numpy(np.repeat(np.arange(len(images)), counts)),
        }

    def _images(
        self, regions: NDArray[np.int64], generator: np.random.Generator
    ) -> list[NDArray[np.int64]]:
        anchors = [generator.choice(self.viewpoints[region]) for region in regions[:, 0]]
        positives = [
            self._positive(region, anchor, generator)
            for region, anchor in zip(regions[:, 1], anchors, strict=True)
        ]
        others = [generator.choice(self.viewpoints[region]) for region in regions[:, 2:].ravel()]
        images = [self.rows[viewpoint] for viewpoint in anchors + positives + others]
        if self.whole_viewpoints:
            return images
        return [generator.choice(image, 1) for image in images]

    def _positive(self, region: int, anchor: int, generator: np.random.Generator) -> np.int64:
        """Choose a viewpoint of the positive: another than the anchor's where it has one."""
        others = self.viewpoints[region][self.viewpoints[region] != anchor]
        viewpoint: np.int64 = generator.choice(others if len(others) else self.viewpoints[region])
        return viewpoint


class Pretraining(nn.Module):
    """The training step of `ContrastiveEncoder` on the batches of `PairSampler`."""

    def __init__(self, model: ContrastiveEncoder, settings: PretrainSettings) -> None:
        super().__init__()
        self.model = model
        self.settings = settings

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Compute the loss that the settings name."""
        regions = batch["regions"]
        _, embedding = self.model(batch["hidden"], batch["viewpoint"], regions.numel())
        anchors, positives, *negatives = embedding.chunk(regions.shape[1])
        if self.settings.loss == "infonce":
            same = false_negatives(regions[:, 0], regions[:, 1])
            return infonce(anchors, positives, self.settings.temperature, same)
        return triplet(anchors, positives, negatives[0], self.settings.margin)

    def optimizer(self) -> torch.optim.Optimizer:
        """Train what the encoder's settings leave trainable, and the projection."""
        parameters = self.model.trained().values()
        return torch.optim.AdamW(
            parameters, lr=self.settings.learning_rate, weight_decay=WEIGHT_DECAY
        )


def usable_pairs(pairs: pd.DataFrame, index: pd.DataFrame, description: str) -> pd.DataFrame:
    """Keep the pairs whose regions all have images, and print how many regions have none.

    Parameters
    ----------
    pairs : DataFrame
        A column of region ids per role.
    index : DataFrame
        `region_id` of each image.
    description : str
        The view, for the message.

    Raises
    ------
    InputError
        Fewer than two anchors are left.
    """
    seen = set(index[KEY])
    named = set(pairs.to_numpy().ravel())
    kept = pairs[pairs.isin(seen).all(axis=1)]
    anchors = kept["anchor"].nunique()
    print(
        f"{description}: {len(named - seen)} of {len(named)} regions have no image; {anchors} "
        f"anchors in {len(kept)} of {len(pairs)} pairs remain",
        file=sys.stderr,
    )
    if anchors < 2:
        raise InputError(
            f"{description}: {anchors} anchors of pairs have images; training needs two, so check "
            "that images and pairs are of the same city"
        )
    return kept


def pretrain(
    encoder: Encoder,
    features: Features,
    pairs: pd.DataFrame,
    settings: PretrainSettings,
    whole_viewpoints: bool,
    draws: tuple[int, int],
    scratch: Path,
    description: str,
) -> tuple[ContrastiveEncoder, pd.DataFrame]:
    """Train the top of an encoder and a projection on pairs of regions (MuseCL, Algorithm 1).

    Parameters
    ----------
    encoder : Encoder
        With its pretrained weights; changed in place.
    features : Features
        Of all images.
    pairs : DataFrame
        A column of region ids per role; those that the loss asks for are read.
    settings : PretrainSettings
        Loss, steps, rate.
    whole_viewpoints : bool
        See `PairSampler`.
    draws : tuple of int
        The seed, also of the projection's first weights, and a constant of the stage.
    scratch : Path
        Folder of the checkpoint that a killed run goes on from.
    description : str
        Stands before the progress, and before what is said of the pairs.

    Returns
    -------
    model : ContrastiveEncoder
        Trained.
    history : DataFrame
        `step`, `loss`.

    Raises
    ------
    InputError
        Fewer than two anchors have images.
    """
    usable = usable_pairs(pairs[ROLES[settings.loss]], features.index, description)
    sampler = PairSampler(features, usable, settings.batch, whole_viewpoints, draws)
    seed, _ = draws
    model = ContrastiveEncoder(encoder, settings.embedding_size, seed, settings.pooling)
    history = train(
        Pretraining(model, settings),
        sampler,
        settings.steps,
        seed,
        scratch,
        CHECKPOINT_STEPS,
        description,
    )
    return model, history


def pretrain_and_embed(
    job: Job,
    view: str,
    features: Features,
    pairs: pd.DataFrame,
    settings: PretrainSettings,
    output: Output,
    draws: int,
    scratch: Path,
) -> NDArray[np.float32]:
    """Train an encoder of a view that no stage keeps, and embed every viewpoint with it.

    Parameters
    ----------
    job : Job
        Of the stage; tells the seed and the pretrained weights.
    view : str
        `satellite` or `street_view`.
    features : Features
        Of its images.
    pairs : DataFrame
        `anchor`, `positive`, `negative`.
    settings : PretrainSettings
        Loss, steps, rate.
    output : str
        The vector that leaves the encoder: `features` or `projection`.
    draws : int
        The stage's constant in every random draw of the satellite view; one more is the street
        view's.
    scratch : Path
        Folder of the checkpoint, named as the encoder.

    Returns
    -------
    array of shape (V, D), float32
        A row per viewpoint, in the order of `rows_of_viewpoints`.
    """
    streets = view == "street_view"
    frozen = job.settings(f"encoders.{view}", VisionEncoderSettings)
    encoder = load_encoder(job.input(f"models/{view}"), frozen.trainable_blocks)
    constant = int(job.value("seed")), draws + streets
    model, _ = pretrain(
        encoder, features, pairs, settings, streets, constant, scratch, scratch.name
    )
    return embed_viewpoints(model, features, scratch.name, output)


def pretrain_view(job: Job, view: str, whole_viewpoints: bool, draws: int) -> None:
    """Run the pretraining stage of a view: its features and pairs to a trained encoder.

    Parameters
    ----------
    job : Job
        Of the stage.
    view : str
        `satellite` or `street_view`.
    whole_viewpoints : bool
        See `PairSampler`.
    draws : int
        The stage's constant in every random draw.

    Raises
    ------
    ParameterError
        Attention is asked for where a batch holds single images.
    """
    frozen = job.settings(f"encoders.{view}", VisionEncoderSettings)
    settings = job.settings(f"pretrain_{view}", PretrainSettings)
    if settings.pooling == "attention" and not whole_viewpoints:
        raise ParameterError(
            f"params.yaml: pretrain_{view}.pooling: a batch holds one image of each viewpoint, of "
            "which attention learns nothing; choose mean"
        )
    encoder = load_encoder(job.input(f"models/{view}"), frozen.trainable_blocks)
    features = read_features(job.input(f"{view}_features"))
    pairs = read_table(job.input(f"{view}_pairs.parquet"))
    seed = int(job.value("seed"))
    with job.scratch() as scratch:
        if features.index.empty:
            print(f"{view}: this city has none; its encoder stays as it was pretrained")
            model = ContrastiveEncoder(encoder, settings.embedding_size, seed, settings.pooling)
            history = pd.DataFrame(columns=["step", "loss"])
        else:
            model, history = pretrain(
                encoder,
                features,
                pairs,
                settings,
                whole_viewpoints,
                (seed, draws),
                scratch,
                job.declared.stage,
            )
        folder = job.output(f"{view}_encoder")
        folder.mkdir()
        write_encoder(folder, model, {**frozen.model_dump(), **settings.model_dump()})
        history.to_csv(folder / "history.csv", index=False)
