"""No page of the docs names a command, a file, a heading or a word that is not there.

Each command is read by the parser of its own program, without running it.
"""

import ast
import importlib.util
import inspect
import re
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import networkx as nx
import pytest
import yaml
from dvc.cli import DvcParserError
from dvc.cli.parser import get_main_parser
from dvc.config_schema import SCHEMA
from snakemake.cli import get_argument_parser

import musecl
from declared import STAGES, declared, is_written, written
from musecl.cli import read_command
from musecl.commands import OTHERS
from musecl.runtime.pipeline import read_stages, read_tables
from pages import Command, Page, pages, tracked
from params_page import ROOT

PAGES = pages()
# The change log names what there was, too.
NOW = [page for page in PAGES if page.name != "CHANGELOG.md"]
COMMANDS = list(dict.fromkeys(command for page in NOW for command in page.commands()))
# What a page writes where a reader puts something of her own.
STANDS_FOR = {"STAGE": "fuse", "CITY": "nyc", "NAME": "nyc", "COMMIT": "HEAD"}
STANDS_FOR |= {"ADDRESS": "fuse@nyc", "OUT": "results/nyc/r2.csv"}
FILES = tracked()
CATALOG = ROOT / ".snakemake-workflow-catalog.yml"
SNAKEMAKE = cache(get_argument_parser)
TABLES = read_tables(ROOT)
THIS = Path(__file__).relative_to(ROOT)

every_page = pytest.mark.parametrize("page", NOW, ids=lambda page: page.name)


def of(*programs: str) -> pytest.MarkDecorator:
    chosen = [command for command in COMMANDS if command.words[0] in programs]
    return pytest.mark.parametrize("command", chosen, ids=str)


def given(command: Command) -> list[str]:
    """The arguments, each placeholder filled in but in the path of a file."""
    found = []
    for word in command.words[1:]:
        parts = word.split("@") if "/" not in word else [word]
        found.append("@".join(STANDS_FOR.get(part, part) for part in parts))
    return found


def is_stage(name: str, stages: dict) -> bool:
    """Whether there is a stage of this name; the city may be one that a page adds."""
    stage, _, city = name.partition("@")
    return stage in stages and ("foreach" in stages[stage] or not city)


def test_there_are_commands_of_each_program() -> None:
    assert {"make", "snakemake", "dvc", "musecl", "python"} <= {one.words[0] for one in COMMANDS}
    assert len(COMMANDS) > 100


@of("make")
def test_make_has_the_target(command: Command) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z]+) \?=", makefile, re.MULTILINE))
    for word in given(command):
        if "=" in word:
            assert word.partition("=")[0] in variables
        elif word.startswith("results/"):
            assert is_written(word)
        else:
            assert word in targets


@of("snakemake")
def test_snakemake_takes_the_options_and_has_the_target(command: Command) -> None:
    try:
        read = SNAKEMAKE().parse_args(given(command))
    except SystemExit:
        pytest.fail(f"Snakemake does not take {command.words}")
    for target in read.targets:
        assert target in {"all", "tables", *STAGES} or (
            target.count("/") > 1 and is_written(target)
        )
    for profile in (read.workflow_profile, read.profile):
        assert profile is None or (ROOT / profile / "config.yaml").exists()


@of("dvc")
def test_dvc_takes_the_options_and_has_the_stage(command: Command) -> None:
    words, parser = given(command), get_main_parser()
    if command.quoted and is_mention(parser, words):
        return
    try:
        read = parser.parse_args(words)
    except DvcParserError:
        pytest.fail(f"DVC does not take {command.words}")
    if read.func.__name__ in ("CmdRepro", "CmdExperimentsRun"):
        stages = {name: one for name, one in read_stages(ROOT).items() if name not in TABLES}
        for target in read.targets:
            assert is_stage(target, stages) or (target.endswith(".yaml") and target in FILES)
        for setting in getattr(read, "set_param", None) or ():
            assert is_parameter(setting.partition("=")[0])
    if read.func.__name__ == "CmdConfig":
        _, section, key = read.name
        assert key in SCHEMA[section]


def is_mention(parser, words: list[str]) -> bool:
    """Whether a sentence names a command of DVC and no argument of it: `dvc remote modify`."""
    for word in words:
        choices = [one.choices for one in parser._actions if isinstance(one.choices, dict)]
        if not choices or word not in choices[0]:
            return False
        parser = choices[0][word]
    return True


def is_parameter(key: str) -> bool:
    value = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True


