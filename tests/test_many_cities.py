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

from musecl.bridge.lockfile import Entries
from musecl.bridge.planning import Recorded
from musecl.bridge.running import reproduce
from relay_race import Relay, edit_parameter, environment


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Relay:
    relay = Relay.lay(tmp_path / "relay")
    cities = {f"city{number}": {"rows": number} for number in range(20)}
    edit_parameter(relay, "cities", {**cities, "nyc": {"rows": 3}})
    monkeypatch.chdir(relay.folder)
    monkeypatch.setattr(os, "environ", environment())
    return relay


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


def plan_of(relay: Relay) -> Recorded:
    workflow = SimpleNamespace(
        basedir=str(relay.folder),
        is_main_process=True,
        remote_exec=False,
        resource_settings=SimpleNamespace(cores=2),
        rerun_triggers={"mtime"},
        dag_settings=SimpleNamespace(max_checksum_file_size=0),
        workflow_settings=SimpleNamespace(consider_ancient={}),
    )
    return Recorded(workflow, {}, lambda path: path)


def test_a_plan_of_one_city_reads_no_other(relay: Relay, seen: set[str]) -> None:
    recorded = plan_of(relay)
    inputs = recorded.inputs("evaluate@{city}", fused="data/{city}/fused.txt")({"city": "nyc"})
    assert inputs["stale"]
    assert seen
    assert all(name.endswith("@nyc") for name in seen)


def test_a_plan_of_all_cities_reads_each_path_once(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    for city in ("city1", "city2"):
        (relay.folder / "sources" / f"{city}.txt").write_text("one\n")
        reproduce(relay.folder, f"fetch@{city}")
    read = []

    def watch(kind: Any, name: str) -> None:
        original = getattr(kind, name)

        def reading(first: Any, *rest: Any) -> Any:
            read.append(str(getattr(first, "fs_path", first)))
            return original(first, *rest)

        monkeypatch.setattr(kind, name, reading)

    watch(Output, "get_hash")
    watch(serialize, "load_path")
    recorded = plan_of(relay)
    assert not recorded.stale("fetch@city1")
    assert not recorded.stale("fetch@city2")
    ours = [path for path in read if path.startswith(str(relay.folder))]
    assert len(set(ours)) == len(ours)
    names = {path.removeprefix(f"{relay.folder}/") for path in ours}
    shared = {"params.yaml", "workflow/musecl/stages/fetch.py", "data/city1/source.txt"}
    assert shared <= names, names


def test_a_job_reads_no_other_stage(relay: Relay, seen: set[str]) -> None:
    reproduce(relay.folder, "fetch@nyc")
    reproduce(relay.folder, "places@nyc")
    assert seen == {"fetch@nyc", "places@nyc"}


def test_a_job_that_pulls_reads_no_stage_but_the_makers(relay: Relay, seen: set[str]) -> None:
    relay.run("dvc", "remote", "add", "-d", "shared", "../remote")
    relay.run("dvc", "remote", "modify", "shared", "verify", "true")
    reproduce(relay.folder, "fetch@nyc")
    relay.run("dvc", "push", "fetch@nyc")
    (relay.folder / "data/nyc/source.txt").unlink()
    relay.run("rm", "-r", ".dvc/cache")
    reproduce(relay.folder, "places@nyc")
    assert (relay.folder / "data/nyc/places.txt").exists()
    assert seen == {"fetch@nyc", "places@nyc"}
