"""A city by its name alone: added, fetched of OpenStreetMap on loopback, run to the end."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import yaml
from shapely import box

from bare_pipeline import lay_pipeline, run
from musecl.cities.command import run_city
from musecl.runtime.errors import InputError
from musecl.runtime.tables import read_vectors
from musecl.runtime.workers import GIVEN
from musecl.sources.osm import streets
from musecl.sources.provider import PROVENANCE
from osm_town import Services, answer, found, node, serve, way
from own_files import as_regions, provided
from test_evaluate import few_trees
from test_null_layers import SMALL, STAGES, models  # noqa: F401

NAME = "Toytown, Toyland"
TOWN = box(10.0, 50.0, 10.1, 50.06)
STEPS = 24
KINDS = ("bakery", "hotel", "playground", "hospital")


def elements() -> list[dict[str, Any]]:
    """Streets that stand closer in the west, and more POIs there."""
    west, south, east, north = TOWN.bounds
    longitudes = west + (east - west) * np.linspace(0, 1, STEPS) ** 2
    latitudes = np.linspace(south, north, STEPS)
    crossings = np.arange(1, STEPS**2 + 1).reshape(STEPS, STEPS)
    streets = [
        way(10_000 + number, [int(one) for one in line], highway="residential")
        for number, line in enumerate([*crossings, *crossings.T])
    ]
    generator = np.random.default_rng(3)
    x = west + (east - west) * generator.random(600) ** 2
    y = generator.uniform(south, north, 600)
    pois = [
        node(
            20_000 + number,
            float(x[number]),
            float(y[number]),
            amenity=KINDS[number % len(KINDS)],
            name=f"{KINDS[number % len(KINDS)]} {number}",
        )
        for number in range(600)
    ]
    nodes = [
        node(int(crossings[column, row]), float(longitudes[column]), float(latitudes[row]))
        for column in range(STEPS)
        for row in range(STEPS)
    ]
    return [*nodes, *pois, *streets]


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    with pytest.MonkeyPatch.context() as patch, serve() as server:
        patch.setattr(time, "sleep", lambda seconds: None)  # OSMnx waits before it asks Nominatim
        patch.setenv("NO_PROXY", "*")
        server.search = [(200, json.dumps([found(TOWN)]).encode())]
        server.interpreter = [answer(elements())]
        yield server


def ask_here(root: Path, url: str) -> None:
    """Let every provider of the added city ask a server of one's own, as params.yaml can."""
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    city = params["cities"]["somewhere"]
    city["boundary"] |= {"nominatim_url": url, "overpass_url": url}
    city["pois"] |= {"overpass_url": url}
    city["indicators"]["street_density"] |= {"overpass_url": url}
    (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


@pytest.fixture(scope="module")
@few_trees
def root(
    services: Services,
    models: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A pipeline that knows the city's name and nothing else of it, and its whole run."""
    root = lay_pipeline(tmp_path_factory.mktemp("named") / "root", **SMALL)
    run_city(root, "add", ["somewhere", "--place", NAME])
    ask_here(root, services.url)
    (root / "data").mkdir()
    (root / "data/models").symlink_to(models)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(GIVEN, "1")
        for stage in STAGES:
            run(root, stage, "somewhere")
    return root


def test_what_stands_in_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = lay_pipeline(tmp_path / "root")
    run_city(root, "add", ["somewhere", "--place", NAME])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("params.yaml: somewhere is added")
    assert said[1] == "pois: no file was given; OpenStreetMap's stand in"
    assert said[2].startswith("indicators: no file was given; street_density stands in")
    assert said[3] == "next: python workflow/musecl city check somewhere"
    city = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))["cities"]["somewhere"]
    assert city["boundary"] == {"provider": "osm", "place": NAME}
    assert city["pois"] == {"provider": "osm"}
    about = city["indicators"]["street_density"]
    assert about["provider"] == "osm_streets"
    assert about["label_provenance"] == ["pois", "text", "pairs"]
    layers = ("roads", "mobility", "satellite", "street_view")
    assert [city[layer] for layer in layers] == [None] * 4


