"""A remote of each kind: pushed and pulled; down, full and read-only; with damaged objects."""

import hashlib
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from dvc.config import Config

import remotes
from musecl.engines.repository import kept_in_remote, open_repository
from musecl.runtime.errors import EngineError
from test_engines import EVERYTHING
from toy_checkout import ToyPipeline, assert_one_line, assert_true_lock, damaged, edit_parameter

KINDS = ["directory", "s3", "ssh", "http"]
AWAY = "dvc remote default --unset"


@pytest.fixture
def toy(built: ToyPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyPipeline:
    """A copy of the built toy, with a remote in a folder beside it, as yet empty."""
    # A server that refuses is asked once, and nobody looks for a cloud's credentials.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    toy = built.copy(tmp_path / "toy_pipeline")
    with Config(str(toy.folder / ".dvc")).edit("repo") as config:
        config["core"]["remote"] = "shared"
        config["remote"]["shared"] = {"url": str(tmp_path / "remote"), "verify": True}
    toy.commit("remote")
    return toy


def settings_of(kind: str, folder: Path, port: int) -> dict[str, str]:
    """How `dvc remote modify` names a remote of this kind."""
    if kind == "s3":
        return {
            "url": f"s3://{remotes.BUCKET}/shared",
            "endpointurl": f"http://127.0.0.1:{port}",
            "access_key_id": remotes.USER,
            "secret_access_key": remotes.USER,
            "region": "us-east-1",
            "connect_timeout": "2",
        }
    if kind == "ssh":
        return {
            "url": f"ssh://127.0.0.1:{port}{folder / 'remote'}",
            "user": remotes.USER,
            "keyfile": str(folder / "key"),
            "ask_password": "false",
            "allow_agent": "false",
        }
    return {"url": f"http://127.0.0.1:{port}"} if kind == "http" else {}


def point(toy: ToyPipeline, settings: dict[str, str]) -> None:
    """Set the remote, and commit it for clones."""
    with Config(str(toy.folder / ".dvc")).edit("repo") as config:
        config["remote"]["shared"].update(settings)
    toy.commit("remote")


@contextmanager
def pushed(toy: ToyPipeline, kind: str) -> Iterator[None]:
    """A remote of this kind is up, and holds all that the toy pipeline built."""
    folder = toy.folder.parent
    if kind in ("directory", "http"):
        toy.run("dvc", "push")
    up: dict[str, Callable[[], Any]] = {
        "s3": remotes.s3,
        "ssh": lambda: remotes.sftp(folder / "key"),
        "http": lambda: remotes.http(folder / "remote"),
    }
    if kind == "directory":
        yield
        return
    with up[kind]() as port:
        point(toy, settings_of(kind, folder, port))
        if kind != "http":
            toy.run("dvc", "push")
        yield


def clone_of(toy: ToyPipeline, name: str = "clone") -> ToyPipeline:
    clone = toy.folder.parent / name
    toy.run("git", "clone", "-q", ".", str(clone))
    return ToyPipeline(clone)


def state_of(toy: ToyPipeline) -> dict[str, bytes]:
    """All that a failure must leave as it was: data, results, dvc.lock and the cache."""
    home = toy.folder
    roots = [home / "data", home / "results", home / ".dvc/cache/files", home / "dvc.lock"]
    files = [file for root in roots for file in [root, *root.rglob("*")] if file.is_file()]
    return {str(f.relative_to(home)): f.read_bytes() for f in files if f.name[0] != "."}


def products_of(toy: ToyPipeline) -> dict[str, bytes]:
    """What the stages wrote, by path."""
    return {path: data for path, data in state_of(toy).items() if path[0] != "."}


def recorded(toy: ToyPipeline, path: str) -> str:
    """Hash of an output, as dvc.lock records it."""
    entries = toy.entries().values()
    return next(out["md5"] for entry in entries for out in entry["outs"] if out["path"] == path)


def jobs_run(text: str) -> list[str]:
    return re.findall(r"^(?:local)?rule (\w+):", text, re.MULTILINE)


def fails(toy: ToyPipeline, *command: str) -> str:
    """Run what has to fail; its output."""
    with pytest.raises(AssertionError, match="ended with") as failure:
        toy.run(*command)
    return str(failure.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_clone_pulls_and_has_nothing_to_do(toy: ToyPipeline, kind: str) -> None:
    with pushed(toy, kind):
        clone = clone_of(toy)
        clone.run("dvc", "pull", "results/nyc/r2.csv")
        edit_parameter(clone, "evaluate.folds", 3)
        ran = clone.snakemake("results/nyc/r2.csv")
        assert jobs_run(ran) == ["evaluate"]
        held = {path for path in products_of(clone) if path.startswith("data/")}
        assert held == {"data/nyc/fused.txt", "data/nyc/counts.txt"}

        whole = clone_of(toy, "whole")
        whole.run("dvc", "pull")
        assert products_of(whole) == products_of(toy)
        assert whole.snakemake_wants() == set()
        assert whole.dvc_wants() == set()


@pytest.mark.parametrize("kind", KINDS)
def test_a_remote_that_is_down_stops_in_one_line(toy: ToyPipeline, kind: str) -> None:
    with socket.socket() as held:  # a port that is bound and not listened on
        held.bind(("127.0.0.1", 0))
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(
            str(toy.folder.parent / "key")
        )
        point(toy, settings_of(kind, toy.folder.parent, held.getsockname()[1]))
        before = state_of(toy)
        if kind != "directory":  # DVC makes the folder when it is pushed to
            assert "ERROR: " in fails(toy, "dvc", "push")
        clone = clone_of(toy)
        assert "ERROR: " in fails(clone, "dvc", "pull")
        text = fails(clone, "snakemake", "--cores", "2")
        assert_one_line(text, "'shared'", AWAY)
        assert products_of(clone) == {"dvc.lock": before["dvc.lock"]}

        # What the cache holds needs no remote.
        (toy.folder / "results/nyc/r2.csv").unlink()
        toy.run("python", "workflow/musecl", "stage", "evaluate@nyc")
        assert state_of(toy) == before


def test_the_way_out_of_a_remote_that_is_down(toy: ToyPipeline) -> None:
    clone = clone_of(toy)
    clone.run("dvc", "remote", "default", "--unset")
    assert clone.snakemake_wants() == EVERYTHING


@pytest.mark.parametrize(("handler", "kept"), [(remotes.ReadOnly, False), (remotes.Failing, None)])
def test_an_object_is_absent_only_if_the_server_says_so(toy, handler, kept) -> None:
    with remotes.http(toy.folder.parent, handler) as port:
        point(toy, {"url": f"http://127.0.0.1:{port}"})
        with open_repository(toy.folder) as repo:
            if kept is None:
                with pytest.raises(EngineError, match=r"'shared' does not answer .*503"):
                    kept_in_remote(repo, "0" * 32)
            else:
                assert kept_in_remote(repo, "0" * 32) is kept


@contextmanager
def refusing(kind: str, folder: Path) -> Iterator[dict[str, str]]:
    """A remote that takes nothing: its settings."""
    if kind == "a read-only folder":
        (folder / "remote").mkdir(mode=0o555)
        if os.access(folder / "remote", os.W_OK):
            pytest.skip("who runs this may write into any folder")
        yield {}
        (folder / "remote").chmod(0o755)
    elif kind.endswith("SSH"):
        disk = remotes.FullDisk if kind.startswith("full") else remotes.ReadOnlyDisk
        with remotes.sftp(folder / "key", disk) as port:
            yield settings_of("ssh", folder, port)
    elif kind.endswith("S3"):
        handler = remotes.FullS3 if kind.startswith("full") else remotes.ReadOnlyS3
        with remotes.http(folder, handler) as port:
            yield settings_of("s3", folder, port)
    else:
        with remotes.http(folder) as port:
            yield settings_of("http", folder, port)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("full SSH", "No space left"),
        ("full S3", "no space left"),
        ("read-only SSH", "Read-only"),
        ("read-only S3", "read-only"),
        ("read-only HTTP", "501"),
        ("a read-only folder", "Permission denied"),
    ],
)
def test_a_remote_that_takes_nothing_loses_nothing(
    toy: ToyPipeline, kind: str, reason: str
) -> None:
    before = state_of(toy)
    with refusing(kind, toy.folder.parent) as settings:
        point(toy, settings)
        text = fails(toy, "dvc", "push")
    assert reason in text
    assert "Traceback" not in text
    assert state_of(toy) == before


