"""A city whose every stage but `report` ran: small tables of the forms that the stages write."""

import json
import shutil
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import yaml

from closure import ROOT
from musecl.imagery.images import encode_image, write_view
from musecl.runtime.job import Job, run_job
from musecl.runtime.pipeline import declaration
from musecl.runtime.tables import KEY, write_vectors
from musecl.stages import report
from small_city import disk_of_regions

CITY = "toy"
# What a page must not take for its own.
HOSTILE = "</script><img src=x onerror=alert(1)>"
PRIMARY, SIGNED = "population_density", "migration_balance"
SPLITS = ("random", "spatial")
UNLABELLED = 5
LAYERS = ("boundary", "roads", "pois", "mobility", "satellite", "street_view", "indicators")


def lay_city(
    root: Path,
    k_rings: int = 3,
    lacking: tuple[str, ...] = (),
    districts: bool = True,
    indicators: tuple[str, ...] = (PRIMARY, SIGNED),
) -> gpd.GeoDataFrame:
    """Write what `report` reads; `lacking` names layers that the city has not."""
    data, results = root / "data" / CITY, root / "results" / CITY
    data.mkdir(parents=True)
    results.mkdir(parents=True)
    generator = np.random.default_rng(4)
    regions = disk_of_regions(k_rings)
    regions["wide_spatial_block"] = regions["spatial_block"]
    west = regions["longitude"] < regions["longitude"].median()
    regions["district"] = np.where(west, "West & <b>Side</b>", "East") if districts else None
    regions.to_parquet(data / "regions.parquet")
    for layer in LAYERS:
        write_provenance(data / "raw" / layer, layer in lacking or layer == "roads")
    write_pois(data / "pois.parquet", regions, "pois" in lacking)
    write_views(data, regions, lacking, generator)
    for role in ("satellite", "street_view", "text"):
        (root / "data/models" / role).mkdir(parents=True)
        (root / "data/models" / role / "weights.bin").write_bytes(b"weights")
    readme = root / "data/models/text/README.md"
    readme.write_text("---\nlanguage: en\nlicense: apache-2.0\n---\n", encoding="utf-8")
    write_indicators(data / "indicators.parquet", regions, indicators, generator)
    write_results(results, regions, indicators, generator)
    for name in ("dvc.yaml", "tables/dvc.yaml"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["cities"] = {CITY: {"extent": None, "boundary": {"provider": "file"}}}
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    return regions


def build(root: Path) -> str:
    """Run the stage; what stands in report.html."""
    run_job(Job(declaration(root, "report", CITY), root), report)
    return (root / "results" / CITY / "report.html").read_text(encoding="utf-8")


def write_provenance(folder: Path, lacking: bool) -> None:
    folder.mkdir(parents=True)
    said: dict[str, Any] = {"provider": None}
    if not lacking:
        said = {"provider": "file", "licence": "CC0", "attribution": HOSTILE, "settings": []}
        said["files"] = [{"file": "its.gpkg", "sha256": "0", "bytes": 1}]
    (folder / "provenance.json").write_text(json.dumps(said), encoding="utf-8")


def write_pois(path: Path, regions: gpd.GeoDataFrame, lacking: bool) -> None:
    columns = {"region_id": str, "name": str, "category": str, "text": str, "weight": float}
    rows = [
        {"region_id": region, "name": name, "category": category, "text": "", "weight": weight}
        for region in ([] if lacking else regions[KEY][:-1])
        for name, category, weight in (
            (HOSTILE, "shop", 1.0),
            ("Corner", "shop", 1.0),
            ("Park", "park", 0.25),
        )
    ]
    pd.DataFrame(rows, columns=list(columns)).astype(columns).to_parquet(path)


def write_views(
    data: Path, regions: gpd.GeoDataFrame, lacking: tuple[str, ...], generator: np.random.Generator
) -> None:
    for view, views in (("satellite", 1), ("street_view", 2)):
        rows = [
            {
                "region_id": region,
                "viewpoint": number,
                "orientation": orientation,
                "longitude": 0.0,
                "latitude": 0.0,
                "image": encode_image(generator.integers(0, 256, (48, 48, 3), dtype=np.uint8)),
            }
            for region in regions[KEY]
            for number in range(views)
            for orientation in (0, 90)
        ]
        given = None if view in lacking else pd.DataFrame(rows)
        write_view(data / view, given, None if given is None else "rendered")
        encoder = data / f"{view}_encoder"
        encoder.mkdir()
        losses = [] if given is None else [4.0, 3.0, 3.5]
        history = pd.DataFrame({"step": range(len(losses)), "loss": losses})
        history.to_csv(encoder / "history.csv", index=False)


def write_indicators(
    path: Path, regions: gpd.GeoDataFrame, names: tuple[str, ...], generator: np.random.Generator
) -> None:
    known = regions[KEY][:-UNLABELLED] if len(regions) > UNLABELLED else regions[KEY]
    tables = [
        pd.DataFrame(
            {
                "city": CITY,
                "region_id": known,
                "indicator": name,
                "value": generator.normal(size=len(known)),
                "unit": "people per km2" if name == PRIMARY else "people a year",
                "year": 2024,
                "source": "made",
                "transform": "ln(1+x)" if name == PRIMARY else "identity",
                "label_provenance": "text,pairs" if name == PRIMARY else "",
                "primary": name == PRIMARY,
            }
        )
        for name in names
    ]
    pd.concat(tables).to_parquet(path)


def write_results(
    results: Path,
    regions: gpd.GeoDataFrame,
    names: tuple[str, ...],
    generator: np.random.Generator,
) -> None:
    count = len(regions)
    labelled = np.arange(count) < (count - UNLABELLED if count > UNLABELLED else count)
    tables = []
    for name in names:
        truth = generator.normal(8, 2, count)
        for split in SPLITS:
            guess = truth + generator.normal(0, 0.5, count)
            own = np.expm1 if name == PRIMARY else (lambda values: 100 * (values - 8))
            tables.append(
                pd.DataFrame(
                    {
                        "region_id": regions[KEY],
                        "indicator": name,
                        "split": split,
                        "made_by": np.where(labelled, "out of fold", "all labels"),
                        "observed": np.where(labelled, own(truth), np.nan),
                        "prediction": own(guess),
                        "prediction_from_coordinates": own(truth + 1)
                        if split == "random"
                        else None,
                        "lower_90": own(guess - 1),
                        "upper_90": own(guess + 1),
                        "unit": "people per km2" if name == PRIMARY else "people a year",
                    }
                ).astype({"prediction_from_coordinates": float})
            )
    pd.concat(tables).to_parquet(results / "predictions.parquet")
    vectors = generator.normal(size=(count, 6))
    keys = pd.DataFrame({KEY: regions[KEY]})
    write_vectors(results / "embeddings.parquet", keys, fused=vectors, embedding=vectors)
    write_scores(results, names, generator)
    in_words = "half of the intervals are narrower than a factor of 2"
    intervals = [
        {"split": split, "indicator": name, "nominal": 0.9, "coverage": 0.875, "n_regions": 30}
        | {"mean_width": 1.0, "unit": "people", "in_words": in_words}
        for split in SPLITS
        for name in names
    ]
    pd.DataFrame(intervals).to_csv(results / "intervals.csv", index=False)
    columns = ["source", "target", "indicator", "r2", "rmse", "mae", "correlation"]
    pd.DataFrame(columns=columns).to_csv(results / "districts.csv", index=False)
    left_out = {"indicator": ["rent"], "split": ["spatial"], "reason": ["3 regions have a value"]}
    pd.DataFrame(left_out).to_csv(results / "left_out.csv", index=False)
    coverage = {
        "city": CITY,
        "modality": ["text", "musecl"],
        "present": [30, 37],
        "missing": [7, 0],
    }
    pd.DataFrame(coverage).to_csv(results / "coverage.csv", index=False)
    losses = pd.DataFrame({"step": range(4), "loss": [9.0, 7.0, 6.5, 6.25]})
    losses.to_csv(results / "fuse_losses.csv", index=False)


def write_scores(results: Path, names: tuple[str, ...], generator: np.random.Generator) -> None:
    rows = [
        {
            "city": CITY,
            "indicator": name,
            "method": method,
            "predictor": predictor,
            "split": split,
            **{score: generator.normal() for score in ("r2_mean", "rmse_mean", "mae_mean")},
            **{score: abs(generator.normal()) for score in ("r2_std", "rmse_std")},
            "n_regions": 32,
            "n_seeds": 2 if predictor == "mlp" else 5,
            "label_provenance": "text,pairs" if name == PRIMARY else "",
            "imagery": "rendered",
        }
        for name in names
        for method, predictor in (("dummy_mean", "mean"), ("musecl", "ridge"), ("musecl", "mlp"))
        for split in SPLITS
        if (predictor, split) != ("mlp", "spatial")
    ]
    pd.DataFrame(rows).to_csv(results / "r2.csv", index=False, float_format="%.6f")
