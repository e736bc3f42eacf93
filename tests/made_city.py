"""A small made city as a user's own files; `python tests/made_city.py FOLDER` writes them.

Two smooth fields, how dense and how rich, are hidden in all of them: docs/own-city.md runs it.
"""

import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.transform import from_origin

# In Delft's CRS, over Delft, and nothing of Delft is in it.
CRS = "EPSG:28992"
WEST, SOUTH, SIDE = 82_000.0, 444_000.0, 6_300.0
BORDER, METRES_PER_PIXEL = 800.0, 5.0
NEIGHBOURHOODS = 9
POIS, TRIPS = 2_500, 6_000
CATEGORIES = ["office", "shop", "restaurant", "school", "park", "farm"]
# How often a category stands where all is dense, and where all is rich.
DENSE = np.array([2.0, 1.5, 1.5, 0.3, -0.5, -3.0])
RICH = np.array([1.0, -0.5, 1.0, 0.0, 1.0, -0.5])

Numbers = NDArray[np.float64]


def make_city(folder: Path) -> None:
    """Write boundary.gpkg, pois.csv, trips.csv, orthophoto.tif and incomes.gpkg."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(7)
    write_boundary(folder / "boundary.gpkg")
    write_pois(folder / "pois.csv", generator)
    write_trips(folder / "trips.csv", generator)
    write_orthophoto(folder / "orthophoto.tif", generator)
    write_incomes(folder / "incomes.gpkg", generator)


def fields(x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
    """How dense and how rich the city is, 0 to 1, at positions in metres."""
    east, north = (x - WEST) / SIDE, (y - SOUTH) / SIDE
    dense = np.exp(-((east - 0.4) ** 2 + (north - 0.55) ** 2) / 0.08)
    rich = 0.5 + 0.5 * np.sin(2.3 * np.pi * east + 0.4) * np.cos(1.7 * np.pi * north)
    return dense, rich


def write_boundary(path: Path) -> None:
    """Two districts, west and east."""
    half = SIDE / 2
    shapes = [
        shapely.box(WEST, SOUTH, WEST + half, SOUTH + SIDE),
        shapely.box(WEST + half, SOUTH, WEST + SIDE, SOUTH + SIDE),
    ]
    gpd.GeoDataFrame({"district": ["west", "east"]}, geometry=shapes, crs=CRS).to_file(path)


def write_pois(path: Path, generator: np.random.Generator) -> None:
    """POIs with a name and a category; more of them where the city is dense."""
    x, y = drawn(POIS, generator)
    dense, rich = fields(x, y)
    appeal = np.outer(dense, DENSE) + np.outer(rich, RICH) + generator.gumbel(size=(POIS, 6))
    category = np.array(CATEGORIES)[appeal.argmax(axis=1)]
    longitude, latitude = degrees(x, y)
    pd.DataFrame(
        {
            "name": [f"{kind} {number}" for number, kind in enumerate(category)],
            "category": category,
            "lon": longitude.round(6),
            "lat": latitude.round(6),
        }
    ).to_csv(path, index=False)


def write_trips(path: Path, generator: np.random.Generator) -> None:
    """Trips between two places of the city, with the minute they start."""
    start = pd.Timestamp("2024-05-13") + pd.to_timedelta(
        generator.integers(0, 7 * 24 * 60, TRIPS), unit="min"
    )
    columns = {"started_at": start.strftime("%Y-%m-%d %H:%M")}
    for end in ("start", "end"):
        longitude, latitude = degrees(*drawn(TRIPS, generator))
        columns |= {f"{end}_lng": longitude.round(6), f"{end}_lat": latitude.round(6)}
    pd.DataFrame(columns).to_csv(path, index=False)


def write_orthophoto(path: Path, generator: np.random.Generator) -> None:
    """RGB of 8 bits: houses gray where it is dense, roofs red where it is rich, else green."""
    pixels = int((SIDE + 2 * BORDER) / METRES_PER_PIXEL)
    x = WEST - BORDER + (np.arange(pixels) + 0.5) * METRES_PER_PIXEL
    y = SOUTH + SIDE + BORDER - (np.arange(pixels) + 0.5) * METRES_PER_PIXEL
    dense, rich = fields(*np.meshgrid(x, y))
    # Houses of 20 m, each drawn once and repeated over its pixels.
    side = round(20 / METRES_PER_PIXEL)
    houses = generator.random((pixels // side + 1, pixels // side + 1))
    house = np.kron(houses, np.ones((side, side)))[:pixels, :pixels] < 0.1 + 0.7 * dense
    roof = np.stack([120 + 110 * rich, np.full_like(rich, 110.0), 140 - 60 * rich])
    ground = np.stack([70 + 40 * dense, 130 - 30 * dense, 60 + 30 * dense])
    image = np.where(house, roof, ground) + generator.normal(0, 8, (3, pixels, pixels))
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=pixels,
        height=pixels,
        count=3,
        dtype="uint8",
        crs=CRS,
        transform=from_origin(
            x[0] - METRES_PER_PIXEL / 2, y[0] + METRES_PER_PIXEL / 2, *[METRES_PER_PIXEL] * 2
        ),
        photometric="RGB",
        tiled=True,
        compress="deflate",
    ) as raster:
        raster.write(image.clip(0, 255).astype(np.uint8))


def write_incomes(path: Path, generator: np.random.Generator) -> None:
    """Incomes of square neighbourhoods, most where it is rich; two are unknown."""
    side = SIDE / NEIGHBOURHOODS
    corners = [
        (WEST + column * side, SOUTH + row * side)
        for row in range(NEIGHBOURHOODS)
        for column in range(NEIGHBOURHOODS)
    ]
    shapes = [shapely.box(x, y, x + side, y + side) for x, y in corners]
    dense, rich = fields(*(np.array(corners).T + side / 2))
    income = 21_000 + 19_000 * rich + 4_000 * dense + generator.normal(0, 800, len(shapes))
    income[[3, 40]] = np.nan
    table = {"neighbourhood": [f"N{number:02d}" for number in range(len(shapes))]}
    gpd.GeoDataFrame({**table, "income": income.round()}, geometry=shapes, crs=CRS).to_file(path)


def drawn(count: int, generator: np.random.Generator) -> tuple[Numbers, Numbers]:
    """Positions in metres, drawn more often where the city is dense."""
    x, y = generator.uniform(0, SIDE, (2, 20 * count)) + np.array([[WEST], [SOUTH]])
    kept = generator.random(20 * count) < 0.08 + 0.9 * fields(x, y)[0]
    return x[kept][:count], y[kept][:count]


def degrees(x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
    """Longitude and latitude of positions in metres."""
    return Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform(x, y)


if __name__ == "__main__":
    make_city(Path(sys.argv[1]))