def test_a_folder_without_room_takes_nothing_and_loses_nothing(toy: ToyPipeline) -> None:
    before = state_of(toy)
    remote = toy.folder.parent / "remote"
    remote.mkdir()
    # A fault watches the folder that its process starts in.
    push = ("dvc", "--cd", str(toy.folder), "push")
    pushing = ToyPipeline(remote).start(*push, fault="full:1:bin/dvc")
    text, _ = pushing.communicate()
    assert pushing.returncode
    assert "No space left" in text
    assert "Traceback" not in text
    assert state_of(toy) == before
    toy.run("dvc", "push")
    clone = clone_of(toy)
    clone.run("dvc", "pull")
    assert products_of(clone) == products_of(toy)


def test_what_a_full_remote_did_not_take_is_pushed_later(toy: ToyPipeline) -> None:
    class Disk(remotes.FullDisk):
        pass

    with remotes.sftp(toy.folder.parent / "key", Disk) as port:
        point(toy, settings_of("ssh", toy.folder.parent, port))
        fails(toy, "dvc", "push")
        Disk.full = False
        toy.run("dvc", "push")
        clone = clone_of(toy)
        clone.run("dvc", "pull")
        assert products_of(clone) == products_of(toy)


@pytest.mark.parametrize("level", [[], ["--local"]], ids=["shared", "one's own"])
def test_a_plan_says_how_dvc_itself_hashes_what_comes(toy: ToyPipeline, level: list[str]) -> None:
    toy.run("dvc", "remote", "add", *level, "other", "../other")
    command = ["dvc", "remote", "modify", *level, "other", "verify", "true"]
    said = f"note: what comes is hashed; for `dvc pull`, too: `{' '.join(command)}`"
    assert toy.snakemake("-n").count(said) == 1
    toy.run(*command)
    assert "note: " not in toy.snakemake("-n")


