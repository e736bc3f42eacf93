"""The columns of `embedding`: the fused vector, the residual and the k-rings, joined, taken apart.

`fused` is the output of the fusion (`embedding_size` numbers). `embedding`, the representation
that predicts, is `fused` alone or, where `residual` is set, `fused` beside what went in: the
pretrained and the contrastive features of both views, and the text; each part centred, reduced by
PCA and of total variance 1. Aligned to texts and POIs, the fused vector forgets what they do not
tell, population for one; the residual keeps it. Its columns are components: scale them together,
not each to variance 1.

A region that lacks a modality holds, in that part, the mean of the regions that have it, and the
last columns of the residual, one per modality, say which are present (1) or absent (0). Where
`k_rings` is set, the mean of each ring of neighbours' columns stands beside a region's own: what a
place is like depends on what is around it.
"""

import numpy as np
import pandas as pd

from musecl.fusion.inputs import FusionInputs, RegionVectors, Vectors, fill, modalities_of
from musecl.fusion.reduction import Reduction, fit_reduction
from musecl.fusion.settings import FuseSettings
from musecl.runtime.errors import InputError

FUSED = "fused"
PART_SIZE = 128
NOTHING = RegionVectors([], np.zeros((0, 0), np.float32))

#: What the columns of `embeddings.parquet` are; the metadata of the file says it.
ABOUT = {
    "region_id": "the region",
    "fused": "output of the fusion, `fuse.embedding_size` numbers",
    "embedding": "the representation that predicts: `fused` beside components of each modality and "
    "a mark of each that is present (where `fuse.residual` is true), then the same of each ring of "
    "neighbours (`fuse.k_rings`); components, to be scaled together and not each to variance 1",
}


def fit_parts(fused: Vectors, inputs: FusionInputs, fitted: list[str]) -> dict[str, Reduction]:
    """Find what reduces the fused vectors (N, D) and each part; fitted to some regions."""
    given = {FUSED: RegionVectors(inputs.region_ids, fused), **inputs.parts}
    return {
        name: fit_reduction(part.vectors, PART_SIZE, pd.Index(part.region_ids).isin(fitted))
        for name, part in given.items()
    }


def beside_residual(fused: Vectors, inputs: FusionInputs, parts: dict[str, Reduction]) -> Vectors:
    """Set the fused vectors (N, D) beside the parts and the presence of each modality.

    Within a part the components keep their relative variance; its total is 1, so that no part
    weighs more for being wider. `parts` is what `fit_parts` finds.
    """
    region_ids = inputs.region_ids
    given = {FUSED: RegionVectors(region_ids, fused), **inputs.parts}
    columns = []
    for name, reduction in parts.items():
        size = reduction.directions.shape[1]
        here, vectors = given.get(name, NOTHING)
        scaled = reduction.apply(vectors) / np.sqrt(size) if here else np.zeros((0, size))
        columns.append(fill(RegionVectors(here, scaled.astype(np.float32)), region_ids)[0])
    have = {name.split()[0]: part.region_ids for name, part in inputs.parts.items()}
    presence = [
        pd.Index(region_ids).isin(have.get(modality, []))
        for modality in modalities_of(name for name in parts if name != FUSED)
    ]
    return np.concatenate([*columns, np.stack(presence, axis=1)], axis=1, dtype=np.float32)


def without_fused(embedding: Vectors, settings: FuseSettings) -> Vectors:
    """Drop the fused vector from `embedding` (N, E), of a region itself and of each ring around it.

    What is left is the residual of a transductive run, with what is around where `k_rings` is set.

    Raises
    ------
    InputError
        There is no residual: the fused vector is all there is.
    """
    if not settings.residual:
        raise InputError("fuse.residual is false: nothing is left without the fused vector")
    blocks = np.split(embedding, 1 + settings.k_rings, axis=1)
    fused = min(PART_SIZE, settings.embedding_size, len(embedding))
    return np.hstack([block[:, fused:] for block in blocks])


def without_k_rings(embedding: Vectors, settings: FuseSettings) -> Vectors:
    """Drop what is around from `embedding` (N, E): the fused vector and the residual are left."""
    return np.split(embedding, 1 + settings.k_rings, axis=1)[0]
