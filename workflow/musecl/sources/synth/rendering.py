"""Images of the generated city: what four numbers of a place look like.

A chip, seen from above, shows how much is green, how wide blocks are, what roofs are coloured like
and how densely is built; a street view how high houses stand, what their walls are coloured like,
how many trees there are and how light the road is. Everything else (where blocks begin, which way
they run, light, grain) is drawn anew for each image and says nothing.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Array = NDArray[np.float64]

# What an image shows, of mean 0 and variance 1 over the city.
FACTORS = ["factor_0", "factor_1", "factor_2", "factor_3"]
REACH = 2.5  # standard deviations; what lies beyond looks the same
SUBPIXEL_BITS = 4
# Multiples of these fill the unit interval evenly in two directions at once (Roberts 2018, R2).
EVENLY = np.array([0.7548776662466927, 0.5698402909980532])
LAWN, TREE, PAVEMENT = (84.0, 132.0, 66.0), (52.0, 104.0, 48.0), (176.0, 172.0, 164.0)
STREET, SKY = (86.0, 86.0, 92.0), (168.0, 200.0, 232.0)
COOL, WARM = (92.0, 116.0, 168.0), (182.0, 92.0, 68.0)
PALE, DARK = (224.0, 214.0, 178.0), (112.0, 70.0, 58.0)
ROAD_DARK, ROAD_LIGHT = (52.0, 52.0, 58.0), (196.0, 190.0, 180.0)


def shares(standardised: Array) -> Array:
    """Bring numbers of variance 1 to 0..1, linearly up to `REACH` standard deviations."""
    return np.asarray(0.5 + standardised.clip(-REACH, REACH) / (2 * REACH))


def render_chip(standardised: Array, pixels: int, generator: np.random.Generator) -> Image:
    """Draw a place from above.

    Parameters
    ----------
    standardised : array of shape (4,)
        What it shows, each of variance 1: green, width of blocks, colour of roofs, density.
    pixels : int
        Side of the chip.
    generator : Generator
        Draws what says nothing.

    Returns
    -------
    array of shape (pixels, pixels, 3), uint8
        RGB.
    """
    green, width, colour, density = shares(standardised)
    spacing = pixels * (0.09 + 0.16 * width)
    count = int(np.ceil(1.5 * pixels / spacing)) + 1
    angle = generator.uniform(0, np.pi / 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    offset = generator.uniform(-0.5, 0.5, 2)
    steps = np.arange(count) - (count - 1) / 2
    blocks = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    centres = (blocks + offset) @ turn.T * spacing + pixels / 2
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) / 2 @ turn.T
    # Spread so evenly that any part of the city shows its share of them.
    lawns = (blocks @ EVENLY + generator.random()) % 1 < 0.1 + 0.6 * green
    roof = _between(COOL, WARM, colour)
    image = np.full((pixels, pixels, 3), STREET, np.float32)
    for centre, is_lawn in zip(centres, lawns, strict=True):
        _polygon(image, centre + corners * spacing * 0.82, LAWN if is_lawn else PAVEMENT)
        if not is_lawn:
            side = spacing * 0.82 * np.sqrt(0.15 + 0.75 * density)
            _polygon(image, centre + corners * side, roof * generator.uniform(0.92, 1.08))
    return _expose(image, generator)


def render_street(standardised: Array, pixels: int, generator: np.random.Generator) -> Image:
    """Draw what is seen from a street; the parameters are those of `render_chip`.

    The four numbers: height of houses, colour of walls, trees, lightness of the road.
    """
    height, colour, trees, road = shares(standardised)
    image = np.full((pixels, pixels, 3), SKY, np.float32)
    horizon, middle = 0.62 * pixels, pixels * generator.uniform(0.4, 0.6)
    wall = _between(PALE, DARK, colour)
    left = -pixels * generator.uniform(0, 0.2)
    while left < pixels:
        right = left + pixels * generator.uniform(0.15, 0.3)
        top = horizon - pixels * (0.04 + 0.52 * height) * generator.uniform(0.85, 1.15)
        tone = wall * generator.uniform(0.92, 1.08)
        _polygon(image, _box(left, top, right - 1, horizon), tone)
        step = pixels * 0.07
        for row in np.arange(top + step / 2, horizon - step, step):
            for column in np.arange(left + step / 2, right - step, step):
                window = _box(column, row, column + step / 2, row + step / 2)
                _polygon(image, window, tone * 0.6)
        left = right
    _polygon(image, _box(0, horizon, pixels, pixels), PAVEMENT)
    edge = np.array([(-0.6, 1), (-0.05, 0), (0.05, 0), (0.6, 1)])
    lane = edge * (pixels, pixels - horizon) + (middle, horizon)
    _polygon(image, lane, _between(ROAD_DARK, ROAD_LIGHT, road))
    slots = generator.permutation(10)[: _round(10 * trees, generator)]
    for slot in slots:
        x = pixels * (slot + generator.uniform(0.3, 0.7)) / 10
        _polygon(image, _box(x - 1, horizon - 0.12 * pixels, x + 1, horizon + 2), (92, 66, 44))
        _disc(image, (x, horizon - 0.16 * pixels), 0.065 * pixels, TREE)
    return _expose(image, generator)


def _between(first: tuple[float, ...], last: tuple[float, ...], share: float) -> Array:
    return (1 - share) * np.array(first) + share * np.array(last)


def _round(value: float, generator: np.random.Generator) -> int:
    """Round up or down at random, so that the mean over images is the value."""
    return int(np.floor(value + generator.random()))


def _box(left: float, top: float, right: float, bottom: float) -> Array:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _polygon(image: NDArray[np.float32], corners: Array, colour: Array | tuple[float, ...]) -> None:
    points = np.round(corners * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillConvexPoly(image, points, [float(part) for part in colour], cv2.LINE_8, SUBPIXEL_BITS)


def _disc(
    image: NDArray[np.float32],
    centre: tuple[float, float],
    radius: float,
    colour: tuple[float, ...],
) -> None:
    scale = 1 << SUBPIXEL_BITS
    where = [round(part * scale) for part in centre]
    cv2.circle(image, where, round(radius * scale), colour, -1, cv2.LINE_8, SUBPIXEL_BITS)


def _expose(image: NDArray[np.float32], generator: np.random.Generator) -> Image:
    """Draw the light of the day, a little, and the grain of the film."""
    grain = generator.normal(0, 4, image.shape[:2])[:, :, None]
    lit = image * generator.uniform(0.97, 1.03) + grain
    return np.asarray(lit.round().clip(0, 255).astype(np.uint8))
