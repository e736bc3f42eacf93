"""Files behind URLs: they come whole whatever the server's day, or in one line not at all."""

import gzip
import threading
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from file_server import Shelf, shelf
from musecl.runtime.errors import InputError
from musecl.sources import patience, remote_files
from musecl.sources.patience import wish_of
from musecl.sources.remote_files import download, look_at_tiff, release
from musecl.stages import fetch_satellite
from own_files import as_regions
from small_city import job_in
from test_chips import write
from test_satellite_raster import noise, square

PIECE = 1000
CONTENT = b"II*\0" + bytes(range(256)) * 40
OTHER = b"II*\0" + bytes(reversed(range(256))) * 40
MOST = 1 << 30


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that moves where somebody sleeps; gives the seconds slept."""
    clock, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(patience, "monotonic", lambda: clock[0])
    monkeypatch.setattr(patience, "sleep", sleep)
    monkeypatch.setattr(remote_files, "CHUNK", PIECE)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return slept


@pytest.fixture
def held(waits: list[float]) -> Iterator[Shelf]:
    with shelf(CONTENT) as server:
        yield server


def fails(held: Shelf, path: Path, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        download(held.url, path, MOST)
    assert "\n" not in str(caught.value)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("version", [{"ETag": '"one"'}, {"Last-Modified": "Mon, 01 Jan 2024"}])
def test_a_download_that_breaks_goes_on_where_it_stopped(
    tmp_path: Path, held: Shelf, version: dict[str, str]
) -> None:
    held.version = version
    held.days = [{"cut": 3 * PIECE}, {"cut": 4 * PIECE}]
    download(held.url, tmp_path / "a.tif", MOST)
    assert (tmp_path / "a.tif").read_bytes() == CONTENT
    (name,) = version.values()
    assert held.asked == [(None, None), ("bytes=3000-", name), ("bytes=7000-", name)]
    assert held.sent == len(CONTENT)


def test_a_later_run_goes_on_too(tmp_path: Path, held: Shelf, waits: list[float]) -> None:
    held.days = [{"cut": 5 * PIECE}, *[{"cut": 0}] * 4]
    fails(held, tmp_path / "a.tif", r"a\.tif: the server does not answer as it should \(Chunked")
    assert waits == [1, 2, 4]
    before = held.sent
    download(held.url, tmp_path / "a.tif", MOST)
    assert (tmp_path / "a.tif").read_bytes() == CONTENT
    assert held.sent - before == len(CONTENT) - 5 * PIECE


def test_what_is_there_as_a_whole_does_not_come_again(tmp_path: Path, held: Shelf) -> None:
    download(held.url, tmp_path / "a.tif", MOST)
    download(held.url, tmp_path / "a.tif", MOST)
    assert held.sent == len(CONTENT)
    release(tmp_path / "a.tif", tmp_path / "b.tif")
    assert [path.name for path in tmp_path.iterdir()] == ["b.tif"]


@pytest.mark.parametrize(
    ("version", "second"),
    [({"ETag": '"one"'}, {"ranges": False}), ({"ETag": 'W/"one"'}, {}), ({}, {})],
    ids=["without ranges", "a weak name", "without a name"],
)
def test_a_download_that_cannot_go_on_starts_again(
    tmp_path: Path, held: Shelf, version: dict[str, str], second: dict
) -> None:
    held.version = version
    held.days = [{"cut": 3 * PIECE}, second]
    download(held.url, tmp_path / "a.tif", MOST)
    assert (tmp_path / "a.tif").read_bytes() == CONTENT
    assert held.sent == len(CONTENT) + 3 * PIECE


def test_a_line_that_always_breaks_is_left(tmp_path: Path, held: Shelf, waits: list[float]) -> None:
    """Without ranges every new start would look like progress."""
    held.version, held.days = {}, [{"cut": 3 * PIECE}] * 99
    fails(held, tmp_path / "a.tif", "does not answer as it should")
    assert len(held.asked) == 4


@pytest.mark.parametrize("content", [OTHER, OTHER[: 2 * PIECE]], ids=["as long", "shorter"])
def test_two_versions_are_never_mixed(tmp_path: Path, held: Shelf, content: bytes) -> None:
    held.days = [{"cut": 3 * PIECE}, *[{"cut": 0}] * 3]
    fails(held, tmp_path / "a.tif", "does not answer")
    held.content, held.version = content, {"ETag": '"two"'}
    download(held.url, tmp_path / "a.tif", MOST)
    assert (tmp_path / "a.tif").read_bytes() == content


@pytest.mark.parametrize("days", [1, 2], ids=["at once", "and again"])
@pytest.mark.parametrize(
    ("content", "version"),
    [(OTHER, {"ETag": '"two"'}), (OTHER + b"more", {"ETag": '"one"'}), (OTHER + b"more", {})],
    ids=["another name", "another size", "no name"],
)
def test_a_server_that_passes_over_if_range_mixes_no_versions(
    tmp_path: Path, held: Shelf, content: bytes, version: dict[str, str], days: int
) -> None:
    held.days = [{"cut": 3 * PIECE}, *[{"cut": 0}] * 3]
    fails(held, tmp_path / "a.tif", "does not answer")
    held.content, held.version, held.days = content, version, [{"careless": True}] * days
    download(held.url, tmp_path / "a.tif", MOST)
    assert (tmp_path / "a.tif").read_bytes() == content


def test_a_new_version_replaces_the_old_before_it_is_named(
    tmp_path: Path, held: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in between, the bytes of the one would lie beside the name of the other."""
    held.days = [{"cut": 3 * PIECE}, *[{"cut": 0}] * 3]
    fails(held, tmp_path / "a.tif", "does not answer")
    held.content, held.version = OTHER, {"ETag": '"two"'}
    lay = []
    write = Path.write_text
    monkeypatch.setattr(
        Path,
        "write_text",
        lambda *told, **how: (lay.append((tmp_path / "a.tif").exists()), write(*told, **how)),
    )
    download(held.url, tmp_path / "a.tif", MOST)
    assert lay == [False]


