"""The long tables: DVC knows those that were asked for, and only these."""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from bare_pipeline import lay_pipeline
from miniature import ROOT, lay_miniature
from musecl.engines.asked import ASKED, ask, known_tables
from musecl.runtime.errors import ParameterError
from musecl.runtime.pipeline import read_tables
from test_engines import add_city, assert_agreement
from toy_checkout import (
    ToyPipeline,
    assert_one_line,
    assert_true_lock,
    edit_parameter,
    stages_run,
)

TABLE = "results/nyc/compare.csv"
TABLES = {"rival@nyc", "compare@nyc"}
PIPELINES = ("dvc.yaml", "tables/dvc.yaml")


@pytest.fixture
def toy(built: ToyPipeline, tmp_path: Path) -> ToyPipeline:
    """A copy of the built toy, with a remote, of which no table was asked for."""
    toy = built.copy(tmp_path / "toy_pipeline")
    toy.run("dvc", "remote", "add", "-d", "shared", str(tmp_path / "remote"))
    toy.run("dvc", "remote", "modify", "shared", "verify", "true")
    toy.commit("remote")
    return toy


@pytest.fixture
def compared(toy: ToyPipeline) -> ToyPipeline:
    """The toy pipeline after the table of one city was built and recorded."""
    toy.snakemake(TABLE)
    toy.commit("compared")
    return toy


def fresh_clone(toy: ToyPipeline, name: str) -> ToyPipeline:
    """A clone of what was committed, after what was built was pushed."""
    toy.run("dvc", "push")
    toy.commit("work")
    clone = ToyPipeline(toy.folder.parent / name)
    toy.run("git", "clone", "-q", str(toy.folder), str(clone.folder))
    return clone


def assert_tables_agree(toy: ToyPipeline, wanted: set[str]) -> None:
    """Of the tables of nyc and of what is built by default, both engines want the same."""
    assert toy.dvc_wants(*PIPELINES) == wanted
    assert toy.snakemake_wants("all", TABLE) == wanted


