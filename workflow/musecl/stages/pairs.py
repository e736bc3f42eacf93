"""Pairs for the contrastive stages: anchor, positive and negative regions.

Remote view: the positives of a region are the most similar ones by places, lambda^POI. Street
view: the most similar ones by mobility, lambda^PM, among regions with enough trips; a region with
too few is its own positive (two of its images are alike), and so is what is missing where a city
has fewer such regions than positives are asked for. The negative is a random region.
"""

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray

from musecl.nearest import nearest_rows
from musecl.settings.pairs import MobilityPairSettings, PairSettings
from musecl.similarity import mobility_profiles, place_profiles
from musecl.step.errors import InputError
from musecl.step.job import Job
from musecl.tables import read_geotable, read_table, write_table

REMOTE_VIEW_STREAM, STREET_VIEW_STREAM = 11, 12
PAIRS = pa.DataFrameSchema(
    {
        "anchor": pa.Column(str),
        "positive": pa.Column(str),
        "negative": pa.Column(str),
        "similarity": pa.Column(float),
        "reason": pa.Column(str, pa.Check.isin(["places", "mobility", "same region"])),
    },
    strict=True,
)


def draw_negatives(
    positives: NDArray[np.int64], generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draw for each pair a random region that is neither the anchor nor one of its positives.

    Parameters
    ----------
    positives : array of shape (N, k)
        Row numbers of the positives of each of the N regions.
    generator : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    array of shape (N, k)
        Row numbers.

    Raises
    ------
    InputError
        There is no such region for every anchor: N is not above k + 1.
    """
    count, top = positives.shape
    if count <= top + 1:
        raise InputError(
            f"{count} regions leave no negative beside {top} positives; lower pairs.*.top in "
            "params.yaml or widen the extent of the city"
        )
    excluded = np.column_stack([np.arange(count), positives])
    negatives = generator.integers(count, size=positives.shape)
    clash = (negatives[:, :, None] == excluded[:, None, :]).any(axis=2)
    while clash.any():
        negatives[clash] = generator.integers(count, size=int(clash.sum()))
        clash = (negatives[:, :, None] == excluded[:, None, :]).any(axis=2)
    return negatives


def choose_by_mobility(
    profiles: NDArray[np.float64], trips: NDArray[np.int64], settings: MobilityPairSettings
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Choose the positives of the street view: most similar, or the region itself.

    Parameters
    ----------
    profiles : array of shape (N, D)
        Of unit length; rows by `region_id`, sorted.
    trips : array of shape (N,)
        Trip ends in each region.
    settings : MobilityPairSettings
        How many, and how many trips a region must have.

    Returns
    -------
    positives, similarity : arrays of shape (N, top)
        Row numbers and lambda^PM; 1 for a region with itself.
    """
    count = len(trips)
    positives = np.repeat(np.arange(count)[:, None], settings.top, axis=1)
    similarity = np.ones(positives.shape)
    enough = np.flatnonzero(trips >= settings.minimum_trips)
    top = min(settings.top, len(enough) - 1)
    if top > 0:
        rows, distances = nearest_rows(profiles[enough], top)
        positives[enough, :top] = enough[rows]
        # Of unit vectors: |a - b|^2 = 2 - 2 cos(a, b).
        similarity[enough, :top] = 1 - distances**2 / 2
    return positives, similarity


def build_pairs(
    region_ids: list[str],
    positives: NDArray[np.int64],
    similarity: NDArray[np.float64],
    reason: str,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Write positives down as a table with a negative beside each, by anchor, most similar first.

    Parameters
    ----------
    region_ids : list of str
        N ids, sorted.
    positives, similarity : arrays of shape (N, k)
        Row numbers of the positives, and how similar they are.
    reason : str
        Why they are positives; `same region` where a region is its own.
    generator : numpy.random.Generator
        Draws the negatives.

    Returns
    -------
    DataFrame
        N k rows: `anchor`, `positive`, `negative`, `similarity`, `reason`.
    """
    ids = np.array(region_ids, dtype=object)
    anchors = np.repeat(np.arange(len(ids)), positives.shape[1])
    chosen = positives.ravel()
    return pd.DataFrame(
        {
            "anchor": ids[anchors],
            "positive": ids[chosen],
            "negative": ids[draw_negatives(positives, generator).ravel()],
            "similarity": similarity.ravel(),
            "reason": np.where(anchors == chosen, "same region", reason).astype(object),
        }
    )


def run(job: Job) -> None:
    """Write remote_view_pairs.parquet and street_view_pairs.parquet."""
    settings = job.settings("pairs", PairSettings)
    seed = job.value("seed")
    regions = read_geotable(job.input("regions.parquet"))
    histogram = read_table(job.input("place_histogram.parquet"))
    flows = read_table(job.input("flows.parquet"))
    origin_destination = read_table(job.input("origin_destination.parquet"))
    ids = sorted(regions["region_id"])
    profiles = place_profiles(histogram, regions, settings.remote_view.ignored_categories)
    rows, distances = nearest_rows(profiles, settings.remote_view.top)
    generator = np.random.default_rng([seed, REMOTE_VIEW_STREAM])
    by_places = build_pairs(ids, rows, -distances, "places", generator)
    profiles, trips = mobility_profiles(regions, flows, origin_destination)
    rows, similarity = choose_by_mobility(profiles, trips, settings.street_view)
    generator = np.random.default_rng([seed, STREET_VIEW_STREAM])
    by_mobility = build_pairs(ids, rows, similarity, "mobility", generator)
    alone = by_mobility.loc[by_mobility["reason"] == "same region", "anchor"].nunique()
    print(
        f"pairs: {len(by_places)} by places, {by_places['positive'].nunique()} of {len(ids)} "
        f"regions are a positive; {len(by_mobility)} by mobility, {alone} regions are their own"
    )
    write_table(by_places, PAIRS, job.output("remote_view_pairs.parquet"))
    write_table(by_mobility, PAIRS, job.output("street_view_pairs.parquet"))
