"""What the generated city hands out: a table per layer, each made of what one modality sees.

Images are drawn later, from the tables of both views. Every table locates its rows by longitude and
latitude (EPSG:4326), as real sources do. None holds the hidden fields.
"""

from collections.abc import Callable

import geopandas as gpd
import h3
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from musecl.sources.synth.latents import LATITUDE, LONGITUDE, draw_latents
from musecl.sources.synth.rendering import FACTORS
from musecl.sources.synth.settings import Generated

Array = NDArray[np.float64]

VIEWPOINTS = 4
NEAR_DEGREES = 0.0025  # 280 m: inside a cell, whose sides are 380 m or more from its middle
POIS_PER_CATEGORY, TRIPS_PER_REGION, GAIN = 20.0, 300.0, 0.5
# The text encoder reads passages of 800 characters: a POI fills one, so that a region's vector is
# the mean of its POIs' vectors and none is read in the light of the one beside it by chance.
TEXT_CHARACTERS = 800
# By field: more of the first four and fewer of the next where it is high; the rest by their mix.
CATEGORIES = [
    *("bakery", "primary school", "car repair garage", "hospital"),
    *("fashion boutique", "playground", "law firm", "night club"),
    *("fish market", "hotel", "church", "warehouse"),
]
LOADINGS = np.vstack(
    [
        np.eye(4),
        -np.eye(4),
        np.array([(1, 1, -1, -1), (-1, 1, 1, -1), (1, -1, 1, -1), (-1, -1, -1, -1)]) / 2,
    ]
)
DRAW_CHIPS, DRAW_VIEWPOINTS, DRAW_POIS, DRAW_TRIPS = 64, 65, 66, 67


def table_of(layer: str, settings: Generated) -> pd.DataFrame:
    """Make the table of a layer: land, or rows located by `longitude` and `latitude`."""
    latents, seed = draw_latents(settings), settings.seed
    if layer == "boundary":
        outline: pd.DataFrame = land(latents.cells)
        return outline
    centres = np.array([h3.cell_to_latlng(cell)[::-1] for cell in latents.cells])
    if layer == "indicators":
        return _located(centres, **latents.indicators)
    make: dict[str, Callable[[Array, Array, int], pd.DataFrame]] = {
        "satellite": views,
        "street_view": viewpoints,
        "pois": pois,
        "mobility": trips,
    }
    return make[layer](centres, standardise(latents.observed[layer]), seed)


def standardise(values: Array) -> Array:
    """Bring columns to mean 0 and variance 1, so that strength changes what is seen, not how."""
    return np.asarray((values - values.mean(axis=0)) / values.std(axis=0))


def land(cells: list[str]) -> gpd.GeoDataFrame:
    """Join the cells' outlines into the land of the city (EPSG:4326)."""
    outlines = [shapely.Polygon([at[::-1] for at in h3.cell_to_boundary(name)]) for name in cells]
    return gpd.GeoDataFrame(geometry=[shapely.union_all(outlines)], crs=4326)


def views(centres: Array, observed: Array, seed: int) -> pd.DataFrame:
    """List what each of N chips shows: longitude, latitude, the four factors, draw."""
    return _shown(centres, observed, np.random.default_rng([seed, DRAW_CHIPS]))


def viewpoints(centres: Array, observed: Array, seed: int) -> pd.DataFrame:
    """List what is seen from each viewpoint, `VIEWPOINTS` per cell, all of a cell the same."""
    near = _near(np.repeat(centres, VIEWPOINTS, axis=0), [seed, DRAW_VIEWPOINTS])
    shown = np.repeat(observed, VIEWPOINTS, axis=0)
    return _shown(near, shown, np.random.default_rng([seed, DRAW_VIEWPOINTS, 1]))


def pois(centres: Array, observed: Array, seed: int) -> pd.DataFrame:
    """Draw the POIs of each category: Poisson counts whose log-rates are linear in x.

    Returns
    -------
    DataFrame
        longitude, latitude, name, category, text.
    """
    generator = np.random.default_rng([seed, DRAW_POIS])
    rates = POIS_PER_CATEGORY * np.exp(GAIN * observed @ LOADINGS.T)
    counts = generator.poisson(rates)
    cell, category = np.repeat(np.indices(counts.shape).reshape(2, -1), counts.ravel(), axis=1)
    names = np.array(CATEGORIES, dtype=object)[category]
    number = pd.Series(names).groupby(names).cumcount() + 1
    texts = {name: "; ".join([name] * (TEXT_CHARACTERS // len(name))) for name in CATEGORIES}
    near = _near(centres[cell], [seed, DRAW_POIS, 1])
    return _located(near).assign(
        name=[f"{name} {one}" for name, one in zip(names, number, strict=True)],
        category=names,
        text=[texts[name] for name in names],
    )


def trips(centres: Array, observed: Array, seed: int) -> pd.DataFrame:
    """Draw trips between cells: Poisson counts whose log-rates are linear in x of both ends.

    From i to j go exp(gain (x_i0 + x_j1 + x_i2 east_j + x_i3 north_j)) trips, up to a constant:
    the first two fields say how many leave and arrive, the others to which side of the city they
    go (east_j and north_j are 0 in its middle, of variance 1).

    Returns
    -------
    DataFrame
        origin_longitude, origin_latitude, destination_longitude, destination_latitude.
    """
    generator = np.random.default_rng([seed, DRAW_TRIPS])
    side = standardise(centres - (LONGITUDE, LATITUDE))
    lean = observed[:, [0]] + observed[:, 1] + observed[:, 2:] @ side.T
    rates = np.exp(GAIN * lean)
    counts = generator.poisson(rates * TRIPS_PER_REGION * len(centres) / rates.sum())
    ends = np.repeat(np.indices(counts.shape).reshape(2, -1), counts.ravel(), axis=1)
    columns = {}
    for number, (end, cell) in enumerate(zip(("origin", "destination"), ends, strict=True)):
        near = _near(centres[cell], [seed, DRAW_TRIPS, number + 1])
        columns[f"{end}_longitude"], columns[f"{end}_latitude"] = near.T
    return pd.DataFrame(columns)


def _shown(positions: Array, factors: Array, generator: np.random.Generator) -> pd.DataFrame:
    """Set what an image shows, and the seed of all else in it, beside its position."""
    columns = dict(zip(FACTORS, factors.T, strict=True))
    return _located(positions, **columns).assign(draw=generator.integers(2**31, size=len(factors)))


def _located(positions: Array, **columns: Array) -> pd.DataFrame:
    """Set columns beside longitude and latitude."""
    return pd.DataFrame({"longitude": positions[:, 0], "latitude": positions[:, 1], **columns})


def _near(centres: Array, key: list[int]) -> Array:
    """Draw a point near each of N centres (longitude, latitude), inside its cell."""
    generator = np.random.default_rng(key)
    angle = generator.uniform(0, 2 * np.pi, len(centres))
    reach = NEAR_DEGREES * np.sqrt(generator.random(len(centres)))
    return np.asarray(centres + np.column_stack([np.cos(angle), np.sin(angle)]) * reach[:, None])
