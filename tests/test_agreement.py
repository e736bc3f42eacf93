"""One stage, four places: rule, DVC stage, CLI command and module say the same."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ResourceSettings, WorkflowSettings
from snakemake_interface_executor_plugins.settings import ExecMode

from closure import ROOT, code_of, imported_modules
from declared import STAGES, WILDCARDS, declared
from musecl.runtime.pipeline import read_tables
from toy_checkout import environment

# The parts of the package, and what each may import: data flows one way, the engines stand apart.
DOMAIN = {
    "runtime": set(),
    "geography": {"runtime"},
    "sources": {"runtime", "geography"},
    "imagery": {"runtime", "geography", "sources"},
    "pois": {"geography"},
    "flows": {"runtime", "geography", "sources"},
    "indicators": {"runtime", "geography", "sources"},
    "pair_mining": {"runtime", "geography"},
    "encoding": {"runtime"},
    "training": {"runtime", "encoding"},
    "text": {"runtime"},
    "region_texts": {"runtime", "text"},
    "fusion": {"runtime", "geography", "encoding", "training"},
    "evaluation": {"runtime"},
    "mapping": {"evaluation", "runtime"},
    "figures": set(),
    "model": {
        *("runtime", "encoding", "imagery", "training", "region_texts", "text"),
        *("fusion", "evaluation"),
    },
    "timing": set(),
    "report": {"runtime", "geography", "imagery", "timing"},
}
BELOW = {
    **DOMAIN,
    "stages": set(DOMAIN),
    "engines": {"runtime"},
    "config": set(DOMAIN),
    "presets": {"config", "runtime"},
    "cities": {
        "config",
        "geography",
        "imagery",
        "indicators",
        "pois",
        "sources",
        "stages",
        "runtime",
    },
    "analysis": {"evaluation", "geography", "runtime"},
    "completion": {"runtime"},
    "doctor": {"config", "runtime"},
    "commands": {
        "config",
        "engines",
        "cities",
        "completion",
        "timing",
        "doctor",
        "model",
        "presets",
        "runtime",
    },
    "cli": {"commands", "runtime"},
}


@pytest.fixture(scope="module")
def rules() -> dict[str, Any]:
    """Every rule of the Snakefile, as a job's process reads it: nothing is decided there."""
    with SnakemakeApi() as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=2),
            workflow_settings=WorkflowSettings(exec_mode=ExecMode.SUBPROCESS),
            snakefile=ROOT / "Snakefile",
            workdir=ROOT,
        )
        return {rule.name: rule for rule in workflow._workflow.rules}


def resolved(paths: Any) -> list[str]:
    return [re.sub(r"\{(\w+)[^}]*\}", lambda found: WILDCARDS[found[1]], str(p)) for p in paths]


def test_every_rule_is_a_stage_a_command_and_a_module(rules: dict[str, Any]) -> None:
    assert sorted(set(rules) - {"all", "tables"}) == STAGES
    modules = {path.stem for path in (ROOT / "workflow/musecl/stages").glob("*.py")}
    assert sorted(modules - {"__init__"}) == STAGES
    for stage in STAGES:
        city = declared(stage).name.split("@")[1:]
        command = ["exec", "python", "workflow/musecl", stage, *city]
        assert declared(stage).command.split() == command
    listed = subprocess.run(
        [sys.executable, "workflow/musecl", "--help"],
        cwd=ROOT,
        env={**environment(), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert set(STAGES) <= set(re.findall(r"^ {4}(\w+)", listed, re.MULTILINE))


@pytest.mark.parametrize("stage", STAGES)
def test_rule_and_stage_read_and_write_the_same(stage: str, rules: dict[str, Any]) -> None:
    rule, entry = rules[stage], declared(stage)
    named = rule.input[0]._file.callable(WILDCARDS)
    data = sorted(str(path) for key, path in named.items() if key not in ("code", "stale"))
    assert data == sorted(path for path in entry.inputs if not path.startswith("workflow/"))
    assert sorted(map(str, named["code"])) == sorted(
        path for path in entry.inputs if path.startswith("workflow/")
    )
    assert sorted(resolved(rule.output)) == sorted(entry.outputs)
    assert sorted(resolved(rule.params)) == sorted(entry.parameters)


@pytest.mark.parametrize(
    ("target", "stage"),
    [
        ("results/ncy/r2.csv", "evaluate"),
        ("data/delft/regions.parquet", "regions"),
        ("results/nyc-to-boston/r2.csv", "transfer"),
        ("results/nyc-to-nyc/r2.csv", "transfer"),
        ("data/models/text", "fetch_models"),
    ],
)
def test_a_target_of_whatever_city_reaches_its_rule(
    rules: dict[str, Any], target: str, stage: str
) -> None:
    """And so the engine glue says that there is none: Snakemake would name no rule at all."""
    assert [name for name, rule in rules.items() if rule.is_producer(target)] == [stage]


@pytest.mark.parametrize("stage", read_tables(ROOT))
def test_a_table_runs_where_all_stages_run_and_is_asked_for_under_its_name(stage: str) -> None:
    entry = read_tables(ROOT)[stage]
    assert entry["do"]["wdir"] == ".."
    assert re.fullmatch(rf"\$\{{(cities|upper_bounds|transfers)\.{stage}\}}", entry["foreach"])


def test_the_page_of_the_pipeline_draws_what_runs() -> None:
    made = {path: stage for stage in STAGES for path in declared(stage).outputs}
    graph = nx.DiGraph(
        (made[path], stage) for stage in STAGES for path in declared(stage).inputs if path in made
    )
    page = (ROOT / "docs/pipeline.md").read_text(encoding="utf-8")
    drawn = re.findall(r"^    (\w+) --> (\w+)$", page, re.MULTILINE)
    assert set(drawn) == set(nx.transitive_reduction(graph).edges)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_its_code(stage: str) -> None:
    code = [path for path in declared(stage).inputs if path.startswith("workflow/")]
    assert code == code_of(stage), "run `make declare`"


@pytest.mark.parametrize("stage", STAGES)
def test_a_rule_has_a_log_a_benchmark_and_memory(stage: str, rules: dict[str, Any]) -> None:
    rule = rules[stage]
    # Where a job looks for them, to keep those of the run that built the stage.
    place = Path("logs", declared(stage).city or "", stage)
    assert resolved(rule.log) == [f"{place}.log"]
    assert resolved([rule.benchmark]) == [f"{place}.tsv"]
    assert "> >(tee -i {log}) 2>&1" in rule.shellcmd
    assert rule.resources["mem_mb"].value


def test_no_part_of_the_package_reaches_up_or_around() -> None:
    package = ROOT / "workflow/musecl"
    for path in package.rglob("*.py"):
        part = path.relative_to(package).parts[0].removesuffix(".py")
        imported = {name.split(".")[1] for name in imported_modules(path) if "." in name}
        if part not in ("__init__", "__main__"):
            assert imported - {part} <= BELOW[part], path
    parts = {path.stem for path in package.iterdir() if path.name[0] not in "_."}
    assert set(BELOW) == parts
