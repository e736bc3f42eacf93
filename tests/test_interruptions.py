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

from musecl.engines.running import reproduce
from test_engines import assert_agreement, edit_code
from toy_checkout import ToyPipeline, assert_one_line, assert_true_lock, edit_parameter, environment

FAULTS = int(os.environ.get("MUSECL_FAULTS", "1"))
# Who is hit: a run, and a part of the command line of one of its processes.
PROCESSES = {
    "snakemake": (["snakemake", "--cores", "1", "data/nyc/fused.txt"], "bin/snakemake"),
    "job": (["snakemake", "--cores", "1", "data/nyc/fused.txt"], "stage fuse@nyc"),
    "step": (["dvc", "repro", "pois@nyc"], "musecl pois nyc"),
    "dvc": (["dvc", "repro", "fuse@nyc"], "bin/dvc"),
}


@pytest.fixture
def toy(built_city: ToyPipeline, tmp_path: Path) -> ToyPipeline:
    """A copy of the built toy of one city to break."""
    return built_city.copy(tmp_path / "toy_pipeline")


class Held:
    """A run whose step of fuse@nyc waits before it writes, until it is let go."""

    def __init__(self, toy: ToyPipeline, command: list[str], anew: bool = False) -> None:
        started = toy.folder.parent / "started"
        self.go = toy.folder.parent / "go"
        os.mkfifo(started)
        os.mkfifo(self.go)
        self.run = toy.start(*command, fault="wait:1:musecl fuse nyc", anew=anew)
        self.waiting = started.open()  # until the step opens its end

    def let_go(self) -> None:
        self.go.write_text("")

    def wait_for_its_end(self) -> None:
        """Block until the step is gone, killed with whoever started it."""
        with self.waiting:
            self.waiting.read()


def data_of(toy: ToyPipeline) -> dict[Path, bytes]:
    files = (toy.folder / "data").rglob("[!.]*")
    return {path: path.read_bytes() for path in files if path.is_file()}


def assert_in_order(toy: ToyPipeline) -> None:
    """Nothing is left to do, and all that is recorded is true."""
    assert_agreement(toy, set())
    assert len(toy.entries()) == 5
    assert_true_lock(toy)
    toy.run("dvc", "status", "--quiet")


def assert_recovered(toy: ToyPipeline) -> None:
    """A plain run, after `--unlock` where Snakemake asks for it, brings all in order."""
    text = toy.snakemake(check=False)
    if "--unlock" in text:
        toy.run("snakemake", "--unlock", "--cores", "1")
        toy.snakemake()
    assert_in_order(toy)
    assert not list(toy.folder.rglob(".partial-*"))


def faulty_run(toy: ToyPipeline, process: str, fault: str) -> tuple[int, str]:
    command, part = PROCESSES[process]
    running = toy.start(*command, fault=f"{fault}:{part}")
    text, _ = running.communicate()
    return running.returncode, text


def points(toy: ToyPipeline, process: str) -> list[int]:
    """The changes before which a process is hit: all, or some spread over its run."""
    faulty_run(toy, process, "count:0")
    changes = int((toy.folder.parent / "changes").read_text())
    tried = min(FAULTS, changes) or changes
    return [round((number + 0.5) * changes / tried + 0.5) for number in range(tried)]


@pytest.mark.parametrize("kind", ["kill", "full"])
@pytest.mark.parametrize("process", PROCESSES)
def test_a_fault_at_any_change_of_a_file_is_recovered(
    built_city: ToyPipeline, tmp_path: Path, process: str, kind: str
) -> None:
    edited = built_city.copy(tmp_path / "edited")
    edit_parameter(edited, "fuse.dim", 7)
    edit_code(edited, "pois", "second")
    for point in points(edited.copy(tmp_path / "counted"), process):
        toy = edited.copy(tmp_path / f"{point}")
        ended, text = faulty_run(toy, process, f"{kind}:{point}")
        if kind == "full" and ended:
            assert "No space left on device" in text
        if kind == "full" and process in ("job", "step"):
            assert re.search("^musecl: .*No space left", text, re.MULTILINE)
            assert "Traceback" not in text
        print(f"{process}: {kind} before change {point}, ended with {ended}")
        assert_recovered(toy)
        shutil.rmtree(toy.folder)


def test_a_cut_file_of_locks_is_one_line_that_says_what_to_do(toy: ToyPipeline) -> None:
    """A disk that is full in that moment leaves it empty."""
    before = data_of(toy)
    edit_parameter(toy, "fuse.dim", 7)
    locks = toy.folder / ".dvc/tmp/rwlock"
    locks.write_text("")
    text = toy.run("python", "workflow/musecl", "stage", "fuse@nyc", check=False)
    assert_one_line(text, "rwlock", "remove it")
    assert data_of(toy) == before
    locks.unlink()
    toy.snakemake()
    assert_agreement(toy, set())