def test_a_wrong_part_is_not_believed(tmp_path: Path, held: Shelf) -> None:
    held.days = [{"cut": 3 * PIECE}, {"shifted": 7}]
    download(held.url, tmp_path / "a.tif", MOST)
    assert (tmp_path / "a.tif").read_bytes() == CONTENT


def test_a_part_of_what_has_become_shorter_is_refused_and_all_of_it_taken(
    tmp_path: Path, held: Shelf
) -> None:
    """The server keeps the name of a file that it changes."""
    held.days = [{"cut": 3 * PIECE}, *[{"cut": 0}] * 3]
    fails(held, tmp_path / "a.tif", "does not answer")
    held.content = OTHER[: 2 * PIECE]
    download(held.url, tmp_path / "a.tif", MOST)
    assert (tmp_path / "a.tif").read_bytes() == held.content


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again_when_it_wishes(
    tmp_path: Path, held: Shelf, waits: list[float], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    held.days = [{"status": status}, {"status": status, "headers": {"Retry-After": "100"}}]
    download(held.url, tmp_path / "a.tif", MOST)
    assert (tmp_path / "a.tif").read_bytes() == CONTENT
    assert waits == [1, 100]
    said = capsys.readouterr().out
    assert f"the server is busy (HTTP {status}); asking again in 100 s" in said
    assert "SECRET" not in said


def test_a_server_that_is_always_busy_is_left_at_the_deadline(
    tmp_path: Path, held: Shelf, waits: list[float]
) -> None:
    held.days = [{"status": 503}] * 99
    fails(held, tmp_path / "a.tif", r"is busy \(HTTP 503\) for too long; try again later")
    assert 0 < sum(waits) <= remote_files.DEADLINE_S


def test_a_wish_beyond_the_deadline_is_not_waited_for(
    tmp_path: Path, held: Shelf, waits: list[float]
) -> None:
    held.days = [{"status": 429, "headers": {"Retry-After": "86400"}}]
    with pytest.raises(InputError, match=r"is busy \(HTTP 429\) for too long"):
        look_at_tiff(held.url)
    assert waits == []


def test_a_wish_may_be_a_date() -> None:
    then = datetime.now(UTC) + timedelta(seconds=90)
    assert 80 < wish_of(format_datetime(then, usegmt=True)) <= 90
    assert wish_of(format_datetime(then - timedelta(days=1), usegmt=True)) == 0
    assert [wish_of(text) for text in ("120", " 5 ", "", "soon", "-3")] == [120, 5, 0, 0, 0]


@pytest.mark.parametrize("first", [[], [{"cut": 3 * PIECE}]], ids=["at once", "after a break"])
def test_a_page_is_no_file(tmp_path: Path, held: Shelf, first: list[dict]) -> None:
    held.days = [*first, {"body": b"<html><title>Sign in</title>"}]
    fails(held, tmp_path / "a.tif", "is no GeoTIFF, it begins with '<html><title>Sign in")


@pytest.mark.parametrize(("status", "said"), [(403, "403 Forbidden"), (404, "404 Not Found")])
def test_what_is_refused_is_not_asked_again(
    tmp_path: Path, held: Shelf, waits: list[float], status: int, said: str
) -> None:
    held.days = [{"status": status, "body": b"<html>no</html>"}] * 2
    fails(held, tmp_path / "a.tif", said)
    held.days = [{"status": status}] * 2
    with pytest.raises(InputError, match=f"{said}; check the address"):
        look_at_tiff(held.url)
    assert waits == []


def test_a_server_that_falls_silent_is_left(
    tmp_path: Path, held: Shelf, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_files, "TIMEOUT_S", 0.1)
    released = threading.Event()
    held.days = [{"hang": released}] * 4
    try:
        fails(held, tmp_path / "a.tif", r"does not answer as it should \(ReadTimeout\)")
    finally:
        released.set()
    assert waits == [1, 2, 4]


def test_a_body_that_was_packed_all_the_same_is_unpacked(tmp_path: Path, held: Shelf) -> None:
    held.days = [{"body": gzip.compress(CONTENT), "headers": {"Content-Encoding": "gzip"}}]
    download(held.url, tmp_path / "a.tif", MOST)
    assert (tmp_path / "a.tif").read_bytes() == CONTENT


def test_a_large_file_takes_little_memory(
    tmp_path: Path, held: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_files, "CHUNK", 1 << 20)
    held.content = b"II*\0" + bytes(64 << 20)
    tracemalloc.start()
    try:
        download(held.url, tmp_path / "a.tif", MOST)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "a.tif").stat().st_size == len(held.content)
    assert peak < 8 << 20


