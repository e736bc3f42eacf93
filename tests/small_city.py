"""A disk of H3 cells as a region table, and a job over hand-made files."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import h3
import numpy as np
import pandas as pd
import torch
import yaml
from shapely import Polygon

from musecl.runtime.job import Job
from musecl.runtime.pipeline import Declaration

CENTRE = (40.75, -73.98)
NOWHERE = (-70.0, 40.0)


def disk_of_regions(k_rings: int = 2) -> gpd.GeoDataFrame:
    """The cells within some rings around Midtown, at resolution 8, as regions.parquet has them."""
    cells = sorted(h3.grid_disk(h3.latlng_to_cell(*CENTRE, 8), k_rings))
    centres = np.array([h3.cell_to_latlng(cell) for cell in cells])
    return gpd.GeoDataFrame(
        {
            "region_id": cells,
            "area_km2": [h3.cell_area(cell, unit="km^2") for cell in cells],
            "land_share": np.linspace(0.3, 1, len(cells)),
            "longitude": centres[:, 1],
            "latitude": centres[:, 0],
            "neighbours": [sorted((set(h3.grid_disk(c, 1)) - {c}) & set(cells)) for c in cells],
            "spatial_block": [h3.cell_to_parent(cell, 7) for cell in cells],
        },
        geometry=[Polygon([(x, y) for y, x in h3.cell_to_boundary(cell)]) for cell in cells],
        crs=4326,
    )


def job_in(root: Path, inputs: list[str], outputs: list[str], **params: Any) -> Job:
    """A job of the city `toy` that may read the files named, and these parameters by key.

    What it writes is renamed into place by its `publish`.
    """
    tree: dict[str, Any] = {}
    for key, value in params.items():
        *parents, last = key.replace("__", ".").split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    (root / "params.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    declared = Declaration(
        stage="toy_stage",
        city="toy",
        command="",
        inputs=tuple(f"data/toy/{name}" for name in inputs),
        outputs=tuple(f"data/toy/{name}" for name in outputs),
        parameters=tuple(key.replace("__", ".") for key in params),
    )
    return Job(declared, root)


def write_small_encoder(folder: Path, channels: tuple[int, int] = (4, 8)) -> None:
    """A ResNet of two blocks that leave 4 and 8 channels, or others, as the folder of a model.

    On images of 32 pixels and more, PyTorch 2.13 on CPUs spoils its memory where it trains 4 and 8.
    """
    # Many tests that need no encoder import this module, and this takes a fifth of their start.
    from transformers import ResNetConfig, ResNetModel

    torch.manual_seed(0)
    config = ResNetConfig(
        embedding_size=channels[0],
        hidden_sizes=list(channels),
        depths=[1, 1],
        layer_type="basic",
        num_channels=3,
    )
    ResNetModel(config).save_pretrained(folder)


def random_category_counts(regions: gpd.GeoDataFrame) -> pd.DataFrame:
    """A few POIs of three categories, as poi_category_counts.parquet has them."""
    counts = np.random.default_rng(0).poisson(0.4, (len(regions), 3)).astype(float)
    columns = ["park", "subway station", "trip end on street"]
    return pd.DataFrame(counts, columns=columns).assign(region_id=regions["region_id"].to_list())


def random_trips(regions: gpd.GeoDataFrame) -> tuple[pd.DataFrame, pd.DataFrame, list[Any]]:
    """Flows and the origin-destination table of ten regions, and the trips that they count.

    An end of a trip is a region_id, or None outside all regions.
    """
    generator = np.random.default_rng(0)
    inside = regions["region_id"].to_list()[:10]
    ends = [*inside, None]
    trips = [tuple(ends[i] for i in generator.integers(len(ends), size=2)) for _ in range(200)]
    flows = pd.DataFrame(
        [
            {
                "region_id": region,
                "hour": None,
                "inflow": sum(destination == region for _, destination in trips),
                "outflow": sum(origin == region for origin, _ in trips),
            }
            for region in inside
        ]
    )
    both = pd.DataFrame(trips, columns=["origin", "destination"], dtype=object).dropna()
    between = both.groupby(["origin", "destination"]).size().rename("trips").reset_index()
    return flows, between, trips


def trips_between(
    regions: gpd.GeoDataFrame,
    ends: list[tuple[int | None, int | None]],
    starts: list[str | None] | None = None,
    half: str = "input",
) -> pd.DataFrame:
    """Trips between regions by number; None is a point that lies in no region."""
    centres = regions[["longitude", "latitude"]].to_numpy()
    positions = [[NOWHERE if e is None else tuple(centres[e]) for e in pair] for pair in ends]
    values = np.array(positions, dtype=float).reshape(-1, 4)
    columns = [
        f"{end}_{axis}" for end in ("origin", "destination") for axis in ("longitude", "latitude")
    ]
    return pd.DataFrame(values, columns=columns).assign(
        trip_id=[f"{half}-{i}" for i in range(len(ends))],
        start=pd.Series([None] * len(ends) if starts is None else starts, dtype="datetime64[ns]"),
        half=half,
    )
