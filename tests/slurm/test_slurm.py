"""Both pipelines on a Slurm: every job through the queue, and the engines agree afterwards.

`make test-slurm` starts a Slurm of one node for it; the Slurm of a cluster does as well.
"""

import re
import subprocess
from pathlib import Path

import pytest

from miniature import ROOT, lay_miniature
from registry import only, serve
from test_engines import EVERYTHING
from test_interruptions import Held
from toy_checkout import ToyPipeline, edit_parameter

ON_SLURM = ("--workflow-profile", "profiles/slurm")
TARGET = "results/nyc/r2.csv"


def run_on_slurm(toy: ToyPipeline, *targets: str) -> list[str]:
    """Build the targets on Slurm; its number of each job that was submitted."""
    return jobs_in(toy.run("snakemake", *ON_SLURM, *targets))


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


def assert_agreement(toy: ToyPipeline, wanted: set[str], *targets: str) -> None:
    assert toy.dvc_wants() == wanted
    assert toy.snakemake_wants(*targets) == wanted
    assert toy.snakemake_wants(*ON_SLURM, *targets) == wanted


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> ToyPipeline:
    """A toy whose every stage ran once, on Slurm; each test leaves it with nothing to do."""
    toy = ToyPipeline.lay(tmp_path_factory.mktemp("built") / "toy_pipeline")
    assert_agreement(toy, EVERYTHING)
    jobs = run_on_slurm(toy)
    assert len(jobs) == len(EVERYTHING)
    assert {state_of(job) for job in jobs} == {"COMPLETED"}
    return toy


def test_the_toy_pipeline_on_slurm_leaves_nothing_to_do(toy: ToyPipeline) -> None:
    assert_agreement(toy, set())


def test_an_edit_is_seen_alike_and_done_once_on_slurm(toy: ToyPipeline) -> None:
    edit_parameter(toy, "evaluate.folds", 3)
    assert_agreement(toy, {"evaluate@nyc", "evaluate@bos"})
    assert len(run_on_slurm(toy)) == 2
    assert_agreement(toy, set())


def test_a_fresh_clone_pulls_on_the_node(toy: ToyPipeline, tmp_path: Path) -> None:
    (tmp_path / "remote").mkdir()
    toy.run("dvc", "remote", "add", "-d", "shared", str(tmp_path / "remote"))
    toy.run("dvc", "remote", "modify", "shared", "verify", "true")
    toy.commit("built")
    toy.run("dvc", "push")
    toy.run("git", "clone", "-q", ".", str(tmp_path / "clone"))
    clone = ToyPipeline(tmp_path / "clone")
    edit_parameter(clone, "evaluate.folds", 7)
    # DVC's dry run of a changed stage stops where its inputs are absent: Snakemake alone is asked.
    assert clone.snakemake_wants(*ON_SLURM, TARGET) == {"evaluate@nyc"}
    assert len(run_on_slurm(clone, TARGET)) == 1
    assert clone.snakemake_wants(*ON_SLURM, TARGET) == set()
    assert not (clone.folder / "data/nyc/source.txt").exists()


def test_a_job_ends_by_itself_when_snakemake_is_killed(toy: ToyPipeline) -> None:
    """A job belongs to Slurm: it goes on, and what it records is as true as ever."""
    edit_parameter(toy, "fuse.dim", 7)
    held = Held(toy, ["snakemake", *ON_SLURM, "data/nyc/fused.txt"])
    queued = subprocess.run(["squeue", "--noheader", "--format=%i"], capture_output=True, text=True)
    (job,) = queued.stdout.split()
    held.run.kill()
    held.run.wait()
    held.let_go()
    held.wait_for_its_end()
    wait_for(job)
    assert state_of(job) == "COMPLETED"
    toy.run("snakemake", "--unlock", "--cores", "1")
    assert_agreement(toy, {"fuse@bos", "evaluate@nyc", "evaluate@bos"})
    run_on_slurm(toy)
    assert_agreement(toy, set())


def test_a_failed_job_is_a_failed_run(toy: ToyPipeline) -> None:
    path = toy.folder / "workflow/musecl/stages/evaluate.py"
    before = path.read_text()
    path.write_text("def run(job):\n    raise SystemExit(3)\n")
    text = toy.run("snakemake", *ON_SLURM, TARGET, check=False)
    (job,) = jobs_in(text)
    assert state_of(job) == "FAILED"
    assert (toy.folder / TARGET).exists()
    assert_agreement(toy, {"evaluate@nyc", "evaluate@bos"})
    path.write_text(before)
    assert_agreement(toy, set())


def test_the_miniature_on_slurm(tmp_path: Path) -> None:
    """The whole method, each stage a job of Slurm; then an edit of one parameter."""
    packages = ROOT / ".packages"
    assert list(packages.glob("*.whl")), "no packages to serve: run `make test-slurm`"
    lay_miniature(tmp_path / "miniature")
    miniature = ToyPipeline(tmp_path / "miniature")
    wanted = miniature.dvc_wants()
    assert_agreement(miniature, wanted)
    with serve(packages) as index, only(index):
        assert len(run_on_slurm(miniature)) == len(wanted)
    assert (miniature.folder / TARGET).stat().st_size > 0
    assert_agreement(miniature, set())
    edit_parameter(miniature, "evaluate.folds", 4)
    judging = {"evaluate@nyc", "predict@nyc"}
    assert_agreement(miniature, judging)
    jobs = run_on_slurm(miniature)
    assert [state_of(job) for job in jobs] == ["COMPLETED"] * len(judging)
    assert_agreement(miniature, set())