def test_what_a_remote_sends_is_hashed_whatever_its_settings_say(toy: ToyPipeline) -> None:
    with pushed(toy, "directory"):
        clone = clone_of(toy)
        clone.run("dvc", "remote", "modify", "--local", "shared", "verify", "false")
        damage(toy.folder.parent / "remote", recorded(toy, "data/nyc/fused.txt"))
        edit_parameter(clone, "evaluate.folds", 3)
        text = fails(clone, "python", "workflow/musecl", "stage", "evaluate@nyc")
        assert_one_line(text, "data/nyc/fused.txt: damaged or incomplete in the remote")
        assert not (clone.folder / "data/nyc/fused.txt").exists()


def damage(store: Path, value: str, at: int = 7) -> None:
    """Change one byte of an object; size, mode, inode and time stay, as when a disk errs."""
    path = store / "files/md5" / value[:2] / value[2:]
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[at] = data[at] ^ 1
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(data)
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def assert_sound_cache(toy: ToyPipeline) -> None:
    assert not damaged(toy.folder / ".dvc/cache")


@pytest.mark.parametrize(
    ("kind", "path", "at"),
    [
        ("directory", "data/nyc/fused.txt", 7),
        ("directory", "data/nyc/tiles", 0),
        ("http", "data/nyc/tiles", 12),
    ],
    ids=["a file", "an unreadable list", "a wrong list over HTTP"],
)
def test_a_damaged_object_of_the_remote_is_refused(toy, kind, path, at) -> None:
    with pushed(toy, kind):
        damage(toy.folder.parent / "remote", recorded(toy, path), at)
        clone = clone_of(toy)
        assert "ERROR: " in fails(clone, "dvc", "pull")
        assert_sound_cache(clone)
        assert not (clone.folder / path).exists()
        damage(toy.folder.parent / "remote", recorded(toy, path), at)
        # DVC remembers the names that it read in a damaged list until it has asked for them.
        clone.run("dvc", "pull", check=False)
        clone.run("dvc", "pull")
        assert products_of(clone) == products_of(toy)


def assert_true(toy: ToyPipeline) -> None:
    """The cache is sound, and what dvc.lock records is there and is what its inputs give."""
    assert_sound_cache(toy)
    assert_true_lock(toy)
    for entry in toy.entries().values():
        for out in entry["outs"]:
            file = toy.folder / out["path"]
            if file.is_file():
                assert hashlib.md5(file.read_bytes()).hexdigest() == out["md5"]


def remove(toy: ToyPipeline, path: str) -> None:
    place = toy.folder / path
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink()


LOST = {
    "a list that cannot be read": ("data/nyc/tiles", 0, {}, "data/nyc/tiles", None, False),
    "a list with a wrong hash": ("data/nyc/tiles", 12, {}, "data/nyc/tiles", None, True),
    "an input": ("data/nyc/fused.txt", 7, {"evaluate.folds": 3}, "results/nyc/r2.csv", None, True),
    "an input, no remote": (
        "data/nyc/fused.txt",
        7,
        {"evaluate.folds": 3},
        "results/nyc/r2.csv",
        "evaluate@nyc",
        False,
    ),
}


