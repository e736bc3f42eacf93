"""Through Snakemake: a provider that fails stops its own layer, and the others are kept."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from made_city import make_city
from miniature import lay_miniature
from musecl.cities.adding import Given, add_city
from osm_town import Services, answer, node, serve
from toy_checkout import ToyPipeline, environment, lines_told, run_program

LAYERS = ("boundary", "roads", "mobility", "satellite", "street_view", "indicators")
TARGETS = [f"data/delft/raw/{layer}" for layer in (*LAYERS, "pois")]
FETCHES = {f"fetch_{layer}@delft" for layer in LAYERS}
PAGE = b"<html><body>Error: line 1: parse error</body></html>"


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    monkeypatch.setenv("NO_PROXY", "*")
    with serve() as server:
        yield server


@pytest.fixture
def miniature(tmp_path: Path, services: Services) -> ToyPipeline:
    """A pipeline of one city: files of one's own, and POIs of OpenStreetMap."""
    miniature = tmp_path / "miniature"
    lay_miniature(miniature)
    make_city(tmp_path / "mine")
    mine = {name: str(tmp_path / "mine" / name) for name in ("boundary.gpkg", "trips.csv")}
    given = Given(
        boundary=mine["boundary.gpkg"],
        trips=mine["trips.csv"],
        satellite=str(tmp_path / "mine/orthophoto.tif"),
        indicators={"income": str(tmp_path / "mine/incomes.gpkg")},
    )
    add_city(miniature, "delft", given)
    shutil.rmtree(miniature / "inputs/nyc")
    path = miniature / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    city = params["cities"]["delft"]
    city["pois"] = {"provider": "osm", "overpass_url": services.url}
    params["cities"] = {"delft": city}
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    return ToyPipeline(miniature)


def snakemake(miniature: ToyPipeline) -> tuple[int, str]:
    command = ("snakemake", "--cores", "2", "--keep-going", *TARGETS)
    return run_program(command, miniature.folder, environment(miniature.anew))


def test_the_other_layers_are_recorded_and_the_failed_one_is_fetched_next(
    miniature: ToyPipeline, services: Services
) -> None:
    services.interpreter = [(400, PAGE)]
    status, said = snakemake(miniature)
    assert status != 0
    lines = lines_told(said)
    # What the provider met, and which stage that ended.
    assert len(lines) == 2, said
    assert "sent a page, no answer (HTTP 400): Error: line 1: parse error" in lines[0]
    assert lines[1].startswith("musecl: fetch_pois@delft: failed to run")
    assert "Traceback" not in said
    assert {name for name in miniature.entries() if name.startswith("fetch_")} == FETCHES
    assert not list((miniature.folder / "data/delft/raw").glob("*pois*"))
    before = {path: path.stat().st_mtime_ns for path in (miniature.folder / "data").rglob("*.*")}

    assert miniature.snakemake_wants(*TARGETS) == {"fetch_pois@delft"}
    services.interpreter = [answer([node(1, 4.36, 52.0, amenity="cafe", name="Toy")])]
    status, said = snakemake(miniature)
    assert status == 0, said
    assert {name for name in miniature.entries() if name.startswith("fetch_")} == {
        *FETCHES,
        "fetch_pois@delft",
    }
    for path, changed in before.items():
        if path.is_file():
            assert path.stat().st_mtime_ns == changed, path
