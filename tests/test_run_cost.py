"""The table of what a run costs, and its critical path, from made benchmark files and dvc.yaml."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from test_timing import HEAD
from toy_checkout import ROOT, ToyPipeline

sys.path.insert(0, str(ROOT / "benchmarks"))

import run_cost


def stage(reads: list[str], writes: str) -> dict[str, object]:
    body = {"cmd": "true", "deps": reads, "outs": [{f"data/${{key}}/{writes}": {"cache": True}}]}
    return {"foreach": "${cities}", "do": body}


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """A checkout in which `draw` and `count` waited for `fetch`, and `sum` for both."""
    pipelines = {
        "dvc.yaml": {
            "models": {"cmd": "true", "outs": ["data/models"]},
            "fetch": stage(["workflow"], "source"),
            "draw": stage(["data/${key}/source", "data/models"], "drawn"),
            "count": stage(["data/${key}/source"], "counted"),
        },
        "tables/dvc.yaml": {"sum": stage(["data/${key}/drawn", "data/${key}/counted"], "sum")},
    }
    for name, stages in pipelines.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(yaml.safe_dump({"stages": stages}))
    log = ["Building DAG of jobs...\n"]
    for name, seconds, memory, processor, threads in [
        ("models", 6.0, "-", 5.0, 1),
        ("nyc/fetch", 1.5, "80.4", 1.0, 1),
        ("nyc/draw", 20.0, "900.6", 35.0, 2),
        ("nyc/count", 25.0, "100.0", 20.0, 1),
        ("nyc/sum", 3.0, "50.0", 2.0, 1),
    ]:
        file = tmp_path / "logs" / f"{name}.tsv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{HEAD}{seconds}\t0:00:01\t{memory}\t1\t1\t1\t0\t0\t0\t{processor}\n")
        told = f"    threads: {threads}\n" * (threads > 1)
        log.append(
            f"rule x:\n    jobid: 3\n    benchmark: logs/{name}.tsv\n{told}some other line\n"
        )
    (tmp_path / "logs/nyc/skipped.tsv").write_text(f"{HEAD}99\t0\t9\t1\t1\t1\t0\t0\t0\t9\n")
    (tmp_path / "run.log").write_text("".join(log))
    return tmp_path


def test_the_table_says_what_the_files_say(ran: Path) -> None:
    lines = [line.split() for line in run_cost.report(ran).splitlines()]
    assert lines[1:7] == [
        ["count@nyc", "25.0", "20.0", "100", "1"],
        ["draw@nyc", "20.0", "35.0", "901", "2"],
        ["models", "6.0", "5.0", "nan", "1"],
        ["sum@nyc", "3.0", "2.0", "50", "1"],
        ["fetch@nyc", "1.5", "1.0", "80", "1"],
        ["all", "55.5", "63.0", "901"],
    ]


def test_the_critical_path_is_the_longest_chain(ran: Path) -> None:
    last = run_cost.report(ran).splitlines()[-1]
    assert last == "critical path 29.5 s: fetch@nyc 1.5 > count@nyc 25.0 > sum@nyc 3.0"
    (ran / "logs/nyc/count.tsv").write_text(f"{HEAD}21\t0:00:01\t-\t1\t1\t1\t0\t0\t0\t1\n")
    last = run_cost.report(ran).splitlines()[-1]
    assert last == "critical path 29.0 s: models 6.0 > draw@nyc 20.0 > sum@nyc 3.0"


def test_a_run_that_left_nothing_is_no_table(ran: Path) -> None:
    (ran / "run.log").write_text("Nothing to be done.\n")
    with pytest.raises(SystemExit, match="nothing ran"):
        run_cost.report(ran)


def test_a_checkout_is_of_the_commit_and_a_run_is_timed(tmp_path: Path) -> None:
    head = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True)
    laid = run_cost.lay(tmp_path / "laid", head.stdout.decode().strip())
    assert (laid / "dvc.yaml").is_file()
    toy = ToyPipeline.lay(tmp_path / "toy_pipeline")
    seconds, used = run_cost.run(toy.folder, "data/nyc/source.txt", 1)
    assert (toy.folder / "data/nyc/source.txt").is_file()
    assert 0.1 < used < seconds * 4
    with pytest.raises(SystemExit, match=r"run\.log"):
        run_cost.run(toy.folder, "results/nowhere", 1)
