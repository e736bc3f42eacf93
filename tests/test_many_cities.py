"""What is read of the other cities: nothing, whatever their number. Times: benchmarks/."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import snakemake.api  # noqa: F401 (it is loaded when a Snakefile is read)
from dvc.output import Output
from dvc.stage.loader import StageLoader
from dvc.utils import serialize

from musecl.engines.lockfile import Entries
from musecl.engines.planning import Recorded
from musecl.engines.running import reproduce
from toy_checkout import ToyPipeline, edit_parameter, environment


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyPipeline:
    toy = ToyPipeline.lay(tmp_path / "toy_pipeline")
    cities = {f"city{number}": {"rows": number} for number in range(20)}
    edit_parameter(toy, "cities", {**cities, "nyc": {"rows": 3}})
    monkeypatch.chdir(toy.folder)
    monkeypatch.setattr(os, "environ", environment())
    return toy


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of stages that were loaded from dvc.yaml or parsed in dvc.lock."""
    names: set[str] = set()

    def watch(kind: Any) -> None:
        original = kind.__getitem__

        def getitem(self: Any, name: str) -> Any:
            names.add(name)
            return original(self, name)

        monkeypatch.setattr(kind, "__getitem__", getitem)

    watch(StageLoader)
    watch(Entries)
    return names


def plan_of(toy: ToyPipeline) -> Recorded:
    workflow = SimpleNamespace(
        basedir=str(toy.folder),
        is_main_process=True,
        remote_exec=False,
        resource_settings=SimpleNamespace(cores=2),
        rerun_triggers={"mtime"},
        dag_settings=SimpleNamespace(max_checksum_file_size=0),
        workflow_settings=SimpleNamespace(consider_ancient={}),
    )
    return Recorded(workflow, {}, lambda path: path)


def test_a_plan_of_one_city_reads_no_other(toy: ToyPipeline, seen: set[str]) -> None:
    recorded = plan_of(toy)
    inputs = recorded.inputs("evaluate@{city}", fused="data/{city}/fused.txt")({"city": "nyc"})
    assert inputs["stale"]
    assert seen
    assert all(name.endswith("@nyc") for name in seen)


def test_a_plan_of_all_cities_reads_each_path_once(
    toy: ToyPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    for city in ("city1", "city2"):
        (toy.folder / "sources" / f"{city}.txt").write_text("one\n")
        reproduce(toy.folder, f"fetch@{city}")
    read = []

    def watch(kind: Any, name: str) -> None:
        original = getattr(kind, name)

        def reading(first: Any, *rest: Any) -> Any:
            read.append(str(getattr(first, "fs_path", first)))
            return original(first, *rest)

        monkeypatch.setattr(kind, name, reading)

    watch(Output, "get_hash")
    watch(serialize, "load_path")
    recorded = plan_of(toy)
    assert not recorded.stale("fetch@city1")
    assert not recorded.stale("fetch@city2")
    ours = [path for path in read if path.startswith(str(toy.folder))]
    assert len(set(ours)) == len(ours)
    names = {path.removeprefix(f"{toy.folder}/") for path in ours}
    shared = {"params.yaml", "workflow/musecl/stages/fetch.py", "data/city1/source.txt"}
    assert shared <= names, names


def test_a_job_reads_no_other_stage(toy: ToyPipeline, seen: set[str]) -> None:
    reproduce(toy.folder, "fetch@nyc")
    reproduce(toy.folder, "pois@nyc")
    assert seen == {"fetch@nyc", "pois@nyc"}


def test_a_job_that_pulls_reads_no_stage_but_the_makers(toy: ToyPipeline, seen: set[str]) -> None:
    toy.run("dvc", "remote", "add", "-d", "shared", "../remote")
    toy.run("dvc", "remote", "modify", "shared", "verify", "true")
    reproduce(toy.folder, "fetch@nyc")
    toy.run("dvc", "push", "fetch@nyc")
    (toy.folder / "data/nyc/source.txt").unlink()
    toy.run("rm", "-r", ".dvc/cache")
    reproduce(toy.folder, "pois@nyc")
    assert (toy.folder / "data/nyc/pois.txt").exists()
    assert seen == {"fetch@nyc", "pois@nyc"}
