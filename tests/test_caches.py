"""Caches with each kind of link, and one that several checkouts share: nothing writes into them."""

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
    relay.snakemake()
    assert results(relay) != first
    assert_linked(relay, kind)
    assert not damaged(relay.folder / ".dvc/cache")
    edit_parameter(relay, "fuse.dim", 32)
    edit_code(relay, "places", "first")
    relay.run("dvc", "repro")
    assert results(relay) == first
    assert not damaged(relay.folder / ".dvc/cache")
    assert_agreement(relay, set())


def assert_linked(relay: Relay, kind: str) -> None:
    file = relay.folder / "data/nyc/places.txt"
    assert file.is_symlink() == (kind == "symlink")
    assert (file.stat().st_nlink > 1) == (kind == "hardlink")


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
