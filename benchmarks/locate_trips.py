"""Regions of a million trips: this pipeline beside a plain loop over the points.

    PYTHONPATH=workflow python benchmarks/locate_trips.py

Each way runs three times on the same trips in H3 cells of resolution 8; the median and its ratio
to ours are printed. That both name the same regions is checked first.
"""

import statistics
import time
from collections.abc import Callable

import geopandas as gpd
import h3
import numpy as np
import pandas as pd
from shapely import Polygon

from musecl.flows import locate
from musecl.sources.contract import Trips

TRIPS, RINGS = 1_000_000, 17
CENTRE = (40.75, -73.98)
Located = list[tuple[str | None, str | None]]


def drawn_city() -> tuple[gpd.GeoDataFrame, Trips]:
    """Draw a disk of some 900 cells, and trips that start and end in it or a little outside."""
    cells = sorted(h3.grid_disk(h3.latlng_to_cell(*CENTRE, 8), RINGS))
    outlines = [Polygon([(x, y) for y, x in h3.cell_to_boundary(cell)]) for cell in cells]
    regions = gpd.GeoDataFrame({"region_id": cells}, geometry=outlines, crs=4326)
    generator = np.random.default_rng(0)
    ends = {
        f"{end}_{axis}": generator.normal(middle, 0.06, TRIPS)
        for end in ("origin", "destination")
        for axis, middle in (("longitude", CENTRE[1]), ("latitude", CENTRE[0]))
    }
    start = pd.Timestamp("2025-01-01") + pd.to_timedelta(generator.integers(0, 86_400, TRIPS), "s")
    return regions, Trips(pd.DataFrame({**ends, "start": start, "trips": 1.0}))


def ours(regions: gpd.GeoDataFrame, trips: Trips) -> Located:
    """As `mobility` does it."""
    return locate(trips, regions).select("origin", "destination").rows()


def plain_loop(regions: gpd.GeoDataFrame, trips: Trips) -> Located:
    """Name the cell of each point, looked up in a set."""
    known = set(regions["region_id"])
    ends = []
    for end in ("origin", "destination"):
        points = zip(trips.table[f"{end}_latitude"], trips.table[f"{end}_longitude"], strict=True)
        cells = (h3.latlng_to_cell(north, east, 8) for north, east in points)
        ends.append([cell if cell in known else None for cell in cells])
    return list(zip(*ends, strict=True))


def median_seconds(way: Callable[[], object]) -> float:
    """Median of three runs."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        way()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def main() -> None:
    """Check that the ways agree, then time them."""
    regions, trips = drawn_city()
    if ours(regions, trips) != plain_loop(regions, trips):
        raise SystemExit("the ways do not name the same regions")
    seconds = {
        "musecl": median_seconds(lambda: locate(trips, regions)),
        "plain loop": median_seconds(lambda: plain_loop(regions, trips)),
    }
    print(f"{TRIPS} trips, {len(regions)} regions")
    for name, value in seconds.items():
        print(f"{name:12} {value:6.2f} s {value / seconds['musecl']:6.2f} x")


if __name__ == "__main__":
    main()