def test_none_is_asked_for_as_shipped() -> None:
    command = ["git", "show", f"HEAD:{ASKED}"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = [names for stages in yaml.safe_load(text).values() for names in stages.values()]
    assert len(names) == len(read_tables(ROOT))
    assert not any(names)


def test_plain_commands_build_the_results_of_each_city_and_no_table(tmp_path: Path) -> None:
    lay_miniature(tmp_path / "miniature")
    miniature = ToyPipeline(tmp_path / "miniature")
    tables = {f"{stage}@nyc" for stage in read_tables(ROOT)} - {"upper_bound@nyc", "transfer@nyc"}
    wanted = miniature.snakemake_wants()
    # Their page shows r2.csv, too.
    others = {"predict@nyc", "model@nyc", "report@nyc"}
    assert others | {"evaluate@nyc"} <= wanted
    assert not wanted & tables
    assert miniature.dvc_wants() == wanted
    assert miniature.snakemake_wants("tables") == (wanted | tables) - others


@pytest.mark.parametrize("engine", [("snakemake", "--cores", "2"), ("dvc", "repro")])
def test_what_plain_commands_built_comes_whole_into_a_fresh_clone(
    toy: ToyPipeline, engine: tuple[str, ...]
) -> None:
    edit_parameter(toy, "tile.pixels", 7)
    toy.run(*engine)
    clone = fresh_clone(toy, "clone")
    clone.run("dvc", "pull")
    assert (clone.folder / "results/bos/r2.csv").exists()
    assert_agreement(clone, set())


def test_planning_asks_for_nothing(toy: ToyPipeline) -> None:
    assert toy.snakemake_wants("tables") >= TABLES
    assert toy.run("git", "status", "--porcelain") == ""
    assert_agreement(toy, set())


def test_a_job_asks_for_its_table_and_those_above_it(toy: ToyPipeline) -> None:
    before = (toy.folder / ASKED).read_text()
    lock = (toy.folder / "dvc.lock").read_text()
    assert stages_run(toy.snakemake(TABLE)) == TABLES
    assert toy.asked() == {"rival": ["nyc"], "compare": ["nyc"]}
    assert (toy.folder / ASKED).read_text() == before.replace(" []", "\n  - nyc")
    assert (toy.folder / "dvc.lock").read_text() == lock
    assert_true_lock(toy)
    assert_tables_agree(toy, set())
    clone = fresh_clone(toy, "clone")
    clone.run("dvc", "pull")
    assert (clone.folder / TABLE).exists()
    assert_tables_agree(clone, set())


def test_a_recorded_table_is_pulled_and_not_built(compared: ToyPipeline) -> None:
    clone = fresh_clone(compared, "clone")
    assert stages_run(clone.snakemake(TABLE)) == set()
    assert (clone.folder / TABLE).exists()
    assert not (clone.folder / "data").exists()


def test_dvc_alone_builds_what_is_asked_for_by_hand(toy: ToyPipeline) -> None:
    toy.ask_by_hand(["nyc"])
    assert_agreement(toy, set())
    assert_tables_agree(toy, TABLES)
    assert stages_run(toy.run("dvc", "repro")) == set()
    assert stages_run(toy.run("dvc", "repro", "tables/dvc.yaml")) == TABLES
    assert_tables_agree(toy, set())


@pytest.mark.parametrize(
    "engine",
    [("snakemake", "--cores", "2", TABLE), ("dvc", "repro", "tables/dvc.yaml:compare@nyc")],
)
def test_an_edit_under_a_table_is_seen_alike_and_done_once(
    compared: ToyPipeline, engine: tuple[str, ...]
) -> None:
    edit_parameter(compared, "rival.depth", 2)
    assert_agreement(compared, set())
    assert_tables_agree(compared, TABLES)
    edit_parameter(compared, "fuse.dim", 64)
    below = {f"{stage}@{city}" for stage in ("fuse", "evaluate") for city in ("nyc", "bos")}
    assert_agreement(compared, below)
    assert_tables_agree(compared, below | TABLES)
    assert stages_run(compared.run(*engine)) == {*TABLES, "fuse@nyc"}
    assert_tables_agree(compared, below - {"fuse@nyc"})
    edit_parameter(compared, "rival.depth", 1)
    edit_parameter(compared, "fuse.dim", 32)
    assert stages_run(compared.run(*engine)) == set()


def test_jobs_side_by_side_ask_for_all(toy: ToyPipeline) -> None:
    for city in ("par", "ber"):
        add_city(toy, city)
    toy.run("snakemake", "--cores", "8", "tables")
    cities = list(yaml.safe_load((toy.folder / "params.yaml").read_text())["cities"])
    assert toy.asked() == {"rival": cities, "compare": cities}
    assert_true_lock(toy)
    assert {f"compare@{city}" for city in cities} < set(toy.entries())


def bare_repository(root: Path, lock: object) -> SimpleNamespace:
    (root / "tmp").mkdir(exist_ok=True)
    return SimpleNamespace(root_dir=str(root), tmp_dir=str(root / "tmp"), lock=lock)


def test_who_waited_for_the_lock_keeps_what_the_other_wrote(tmp_path: Path) -> None:
    root = lay_pipeline(tmp_path / "pipeline")
    held: list[str] = []

    @contextmanager
    def free() -> Iterator[None]:
        yield

    @contextmanager
    def taken() -> Iterator[None]:
        ask(bare_repository(root, free()), "baselines@synth")  # before it is let go
        yield
        held.append((root / ASKED).read_text())

    ask(bare_repository(root, taken()), "baselines@nyc")
    asked = yaml.safe_load(held[0])
    assert asked["cities"]["baselines"] == ["nyc", "synth"]  # in the order of params.yaml
    assert asked["cities"]["pretrain_baselines"] == ["nyc", "synth"]
    assert asked["cities"]["ablations"] == []


def test_each_kind_of_table_is_written_as_dvc_reads_it(tmp_path: Path) -> None:
    root = lay_pipeline(tmp_path / "pipeline")
    written = "# Ours.\ncities:\n" + (root / ASKED).read_text().partition("cities:\n")[2]
    (root / ASKED).write_text(written)

    @contextmanager
    def free() -> Iterator[None]:
        yield

    for table in ("upper_bound@synth", "synth-to-nyc", "transfer@synth-to-nyc", "fuse@nyc"):
        ask(bare_repository(root, free()), table)
    assert (root / ASKED).read_text() == written.replace(
        "upper_bound: []", "upper_bound:\n  - synth"
    ).replace(
        "transfer: {}", "transfer:\n    synth-to-nyc:\n      predict: nyc\n      train: synth"
    )
    toy = ToyPipeline(root)
    toy.run("git", "init", "-q")
    toy.run("dvc", "init", "-q")
    listed = toy.run("dvc", "stage", "list", "--name-only", "tables/dvc.yaml").split()
    assert listed == [
        f"tables/dvc.yaml:{name}" for name in ("transfer@synth-to-nyc", "upper_bound@synth")
    ]


NOTHING = "cities:\n  rival: []\n  compare: []\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            NOTHING.replace("[]", "[par]"),
            "cities.rival: 'par' is none of the cities in params.yaml",
        ),
        (NOTHING.replace("rival: []", "rival: nyc"), "cities.rival: 'nyc' cannot be; for none, wr"),
        (
            NOTHING.replace("rival: []", "rival:"),
            "cities.rival: None cannot be; for none, write []",
        ),
        (NOTHING.replace("rival: []", "rival: {nyc: 1}"), "cities.rival: {'nyc': 1} cannot be"),
        (NOTHING.replace("rival", "rivals"), "cities.rival: missing; add it, or `git checkout"),
        (
            f"{NOTHING}  fuse: [nyc]\n",
            "cities.fuse: unknown key; there is cities.rival, cities.com",
        ),
        (f"{NOTHING}towns: []\n", "towns: unknown key; there is cities.rival, cities.compare"),
        ("[nyc]\n", "cities.rival: missing; add it, or `git checkout tables/asked.yaml`"),
        (
            NOTHING.replace("compare: []", "compare: [nyc]"),
            "compare@nyc reads what rival@nyc makes",
        ),
        (NOTHING.replace("[]", "[[nyc]]"), "cities.rival: ['nyc'] is none of the cities"),
        ("cities: [\n", "not readable as YAML in line 2"),
    ],
)
def test_what_cannot_be_asked_for_is_one_line(built: ToyPipeline, tmp_path, text, message) -> None:
    root = built.copy(tmp_path / "toy_pipeline").folder
    (root / ASKED).write_text(text)
    with pytest.raises(ParameterError, match=re.escape(message)) as caught:
        known_tables(root)
    assert str(caught.value).startswith(f"{ASKED}: ") or str(caught.value).startswith(str(root))
    assert "\n" not in str(caught.value)


