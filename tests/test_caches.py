"""Caches with each kind of link, and one that several checkouts share: nothing writes into them."""

import os
from pathlib import Path

import pytest

from test_engines import assert_agreement, edit_code, results
from toy_checkout import ToyPipeline, damaged, edit_parameter


@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink", "reflink"])
def test_no_step_writes_through_a_link(built_city: ToyPipeline, tmp_path: Path, kind: str) -> None:
    toy = built_city.copy(tmp_path / "toy_pipeline")
    # Where the file system has no reflinks, DVC copies, as it does by its own default.
    toy.run("dvc", "config", "cache.type", "reflink,copy" if kind == "reflink" else kind)
    toy.run("dvc", "checkout", "--relink")
    first = results(toy)
    assert_linked(toy, kind)
    edit_parameter(toy, "fuse.dim", 7)
    edit_code(toy, "pois", "second")
    edit_code(toy, "tile", "second")
    toy.snakemake()
    assert results(toy) != first
    assert_linked(toy, kind)
    assert not damaged(toy.folder / ".dvc/cache")
    spoil_a_step(toy)
    assert_linked(toy, kind)
    assert not damaged(toy.folder / ".dvc/cache")
    edit_parameter(toy, "fuse.dim", 32)
    edit_code(toy, "pois", "first")
    edit_code(toy, "tile", "first")
    toy.run("dvc", "repro")
    assert results(toy) == first
    assert not damaged(toy.folder / ".dvc/cache")
    assert_agreement(toy, set())


def spoil_a_step(toy: ToyPipeline) -> None:
    """Have a step write all that it would, and fail: what was there before comes back."""
    step = toy.folder / "workflow/musecl/stages/pois.py"
    sound, before = step.read_text(), files(toy)
    step.write_text(f"{sound}    raise SystemExit(3)\n")
    toy.snakemake(check=False)
    assert files(toy) == before
    step.write_text(sound)


def files(toy: ToyPipeline) -> dict[str, bytes]:
    """Content of every output."""
    return {
        str(path.relative_to(toy.folder)): path.read_bytes()
        for part in ("data", "results")
        for path in sorted((toy.folder / part).rglob("*"))
        if path.is_file() and path.name != ".snakemake_timestamp"
    }


def test_a_new_checkout_keeps_each_output_once(built_city: ToyPipeline) -> None:
    """As .dvc/config ships: one file in two places, where blocks cannot be shared."""
    if "reflink" in built_city.run("dvc", "doctor").partition("Cache types:")[2].splitlines()[0]:
        pytest.skip("this file system shares blocks, which no test can see")
    names = files(built_city)
    assert len(names) > 5
    assert all((built_city.folder / name).stat().st_nlink > 1 for name in names)


def assert_linked(toy: ToyPipeline, kind: str) -> None:
    for name in files(toy):
        file = toy.folder / name
        assert file.is_symlink() == (kind == "symlink"), name
        assert (file.stat().st_nlink > 1) == (kind == "hardlink"), name


def test_a_user_who_is_not_root_builds_over_what_is_write_protected(
    built_city: ToyPipeline, tmp_path: Path
) -> None:
    toy = built_city.copy(tmp_path / "toy_pipeline")
    first, pois = results(toy), toy.folder / "data/nyc/pois.txt"
    # Root may write anywhere, and no engine would stop: so without that right, as everyone else.
    rights = "-dac_override,-dac_read_search,-fowner"
    drop = ("setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}")
    ordinary = drop if os.geteuid() == 0 else ()
    pois.chmod(0o444)
    toy.run(*ordinary, "sh", "-c", "echo edited >> data/nyc/pois.txt", check=False)
    assert "edited" not in pois.read_text()
    edit_parameter(toy, "fuse.dim", 7)
    edit_code(toy, "pois", "second")
    edit_code(toy, "tile", "second")
    toy.run(*ordinary, "snakemake", "--cores", "2")
    assert results(toy) != first
    assert_agreement(toy, set())
    edit_parameter(toy, "fuse.dim", 32)
    edit_code(toy, "pois", "first")
    edit_code(toy, "tile", "first")
    toy.run(*ordinary, "dvc", "repro")
    assert results(toy) == first
    assert not damaged(toy.folder / ".dvc/cache")
    assert_agreement(toy, set())


@pytest.mark.parametrize("kind", ["hardlink", "symlink"])
@pytest.mark.parametrize("output", ["data/nyc/pois.txt", "data/nyc/tiles/0.txt"])
def test_what_was_written_through_a_link_is_built_anew(
    built_city: ToyPipeline, tmp_path: Path, kind: str, output: str
) -> None:
    toy = built_city.copy(tmp_path / "toy_pipeline")
    toy.run("dvc", "config", "cache.type", kind)
    toy.run("dvc", "checkout", "--relink")
    first = files(toy)
    file = toy.folder / output
    # What root can do at once, and an editor that is told to insist.
    file.chmod(0o644)
    file.write_text("written in place\n")
    file.chmod(0o444)
    assert damaged(toy.folder / ".dvc/cache")
    stage = f"{'pois' if 'pois' in output else 'tile'}@nyc"
    assert stage in toy.snakemake_wants()
    toy.snakemake()
    assert files(toy) == first
    assert not damaged(toy.folder / ".dvc/cache")
    assert_agreement(toy, set())


@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
def test_what_one_user_built_another_need_not(
    built_city: ToyPipeline, tmp_path: Path, kind: str
) -> None:
    mine = built_city.copy(tmp_path / "mine")
    for key, value in {"dir": "../shared", "shared": "group", "type": kind}.items():
        mine.run("dvc", "config", f"cache.{key}", value)
    (mine.folder / ".dvc/cache").rename(tmp_path / "shared")
    mine.run("dvc", "checkout", "--relink")
    mine.commit("shared")
    mine.run("git", "clone", "-q", ".", str(tmp_path / "theirs"))
    theirs = ToyPipeline(tmp_path / "theirs")
    assert theirs.dvc_wants() == set()
    # The target itself is absent: one job brings it, and no other.
    assert theirs.snakemake_wants() == {"evaluate@nyc"}
    theirs.snakemake()
    assert_agreement(theirs, set())
    edit_parameter(mine, "fuse.dim", 7)
    mine.snakemake()
    edit_parameter(theirs, "fuse.dim", 7)
    # A step that ran would fail: only the shared cache can answer.
    job = theirs.folder / "workflow/musecl/runtime/job.py"
    job.write_text("raise RuntimeError('computed again')\n")
    theirs.snakemake()
    assert results(theirs) == {
        path.replace("mine", "theirs"): text for path, text in results(mine).items()
    }
    # The one place of both, and no other.
    assert (tmp_path / "shared/files/md5").is_dir()
    assert not list(tmp_path.glob("*/.dvc/cache"))
    assert not damaged(tmp_path / "shared")
