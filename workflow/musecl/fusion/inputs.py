"""What the fusion sees of a city: the vectors of each modality, and which POIs are alike.

`read_inputs` reads it from the tables that the embedding stages write; `without` and `replacing`
change it for a comparison.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from musecl.runtime.errors import InputError
from musecl.runtime.job import Job
from musecl.runtime.tables import KEY, read_geotable, read_table, read_vectors, require_same_regions
from musecl.training.embedding import KINDS

Vectors = NDArray[np.float32]

VIEWS = ("satellite", "street_view")
TEXT = "text"
MODALITIES = (*VIEWS, TEXT)


class RegionVectors(NamedTuple):
    """Vectors of shape (M, D) and the M regions that they describe, sorted."""

    region_ids: list[str]
    vectors: Vectors


class ImageVectors(NamedTuple):
    """M single views, sorted by region: the region of each, and vectors (M, D) of each kind."""

    region_ids: list[str]
    kinds: dict[str, Vectors]


@dataclass(frozen=True)
class FusionInputs:
    """What the fusion may see of the N regions of a city: no label is among it.

    Attributes
    ----------
    region_ids : list of str
        The regions to represent, sorted.
    parts : dict of RegionVectors
        Vectors per region, as they stand in the residual, by modality and kind:
        `satellite pretrained`, `satellite embedding`, the same of `street_view`, `text`. What
        the city lacks is not among them; what else describes it may be.
    views : dict of ImageVectors
        By modality but the text, its chips or viewpoints, of the same kinds and regions as its
        parts.
    positives : DataFrame
        `anchor`, `positive`: regions with alike POIs.
    neighbours : dict of list of str
        The adjacent regions of each region; others than `region_ids` are not looked at.
    """

    region_ids: list[str]
    parts: dict[str, RegionVectors]
    views: dict[str, ImageVectors]
    positives: pd.DataFrame
    neighbours: dict[str, list[str]]

    @property
    def modalities(self) -> list[str]:
        """Name the modalities, in the order of `parts`."""
        return modalities_of(self.parts)

    def without(self, modality: str) -> "FusionInputs":
        """Leave out a modality everywhere; all regions stay.

        The pairs of alike POIs stay, too: leave them out by `pois_weight` 0.

        Raises
        ------
        InputError
            There is no such modality.
        """
        if modality not in self.modalities:
            raise InputError(f"no modality {modality!r}; there are {', '.join(self.modalities)}")
        return replace(
            self,
            parts={name: part for name, part in self.parts.items() if name.split()[0] != modality},
            views={view: views for view, views in self.views.items() if view != modality},
        )

    def replacing(self, name: str, part: RegionVectors) -> "FusionInputs":
        """Take another encoder's vectors for those of a part; every view holds its region's.

        Parameters
        ----------
        name : str
            A key of `parts`.
        part : RegionVectors
            Of the same regions as the part that it replaces.

        Raises
        ------
        InputError
            There is no such part, or it describes other regions.
        """
        if name not in self.parts:
            raise InputError(f"no part {name!r} to replace; there are {', '.join(self.parts)}")
        if part.region_ids != self.parts[name].region_ids:
            raise InputError(f"{name}: the vectors in its place are of other regions; sort them")
        inputs = replace(self, parts={**self.parts, name: part})
        view, _, kind = name.partition(" ")
        if view not in self.views:
            return inputs
        old = self.views[view]
        rows = pd.Index(part.region_ids).get_indexer(pd.Index(old.region_ids))
        new = old._replace(kinds={**old.kinds, kind: part.vectors[rows]})
        return replace(inputs, views={**self.views, view: new})


def modalities_of(parts: Iterable[str]) -> list[str]:
    """Name the modalities of parts such as `satellite pretrained`, each once."""
    return list(dict.fromkeys(name.split()[0] for name in parts))


def fill(part: RegionVectors, region_ids: list[str]) -> tuple[Vectors, NDArray[np.bool_]]:
    """Lay out vectors by region (N, D), 0 where a region has none, and say which have (N,)."""
    row = pd.Index(part.region_ids).get_indexer(pd.Index(region_ids))
    present = row >= 0
    laid = np.zeros((len(region_ids), part.vectors.shape[1]), np.float32)
    laid[present] = part.vectors[row[present]]
    return laid, present


def read_inputs(job: Job) -> FusionInputs:
    """Read both kinds of features of both views, by region and by single view, text and pairs.

    A region that lacks all modalities is not among the inputs, and neither is a modality that the
    city lacks.

    Raises
    ------
    InputError
        A region is not in the region table, or no modality describes any.
    """
    regions = read_geotable(job.input("regions.parquet"))
    found = {}
    for view in VIEWS:
        for kind in KINDS:
            found[f"{view} {kind}"] = read_vectors(job.input(f"{view}_embeddings.parquet"), kind)
    found["text"] = read_vectors(job.input("text_embeddings.parquet"), "embedding")
    parts = {name: sorted_part(*vectors) for name, vectors in found.items() if len(vectors[0])}
    if not parts:
        raise InputError("fuse: no modality describes any region; give the city one")
    region_ids = sorted({region for part in parts.values() for region in part.region_ids})
    require_same_regions(regions[KEY], pd.Series(region_ids), "fuse")
    return FusionInputs(
        region_ids=region_ids,
        parts=parts,
        views={view: read_views(job, view) for view in VIEWS if f"{view} embedding" in parts},
        positives=read_table(job.input("satellite_pairs.parquet")),
        neighbours=dict(zip(regions[KEY], regions["neighbours"], strict=True)),
    )


def sorted_part(keys: pd.DataFrame, vectors: Vectors) -> RegionVectors:
    """Sort vectors (M, D) by the `region_id` of their keys."""
    order = keys["region_id"].argsort().to_numpy()
    return RegionVectors(list(keys["region_id"].iloc[order]), vectors[order])


def read_views(job: Job, view: str) -> ImageVectors:
    """Read the single chips or viewpoints of a view, sorted, in both kinds."""
    kinds = {}
    for kind in KINDS:
        keys, vectors = read_vectors(job.input(f"{view}_image_embeddings.parquet"), kind)
        order = keys.sort_values(["region_id", "viewpoint"]).index.to_numpy()
        kinds[kind] = vectors[order]
    return ImageVectors(list(keys["region_id"].iloc[order]), kinds)