@of("python", "pytest")
def test_python_has_the_script(command: Command) -> None:
    words = list(command.words)
    if words[1:3] == ["-m", "pytest"] or words[0] == "pytest":
        files = [word for word in words if word.startswith("tests/") and "MODULE" not in word]
        assert files
    else:
        files = words[1:2]
    assert [name for name in files if not (ROOT / name).exists()] == []


@of("musecl", "python")
def test_the_package_takes_the_arguments(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    words = given(command)
    if command.words[0] == "python":
        if words[0] != "workflow/musecl":
            return
        words = words[1:]
    if not words:  # the name of the method, or of the command
        return
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["musecl", *words])
    try:
        run = read_command()
        if words[0] == "city" and not (command.quoted and len(words) == 2):
            read_city(run, monkeypatch)
    except SystemExit as error:
        # `--help` ends with 0. A sentence may name a command without its options: `musecl embed`.
        named = command.quoted and len(words) == 1 and words[0] in {*STAGES, *OTHERS}
        assert named or error.code == 0, f"musecl does not take {words}"
    if words[0] == "stage":
        assert is_stage(words[1], read_stages(ROOT))
    if words[0] == "preset":
        assert (ROOT / f"presets/{words[1]}.yaml").exists()


def read_city(run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `city add` and `city check` read their arguments, and do nothing."""
    adding = SimpleNamespace(Given=SimpleNamespace, add_city=lambda *_: [])
    monkeypatch.setitem(sys.modules, "musecl.cities.adding", adding)
    checking = SimpleNamespace(check_city=lambda *_: [])
    monkeypatch.setitem(sys.modules, "musecl.cities.checking", checking)
    run()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Page) -> None:
    broken = []
    for link in page.links():
        file, _, heading = link.partition("#")
        path = (ROOT / page.name).parent / file if file else ROOT / page.name
        anchors = Page(link, path.read_text("utf-8")).anchors() if heading and path.exists() else ()
        if not path.exists() or (heading and heading not in anchors):
            broken.append(link)
    assert broken == []


@every_page
def test_what_a_page_calls_a_result_is_declared(page: Page) -> None:
    words = [word for code in page.codes() for word in code.split()]
    named = [word for word in words if re.match(r"(results|data|logs)/.", word)]
    assert [word for word in named if not is_written(word)] == []


@every_page
def test_a_file_that_a_page_names_without_its_folder_is_written(page: Page) -> None:
    """`r2.csv`: by a stage, or by the package beside another file, or by the reader."""
    file = re.compile(r"\w+\.(?:csv|parquet|html|png|gpkg|json)")
    named = {code for code in page.codes() if file.fullmatch(code)}
    known = {path.rpartition("/")[2] for path in written()} | {"provenance.json", "settings.json"}
    typed = {word for command in COMMANDS for word in command.words}
    predicted = {word.replace(".parquet", "_predictions.csv") for word in typed}
    assert sorted(named - known - typed - predicted) == []


def test_the_tutorial_names_the_stages_that_its_change_runs() -> None:
    stages = [declared(stage) for stage in STAGES]
    made = {path: one.stage for one in stages for path in one.outputs}
    graph = nx.DiGraph(
        (made[path], one.stage) for one in stages for path in one.inputs if path in made
    )
    above = nx.ancestors(graph, "report") | {"report"}
    reading = {one.stage for one in stages if "fuse" in one.parameters} & above
    stale = reading.union(*(nx.descendants(graph, stage) & above for stage in reading))
    (page,) = (page for page in PAGES if page.name == "docs/tutorial.md")
    (text,) = re.findall(r"Only what reads the setting .+?\.", page.text, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", text)) == stale


@every_page
def test_a_file_of_the_repository_that_a_page_names_is_there(page: Page) -> None:
    """By its path, or by the end of it: `sources/contract.py`, `test_asked.py`."""
    file = re.compile(r"[\w./-]+\.(?:py|smk|toml|md|yml|in|cff)|[\w.-]*/[\w./-]+\.yaml")
    named = [code for code in page.codes() if file.fullmatch(code) and not is_written(code)]
    there = [f"/{name}" for name in FILES]
    absent = [
        name
        for name in named
        if not re.search(r"[A-Z]{4,}", name.removesuffix("README.md"))
        and not any(path.endswith(f"/{name}") for path in there)
    ]
    assert absent == []


@every_page
def test_a_name_with_an_underscore_is_one_of_the_code(page: Page) -> None:
    """A column, method, stage, setting or function that was renamed keeps its old name nowhere."""
    names = {code for code in page.codes() if re.fullmatch(r"[a-z]\w*_\w*", code)}
    assert sorted(names - known_words()) == []


@cache
def known_words() -> frozenset[str]:
    """List every word of the code, and the settings of Slurm's plugin."""
    tops = ("workflow", "params.yaml", "dvc.yaml", "tables", "presets", "tests", "Makefile")
    endings = (".py", ".smk", ".yaml", ".txt", "Makefile")
    named = [
        ROOT / name
        for name in FILES
        if name.split("/")[0] in tops and name.endswith(endings) and Path(name) != THIS
    ]
    plugin = importlib.util.find_spec("snakemake_executor_plugin_slurm")
    assert plugin is not None
    named += Path(plugin.submodule_search_locations[0]).glob("*.py")
    text = "\n".join(path.read_text(encoding="utf-8") for path in named)
    return frozenset(re.findall(r"\w+", text + "\n".join(FILES)))


# Files that name old words on purpose.
OF_OLD_WORDS = {"CHANGELOG.md", "workflow/musecl/runtime/section.py", "tests/test_config.py"}


def test_no_old_name_of_the_change_log_stands_in_another_file() -> None:
    """Those with an underscore; the others are words of everyday English, too."""
    (table,) = re.findall(
        r"^\| old \| new \|\n(.+?)\n\n",
        (ROOT / "CHANGELOG.md").read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    old = {
        name
        for row in table.splitlines()
        for name in re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)+)`", row.split("|")[1])
    }
    assert len(old) > 10
    word = re.compile("|".join(sorted(old)))
    found = {
        f"{name}: {match.group()}"
        for name in FILES
        if name not in OF_OLD_WORDS and (ROOT / name).is_file()
        for match in word.finditer((ROOT / name).read_text("utf-8", errors="ignore"))
    }
    assert sorted(found) == []


@cache
def columns() -> dict[str, frozenset[str]]:
    """Columns by the name of their file, as docs/output.md has them from the schemas."""
    (page,) = (page for page in PAGES if page.name == "docs/output.md")
    found: dict[str, frozenset[str]] = {}
    for section in page.text.split("\n## ")[1:]:
        file = section.split("`")[1].rpartition("/")[2]
        rows = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
        found[file] = found.get(file, frozenset()) | frozenset(rows)
    return found


@every_page
def test_a_column_that_a_page_places_in_a_table_is_there(page: Page) -> None:
    """Where it says "`label_provenance` in `r2.csv`"; `musecl` is a row of it."""
    placed = re.findall(r"`(\w+)`\s+(?:in|of)\s+`(?:[\w/]+/)?(\w+\.(?:csv|parquet))`", page.prose)
    methods = {"musecl"}
    assert [
        (name, file)
        for name, file in placed
        if file in columns() and name not in columns()[file] | methods
    ] == []


@pytest.mark.parametrize(
    "page", [page for page in NOW if page.name != "docs/api.md"], ids=lambda page: page.name
)
def test_python_calls_what_the_package_has(page: Page) -> None:
    """Names, arguments and columns of the lines that a reader copies."""
    known = frozenset().union(*columns().values())
    indicators = known_words()
    for block in page.blocks("python"):
        for node in ast.walk(ast.parse(block)):
            name = public_name(node)
            if name is not None:
                assert name in musecl.__all__
            if isinstance(node, ast.Call) and (called := public_name(node.func)):
                values = {word.arg: None for word in node.keywords}
                inspect.signature(getattr(musecl, called)).bind(*node.args, **values)
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
                column = str(node.slice.value)
                stem = re.sub(r"_(prediction|lower_90|upper_90|error)$", "", column)
                assert column in known or stem in indicators


def public_name(node: ast.AST) -> str | None:
    """What a node takes from the package: `load_results` of `musecl.load_results`."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id == "musecl" else None
    return None


def test_the_entry_of_the_workflow_catalogue_names_what_there_is() -> None:
    usage = yaml.safe_load(CATALOG.read_text(encoding="utf-8"))["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment"}
    SNAKEMAKE().parse_args(usage["mandatory-flags"]["flags"].split())
    deployment = usage["software-stack-deployment"]
    assert set(deployment) == {"conda", "apptainer", "apptainer+conda", "report"}
    rules = [path.read_text(encoding="utf-8") for path in ROOT.glob("workflow/rules/*.smk")]
    # Without a file of an environment in the rules, nothing can be deployed.
    assert not deployment["conda"] or all("environment.yml" in text for text in rules)
    assert not deployment["apptainer"] and not deployment["apptainer+conda"]
    (caption,) = re.findall(
        r'^report: "(.+)"$', (ROOT / "Snakefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert deployment["report"] and (ROOT / caption).exists()
