"""Embeddings of viewpoints, and of regions as the averages of their viewpoints."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from musecl.encoding.encoders import fastest_device, load_encoder
from musecl.encoding.features import Features, read_features, rows_of_viewpoints
from musecl.encoding.settings import EmbedViewSettings, Output, VisionEncoderSettings
from musecl.runtime.job import Job
from musecl.runtime.progress import progress
from musecl.runtime.tables import KEY, write_vectors
from musecl.training.contrastive import ContrastiveEncoder, read_encoder

VIEWPOINTS_AT_ONCE = 32
KINDS = ("pretrained", "embedding")


def average_pooled(features: Features) -> NDArray[np.float32]:
    """Average the frozen encoder's features over the images of each viewpoint.

    Returns
    -------
    array of shape (V, D0), float32
        A row per viewpoint, in the order of `rows_of_viewpoints`.
    """
    _, rows = rows_of_viewpoints(features.index)
    return np.stack([features.pooled[images].mean(axis=0) for images in rows])


def embed_viewpoints(
    model: ContrastiveEncoder, features: Features, description: str, output: Output
) -> NDArray[np.float32]:
    """Embed each viewpoint with the trained encoder, from all of its images.

    Ours are the features and not their projection: the projection keeps what the contrastive loss
    asks for and forgets the rest (Chen et al. 2020, SimCLR, section 4.2). The paper's embedding is
    what its loss sees: the projection.

    Parameters
    ----------
    model : ContrastiveEncoder
        Trained.
    features : Features
        The frozen trunk's output of all images.
    description : str
        What the progress bar says.
    output : str
        `features` or `projection`.

    Returns
    -------
    array of shape (V, D) or (V, E), float32
        A row per viewpoint, in the order of `rows_of_viewpoints`.
    """
    _, rows = rows_of_viewpoints(features.index)
    device = fastest_device()
    model.encoder.for_inference()
    model = model.to(device)
    embeddings = []
    for start in progress(description, range(0, len(rows), VIEWPOINTS_AT_ONCE)):
        chunk = rows[start : start + VIEWPOINTS_AT_ONCE]
        counts = torch.tensor([len(images) for images in chunk])
        viewpoint = torch.repeat_interleave(torch.arange(len(chunk)), counts)
        hidden = torch.from_numpy(features.hidden[np.concatenate(chunk)])
        with torch.inference_mode():
            averaged, projected = model(hidden.to(device), viewpoint.to(device), len(chunk))
        embeddings.append((averaged if output == "features" else projected).cpu().numpy())
    return np.concatenate(embeddings)


def average_regions(
    keys: pd.DataFrame, vectors: NDArray[np.float32], with_deviation: bool
) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """Average the vectors of the viewpoints of each region.

    Parameters
    ----------
    keys : DataFrame
        `region_id` of each of V vectors, sorted.
    vectors : array of shape (V, D), float32
        A row per viewpoint.
    with_deviation : bool
        Put the standard deviation over the viewpoints beside the mean: how mixed a region is. It
        is zero where there is a single viewpoint.

    Returns
    -------
    keys : DataFrame
        `region_id`, N rows, sorted.
    vectors : array of shape (N, D) or (N, 2 D), float32
        A row per region.
    """
    regions, starts = np.unique(keys[KEY].to_numpy(dtype=str), return_index=True)
    groups = np.split(vectors, starts[1:])
    rows = [group.mean(axis=0) for group in groups]
    if with_deviation:
        rows = [
            np.concatenate([mean, group.std(axis=0)])
            for mean, group in zip(rows, groups, strict=True)
        ]
    return pd.DataFrame({KEY: regions}), np.stack(rows)


def embed_kinds(
    model: ContrastiveEncoder, features: Features, description: str, output: Output
) -> tuple[pd.DataFrame, dict[str, NDArray[np.float32]]]:
    """Embed each viewpoint before pretraining (`pretrained`) and after it (`embedding`).

    Parameters are those of `embed_viewpoints`.

    Returns
    -------
    keys : DataFrame
        `region_id` and `viewpoint`, V rows, sorted.
    vectors : dict of arrays of shape (V, ...)
    """
    keys, _ = rows_of_viewpoints(features.index)
    return keys, {
        "pretrained": average_pooled(features),
        "embedding": embed_viewpoints(model, features, description, output),
    }


def apply_encoder(
    features: Features,
    pretrained: Path,
    trained: Path,
    trainable_blocks: int,
    output: Output,
    description: str,
) -> tuple[pd.DataFrame, dict[str, NDArray[np.float32]]]:
    """Embed viewpoints, of any city, with the encoder that was trained on one.

    Parameters
    ----------
    features : Features
        The frozen trunk's output of all images.
    pretrained, trained : Path
        Folders of the pretrained weights and of those that training changed.
    trainable_blocks : int
        As in training.
    output, description : str
        See `embed_viewpoints`.

    Returns
    -------
    keys, vectors
        As `embed_kinds`.
    """
    model = read_encoder(trained, load_encoder(pretrained, trainable_blocks))
    return embed_kinds(model, features, description, output)


def embed_view(job: Job, view: str, with_deviation: bool) -> None:
    """Run the embedding stage of a view: before and after pretraining, per viewpoint and region.

    Of a city that lacks the view both tables are empty.

    Parameters
    ----------
    job : Job
        Of the stage.
    view : str
        `satellite` or `street_view`.
    with_deviation : bool
        See `average_regions`.
    """
    frozen = job.settings(f"encoders.{view}", VisionEncoderSettings)
    output = job.settings(f"embed_{view}", EmbedViewSettings).output
    features = read_features(job.input(f"{view}_features"))
    if features.index.empty:
        absent = pd.DataFrame(columns=[KEY, "viewpoint"])
        nothing = dict.fromkeys(KINDS, np.zeros((0, 0)))
        write_vectors(job.output(f"{view}_image_embeddings.parquet"), absent, **nothing)
        write_vectors(job.output(f"{view}_embeddings.parquet"), absent[[KEY]], **nothing)
        return
    keys, vectors = apply_encoder(
        features,
        job.input(f"models/{view}"),
        job.input(f"{view}_encoder"),
        frozen.trainable_blocks,
        output,
        job.declared.stage,
    )
    write_vectors(job.output(f"{view}_image_embeddings.parquet"), keys, **vectors)
    averaged = {
        name: average_regions(keys, values, with_deviation) for name, values in vectors.items()
    }
    regions, _ = averaged["embedding"]
    write_vectors(
        job.output(f"{view}_embeddings.parquet"),
        regions,
        **{name: values for name, (_, values) in averaged.items()},
    )