def test_a_transfer_is_written_as_in_params(tmp_path: Path) -> None:
    root = lay_pipeline(tmp_path / "pipeline")
    path = root / ASKED
    wrong = "{nyc-to-synth: {train: nyc, predict: nyc}}"
    path.write_text(path.read_text().replace("transfer: {}", f"transfer: {wrong}"))
    with pytest.raises(
        ParameterError, match=r"transfers\.transfer\.nyc-to-synth: write it as para"
    ):
        known_tables(root)


@pytest.mark.parametrize(
    "ask_wrongly",
    [
        lambda toy: toy.ask_by_hand(["par"]),
        lambda toy: edit_parameter(toy, "cities", {"bos": {"rows": 4}}),
    ],
    ids=["unknown city", "city taken away"],
)
def test_a_wrong_name_is_one_line_in_a_plan_and_in_a_job(
    compared: ToyPipeline, ask_wrongly: Callable[[ToyPipeline], None]
) -> None:
    ask_wrongly(compared)
    before = (compared.folder / ASKED).read_text()
    told = "take it out of tables/asked.yaml"
    assert_one_line(compared.snakemake("-n", check=False), told)
    job = ("python", "workflow/musecl", "stage", "compare@bos")
    assert_one_line(compared.run(*job, check=False), told)
    assert (compared.folder / ASKED).read_text() == before
    compared.ask_by_hand([])
    compared.snakemake("-n")


def test_a_table_of_no_city_is_one_line(toy: ToyPipeline) -> None:
    job = ("python", "workflow/musecl", "stage", "compare@par")
    assert_one_line(toy.run(*job, check=False), "params.yaml: cities has no 'par'")
    assert toy.run("git", "status", "--porcelain") == ""


def test_a_job_killed_once_it_has_asked_leaves_what_the_next_run_builds(toy: ToyPipeline) -> None:
    for change in range(1, 40):
        job = ("python", "workflow/musecl", "stage", "rival@nyc")
        toy.start(*job, fault=f"kill:{change}:stage rival@").communicate()
        asked = toy.asked()  # whole after each kill
        if asked["rival"]:
            break
    assert asked == {"rival": ["nyc"], "compare": []}
    assert not (toy.folder / "tables/dvc.lock").exists()
    assert toy.dvc_wants(*PIPELINES) == {"rival@nyc"}
    assert toy.snakemake_wants("data/nyc/rival.txt") == {"rival@nyc"}
    toy.snakemake()
    assert toy.asked() == asked
    toy.snakemake(TABLE)
    assert_tables_agree(toy, set())
    assert_true_lock(toy)
