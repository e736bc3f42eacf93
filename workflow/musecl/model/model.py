"""A trained model, applied to regions that training never saw."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from musecl.encoding.encoders import load_encoder
from musecl.encoding.features import (
    IMAGES_AT_ONCE,
    encode,
    read_features,
    turned,
    turned_index,
    write_features,
)
from musecl.fusion.inputs import FusionInputs, ImageVectors, RegionVectors, sorted_part
from musecl.fusion.representation import Representation
from musecl.model.given import GivenImages, find_images, read_pois
from musecl.model.heads import Head
from musecl.region_texts import embed_pois
from musecl.runtime.errors import InputError
from musecl.runtime.tables import KEY
from musecl.text import load_text_encoder
from musecl.training.embedding import KINDS, apply_encoder, average_regions

PRETRAINED = "pretrained"
PREDICTED = [KEY, "indicator", "prediction", "lower_90", "upper_90", "unit"]


class Embedded(NamedTuple):
    """What a model says of regions.

    Attributes
    ----------
    vectors : DataFrame
        `embedding`, a row per region, indexed by `region_id`: what predicts.
    fused : DataFrame
        The output of the fusion alone; indexed by `region_id`.
    predictions : DataFrame
        `region_id`, `indicator`, `prediction`, `lower_90`, `upper_90`, `unit`. The interval is
        that of regions of the city that the model was trained on.
    """

    vectors: pd.DataFrame
    fused: pd.DataFrame
    predictions: pd.DataFrame


@dataclass(frozen=True)
class Model:
    """A model of one city.

    Attributes
    ----------
    folder : Path
        Where it lies; README.md there is its model card.
    settings : dict
        What it was made with, as `settings.json` says.
    representation : Representation
        Components, scales and the fusion.
    heads : list of Head
        What predicts the indicators.
    """

    folder: Path
    settings: dict[str, Any]
    representation: Representation
    heads: list[Head]

    @property
    def indicators(self) -> list[str]:
        """Name the indicators that it predicts."""
        return [name for head in self.heads for name in head.names]

    @property
    def modalities(self) -> list[str]:
        """Name what it can be given: of `satellite`, `street_view` and `text`."""
        return list(self.representation.kinds)

    def embed(
        self,
        images: str | Path | None = None,
        street_views: str | Path | None = None,
        pois: str | Path | pd.DataFrame | None = None,
        neighbours: Mapping[str, Sequence[str]] | None = None,
    ) -> Embedded:
        """Embed regions from any of their modalities, and predict their indicators.

        A modality that a region lacks counts as absent, as it did in training: the mean region
        stands in, and a mark says so. Images should show as much ground as those of the training
        city do (README.md of the model says how much); they are resized to the pixels it knows.

        Parameters
        ----------
        images : str or Path, optional
            Images from above: a folder of images, each named by its region (`REGION.jpg`) or in a
            folder named by it (`REGION/anything.jpg`); a table (CSV or Parquet) with `region_id`
            and `file`; or a folder that the pipeline wrote (`data/CITY/satellite`).
        street_views : str or Path, optional
            Images from the street, in the same forms.
        pois : str, Path or DataFrame, optional
            Points of interest, a table (CSV or Parquet): `region_id` and `text`, or `name` and
            `category`; `weight` (above 0) where some count more.
        neighbours : mapping of str to sequence of str, optional
            The adjacent regions of each region. Without it every region stands alone, and what is
            around counts as the mean.

        Returns
        -------
        Embedded
            Of every region that has any modality, sorted.

        Raises
        ------
        InputError
            Nothing is given, a file cannot be read, or the model lacks a modality.

        Examples
        --------
        >>> model = musecl.load_model("results/nyc/model")
        >>> model.embed(images="chips", pois="pois.csv").predictions
        """
        parts: dict[str, RegionVectors] = {}
        views: dict[str, ImageVectors] = {}
        for view, given in (("satellite", images), ("street_view", street_views)):
            if given is not None:
                self._require(view)
                of_view, views[view] = self._embed_view(view, find_images(given))
                parts |= of_view
        if pois is not None:
            self._require("text")
            parts["text"] = self._embed_pois(read_pois(pois))
        if not parts:
            raise InputError("nothing to embed; give images, street views or POIs")
        region_ids = sorted({region for part in parts.values() for region in part.region_ids})
        inputs = FusionInputs(
            region_ids=region_ids,
            parts=parts,
            views=views,
            positives=pd.DataFrame(columns=["anchor", "positive"]),
            neighbours=_known(region_ids, neighbours or {}),
        )
        fused, embedding = self.representation.apply(inputs)
        index = pd.Index(region_ids, name=KEY)
        nothing = pd.DataFrame(columns=PREDICTED)
        predictions = [head.predict(region_ids, embedding) for head in self.heads]
        return Embedded(
            pd.DataFrame(embedding, index=index),
            pd.DataFrame(fused, index=index),
            pd.concat(predictions, ignore_index=True) if predictions else nothing,
        )

    def _require(self, modality: str) -> None:
        if modality not in self.modalities:
            raise InputError(
                f"{self.folder}: the model knows no {modality}; it knows "
                f"{', '.join(self.modalities)}"
            )

    def _embed_view(
        self, view: str, given: GivenImages
    ) -> tuple[dict[str, RegionVectors], ImageVectors]:
        """Embed the images of a view as the stages of the pipeline do."""
        said = self.settings["encoders"][view]
        pretrained, blocks = self.folder / PRETRAINED / view, said["trainable_blocks"]
        count, size = IMAGES_AT_ONCE[view], tuple(self.settings["images"][view])
        index, batches = given.index, given.batches(size, count)
        if view == "satellite":
            index, batches = turned_index(index), map(turned, batches)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "features"
            encoder = load_encoder(pretrained, blocks)
            write_features(folder, index, encode(encoder, batches, len(index), view))
            keys, vectors = apply_encoder(
                read_features(folder),
                pretrained,
                self.folder / view,
                blocks,
                self.settings[f"embed_{view}"]["output"],
                view,
            )
        parts = {}
        for kind in KINDS:
            averaged = average_regions(keys, vectors[kind], with_deviation=view == "street_view")
            parts[f"{view} {kind}"] = sorted_part(*averaged)
        return parts, ImageVectors(list(keys[KEY]), vectors)

    def _embed_pois(self, table: pd.DataFrame) -> RegionVectors:
        tokenizer, model = load_text_encoder(self.folder / PRETRAINED / "text")
        method = self.settings["embed_text"]["method"]
        keys, vectors, _ = embed_pois(table, tokenizer, model, method)
        return sorted_part(keys, vectors.astype(np.float32))


def _known(region_ids: list[str], neighbours: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Name the neighbours of every region that is reached; of others nothing is known."""
    reached = {*region_ids, *neighbours, *(one for some in neighbours.values() for one in some)}
    return {region: list(neighbours.get(region, [])) for region in sorted(reached)}
