"""Kills, full disks, Ctrl-C, edits and second runs in the middle of a run: the next one recovers.

MUSECL_FAULTS=0 tries every point at which the four processes of a run change a file; a number
that is not 0 tries so many of each.
"""

import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from dvc.utils import serialize

from musecl.bridge.running import reproduce
from relay_race import Relay, assert_one_line, assert_true_lock, edit_parameter, environment
from test_engines import assert_agreement, edit_code

FAULTS = int(os.environ.get("MUSECL_FAULTS", "1"))
# Who is hit: a run, and a part of the command line of one of its processes.
PROCESSES = {
    "snakemake": (["snakemake", "--cores", "1", "data/nyc/fused.txt"], "bin/snakemake"),
    "job": (["snakemake", "--cores", "1", "data/nyc/fused.txt"], "stage fuse@nyc"),
    "step": (["dvc", "repro", "places@nyc"], "musecl places nyc"),
    "dvc": (["dvc", "repro", "fuse@nyc"], "bin/dvc"),
}


@pytest.fixture
def relay(built_city: Relay, tmp_path: Path) -> Relay:
    """A copy of the built relay of one city to break."""
    return built_city.copy(tmp_path / "relay")


class Held:
    """A run whose step of fuse@nyc waits before it writes, until it is let go."""

    def __init__(self, relay: Relay, command: list[str], anew: bool = False) -> None:
        started = relay.folder.parent / "started"
        self.go = relay.folder.parent / "go"
        os.mkfifo(started)
        os.mkfifo(self.go)
        self.run = relay.start(*command, fault="wait:1:musecl fuse nyc", anew=anew)
        self.waiting = started.open()  # until the step opens its end

    def let_go(self) -> None:
        self.go.write_text("")

    def wait_for_its_end(self) -> None:
        """Block until the step is gone, killed with whoever started it."""
        with self.waiting:
            self.waiting.read()


def data_of(relay: Relay) -> dict[Path, bytes]:
    files = (relay.folder / "data").rglob("[!.]*")
    return {path: path.read_bytes() for path in files if path.is_file()}


def assert_in_order(relay: Relay) -> None:
    """Nothing is left to do, and all that is recorded is true."""
    assert_agreement(relay, set())
    assert len(relay.entries()) == 5
    assert_true_lock(relay)
    relay.run("dvc", "status", "--quiet")


def assert_recovered(relay: Relay) -> None:
    """A plain run, after `--unlock` where Snakemake asks for it, brings all in order."""
    text = relay.snakemake(check=False)
    if "--unlock" in text:
        relay.run("snakemake", "--unlock", "--cores", "1")
        relay.snakemake()
    assert_in_order(relay)
    assert not list(relay.folder.rglob(".partial-*"))


def faulty_run(relay: Relay, process: str, fault: str) -> tuple[int, str]:
    command, part = PROCESSES[process]
    running = relay.start(*command, fault=f"{fault}:{part}")
    text, _ = running.communicate()
    return running.returncode, text


def points(relay: Relay, process: str) -> list[int]:
    """The changes before which a process is hit: all, or some spread over its run."""
    faulty_run(relay, process, "count:0")
    changes = int((relay.folder.parent / "changes").read_text())
    tried = min(FAULTS, changes) or changes
    return [round((number + 0.5) * changes / tried + 0.5) for number in range(tried)]


@pytest.mark.parametrize("kind", ["kill", "full"])
@pytest.mark.parametrize("process", PROCESSES)
def test_a_fault_at_any_change_of_a_file_is_recovered(
    built_city: Relay, tmp_path: Path, process: str, kind: str
) -> None:
    edited = built_city.copy(tmp_path / "edited")
    edit_parameter(edited, "fuse.dim", 7)
    edit_code(edited, "places", "second")
    for point in points(edited.copy(tmp_path / "counted"), process):
        relay = edited.copy(tmp_path / f"{point}")
        ended, text = faulty_run(relay, process, f"{kind}:{point}")
        if kind == "full" and ended:
            assert "No space left on device" in text
        if kind == "full" and process in ("job", "step"):
            assert re.search("^musecl: .*No space left", text, re.MULTILINE)
            assert "Traceback" not in text
        print(f"{process}: {kind} before change {point}, ended with {ended}")
        assert_recovered(relay)
        shutil.rmtree(relay.folder)


def test_a_cut_file_of_locks_is_one_line_that_says_what_to_do(relay: Relay) -> None:
    """A disk that is full in that moment leaves it empty."""
    before = data_of(relay)
    edit_parameter(relay, "fuse.dim", 7)
    locks = relay.folder / ".dvc/tmp/rwlock"
    locks.write_text("")
    text = relay.run("python", "workflow/musecl", "stage", "fuse@nyc", check=False)
    assert_one_line(text, "rwlock", "remove it")
    assert data_of(relay) == before
    locks.unlink()
    relay.snakemake()
    assert_agreement(relay, set())