def test_every_region_has_scores_predictions_and_a_vector(root: Path) -> None:
    results = root / "results/somewhere"
    regions = gpd.read_parquet(root / "data/somewhere/regions.parquet")
    assert len(regions) > 40
    scores = pd.read_csv(results / "r2.csv", keep_default_na=False)
    assert set(scores["method"]) == {"dummy_mean", "coordinates", "concat", "musecl", "text"}
    assert set(scores["indicator"]) == {"street_density"}
    assert set(scores["label_provenance"]) == {"pois,text,pairs"}
    assert set(scores["imagery"]) == {"none"}
    assert np.isfinite(scores["r2_mean"]).all()
    predictions = pd.read_parquet(results / "predictions.parquet")
    assert set(predictions["region_id"]) == set(regions["region_id"])
    assert np.isfinite(predictions[["observed", "prediction"]]).all(axis=None)
    keys, embedding = read_vectors(results / "embeddings.parquet", "embedding")
    # A region without a place is nothing to the fusion; its prediction is a guess by the others.
    pois = pd.read_parquet(root / "data/somewhere/pois.parquet")
    assert set(keys["region_id"]) == set(pois["region_id"])
    assert len(keys) > 0.9 * len(regions)
    assert np.isfinite(embedding).all()


def test_what_is_learnt_from_is_what_the_server_had(root: Path, services: Services) -> None:
    pois = pd.read_parquet(root / "data/somewhere/pois.parquet")
    assert set(pois["category"]) == set(KINDS)
    values = pd.read_parquet(root / "data/somewhere/indicators.parquet").set_index("region_id")
    centres = gpd.read_parquet(root / "data/somewhere/regions.parquet").set_index("region_id")
    assert values["value"].corr(centres["longitude"]) < -0.7
    for layer in ("boundary", "pois", "indicators/osm_streets"):
        text = (root / "data/somewhere/raw" / layer / PROVENANCE).read_text(encoding="utf-8")
        about = json.loads(text)
        assert {record["source"] for record in about["files"]} == {services.url}
        assert about["licence"] == "ODbL 1.0"


def test_the_check_of_such_a_city_asks_for_its_outline_alone(
    root: Path, capsys: pytest.CaptureFixture[str], services: Services
) -> None:
    before, kept = len(services.asked), services.search
    # What the check asks for comes as GeoJSON.
    feature = {"type": "Feature", "properties": {"display_name": NAME}}
    shape = found(TOWN)["geojson"]
    collection = {"type": "FeatureCollection", "features": [{**feature, "geometry": shape}]}
    services.search = [(200, json.dumps(collection).encode())]
    try:
        run_city(root, "check", ["somewhere"])
    finally:
        services.search = kept
    said = capsys.readouterr().out
    assert "not checked: osm is asked when it is fetched" in said
    assert "not checked: osm_streets is asked when it is fetched" in said
    assert "WRONG" not in said
    asked = [path.split("?")[0] for path, _, _ in services.asked[before:]]
    assert asked in ([], ["/search"])


def test_streets_are_measured_by_region_and_none_is_a_zero(tmp_path: Path) -> None:
    line = {"type": "LineString", "coordinates": [[10.0, 50.0], [10.02, 50.0]]}
    table = gpd.GeoDataFrame.from_features([{"properties": {}, "geometry": line}], crs=4326)
    shapes = [box(10.0, 49.99, 10.01, 50.01), box(10.03, 49.99, 10.04, 50.01)]
    regions = as_regions(["crossed", "empty"], shapes).assign(land_share=[0.5, 1.0])
    density = streets.street_density(table, regions)
    # A hundredth of a degree at 50 degrees north is 0.7170 km on the ellipsoid.
    expected = 0.7170 / (0.5 * regions["area_km2"].iloc[0])
    assert density["crossed"] == pytest.approx(expected, rel=1e-3)
    assert density["empty"] == 0
    assert np.isnan(streets.street_density(table, regions.assign(land_share=0.0))).all()


def test_a_city_without_any_street_is_refused(tmp_path: Path, services: Services) -> None:
    settings = streets.Streets(provider="osm_streets", overpass_url=services.url)
    kept, services.interpreter = services.interpreter, [answer([])]
    try:
        with pytest.raises(InputError, match="no streets in this city; choose another provider"):
            provided(tmp_path, streets.PROVIDER, settings, TOWN)
    finally:
        services.interpreter = kept
