"""Caches with each kind of link, and one that several checkouts share: nothing writes into them."""

import os
from pathlib import Path

import pytest

from relay_race import Relay, damaged, edit_parameter
from test_engines import assert_agreement, edit_code, results


@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink", "reflink"])
def test_no_step_writes_through_a_link(built_city: Relay, tmp_path: Path, kind: str) -> None:
    relay = built_city.copy(tmp_path / "relay")
    # Where the file system has no reflinks, DVC copies, as it does by its own default.
    relay.run("dvc", "config", "cache.type", "reflink,copy" if kind == "reflink" else kind)
    relay.run("dvc", "checkout", "--relink")
    first = results(relay)
    assert_linked(relay, kind)
    edit_parameter(relay, "fuse.dim", 7)
    edit_code(relay, "places", "second")
    edit_code(relay, "tile", "second")
    relay.snakemake()
    assert results(relay) != first
    assert_linked(relay, kind)
    assert not damaged(relay.folder / ".dvc/cache")
    spoil_a_step(relay)
    assert_linked(relay, kind)
    assert not damaged(relay.folder / ".dvc/cache")
    edit_parameter(relay, "fuse.dim", 32)
    edit_code(relay, "places", "first")
    edit_code(relay, "tile", "first")
    relay.run("dvc", "repro")
    assert results(relay) == first
    assert not damaged(relay.folder / ".dvc/cache")
    assert_agreement(relay, set())


def spoil_a_step(relay: Relay) -> None:
    """Have a step write all that it would, and fail: what was there before comes back."""
    step = relay.folder / "workflow/musecl/stages/places.py"
    sound, before = step.read_text(), files(relay)
    step.write_text(f"{sound}    raise SystemExit(3)\n")
    relay.snakemake(check=False)
    assert files(relay) == before
    step.write_text(sound)


def files(relay: Relay) -> dict[str, bytes]:
    """Content of every output."""
    return {
        str(path.relative_to(relay.folder)): path.read_bytes()
        for part in ("data", "results")
        for path in sorted((relay.folder / part).rglob("*"))
        if path.is_file() and path.name != ".snakemake_timestamp"
    }


def test_a_new_checkout_keeps_each_output_once(built_city: Relay) -> None:
    """As .dvc/config ships: one file in two places, where blocks cannot be shared."""
    if "reflink" in built_city.run("dvc", "doctor").partition("Cache types:")[2].splitlines()[0]:
        pytest.skip("this file system shares blocks, which no test can see")
    names = files(built_city)
    assert len(names) > 5
    assert all((built_city.folder / name).stat().st_nlink > 1 for name in names)


def assert_linked(relay: Relay, kind: str) -> None:
    for name in files(relay):
        file = relay.folder / name
        assert file.is_symlink() == (kind == "symlink"), name
        assert (file.stat().st_nlink > 1) == (kind == "hardlink"), name


def test_a_user_who_is_not_root_builds_over_what_is_write_protected(
    built_city: Relay, tmp_path: Path
) -> None:
    relay = built_city.copy(tmp_path / "relay")
    first, places = results(relay), relay.folder / "data/nyc/places.txt"
    # Root may write anywhere, and no engine would stop: so without that right, as everyone else.
    rights = "-dac_override,-dac_read_search,-fowner"
    drop = ("setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}")
    ordinary = drop if os.geteuid() == 0 else ()
    places.chmod(0o444)
    relay.run(*ordinary, "sh", "-c", "echo edited >> data/nyc/places.txt", check=False)
    assert "edited" not in places.read_text()
    edit_parameter(relay, "fuse.dim", 7)
    edit_code(relay, "places", "second")
    edit_code(relay, "tile", "second")
    relay.run(*ordinary, "snakemake", "--cores", "2")
    assert results(relay) != first
    assert_agreement(relay, set())
    edit_parameter(relay, "fuse.dim", 32)
    edit_code(relay, "places", "first")
    edit_code(relay, "tile", "first")
    relay.run(*ordinary, "dvc", "repro")
    assert results(relay) == first
    assert not damaged(relay.folder / ".dvc/cache")
    assert_agreement(relay, set())


@pytest.mark.parametrize("kind", ["hardlink", "symlink"])
@pytest.mark.parametrize("output", ["data/nyc/places.txt", "data/nyc/tiles/0.txt"])
def test_what_was_written_through_a_link_is_built_anew(
    built_city: Relay, tmp_path: Path, kind: str, output: str
) -> None:
    relay = built_city.copy(tmp_path / "relay")
    relay.run("dvc", "config", "cache.type", kind)
    relay.run("dvc", "checkout", "--relink")
    first = files(relay)
    file = relay.folder / output
    # What root can do at once, and an editor that is told to insist.
    file.chmod(0o644)
    file.write_text("written in place\n")
    file.chmod(0o444)
    assert damaged(relay.folder / ".dvc/cache")
    stage = f"{'places' if 'places' in output else 'tile'}@nyc"
    assert stage in relay.snakemake_wants()
    relay.snakemake()
    assert files(relay) == first
    assert not damaged(relay.folder / ".dvc/cache")
    assert_agreement(relay, set())


@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
def test_what_one_user_built_another_need_not(built_city: Relay, tmp_path: Path, kind: str) -> None:
    mine = built_city.copy(tmp_path / "mine")
    for key, value in {"dir": "../shared", "shared": "group", "type": kind}.items():
        mine.run("dvc", "config", f"cache.{key}", value)
    (mine.folder / ".dvc/cache").rename(tmp_path / "shared")
    mine.run("dvc", "checkout", "--relink")
    mine.commit("shared")
    mine.run("git", "clone", "-q", ".", str(tmp_path / "theirs"))
    theirs = Relay(tmp_path / "theirs")
    assert theirs.dvc_wants() == set()
    # The target itself is absent: one job brings it, and no other.
    assert theirs.snakemake_wants() == {"evaluate@nyc"}
    theirs.snakemake()
    assert_agreement(theirs, set())
    edit_parameter(mine, "fuse.dim", 7)
    mine.snakemake()
    edit_parameter(theirs, "fuse.dim", 7)
    # A step that ran would fail: only the shared cache can answer.
    job = theirs.folder / "workflow/musecl/step/job.py"
    job.write_text("raise RuntimeError('computed again')\n")
    theirs.snakemake()
    assert results(theirs) == {
        path.replace("mine", "theirs"): text for path, text in results(mine).items()
    }
    # The one place of both, and no other.
    assert (tmp_path / "shared/files/md5").is_dir()
    assert not list(tmp_path.glob("*/.dvc/cache"))
    assert not damaged(tmp_path / "shared")