def test_a_failing_step_leaves_every_earlier_file(relay: Relay) -> None:
    before = data_of(relay)
    path = relay.folder / "workflow/musecl/stages/tile.py"
    path.write_text("def run(job):\n    job.output('tiles').mkdir()\n    raise SystemExit(3)\n")
    relay.snakemake(check=False)
    assert data_of(relay) == before
    assert "tile@nyc" in relay.dvc_wants()
    # DVC by itself deletes a stage's outputs before it runs it; they stay in its cache.
    relay.run("dvc", "repro", check=False)
    relay.run("dvc", "checkout")
    assert data_of(relay) == before


@pytest.mark.parametrize(
    "engine", [["snakemake", "--cores", "1", "data/nyc/fused.txt"], ["dvc", "repro", "fuse@nyc"]]
)
@pytest.mark.parametrize("what", ["parameter", "code", "input"])
def test_what_is_edited_in_mid_run_is_not_recorded(
    relay: Relay, engine: list[str], what: str
) -> None:
    edit_parameter(relay, "fuse.dim", 7)
    held = Held(relay, engine)
    if what == "parameter":
        edit_parameter(relay, "fuse.dim", 99)
    elif what == "code":
        edit_code(relay, "fuse", "second")
    else:
        (relay.folder / "data/nyc/places.txt").unlink()
        (relay.folder / "data/nyc/places.txt").write_text("edited\n")
    held.let_go()
    text, _ = held.run.communicate()
    assert held.run.returncode != 0
    assert "changed while it ran" in text
    assert "fuse@nyc" in relay.dvc_wants()
    assert relay.snakemake_wants() == relay.dvc_wants()
    relay.snakemake()
    assert_agreement(relay, set())


@pytest.mark.parametrize(
    "engine", [["snakemake", "--cores", "1", "data/nyc/fused.txt"], ["dvc", "repro", "fuse@nyc"]]
)
def test_no_step_outlives_the_engine_that_is_killed(
    relay: Relay, engine: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # DVC runs a step in this shell; dash would stay between the two, where bash does not.
    monkeypatch.setenv("SHELL", "/bin/sh")
    before = data_of(relay)
    edit_parameter(relay, "fuse.dim", 7)
    held = Held(relay, engine, anew=True)  # a forked one is no child of its engine
    held.run.kill()
    held.run.wait()
    held.wait_for_its_end()
    after = data_of(relay)
    # The engines delete a stage's outputs before they run it.
    assert after == {path: text for path, text in before.items() if path in after}
    assert set(before) - set(after) <= {relay.folder / "data/nyc/fused.txt"}
    text = relay.snakemake(check=False)
    assert ("--unlock" in text) == (engine[0] == "snakemake")
    relay.run("snakemake", "--unlock", "--cores", "1")
    relay.snakemake()
    assert_agreement(relay, set())
    assert not list(relay.folder.rglob(".partial-*"))


class Killed(BaseException):
    """Stands for a kill."""


def test_a_job_that_is_killed_leaves_no_empty_folder_in_the_run_cache(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise Killed

    edit_code(relay, "places", "second")
    monkeypatch.chdir(relay.folder)
    monkeypatch.setattr(os, "environ", environment())
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(serialize, "dump_yaml", killed)
        reproduce(relay.folder, "places@nyc")
    runs = relay.folder / ".dvc/cache/runs"
    assert all(any(folder.iterdir()) for folder in runs.glob("*/*"))
    recorded = len(list(runs.glob("*/*/*")))
    relay.run("dvc", "repro")
    assert len(list(runs.glob("*/*/*"))) > recorded


def test_an_empty_folder_in_the_run_cache_is_passed_over(relay: Relay) -> None:
    edit_code(relay, "places", "second")
    relay.snakemake()
    edit_code(relay, "places", "first")
    relay.snakemake()
    for entry in (relay.folder / ".dvc/cache/runs").glob("*/*/*"):
        entry.unlink()
    edit_code(relay, "places", "second")
    relay.snakemake()
    assert_agreement(relay, set())


@pytest.mark.parametrize("engine", [["snakemake", "--cores", "2"], ["dvc", "repro"]])
def test_after_control_c_the_same_command_goes_on(relay: Relay, engine: list[str]) -> None:
    edit_parameter(relay, "fuse.dim", 7)
    held = Held(relay, engine, anew=True)  # forked ones are not in its group of processes
    os.killpg(held.run.pid, signal.SIGINT)
    held.wait_for_its_end()
    held.run.communicate()
    assert held.run.returncode != 0
    relay.run(*engine)
    assert_in_order(relay)


@pytest.mark.parametrize("second", [["snakemake", "--cores", "1"], ["dvc", "repro"]])
@pytest.mark.parametrize("first", [["snakemake", "--cores", "1"], ["dvc", "repro"]])
def test_two_runs_at_once_neither_lose_nor_run_twice(
    relay: Relay, first: list[str], second: list[str]
) -> None:
    edit_parameter(relay, "fuse.dim", 7)
    held = Held(relay, first)
    beside = relay.start(*second)
    if "snakemake" in first + second and first != second:
        # It waits for the stage that the other runs, or ends with a lock error.
        held.let_go()
        beside.communicate()
    else:
        text, _ = beside.communicate()
        assert beside.returncode != 0
        assert "lock" in text
        held.let_go()
    held.run.communicate()
    assert_recovered(relay)
