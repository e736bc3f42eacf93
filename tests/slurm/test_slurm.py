"""Both pipelines on a Slurm: every job through the queue, and the engines agree afterwards.

`make test-slurm` starts a Slurm of one node for it; the Slurm of a cluster does as well.
"""

import re
import subprocess
from pathlib import Path

import pytest

from registry import only, serve
from relay_race import Relay, edit_parameter
from test_engines import EVERYTHING
from test_interruptions import Held
from world import ROOT, lay_world

ON_SLURM = ("--workflow-profile", "profiles/slurm")
TARGET = "results/nyc/r2.csv"


def run_on_slurm(relay: Relay, *targets: str) -> list[str]:
    """Build the targets on Slurm; its number of each job that was submitted."""
    return jobs_in(relay.run("snakemake", *ON_SLURM, *targets))


def jobs_in(text: str) -> list[str]:
    return re.findall(r"submitted with SLURM jobid (\d+)", text)


def state_of(job: str) -> str:
    """What Slurm itself says of a job."""
    shown = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True)
    return re.findall(r"JobState=(\w+)", shown.stdout)[0]


def wait_for(job: str) -> None:
    """Block until a job has ended, however it ended."""
    after = ["srun", "--quiet", f"--dependency=afterany:{job}", "true"]
    subprocess.run(after, check=True, timeout=120)


def assert_agreement(relay: Relay, wanted: set[str], *targets: str) -> None:
    assert relay.dvc_wants() == wanted
    assert relay.snakemake_wants(*targets) == wanted
    assert relay.snakemake_wants(*ON_SLURM, *targets) == wanted


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Relay:
    """A relay whose every stage ran once, on Slurm; each test leaves it with nothing to do."""
    relay = Relay.lay(tmp_path_factory.mktemp("built") / "relay")
    assert_agreement(relay, EVERYTHING)
    jobs = run_on_slurm(relay)
    assert len(jobs) == len(EVERYTHING)
    assert {state_of(job) for job in jobs} == {"COMPLETED"}
    return relay


def test_the_relay_on_slurm_leaves_nothing_to_do(relay: Relay) -> None:
    assert_agreement(relay, set())


def test_an_edit_is_seen_alike_and_done_once_on_slurm(relay: Relay) -> None:
    edit_parameter(relay, "evaluate.folds", 3)
    assert_agreement(relay, {"evaluate@nyc", "evaluate@bos"})
    assert len(run_on_slurm(relay)) == 2
    assert_agreement(relay, set())


def test_a_fresh_clone_pulls_on_the_node(relay: Relay, tmp_path: Path) -> None:
    (tmp_path / "remote").mkdir()
    relay.run("dvc", "remote", "add", "-d", "shared", str(tmp_path / "remote"))
    relay.run("dvc", "remote", "modify", "shared", "verify", "true")
    relay.commit("built")
    relay.run("dvc", "push")
    relay.run("git", "clone", "-q", ".", str(tmp_path / "clone"))
    clone = Relay(tmp_path / "clone")
    edit_parameter(clone, "evaluate.folds", 7)
    # DVC's dry run of a changed stage stops where its inputs are absent: Snakemake alone is asked.
    assert clone.snakemake_wants(*ON_SLURM, TARGET) == {"evaluate@nyc"}
    assert len(run_on_slurm(clone, TARGET)) == 1
    assert clone.snakemake_wants(*ON_SLURM, TARGET) == set()
    assert not (clone.folder / "data/nyc/source.txt").exists()


def test_a_job_ends_by_itself_when_snakemake_is_killed(relay: Relay) -> None:
    """A job belongs to Slurm: it goes on, and what it records is as true as ever."""
    edit_parameter(relay, "fuse.dim", 7)
    held = Held(relay, ["snakemake", *ON_SLURM, "data/nyc/fused.txt"])
    queued = subprocess.run(["squeue", "--noheader", "--format=%i"], capture_output=True, text=True)
    (job,) = queued.stdout.split()
    held.run.kill()
    held.run.wait()
    held.let_go()
    held.wait_for_its_end()
    wait_for(job)
    assert state_of(job) == "COMPLETED"
    relay.run("snakemake", "--unlock", "--cores", "1")
    assert_agreement(relay, {"fuse@bos", "evaluate@nyc", "evaluate@bos"})
    run_on_slurm(relay)
    assert_agreement(relay, set())


def test_a_failed_job_is_a_failed_run(relay: Relay) -> None:
    path = relay.folder / "workflow/musecl/stages/evaluate.py"
    before = path.read_text()
    path.write_text("def run(job):\n    raise SystemExit(3)\n")
    text = relay.run("snakemake", *ON_SLURM, TARGET, check=False)
    (job,) = jobs_in(text)
    assert state_of(job) == "FAILED"
    assert (relay.folder / TARGET).exists()
    assert_agreement(relay, {"evaluate@nyc", "evaluate@bos"})
    path.write_text(before)
    assert_agreement(relay, set())


def test_the_world_in_miniature_on_slurm(tmp_path: Path) -> None:
    """The whole method, each stage a job of Slurm; then an edit of one parameter."""
    packages = ROOT / ".packages"
    assert list(packages.glob("*.whl")), "no packages to serve: run `make test-slurm`"
    lay_world(tmp_path / "world")
    world = Relay(tmp_path / "world")
    wanted = world.dvc_wants()
    assert_agreement(world, wanted)
    with serve(packages) as index, only(index):
        assert len(run_on_slurm(world)) == len(wanted)
    assert (world.folder / TARGET).stat().st_size > 0
    assert_agreement(world, set())
    edit_parameter(world, "evaluate.folds", 4)
    judging = {"evaluate@nyc", "predict@nyc"}
    assert_agreement(world, judging)
    jobs = run_on_slurm(world)
    assert [state_of(job) for job in jobs] == ["COMPLETED"] * len(judging)
    assert_agreement(world, set())
