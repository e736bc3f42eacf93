"""A stranger's files as a provider meets them, and regions to bring them to."""

import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import geopandas as gpd
import h3
import numpy as np
from shapely import Polygon, box
from shapely.geometry.base import BaseGeometry

from musecl.sources.provider import Provider, Request


def request_in(root: Path, settings: Any, area: BaseGeometry | None = None) -> Request:
    """A request over `root/inputs`, into an empty `root/raw`."""
    (root / "inputs").mkdir(parents=True, exist_ok=True)
    shutil.rmtree(root / "raw", ignore_errors=True)
    (root / "raw").mkdir()
    regions = None if area is None else as_regions(["all"], [area])
    return Request(settings, root / "inputs", regions, root / "raw")


def provided(
    root: Path, provider: Provider | ModuleType, settings: Any, area: BaseGeometry | None = None
) -> Any:
    """What a provider's `read` gives after its `fetch`."""
    request = request_in(root, settings, area)
    provider.fetch(request)
    return provider.read(request.folder, settings)


def provide(
    provider: Provider, inputs: Path, area: BaseGeometry | None = None, **settings: Any
) -> Any:
    """The same, its settings read as params.yaml has them."""
    chosen = provider.settings.model_validate({"provider": provider.name, **settings})
    return provided(inputs.parent, provider, chosen, area)


def put(root: Path, *paths: Path) -> Path:
    """Copy real files, and what belongs to them by their stem, into `root/inputs`."""
    inputs = root / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    for path in paths:
        for part in path.parent.glob(f"{path.stem}.*"):
            shutil.copy(part, inputs / part.name)
    return inputs


def boxes(west: float, south: float, east: float, north: float, steps: int = 4) -> gpd.GeoDataFrame:
    """Regions that cover a box in degrees without a slit."""
    x, y = np.linspace(west, east, steps + 1), np.linspace(south, north, steps + 1)
    shapes = [box(x[i], y[j], x[i + 1], y[j + 1]) for i in range(steps) for j in range(steps)]
    return as_regions([f"box_{number:02d}" for number in range(len(shapes))], shapes)


def cells(latitude: float, longitude: float, k_rings: int, resolution: int = 8) -> gpd.GeoDataFrame:
    """H3 cells around a point."""
    names = sorted(h3.grid_disk(h3.latlng_to_cell(latitude, longitude, resolution), k_rings))
    return as_regions(
        names, [Polygon([(x, y) for y, x in h3.cell_to_boundary(name)]) for name in names]
    )


def as_regions(names: list[str], shapes: list[BaseGeometry]) -> gpd.GeoDataFrame:
    """A region table, all land."""
    table = gpd.GeoDataFrame({"region_id": names}, geometry=shapes, crs=4326)
    square = table.to_crs(table.estimate_utm_crs())
    centres = square.centroid.to_crs(4326)
    return table.assign(
        area_km2=square.area / 1e6, land_share=1.0, longitude=centres.x, latitude=centres.y
    )