def test_a_failing_step_leaves_every_earlier_file(toy: ToyPipeline) -> None:
    before = data_of(toy)
    path = toy.folder / "workflow/musecl/stages/tile.py"
    path.write_text("def run(job):\n    job.output('tiles').mkdir()\n    raise SystemExit(3)\n")
    toy.snakemake(check=False)
    assert data_of(toy) == before
    assert "tile@nyc" in toy.dvc_wants()
    # DVC by itself deletes a stage's outputs before it runs it; they stay in its cache.
    toy.run("dvc", "repro", check=False)
    toy.run("dvc", "checkout")
    assert data_of(toy) == before


@pytest.mark.parametrize(
    "engine", [["snakemake", "--cores", "1", "data/nyc/fused.txt"], ["dvc", "repro", "fuse@nyc"]]
)
@pytest.mark.parametrize("what", ["parameter", "code", "input"])
def test_what_is_edited_in_mid_run_is_not_recorded(
    toy: ToyPipeline, engine: list[str], what: str
) -> None:
    edit_parameter(toy, "fuse.dim", 7)
    held = Held(toy, engine)
    if what == "parameter":
        edit_parameter(toy, "fuse.dim", 99)
    elif what == "code":
        edit_code(toy, "fuse", "second")
    else:
        (toy.folder / "data/nyc/pois.txt").unlink()
        (toy.folder / "data/nyc/pois.txt").write_text("edited\n")
    held.let_go()
    text, _ = held.run.communicate()
    assert held.run.returncode != 0
    assert "changed while it ran" in text
    assert "fuse@nyc" in toy.dvc_wants()
    assert toy.snakemake_wants() == toy.dvc_wants()
    toy.snakemake()
    assert_agreement(toy, set())


@pytest.mark.parametrize(
    "engine", [["snakemake", "--cores", "1", "data/nyc/fused.txt"], ["dvc", "repro", "fuse@nyc"]]
)
def test_no_step_outlives_the_engine_that_is_killed(
    toy: ToyPipeline, engine: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # DVC runs a step in this shell; dash would stay between the two, where bash does not.
    monkeypatch.setenv("SHELL", "/bin/sh")
    before = data_of(toy)
    edit_parameter(toy, "fuse.dim", 7)
    held = Held(toy, engine, anew=True)  # a forked one is no child of its engine
    held.run.kill()
    held.run.wait()
    held.wait_for_its_end()
    after = data_of(toy)
    # The engines delete a stage's outputs before they run it.
    assert after == {path: text for path, text in before.items() if path in after}
    assert set(before) - set(after) <= {toy.folder / "data/nyc/fused.txt"}
    text = toy.snakemake(check=False)
    assert ("--unlock" in text) == (engine[0] == "snakemake")
    toy.run("snakemake", "--unlock", "--cores", "1")
    toy.snakemake()
    assert_agreement(toy, set())
    assert not list(toy.folder.rglob(".partial-*"))


class Killed(BaseException):
    """Stands for a kill."""


def test_a_job_that_is_killed_leaves_no_empty_folder_in_the_run_cache(
    toy: ToyPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise Killed

    edit_code(toy, "pois", "second")
    monkeypatch.chdir(toy.folder)
    monkeypatch.setattr(os, "environ", environment())
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(serialize, "dump_yaml", killed)
        reproduce(toy.folder, "pois@nyc")
    runs = toy.folder / ".dvc/cache/runs"
    assert all(any(folder.iterdir()) for folder in runs.glob("*/*"))
    recorded = len(list(runs.glob("*/*/*")))
    toy.run("dvc", "repro")
    assert len(list(runs.glob("*/*/*"))) > recorded


def test_an_empty_folder_in_the_run_cache_is_passed_over(toy: ToyPipeline) -> None:
    edit_code(toy, "pois", "second")
    toy.snakemake()
    edit_code(toy, "pois", "first")
    toy.snakemake()
    for entry in (toy.folder / ".dvc/cache/runs").glob("*/*/*"):
        entry.unlink()
    edit_code(toy, "pois", "second")
    toy.snakemake()
    assert_agreement(toy, set())


@pytest.mark.parametrize("engine", [["snakemake", "--cores", "2"], ["dvc", "repro"]])
def test_after_control_c_the_same_command_goes_on(toy: ToyPipeline, engine: list[str]) -> None:
    edit_parameter(toy, "fuse.dim", 7)
    before = data_of(toy)
    held = Held(toy, engine, anew=True)  # forked ones are not in its group of processes
    os.killpg(held.run.pid, signal.SIGINT)
    held.wait_for_its_end()
    text, _ = held.run.communicate()
    assert held.run.returncode != 0
    assert_one_line(text, "fuse nyc: interrupted; nothing of it was recorded, run the same command")
    assert engine[0] == "dvc" or data_of(toy) == before
    toy.run(*engine)
    assert_in_order(toy)


@pytest.mark.parametrize("second", [["snakemake", "--cores", "1"], ["dvc", "repro"]])
@pytest.mark.parametrize("first", [["snakemake", "--cores", "1"], ["dvc", "repro"]])
def test_two_runs_at_once_neither_lose_nor_run_twice(
    toy: ToyPipeline, first: list[str], second: list[str]
) -> None:
    edit_parameter(toy, "fuse.dim", 7)
    held = Held(toy, first)
    beside = toy.start(*second)
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
    assert_recovered(toy)
