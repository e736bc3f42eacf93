"""The generated city: hidden fields, what each modality sees of them, and the best reachable R2.

Of N cells, K = 4 hidden fields z (N, K) are Gaussian with covariance exp(-distance / length)
between cells, then made uncorrelated with mean 0 and variance 1 over the cells. Modality m sees

    x_m = strength_m z + e_m,    e_m ~ N(0, I), one draw per cell and field,

and indicator t is y_t = w_t . z + noise n_t with |w_t| = 1 and n_t ~ N(0, 1). All is jointly
Gaussian, so the best prediction from a set of modalities M is E[y_t | x_m, m in M], with

    R2 = s / (1 + s) / (1 + noise^2),    s = sum of strength_m^2 over M,

for every indicator alike. Only the provider and `upper_bound` import this module: what others read
of a generated city never holds z.
"""

from dataclasses import dataclass

import h3
import numpy as np
from numpy.typing import NDArray

from musecl.sources.synth.settings import Generated

Array = NDArray[np.float64]

# In the Gulf of Guinea, in the middle of a UTM zone: no real city can be mistaken for it.
LATITUDE, LONGITUDE = 2.0, 3.0
RESOLUTION = 8
MODALITIES = ("satellite", "street_view", "pois", "mobility")
# Fields that each indicator is a sum of, before the weights get length 1.
WEIGHTS = {
    "population_density": (1.0, 1.0, 0.0, 0.0),
    "number_of_pois": (1.0, 0.0, 1.0, 0.0),
    "mobility_count": (1.0, 0.0, 0.0, 1.0),
    "no_vehicle_share": (0.0, 1.0, -1.0, 0.0),
    "bachelor_share": (0.0, 0.0, 1.0, -1.0),
}
FIELDS = 4
# Keys of generators: what is drawn for one purpose does not shift what is drawn for another.
DRAW_FIELDS, DRAW_ERRORS, DRAW_NOISE = 61, 62, 63


@dataclass(frozen=True)
class Latents:
    """What is true of a generated city.

    Attributes
    ----------
    cells : list of str
        N cells of H3, sorted.
    fields : array of shape (N, K)
        z: over the cells, mean 0, variance 1, uncorrelated.
    observed : dict of arrays of shape (N, K)
        x_m of each of `MODALITIES`; of variance 1 + strength^2.
    indicators : dict of arrays of shape (N,)
        y_t of each of `WEIGHTS`, of variance 1 + noise^2.
    """

    cells: list[str]
    fields: Array
    observed: dict[str, Array]
    indicators: dict[str, Array]


def draw_latents(settings: Generated) -> Latents:
    """Draw a city; the same settings give the same city."""
    cells = nearest_cells(settings.cells)
    fields = draw_fields(cells, settings.correlation_km, settings.seed)
    observed = {}
    for number, name in enumerate(MODALITIES):
        generator = np.random.default_rng([settings.seed, DRAW_ERRORS, number])
        errors = generator.normal(size=fields.shape)
        observed[name] = getattr(settings.strength, name) * fields + errors
    indicators = {}
    for number, (name, weights) in enumerate(WEIGHTS.items()):
        generator = np.random.default_rng([settings.seed, DRAW_NOISE, number])
        direction = np.array(weights) / np.linalg.norm(weights)
        noise = settings.noise * generator.normal(size=len(cells))
        indicators[name] = fields @ direction + noise
    return Latents(cells, fields, observed, indicators)


def nearest_cells(count: int) -> list[str]:
    """Take the cells of H3 nearest to the middle of the city, as whole rings and a part of one."""
    middle = h3.latlng_to_cell(LATITUDE, LONGITUDE, RESOLUTION)
    found: list[str] = []
    ring = 0
    while len(found) < count:
        found += sorted(h3.grid_ring(middle, ring))
        ring += 1
    return sorted(found[:count])


def draw_fields(cells: list[str], correlation_km: float, seed: int) -> Array:
    """Draw the hidden fields over N cells: an array (N, K), see the module."""
    pois = np.array([h3.cell_to_latlng(cell) for cell in cells])
    # Near the equator a degree is as long east as it is north, to a thousandth.
    kilometres = 111.2 * (pois[:, None] - pois[None])
    covariance = np.exp(-np.sqrt((kilometres**2).sum(axis=-1)) / correlation_km)
    generator = np.random.default_rng([seed, DRAW_FIELDS])
    raw = np.linalg.cholesky(covariance) @ generator.normal(size=(len(cells), FIELDS))
    centred = raw - raw.mean(axis=0)
    covered = np.linalg.cholesky(centred.T @ centred / len(cells))
    return np.asarray(np.linalg.solve(covered, centred.T).T)


def best_r2(settings: Generated, modalities: tuple[str, ...]) -> float:
    """Compute the R2 of E[y | x_m for these modalities], the same for every indicator."""
    signal = sum(getattr(settings.strength, name) ** 2 for name in modalities)
    return float(signal / (1 + signal) / (1 + settings.noise**2))
