"""Anchor, positive and negative regions: whom contrastive training takes for alike.

Positives are the most similar regions, by POIs (lambda^POI) or by mobility (lambda^PM), as in
MuseCL; or adjacent ones, as in Tile2Vec (Jean et al. 2019) and Urban2Vec (Wang et al. 2020);
or the region itself, of which another image is drawn; or any, for an ablation. The published code
of MuseCL takes the single most similar region, and a random other one as the negative.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from musecl.pair_mining.nearest import nearest_rows
from musecl.pair_mining.settings import MobilityPairSettings, PoiPairSettings
from musecl.pair_mining.similarity import mobility_profiles, poi_profiles
from musecl.runtime.errors import InputError

Rows = NDArray[np.int64]
Values = NDArray[np.float64]
NONE = -1


@dataclass(frozen=True)
class Similarity:
    """What says how alike N regions are; rows by `region_id`, sorted.

    Attributes
    ----------
    name : str
        `pois` or `mobility`: the reason of a pair that it chose.
    profiles : array of shape (N, D)
        The nearer, the more alike.
    known : bool array of shape (N,)
        Which regions have a profile that says enough.
    of_distance : callable
        Turns distances of profiles into lambda.
    """

    name: str
    profiles: Values
    known: NDArray[np.bool_]
    of_distance: Callable[[Values], Values]


def poi_pairs(
    settings: PoiPairSettings,
    regions: pd.DataFrame,
    category_counts: pd.DataFrame,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Pair regions for the satellite view; see `poi_profiles` for the tables, `pair_regions`.

    Of a city without POIs `settings.fallback` chooses.
    """
    if category_counts.empty:
        return fallen_back(settings, regions, "pois", generator)
    profiles = poi_profiles(category_counts, regions, settings.ignored_categories, settings.k_rings)
    known = np.ones(len(profiles), dtype=np.bool_)
    return pair_regions(
        settings, regions, Similarity("pois", profiles, known, np.negative), generator
    )


