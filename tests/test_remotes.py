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
from musecl.bridge.repository import kept_in_remote, open_repository
from musecl.step.errors import EngineError
from relay_race import Relay, assert_one_line, assert_true_lock, damaged, edit_parameter
from test_engines import EVERYTHING

KINDS = ["directory", "s3", "ssh", "http"]
AWAY = "dvc remote default --unset"


@pytest.fixture
def relay(built: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Relay:
    """A copy of the built relay, with a remote in a folder beside it, as yet empty."""
    # A server that refuses is asked once, and nobody looks for a cloud's credentials.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    relay = built.copy(tmp_path / "relay")
    with Config(str(relay.folder / ".dvc")).edit("repo") as config:
        config["core"]["remote"] = "shared"
        config["remote"]["shared"] = {"url": str(tmp_path / "remote"), "verify": True}
    relay.commit("remote")
    return relay


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


def point(relay: Relay, settings: dict[str, str]) -> None:
    """Set the remote, and commit it for clones."""
    with Config(str(relay.folder / ".dvc")).edit("repo") as config:
        config["remote"]["shared"].update(settings)
    relay.commit("remote")


@contextmanager
def pushed(relay: Relay, kind: str) -> Iterator[None]:
    """A remote of this kind is up, and holds all that the relay built."""
    folder = relay.folder.parent
    if kind in ("directory", "http"):
        relay.run("dvc", "push")
    up: dict[str, Callable[[], Any]] = {
        "s3": remotes.s3,
        "ssh": lambda: remotes.sftp(folder / "key"),
        "http": lambda: remotes.http(folder / "remote"),
    }
    if kind == "directory":
        yield
        return
    with up[kind]() as port:
        point(relay, settings_of(kind, folder, port))
        if kind != "http":
            relay.run("dvc", "push")
        yield


def clone_of(relay: Relay, name: str = "clone") -> Relay:
    clone = relay.folder.parent / name
    relay.run("git", "clone", "-q", ".", str(clone))
    return Relay(clone)


def state_of(relay: Relay) -> dict[str, bytes]:
    """All that a failure must leave as it was: data, results, dvc.lock and the cache."""
    home = relay.folder
    roots = [home / "data", home / "results", home / ".dvc/cache/files", home / "dvc.lock"]
    files = [file for root in roots for file in [root, *root.rglob("*")] if file.is_file()]
    return {str(f.relative_to(home)): f.read_bytes() for f in files if f.name[0] != "."}


def products_of(relay: Relay) -> dict[str, bytes]:
    """What the stages wrote, by path."""
    return {path: data for path, data in state_of(relay).items() if path[0] != "."}


def recorded(relay: Relay, path: str) -> str:
    """Hash of an output, as dvc.lock records it."""
    entries = relay.entries().values()
    return next(out["md5"] for entry in entries for out in entry["outs"] if out["path"] == path)


def jobs_run(text: str) -> list[str]:
    return re.findall(r"^(?:local)?rule (\w+):", text, re.MULTILINE)


def fails(relay: Relay, *command: str) -> str:
    """Run what has to fail; its output."""
    with pytest.raises(AssertionError, match="ended with") as failure:
        relay.run(*command)
    return str(failure.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_clone_pulls_and_has_nothing_to_do(relay: Relay, kind: str) -> None:
    with pushed(relay, kind):
        clone = clone_of(relay)
        clone.run("dvc", "pull", "results/nyc/r2.csv")
        edit_parameter(clone, "evaluate.folds", 3)
        ran = clone.snakemake("results/nyc/r2.csv")
        assert jobs_run(ran) == ["evaluate"]
        held = {path for path in products_of(clone) if path.startswith("data/")}
        assert held == {"data/nyc/fused.txt", "data/nyc/histogram.txt"}

        whole = clone_of(relay, "whole")
        whole.run("dvc", "pull")
        assert products_of(whole) == products_of(relay)
        assert whole.snakemake_wants() == set()
        assert whole.dvc_wants() == set()


@pytest.mark.parametrize("kind", KINDS)
def test_a_remote_that_is_down_stops_in_one_line(relay: Relay, kind: str) -> None:
    with socket.socket() as held:  # a port that is bound and not listened on
        held.bind(("127.0.0.1", 0))
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(
            str(relay.folder.parent / "key")
        )
        point(relay, settings_of(kind, relay.folder.parent, held.getsockname()[1]))
        before = state_of(relay)
        if kind != "directory":  # DVC makes the folder when it is pushed to
            assert "ERROR: " in fails(relay, "dvc", "push")
        clone = clone_of(relay)
        assert "ERROR: " in fails(clone, "dvc", "pull")
        text = fails(clone, "snakemake", "--cores", "2")
        assert_one_line(text, "'shared'", AWAY)
        assert products_of(clone) == {"dvc.lock": before["dvc.lock"]}

        # What the cache holds needs no remote.
        (relay.folder / "results/nyc/r2.csv").unlink()
        relay.run("python", "workflow/musecl", "stage", "evaluate@nyc")
        assert state_of(relay) == before


def test_the_way_out_of_a_remote_that_is_down(relay: Relay) -> None:
    clone = clone_of(relay)
    clone.run("dvc", "remote", "default", "--unset")
    assert clone.snakemake_wants() == EVERYTHING


@pytest.mark.parametrize(("handler", "kept"), [(remotes.ReadOnly, False), (remotes.Failing, None)])
def test_an_object_is_absent_only_if_the_server_says_so(relay, handler, kept) -> None:
    with remotes.http(relay.folder.parent, handler) as port:
        point(relay, {"url": f"http://127.0.0.1:{port}"})
        with open_repository(relay.folder) as repo:
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
def test_a_remote_that_takes_nothing_loses_nothing(relay: Relay, kind: str, reason: str) -> None:
    before = state_of(relay)
    with refusing(kind, relay.folder.parent) as settings:
        point(relay, settings)
        text = fails(relay, "dvc", "push")
    assert reason in text
    assert "Traceback" not in text
    assert state_of(relay) == before


def test_a_folder_without_room_takes_nothing_and_loses_nothing(relay: Relay) -> None:
    before = state_of(relay)
    remote = relay.folder.parent / "remote"
    remote.mkdir()
    # A fault watches the folder that its process starts in.
    push = ("dvc", "--cd", str(relay.folder), "push")
    pushing = Relay(remote).start(*push, fault="full:1:bin/dvc")
    text, _ = pushing.communicate()
    assert pushing.returncode
    assert "No space left" in text
    assert "Traceback" not in text
    assert state_of(relay) == before
    relay.run("dvc", "push")
    clone = clone_of(relay)
    clone.run("dvc", "pull")
    assert products_of(clone) == products_of(relay)


def test_what_a_full_remote_did_not_take_is_pushed_later(relay: Relay) -> None:
    class Disk(remotes.FullDisk):
        pass

    with remotes.sftp(relay.folder.parent / "key", Disk) as port:
        point(relay, settings_of("ssh", relay.folder.parent, port))
        fails(relay, "dvc", "push")
        Disk.full = False
        relay.run("dvc", "push")
        clone = clone_of(relay)
        clone.run("dvc", "pull")
        assert products_of(clone) == products_of(relay)


@pytest.mark.parametrize("level", [[], ["--local"]], ids=["shared", "one's own"])
def test_a_plan_says_how_dvc_itself_hashes_what_comes(relay: Relay, level: list[str]) -> None:
    relay.run("dvc", "remote", "add", *level, "other", "../other")
    command = ["dvc", "remote", "modify", *level, "other", "verify", "true"]
    said = f"note: what comes is hashed; for `dvc pull`, too: `{' '.join(command)}`"
    assert relay.snakemake("-n").count(said) == 1
    relay.run(*command)
    assert "note: " not in relay.snakemake("-n")


def test_what_a_remote_sends_is_hashed_whatever_its_settings_say(relay: Relay) -> None:
    with pushed(relay, "directory"):
        clone = clone_of(relay)
        clone.run("dvc", "remote", "modify", "--local", "shared", "verify", "false")
        damage(relay.folder.parent / "remote", recorded(relay, "data/nyc/fused.txt"))
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


def assert_sound_cache(relay: Relay) -> None:
    assert not damaged(relay.folder / ".dvc/cache")


@pytest.mark.parametrize(
    ("kind", "path", "at"),
    [
        ("directory", "data/nyc/fused.txt", 7),
        ("directory", "data/nyc/tiles", 0),
        ("http", "data/nyc/tiles", 12),
    ],
    ids=["a file", "an unreadable list", "a wrong list over HTTP"],
)
def test_a_damaged_object_of_the_remote_is_refused(relay, kind, path, at) -> None:
    with pushed(relay, kind):
        damage(relay.folder.parent / "remote", recorded(relay, path), at)
        clone = clone_of(relay)
        assert "ERROR: " in fails(clone, "dvc", "pull")
        assert_sound_cache(clone)
        assert not (clone.folder / path).exists()
        damage(relay.folder.parent / "remote", recorded(relay, path), at)
        # DVC remembers the names that it read in a damaged list until it has asked for them.
        clone.run("dvc", "pull", check=False)
        clone.run("dvc", "pull")
        assert products_of(clone) == products_of(relay)


def assert_true(relay: Relay) -> None:
    """The cache is sound, and what dvc.lock records is there and is what its inputs give."""
    assert_sound_cache(relay)
    assert_true_lock(relay)
    for entry in relay.entries().values():
        for out in entry["outs"]:
            file = relay.folder / out["path"]
            if file.is_file():
                assert hashlib.md5(file.read_bytes()).hexdigest() == out["md5"]


def remove(relay: Relay, path: str) -> None:
    place = relay.folder / path
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
    relay, path, at, edit, target, stopped, shared
) -> None:
    if shared:
        relay.run("dvc", "push")
    else:
        relay.run("dvc", "remote", "default", "--unset")
    for key, value in edit.items():
        edit_parameter(relay, key, value)
    remove(relay, path)
    damage(relay.folder / ".dvc/cache", recorded(relay, path), at)
    if stopped:
        # The plan trusts the cache; the job that finds the damage stops, and the next plan knows.
        assert_one_line(fails(relay, "snakemake", "--cores", "1", target), stopped)
    ran = jobs_run(relay.snakemake(target))
    assert_true(relay)
    assert ("fuse" in ran) == bool(stopped)


@pytest.mark.parametrize("links", ["copy", "hardlink"])
def test_a_damaged_object_is_not_restored(relay: Relay, links: str) -> None:
    job = ("python", "workflow/musecl", "stage", "evaluate@nyc")
    relay.run("dvc", "config", "cache.type", links)
    edit_parameter(relay, "evaluate.folds", 3)
    relay.run(*job)
    edited = recorded(relay, "results/nyc/r2.csv")
    edit_parameter(relay, "evaluate.folds", 5)
    relay.run(*job)
    edit_parameter(relay, "evaluate.folds", 3)
    damage(relay.folder / ".dvc/cache", edited)
    relay.run(*job)
    assert recorded(relay, "results/nyc/r2.csv") == edited
    assert_true(relay)


def test_a_failed_step_puts_no_damaged_object_back(relay: Relay) -> None:
    damage(relay.folder / ".dvc/cache", recorded(relay, "results/nyc/r2.csv"))
    step = relay.folder / "workflow/musecl/stages/evaluate.py"
    step.write_text("def run(job):\n    raise SystemExit(3)\n")
    fails(relay, "python", "workflow/musecl", "stage", "evaluate@nyc")
    assert_sound_cache(relay)
    assert not (relay.folder / "results/nyc/r2.csv").exists()


def test_a_damaged_object_of_the_remote_is_not_used_by_a_job(relay: Relay) -> None:
    relay.run("dvc", "push")
    value = recorded(relay, "data/nyc/fused.txt")
    damage(relay.folder.parent / "remote", value)
    clone = clone_of(relay)
    edit_parameter(clone, "evaluate.folds", 3)
    job = ("python", "workflow/musecl", "stage", "evaluate@nyc")
    assert_one_line(fails(clone, *job), value, "snakemake --cores 1 data/nyc/fused.txt")
    clone.snakemake("data/nyc/fused.txt")
    clone.run(*job)
    assert_sound_cache(clone)
    assert recorded(clone, "data/nyc/fused.txt") == value


def test_a_folder_whose_list_is_damaged_in_the_remote_is_built_anew(relay: Relay) -> None:
    relay.run("dvc", "push")
    value = recorded(relay, "data/nyc/tiles")
    damage(relay.folder.parent / "remote", value)
    clone = clone_of(relay)
    clone.snakemake("data/nyc/tiles")
    assert_sound_cache(clone)
    assert recorded(clone, "data/nyc/tiles") == value


def test_an_input_of_a_later_state_is_not_passed_over(relay: Relay) -> None:
    """The clone has a result of the earlier state, and of the later one only what is pushed."""
    relay.run("dvc", "push")
    first = (relay.folder / "results/nyc/r2.csv").read_text()
    edit_parameter(relay, "tile.pixels", 7)
    relay.snakemake("data/nyc/tiles")
    relay.run("dvc", "push")
    relay.commit("tiles alone")
    clone = clone_of(relay)
    clone.run("dvc", "pull", "results/nyc/r2.csv")
    assert clone.snakemake_wants("results/nyc/r2.csv") == {"fuse@nyc", "evaluate@nyc"}
    clone.snakemake("results/nyc/r2.csv")
    assert (clone.folder / "results/nyc/r2.csv").read_text() != first
    assert clone.snakemake_wants("results/nyc/r2.csv") == set()
    relay.snakemake("results/nyc/r2.csv")
    ours = (relay.folder / "results/nyc/r2.csv").read_text()
    assert (clone.folder / "results/nyc/r2.csv").read_text() == ours


def test_a_remote_that_is_down_is_named_by_a_job_too(relay: Relay) -> None:
    relay.run("dvc", "push")
    clone = clone_of(relay)
    edit_parameter(clone, "evaluate.folds", 3)
    (relay.folder.parent / "remote").rename(relay.folder.parent / "elsewhere")
    job = ("python", "workflow/musecl", "stage", "evaluate@nyc")
    assert_one_line(fails(clone, *job), "'shared' does not answer", "--unset")