@pytest.mark.parametrize(
    ("path", "at", "edit", "target", "stopped", "shared"), LOST.values(), ids=LOST
)
def test_a_damaged_object_of_the_cache_is_not_used(
    toy, path, at, edit, target, stopped, shared
) -> None:
    if shared:
        toy.run("dvc", "push")
    else:
        toy.run("dvc", "remote", "default", "--unset")
    for key, value in edit.items():
        edit_parameter(toy, key, value)
    remove(toy, path)
    damage(toy.folder / ".dvc/cache", recorded(toy, path), at)
    if stopped:
        # The plan trusts the cache; the job that finds the damage stops, and the next plan knows.
        assert_one_line(fails(toy, "snakemake", "--cores", "1", target), stopped)
    ran = jobs_run(toy.snakemake(target))
    assert_true(toy)
    assert ("fuse" in ran) == bool(stopped)


@pytest.mark.parametrize("links", ["copy", "hardlink"])
def test_a_damaged_object_is_not_restored(toy: ToyPipeline, links: str) -> None:
    job = ("python", "workflow/musecl", "stage", "evaluate@nyc")
    toy.run("dvc", "config", "cache.type", links)
    edit_parameter(toy, "evaluate.folds", 3)
    toy.run(*job)
    edited = recorded(toy, "results/nyc/r2.csv")
    edit_parameter(toy, "evaluate.folds", 5)
    toy.run(*job)
    edit_parameter(toy, "evaluate.folds", 3)
    damage(toy.folder / ".dvc/cache", edited)
    toy.run(*job)
    assert recorded(toy, "results/nyc/r2.csv") == edited
    assert_true(toy)


def test_a_failed_step_puts_no_damaged_object_back(toy: ToyPipeline) -> None:
    damage(toy.folder / ".dvc/cache", recorded(toy, "results/nyc/r2.csv"))
    step = toy.folder / "workflow/musecl/stages/evaluate.py"
    step.write_text("def run(job):\n    raise SystemExit(3)\n")
    fails(toy, "python", "workflow/musecl", "stage", "evaluate@nyc")
    assert_sound_cache(toy)
    assert not (toy.folder / "results/nyc/r2.csv").exists()


def test_a_damaged_object_of_the_remote_is_not_used_by_a_job(toy: ToyPipeline) -> None:
    toy.run("dvc", "push")
    value = recorded(toy, "data/nyc/fused.txt")
    damage(toy.folder.parent / "remote", value)
    clone = clone_of(toy)
    edit_parameter(clone, "evaluate.folds", 3)
    job = ("python", "workflow/musecl", "stage", "evaluate@nyc")
    assert_one_line(fails(clone, *job), value, "snakemake --cores 1 data/nyc/fused.txt")
    clone.snakemake("data/nyc/fused.txt")
    clone.run(*job)
    assert_sound_cache(clone)
    assert recorded(clone, "data/nyc/fused.txt") == value


def test_a_folder_whose_list_is_damaged_in_the_remote_is_built_anew(toy: ToyPipeline) -> None:
    toy.run("dvc", "push")
    value = recorded(toy, "data/nyc/tiles")
    damage(toy.folder.parent / "remote", value)
    clone = clone_of(toy)
    clone.snakemake("data/nyc/tiles")
    assert_sound_cache(clone)
    assert recorded(clone, "data/nyc/tiles") == value


def test_an_input_of_a_later_state_is_not_passed_over(toy: ToyPipeline) -> None:
    """The clone has a result of the earlier state, and of the later one only what is pushed."""
    toy.run("dvc", "push")
    first = (toy.folder / "results/nyc/r2.csv").read_text()
    edit_parameter(toy, "tile.pixels", 7)
    toy.snakemake("data/nyc/tiles")
    toy.run("dvc", "push")
    toy.commit("tiles alone")
    clone = clone_of(toy)
    clone.run("dvc", "pull", "results/nyc/r2.csv")
    assert clone.snakemake_wants("results/nyc/r2.csv") == {"fuse@nyc", "evaluate@nyc"}
    clone.snakemake("results/nyc/r2.csv")
    assert (clone.folder / "results/nyc/r2.csv").read_text() != first
    assert clone.snakemake_wants("results/nyc/r2.csv") == set()
    toy.snakemake("results/nyc/r2.csv")
    ours = (toy.folder / "results/nyc/r2.csv").read_text()
    assert (clone.folder / "results/nyc/r2.csv").read_text() == ours


def test_a_remote_that_is_down_is_named_by_a_job_too(toy: ToyPipeline) -> None:
    toy.run("dvc", "push")
    clone = clone_of(toy)
    edit_parameter(clone, "evaluate.folds", 3)
    (toy.folder.parent / "remote").rename(toy.folder.parent / "elsewhere")
    job = ("python", "workflow/musecl", "stage", "evaluate@nyc")
    assert_one_line(fails(clone, *job), "'shared' does not answer", "--unset")