def mobility_pairs(
    settings: MobilityPairSettings,
    regions: pd.DataFrame,
    flows: pd.DataFrame,
    origin_destination: pd.DataFrame,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Pair regions for the street view; see `mobility_profiles` for the tables, `pair_regions`.

    A region with too few trips has no profile that says enough. Of a city without mobility
    `settings.fallback` chooses.
    """
    if flows.empty:
        return fallen_back(settings, regions, "mobility", generator)
    profiles, trips = mobility_profiles(settings.profile, regions, flows, origin_destination)
    of_distance = np.negative if settings.profile == "flows" else cosine
    known = trips >= settings.minimum_trips
    return pair_regions(
        settings, regions, Similarity("mobility", profiles, known, of_distance), generator
    )


def fallen_back(
    settings: PoiPairSettings | MobilityPairSettings,
    regions: pd.DataFrame,
    lacking: str,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Pair regions of a city that lacks what they should be compared by; see `pair_regions`."""
    print(f"pairs: this city has no {lacking}; positives are {settings.fallback} instead")
    changed = settings.model_copy(update={"positives": settings.fallback, "negatives": "random"})
    unknown = np.zeros(len(regions), dtype=np.bool_)
    nothing = Similarity(lacking, np.zeros((len(regions), 1)), unknown, np.negative)
    return pair_regions(changed, regions, nothing, generator)


def cosine(distances: Values) -> Values:
    """Cosine of unit vectors by their distance: |a - b|^2 = 2 - 2 cos(a, b)."""
    return 1 - distances**2 / 2


def pair_regions(
    settings: PoiPairSettings | MobilityPairSettings,
    regions: pd.DataFrame,
    similarity: Similarity,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Choose positives and negatives of every region as the settings say.

    Parameters
    ----------
    settings : PoiPairSettings or MobilityPairSettings
        Which, and how many.
    regions : DataFrame
        N rows: `region_id`, `neighbours`.
    similarity : Similarity
        Of the N regions.
    generator : numpy.random.Generator
        Of every random draw.

    Returns
    -------
    DataFrame
        By anchor, most similar first: `anchor`, `positive`, `negative`, `similarity` (null where
        it did not choose the positive) and `reason` (`pois`, `mobility`, `neighbours`, `random`;
        `same region` where a region is its own positive).

    Raises
    ------
    InputError
        There are too few regions for a negative beside `top` positives, or the tables differ.
    """
    neighbours = regions.set_index("region_id")["neighbours"].sort_index()
    count, top = len(neighbours), settings.top
    reason: str = settings.positives
    values = np.full((count, top), np.nan)
    if settings.positives == "similar":
        positives, distances = most_similar(similarity, top)
        reason, values = similarity.name, similarity.of_distance(distances)
    elif settings.positives == "neighbours":
        positives = draw_neighbours(neighbours, top, generator)
    elif settings.positives == "random":
        positives = draw_others(count, top, generator)
    else:
        positives = itself(count, top)
    negatives = draw_negatives(positives, generator)
    if settings.negatives == "hard":
        negatives = draw_hard_negatives(positives, negatives, similarity, generator)
    ids = neighbours.index.to_numpy(dtype=object)
    anchors = itself(count, top)
    table = pd.DataFrame(
        {
            "anchor": ids[anchors.ravel()],
            "positive": ids[positives.ravel()],
            "negative": ids[negatives.ravel()],
            "similarity": values.ravel(),
            "reason": np.where(anchors == positives, "same region", reason).ravel().astype(object),
        }
    )
    kept: pd.DataFrame = table[positives.ravel() != NONE].reset_index(drop=True)
    return kept


def itself(count: int, top: int) -> Rows:
    """Row numbers (N, top) that name each region itself."""
    return np.repeat(np.arange(count)[:, None], top, axis=1)


def most_similar(similarity: Similarity, top: int) -> tuple[Rows, Values]:
    """Rank the most similar regions among those with a profile.

    Parameters
    ----------
    similarity : Similarity
        Of N regions.
    top : int
        How many for each.

    Returns
    -------
    rows, distances : arrays of shape (N, top)
        Row numbers and distances of profiles, nearest first. A region without a profile has
        itself at distance 0 (two of its images are alike), and so is what is missing where fewer
        regions have one.
    """
    rows = itself(len(similarity.known), top)
    distances = np.zeros(rows.shape)
    known = np.flatnonzero(similarity.known)
    found = min(top, len(known) - 1)
    if found > 0:
        nearest, distances[known, :found] = nearest_rows(similarity.profiles[known], found)
        rows[known, :found] = known[nearest]
    return rows, distances


def draw_neighbours(neighbours: pd.Series, top: int, generator: np.random.Generator) -> Rows:
    """Draw from each region's adjacent ones without putting back.

    Parameters
    ----------
    neighbours : Series of lists of str
        By `region_id`, sorted.
    top : int
        How many for each at most.
    generator : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    array of shape (N, top)
        Row numbers; -1 where a region has fewer. An island has itself.
    """
    place = {region: row for row, region in enumerate(neighbours.index)}
    drawn = np.full((len(neighbours), top), NONE)
    for row, others in enumerate(neighbours):
        adjacent = sorted(place[other] for other in others) or [row]
        chosen = generator.permutation(adjacent)[:top]
        drawn[row, : len(chosen)] = chosen
    return drawn


def draw_others(count: int, top: int, generator: np.random.Generator) -> Rows:
    """Draw `top` different regions for each of N, itself not among them: shape (N, top)."""
    top = min(top, count - 1)
    drawn = np.stack([generator.choice(count - 1, top, replace=False) for _ in range(count)])
    return drawn + (drawn >= np.arange(count)[:, None])


def draw_negatives(positives: Rows, generator: np.random.Generator) -> Rows:
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


def draw_hard_negatives(
    positives: Rows, otherwise: Rows, similarity: Similarity, generator: np.random.Generator
) -> Rows:
    """Draw negatives from the k most similar regions that are neither anchor nor positive.

    Parameters
    ----------
    positives : array of shape (N, k)
        Row numbers.
    otherwise : array of shape (N, k)
        Negatives of the regions that have no profile, or none is left to compare with.
    similarity : Similarity
        Of the N regions.
    generator : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    array of shape (N, k)
        Row numbers.
    """
    count, top = positives.shape
    ranked, _ = most_similar(similarity, min(2 * top, count - 1))
    negatives = otherwise.copy()
    for row, candidates in enumerate(ranked):
        hard = candidates[~np.isin(candidates, [row, *positives[row]])][:top]
        if len(hard):
            negatives[row] = generator.choice(hard, top)
    return negatives
