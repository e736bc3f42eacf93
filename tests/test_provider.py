"""What a fetch is asked for: the user's files copied, recorded, and nothing from elsewhere."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
import shapely

from musecl.runtime.errors import InputError
from musecl.runtime.section import Section
from musecl.sources.provider import PROVENANCE, Provider, Request, write_provenance
from small_city import disk_of_regions

REGIONS = disk_of_regions()


class Plain(Section):
    """Addresses that may hold secrets."""

    provider: Literal["plain"] = "plain"
    urls: tuple[str, ...] = ()


def fetch(request: Request) -> None:
    """Fetch nothing."""


def read(folder: Path, settings: Plain) -> None:
    """Read nothing."""


PROVIDER = Provider("plain", "pois", Plain, fetch, read, "nothing", "none", "Nobody")


@pytest.fixture
def request_of(tmp_path: Path) -> Request:
    """A request whose user has a shapefile, a table in a folder, and a file of another layer."""
    inputs, folder = tmp_path / "inputs/toy/pois", tmp_path / "folder"
    (inputs / "more").mkdir(parents=True)
    folder.mkdir()
    names = ["land.shp", "land.dbf", "land.prj", "landing.shp", "more/table.csv", "a.csv"]
    for name in (*names, "[odd] name.txt", "bare"):
        (inputs / name).write_text(f"{name}\n", encoding="utf-8")
    (inputs.parent / "secret.csv").write_text("of another layer", encoding="utf-8")
    return Request(Plain(), inputs, REGIONS, folder)


def names_in(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("pattern", "taken", "copied"),
    [
        ("land.shp", ["land.shp"], {"land.shp", "land.dbf", "land.prj"}),
        ("more/table.csv", ["more/table.csv"], {"more/table.csv"}),
        ("*.csv", ["a.csv"], {"a.csv"}),
        ("bare", ["bare"], {"bare"}),
        ("*name.txt", ["[odd] name.txt"], {"[odd] name.txt"}),
        ("**/*.csv", ["a.csv", "more/table.csv"], {"a.csv", "more/table.csv"}),
    ],
)
def test_files_are_copied_with_what_belongs_to_them(
    request_of: Request, pattern: str, taken: list[str], copied: set[str]
) -> None:
    found = request_of.take(pattern)
    assert found == [request_of.folder / name for name in taken]
    assert names_in(request_of.folder) == copied
    for name in copied:
        assert (request_of.folder / name).read_text(encoding="utf-8") == f"{name}\n"
    assert {record["file"] for record in request_of.records} == copied


@pytest.mark.parametrize(
    "pattern", ["none.csv", "", "more", "../secret.csv", "more/../../secret.csv"]
)
def test_what_is_not_among_the_inputs_is_refused_in_one_line(
    request_of: Request, pattern: str
) -> None:
    with pytest.raises(InputError, match="no such file; put it there, or name another") as caught:
        request_of.take(pattern)
    assert str(caught.value).startswith(f"{request_of.inputs / pattern}: ")
    assert "\n" not in str(caught.value)
    assert names_in(request_of.folder) == set()


def test_an_absolute_path_and_an_absent_folder_are_refused(request_of: Request) -> None:
    with pytest.raises(InputError, match="no such file"):
        request_of.take(str(request_of.inputs / "a.csv"))
    elsewhere = Request(Plain(), request_of.inputs / "absent", REGIONS, request_of.folder)
    with pytest.raises(InputError, match=r"absent/a\.csv: no such file"):
        elsewhere.take("a.csv")


def test_the_provenance_names_each_file_once_with_its_hash(request_of: Request) -> None:
    request_of.take("a.csv")
    request_of.take("a.csv")
    other = Request(Plain(), request_of.inputs, REGIONS, request_of.folder)
    other.take("*.csv")
    other.take("land.shp")
    write_provenance(request_of.folder, PROVIDER, [request_of, other])
    about = json.loads((request_of.folder / PROVENANCE).read_text(encoding="utf-8"))
    assert (about["provider"], about["licence"], about["attribution"]) == (
        "plain",
        "none",
        "Nobody",
    )
    assert about["settings"] == [{"provider": "plain", "urls": []}] * 2
    hashes = {record["file"]: record["sha256"] for record in about["files"]}
    assert len(about["files"]) == 4
    for name, digest in hashes.items():
        assert hashlib.sha256(f"{name}\n".encode()).hexdigest() == digest


def test_the_area_is_that_of_all_regions(request_of: Request) -> None:
    assert request_of.area.equals(shapely.union_all(REGIONS.geometry.to_numpy()))
    boundary = Request(Plain(), request_of.inputs, None, request_of.folder)
    assert boundary.area is None


def test_no_secret_of_an_address_reaches_the_provenance(request_of: Request) -> None:
    urls = ("https://me:secret@a.org/b.tif?token=secret#secret", "s3://bucket/a?secret")
    request_of.settings = Plain(urls=urls)
    write_provenance(request_of.folder, PROVIDER, [request_of])
    text = (request_of.folder / PROVENANCE).read_text(encoding="utf-8")
    assert "secret" not in text
    assert json.loads(text)["settings"][0]["urls"] == ["https://a.org/b.tif", "s3://bucket/a"]


def test_a_folder_is_listed_once_for_all_its_files(
    request_of: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[Path] = []
    iterate = Path.iterdir

    def counting(folder: Path) -> Iterator[Path]:
        listed.append(folder)
        return iterate(folder)

    monkeypatch.setattr(Path, "iterdir", counting)
    for name in ("b.x.csv", "b.x.y.csv", "b.csv"):
        (request_of.inputs / name).touch()
    assert len(request_of.take("*.csv")) == 4
    assert listed.count(request_of.inputs) == 1
    assert names_in(request_of.folder) == {"a.csv", "b.csv", "b.x.csv", "b.x.y.csv"}
