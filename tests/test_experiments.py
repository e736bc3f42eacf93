"""Experiments of DVC: a sweep of one parameter, in the workspace, apart from it and queued."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from bare_pipeline import lay_pipeline
from test_engines import assert_agreement
from toy_checkout import ROOT, ToyPipeline, edit_parameter

SWEPT = {f"{stage}@{city}" for stage in ("fuse", "evaluate") for city in ("nyc", "bos")}
METRICS = {"results/nyc/metrics.json", "results/bos/metrics.json"}


@pytest.fixture
def toy(built: ToyPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyPipeline:
    """A copy of the built toy to experiment in."""
    # An experiment is a commit; whose, the user's own settings do not say here.
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "toy_pipeline")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "toy@localhost")
    return built.copy(tmp_path / "toy_pipeline")


def ran(text: str) -> list[str]:
    return sorted(re.findall(r"Running stage '([^']+)'", text))


def files_of(toy: ToyPipeline) -> dict[str, bytes]:
    """All that stands in the workspace."""
    files = [file for file in toy.folder.rglob("*") if file.is_file()]
    kept = {str(file.relative_to(toy.folder)): file for file in files}
    apart = (".git/", ".dvc/cache/", ".dvc/tmp/", ".snakemake/")
    return {
        path: file.read_bytes()
        for path, file in kept.items()
        if not path.startswith(apart) and "__pycache__" not in path
    }


def metrics_of(toy: ToyPipeline) -> dict[str, float]:
    return {path: json.loads((toy.folder / path).read_text())["r2"] for path in METRICS}


def shown(toy: ToyPipeline) -> dict[str, tuple[int, dict[str, float]]]:
    """What `dvc exp show` says of every experiment: `fuse.dim` and the metrics."""
    table: list[dict[str, Any]] = json.loads(toy.run("dvc", "exp", "show", "--json"))
    revisions = [
        revision
        for line in table
        for group in line["experiments"] or []
        for revision in group["revs"]
    ]
    return {
        revision["name"]: (
            revision["data"]["params"]["params.yaml"]["data"]["fuse"]["dim"],
            {path: file["data"]["r2"] for path, file in revision["data"]["metrics"].items()},
        )
        for revision in revisions
    }


def test_an_experiment_runs_only_what_it_must_and_is_compared(toy: ToyPipeline) -> None:
    before = metrics_of(toy)
    assert ran(toy.run("dvc", "exp", "run", "-n", "wide", "-S", "fuse.dim=64")) == sorted(SWEPT)
    after = metrics_of(toy)
    assert_agreement(toy, set())

    compared = json.loads(toy.run("dvc", "metrics", "diff", "--json"))
    assert compared == {
        path: {
            "r2": {
                "old": before[path],
                "new": after[path],
                "diff": pytest.approx(after[path] - before[path]),
            }
        }
        for path in METRICS
    }
    assert all(old != after[path] for path, old in before.items())

    plots = json.loads(toy.run("dvc", "plots", "diff", "--json", "HEAD"))
    assert "errors" not in plots
    points = plots["data"]["results/nyc/r2.csv"][0]
    assert set(points["revisions"]) == {"HEAD", "workspace"}
    assert shown(toy)["wide"] == (64, after)


def test_an_experiment_apart_leaves_the_workspace_as_it_is(toy: ToyPipeline) -> None:
    before = files_of(toy)
    text = toy.run("dvc", "exp", "run", "--temp", "-n", "narrow", "-S", "fuse.dim=16")
    assert ran(text) == sorted(SWEPT)
    assert files_of(toy) == before
    assert_agreement(toy, set())

    toy.run("dvc", "exp", "apply", "narrow")
    assert_agreement(toy, set())
    assert shown(toy)["narrow"] == (16, metrics_of(toy))


def test_a_queue_runs_each_experiment_and_leaves_the_workspace_as_it_is(toy: ToyPipeline) -> None:
    before = files_of(toy)
    toy.run("dvc", "exp", "run", "--queue", "-S", "fuse.dim=4,8")
    text = toy.run("dvc", "exp", "run", "--run-all")
    assert ran(text) == sorted([*SWEPT, *SWEPT])
    assert files_of(toy) == before
    assert toy.snakemake_wants() == set()
    queued = list(shown(toy).values())
    assert {dim for dim, _ in queued} == {4, 8}
    assert queued[0][1] != queued[1][1]
    assert all(set(metrics) == METRICS for _, metrics in queued)


def test_what_snakemake_built_is_kept_as_an_experiment(toy: ToyPipeline) -> None:
    edit_parameter(toy, "fuse.dim", 24)
    toy.snakemake("results/nyc/r2.csv", "results/bos/r2.csv")
    toy.run("dvc", "exp", "save", "-n", "built", "dvc.yaml")
    assert shown(toy)["built"] == (24, metrics_of(toy))


def test_an_experiment_leaves_a_table_that_it_makes_stale(toy: ToyPipeline) -> None:
    toy.snakemake("results/nyc/compare.csv")
    toy.commit("compared")
    recorded = (toy.folder / "tables/dvc.lock").read_bytes()
    assert ran(toy.run("dvc", "exp", "run", "-n", "wide", "-S", "fuse.dim=64")) == sorted(SWEPT)
    assert toy.dvc_wants("dvc.yaml", "tables/dvc.yaml") == {"compare@nyc"}
    toy.run("dvc", "exp", "save", "-n", "saved", "dvc.yaml")
    assert toy.dvc_wants("dvc.yaml", "tables/dvc.yaml") == {"compare@nyc"}
    assert (toy.folder / "tables/dvc.lock").read_bytes() == recorded


def test_the_pipeline_itself_has_plots_to_compare(tmp_path: Path) -> None:
    toy = ToyPipeline(lay_pipeline(tmp_path / "pipeline", cities={"nyc": {"boundary": {}}}))
    toy.run("git", "init", "-q")
    toy.run("dvc", "init", "-q")
    shutil.copytree(ROOT / ".dvc/plots", toy.folder / ".dvc/plots")
    results = toy.folder / "results/nyc"
    results.mkdir(parents=True)
    (results / "r2.csv").write_text(
        "city,indicator,method,predictor,split,r2_mean\n"
        "nyc,mobility_count,text,ridge,random,0.5\nnyc,mobility_count,musecl,ridge,random,0.75\n"
    )
    for image in ("r2.png", "map.png"):
        (results / image).write_bytes(b"an image")
    (results / "fuse_losses.csv").write_text("step,loss\n0,2.5\n1,2.25\n")
    plots = json.loads(toy.run("dvc", "plots", "show", "--json"))
    assert "errors" not in plots
    shown = {"r2.csv", "r2.png", "map.png", "fuse_losses.csv"}
    assert set(plots["data"]) == {f"results/nyc/{name}" for name in shown}
    drawn = json.loads(toy.run("dvc", "plots", "show", "--show-vega", "results/nyc/r2.csv"))
    assert [point["r2_mean"] for point in drawn["data"]["values"]] == ["0.5", "0.75"]
    named = {channel["field"] for channel in drawn["encoding"].values() if "field" in channel}
    assert named <= {*drawn["data"]["values"][0], "rev"}
