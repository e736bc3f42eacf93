"""The two engines after random sequences of what people do to a pipeline.

`make test` runs 10 sequences of 8 steps, the same each time; MUSECL_SEQUENCES and MUSECL_STEPS run
others, from the seed that `pytest --hypothesis-seed` gives.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import psutil
import yaml
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from test_engines import LEFT, edit_code
from toy_checkout import (
    LONGEST,
    ToyPipeline,
    assert_one_line,
    edit_parameter,
    expected_outputs,
    md5,
    md5_of_folder,
    write_parameter,
)

CITIES = st.sampled_from(["nyc", "bos"])
STAGES = st.sampled_from(["fetch", "tile", "pois", "fuse", "evaluate", "rival", "compare"])
PARAMETERS = st.sampled_from(
    ["tile.pixels", "fuse.dim", "evaluate.folds", "rival.depth", "cities.nyc.rows"]
)
OUTPUTS = st.sampled_from(
    [
        "source.txt",
        "tiles/0.txt",
        "pois.txt",
        "counts.txt",
        "fused.txt",
        "../../results/{}/r2.csv",
        "rival.txt",
        "../../results/{}/compare.csv",
    ]
)

# YAML 1.1 reads all but the last two otherwise than 1.2 does, and two of them as a number, too.
WORDS = st.sampled_from(["on", "no", "010", "1e3", "0o17", "12:30", "1_000", "~"])
# Some of them are no files, but links to nowhere, as those by which Emacs locks what is edited.
LEFTOVERS = st.sampled_from([(name, False) for name in LEFT] + [(".#digest.py", True)])
DAY = 86400

BELOW = {
    "fetch": ["fetch", "tile", "pois", "fuse", "evaluate", "rival", "compare"],
    "tile": ["tile", "fuse", "evaluate", "rival", "compare"],
    "pois": ["pois", "fuse", "evaluate", "compare"],
    "fuse": ["fuse", "evaluate", "compare"],
    "evaluate": ["evaluate"],
    "rival": ["rival", "compare"],
    "compare": ["compare"],
}
TABLES = ("rival", "compare")
PIPELINES = ("dvc.yaml", "tables/dvc.yaml")
RUNS = {
    "snakemake": ["snakemake", "--cores", "2"],
    "tables": ["snakemake", "--cores", "2", "tables"],
    "dvc": ["dvc", "repro", *PIPELINES],
}
# The engine that starts each, a part of its command line, and about how many changes of files it
# makes when all is stale.
PROCESSES = {
    "snakemake": ("snakemake", "bin/snakemake", 60),
    "job": ("snakemake", "stage fuse@", 80),
    "step of snakemake": ("snakemake", "musecl pois", 6),
    "job of a table": ("tables", "stage rival@", 80),
    "dvc": ("dvc", "bin/dvc", 230),
    "step of dvc": ("dvc", "musecl fuse", 6),
}
KILLS = st.sampled_from(sorted(PROCESSES)).flatmap(
    lambda process: st.tuples(st.just(process), st.integers(1, PROCESSES[process][2]))
)

_built: list[Path] = []


def built_toy() -> Path:
    """A toy pipeline that ran once and was pushed to a remote; built for the first sequence."""
    if not _built:
        folder = Path(tempfile.mkdtemp(prefix="toy-"))
        toy = ToyPipeline.lay(folder / "toy_pipeline")
        toy.run("dvc", "remote", "add", "-d", "shared", "../remote")
        toy.run("dvc", "remote", "modify", "shared", "verify", "true")
        toy.snakemake()
        toy.commit("built")
        toy.run("dvc", "push")
        _built.append(folder)
    return _built[0]


class EnginesAgree(RuleBasedStateMachine):
    """Whatever was done before, both engines want the same, and dvc.lock is true."""

    @initialize()
    def start(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="sequence-"))
        copy = ["cp", "-a", f"{built_toy()}/.", str(self.home)]  # what is linked stays so
        subprocess.run(copy, check=True)
        self.toy = ToyPipeline(self.home / "toy_pipeline")
        self.clones = 0
        self.wanted: set[str] = set()
        self.changed_nothing = False

    def teardown(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)

    @rule(key=PARAMETERS, value=st.integers(1, 3))
    def edit_a_parameter(self, key: str, value: int) -> None:
        edit_parameter(self.toy, key, value)

    @rule(key=PARAMETERS, word=WORDS)
    def write_a_parameter_in_another_way(self, key: str, word: str) -> None:
        write_parameter(self.toy, key, word)

    @rule(left=LEFTOVERS, folder=st.sampled_from(["workflow/musecl/shared", "data/nyc/tiles"]))
    def leave_what_an_editor_leaves(self, left: tuple[str, bool], folder: str) -> None:
        name, link = left
        path = self.toy.folder / folder / name
        self.changed_nothing = True
        if path.parent.is_dir() and not path.is_symlink():
            path.symlink_to("nowhere") if link else path.write_text("left\n")

    @rule(
        top=st.sampled_from(["data", "results", "sources", "workflow"]),
        shift=st.sampled_from([-2 * DAY, 2 * DAY]),
    )
    def date_files_by_another_clock(self, top: str, shift: int) -> None:
        self.changed_nothing = True
        then = time.time() + shift
        for path in (self.toy.folder / top).rglob("*"):
            os.utime(path, (then, then), follow_symlinks=False)

    @rule(stage=STAGES, salt=st.sampled_from(["first", "second"]))
    def edit_code(self, stage: str, salt: str) -> None:
        edit_code(self.toy, stage, salt)

    @rule(city=CITIES, text=st.sampled_from(["one", "two"]))
    def edit_a_source(self, city: str, text: str) -> None:
        (self.toy.folder / "sources" / f"{city}.txt").write_text(f"{text}\n")

    @rule(cities=st.sampled_from([["nyc"], ["nyc", "bos"], ["bos", "nyc"]]))
    def edit_the_list_of_cities(self, cities: list[str]) -> None:
        edit_parameter(self.toy, "cities", {city: {"rows": 3} for city in cities})
        asked = [city for city in self.toy.asked()["rival"] if city in cities]
        if asked != self.toy.asked()["rival"]:
            text = self.toy.snakemake("-n", check=False)
            assert_one_line(text, "take it out of tables/asked.yaml")
            self.toy.ask_by_hand(asked)

    @rule(city=CITIES, output=OUTPUTS)
    def delete_an_output(self, city: str, output: str) -> None:
        (self.toy.folder / "data" / city / output.format(city)).unlink(missing_ok=True)

    @rule(city=CITIES, output=OUTPUTS)
    def edit_an_output(self, city: str, output: str) -> None:
        path = self.toy.folder / "data" / city / output.format(city)
        if path.exists():
            text = path.read_text() + "edited\n"
            path.unlink()  # a link into the cache is never written through
            path.write_text(text)

    @rule(city=CITIES)
    def run_one_city_with_snakemake(self, city: str) -> None:
        if city in self.cities():
            self.toy.snakemake(f"results/{city}/r2.csv")
            assert self.toy.snakemake_wants(f"results/{city}/r2.csv") == set()
            assert self.toy.dvc_wants(f"evaluate@{city}") == set()

    @rule(city=CITIES)
    def run_half_with_snakemake(self, city: str) -> None:
        if city in self.cities():
            self.toy.snakemake(f"data/{city}/tiles")

    @rule(pipelines=st.sampled_from([(), ("tables/dvc.yaml",), PIPELINES]))
    def run_all_with_dvc(self, pipelines: tuple[str, ...]) -> None:
        self.toy.run("dvc", "repro", *pipelines)
        assert self.toy.dvc_wants(*pipelines) == set()

    @rule(city=CITIES)
    def ask_for_a_table_with_snakemake(self, city: str) -> None:
        if city in self.cities():
            self.toy.snakemake(f"results/{city}/compare.csv")
            assert all(city in cities for cities in self.toy.asked().values())
            assert self.toy.snakemake_wants(f"results/{city}/compare.csv") == set()
            assert self.toy.dvc_wants(f"tables/dvc.yaml:compare@{city}") == set()

    @rule(cities=st.sampled_from([[], ["nyc"], ["bos", "nyc"]]))
    def ask_for_tables_by_hand(self, cities: list[str]) -> None:
        self.toy.ask_by_hand([city for city in cities if city in self.cities()])

    @rule()
    def touch_with_snakemake(self) -> None:
        self.toy.run("snakemake", "--touch", "--cores", "1", check=False)

    @rule(stage=STAGES, city=CITIES)
    def run_one_stage_with_dvc(self, stage: str, city: str) -> None:
        if self.is_declared(f"{stage}@{city}"):
            address = f"tables/dvc.yaml:{stage}" if stage in TABLES else stage
            self.toy.run("dvc", "repro", f"{address}@{city}")

    @rule(kill=KILLS, key=PARAMETERS, value=st.integers(4, 6))
    def kill_a_process(self, kill: tuple[str, int], key: str, value: int) -> None:
        edit_parameter(self.toy, key, value)
        process, change = kill
        engine, part, _ = PROCESSES[process]
        self.toy.start(*RUNS[engine], fault=f"kill:{change}:{part}").communicate()
        self.wait_for_the_killed()
        self.toy.run("snakemake", "--unlock", "--cores", "1", check=False)
        if process == "dvc":  # docs/engines.md: it would fail at such a folder from then on
            self.toy.run("find", ".dvc/cache/runs", "-type", "d", "-empty", "-delete", check=False)

    def wait_for_the_killed(self) -> None:
        """Wait until those that DVC's file of locks names are gone: it takes them for alive."""
        locks = self.toy.folder / ".dvc/tmp/rwlock"
        text = locks.read_text() if locks.exists() else ""
        for number in sorted({int(found) for found in re.findall(r'"pid": (\d+)', text)}):
            with suppress(psutil.NoSuchProcess):
                psutil.Process(number).wait(timeout=LONGEST)

    @rule(process=st.sampled_from(sorted(PROCESSES)), key=PARAMETERS, value=st.integers(4, 6))
    def edit_in_mid_run(self, process: str, key: str, value: int) -> None:
        path = self.toy.folder / "params.yaml"
        before = path.read_bytes()
        edit_parameter(self.toy, key, value)
        (self.toy.folder.parent / "edited.yaml").write_bytes(path.read_bytes())
        path.write_bytes(before)
        engine, part, _ = PROCESSES[process]
        self.toy.start(*RUNS[engine], fault=f"edit:1:{part}").communicate()

    @rule()
    def pull_into_a_fresh_clone(self) -> None:
        self.clone()
        self.toy.run("dvc", "pull", "--allow-missing", check=False)

    @rule(city=CITIES)
    def pull_one_result_into_a_fresh_clone(self, city: str) -> None:
        self.clone()
        self.toy.run("dvc", "pull", f"results/{city}/r2.csv", check=False)

    @rule(engine=st.sampled_from(["snakemake", "dvc"]))
    def share_all_with_a_fresh_clone(self, engine: str) -> None:
        if engine == "dvc":
            self.toy.run("dvc", "repro", *PIPELINES)
        else:
            self.toy.snakemake(*self.targets().values())
        self.toy.run("dvc", "push")
        self.clone()
        self.toy.run("dvc", "pull")  # its status is 0
        assert self.toy.snakemake_wants(*self.targets().values()) == set()

    @rule()
    def push(self) -> None:
        self.toy.run("dvc", "push")

    def clone(self) -> None:
        self.toy.commit("work")
        self.clones += 1
        clone = self.home / f"clone-{self.clones}"
        self.toy.run("git", "clone", "-q", str(self.toy.folder), str(clone))
        self.toy = ToyPipeline(clone)

    def cities(self) -> list[str]:
        return list(yaml.safe_load((self.toy.folder / "params.yaml").read_text())["cities"])

    def targets(self) -> dict[str, str]:
        """The last stages that DVC knows, by default and of the tables, and a file of each."""
        asked = self.toy.asked()
        alone = [city for city in asked["rival"] if city not in asked["compare"]]
        return {
            **{f"evaluate@{city}": f"results/{city}/r2.csv" for city in self.cities()},
            **{f"compare@{city}": f"results/{city}/compare.csv" for city in asked["compare"]},
            **{f"rival@{city}": f"data/{city}/rival.txt" for city in alone},
        }

    def is_declared(self, name: str) -> bool:
        """Tell whether a stage is one of DVC's now: of a city, and a table only if asked for."""
        stage, _, city = name.partition("@")
        return city in (self.toy.asked()[stage] if stage in TABLES else self.cities())

    @invariant()
    def both_engines_want_the_same(self) -> None:
        # An absent target that is recorded costs Snakemake a job, which runs nothing.
        targets = self.targets()
        absent = {name for name, path in targets.items() if not (self.toy.folder / path).exists()}
        wanted = self.dvc_wants() | absent | self.lost()
        assert self.toy.snakemake_wants(*targets.values()) == wanted
        assert wanted == self.wanted or not self.changed_nothing
        self.wanted, self.changed_nothing = wanted, False

    def lost(self) -> set[str]:
        """Stages below what DVC is told to take as there: recorded, and nowhere or overwritten."""
        below = set()
        for name, entry in self.toy.entries().items():
            stage, _, city = name.partition("@")
            if self.is_declared(name) and any(self.is_lost(out) for out in entry["outs"]):
                below |= {f"{stage}@{city}" for stage in BELOW[stage]}
        return {name for name in below if self.is_declared(name)}

    def is_lost(self, out: dict[str, str]) -> bool:
        """Tell whether an output is absent from everywhere, or another and not in the cache."""
        path, recorded = self.toy.folder / out["path"], out["md5"]
        kept, pushed = (
            (folder / "files/md5" / recorded[:2] / recorded[2:]).exists()
            for folder in (self.toy.folder / ".dvc/cache", self.home / "remote")
        )
        if not path.exists():
            return not kept and not pushed
        return not kept and hash_of(path) != recorded

    def dvc_wants(self) -> set[str]:
        """Ask DVC; in a copy with all inputs where it cannot say, for want of a stale stage's."""
        wanted = self.dry_run(self.toy)
        if wanted is not None:
            return wanted
        copy = self.toy.copy(self.home / "copy")
        copy.pull_the_absent()
        wanted = self.dry_run(copy)
        shutil.rmtree(copy.folder)
        # An input that is lost is in no copy either.
        return self.changed() if wanted is None else wanted

    @staticmethod
    def dry_run(toy: ToyPipeline) -> set[str] | None:
        """Stages that DVC wants to run; None where it stops at an input that is not there."""
        try:
            return toy.dvc_wants(*PIPELINES)
        except AssertionError as error:
            if "No such file or directory" not in str(error):
                raise
            return None

    def changed(self) -> set[str]:
        """Stages that `dvc status` calls changed by more than what is absent, and those below."""
        below = set()
        for name, changes in json.loads(self.toy.run("dvc", "status", "--json")).items():
            stage, _, city = name.removeprefix("tables/dvc.yaml:").partition("@")
            if set(words(changes)) - {"deleted", "not in cache"}:
                below |= {f"{stage}@{city}" for stage in BELOW[stage]}
        return {name for name in below if self.is_declared(name)}

    @invariant()
    def the_lock_is_true(self) -> None:
        for name, entry in self.toy.entries().items():
            known = expected_outputs(self.toy, name, entry)
            if known is not None:
                assert {out["path"]: out["md5"] for out in entry["outs"]} == known, name


def hash_of(path: Path) -> str:
    """The hash by which DVC names an output of the toy pipeline, a file or a folder."""
    if path.is_file():
        return md5(path.read_text())
    return md5_of_folder({file.name: file.read_text() for file in path.glob("*.txt")})


def words(told: Any) -> list[str]:
    """What `dvc status` says at its leaves, of whole stages, paths and single parameters."""
    if isinstance(told, dict):
        return [word for inner in told.values() for word in words(inner)]
    return [word for inner in told for word in words(inner)] if isinstance(told, list) else [told]


TestEnginesAgree = EnginesAgree.TestCase
TestEnginesAgree.settings = settings(
    max_examples=int(os.environ.get("MUSECL_SEQUENCES", "10")),
    stateful_step_count=int(os.environ.get("MUSECL_STEPS", "8")),
    deadline=None,
    derandomize="MUSECL_SEQUENCES" not in os.environ,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