def test_a_file_that_is_larger_than_told_stops(tmp_path: Path, held: Shelf) -> None:
    with pytest.raises(InputError, match="has more than 0 MiB, and its server gives no parts"):
        download(held.url, tmp_path / "a.tif", 2 * PIECE)
    assert (tmp_path / "a.tif").stat().st_size <= 2 * PIECE


def test_a_stage_that_failed_goes_on_in_its_next_run(
    tmp_path: Path, held: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.content = write(tmp_path / "whole.tif", noise()).read_bytes()
    regions = as_regions(["all"], [square(200)])
    (tmp_path / "data/toy").mkdir(parents=True)
    regions.to_parquet(tmp_path / "data/toy/regions.parquet")
    url, _, query = held.url.partition("?")
    monkeypatch.setenv("MUSECL_URL_QUERY", query)
    given = {"provider": "raster", "urls": [url, url.replace("a.tif", "b.tif")]}

    def job():
        inputs, outputs = ["regions.parquet"], ["raw/satellite"]
        return job_in(tmp_path, inputs, outputs, cities__toy__satellite=given)

    # The second file breaks after some bytes, and then nobody answers.
    held.days = [{}, {}, {}, {"cut": 2 * PIECE}, *[{"cut": 0}] * 3]
    first = job()
    with pytest.raises(InputError, match=r"b\.tif: the server does not answer"):
        fetch_satellite.run(first)
    first.discard()
    assert not list((tmp_path / "data/toy/raw").iterdir())
    before = held.sent
    second = job()
    fetch_satellite.run(second)
    second.publish()
    for name in ("000-a.tif", "001-b.tif"):
        assert (tmp_path / "data/toy/raw/satellite" / name).read_bytes() == held.content
    # But for the first bytes of each, which are looked at.
    assert held.sent - before == len(held.content) - 2 * PIECE + 2 * remote_files.FIRST_BYTES
    assert not list((tmp_path / ".musecl").rglob("*.tif*"))
    written = [path for path in tmp_path.rglob("*") if path.suffix in (".json", ".yaml", ".lock")]
    assert written
    assert not any(b"SECRET" in path.read_bytes() for path in written)
