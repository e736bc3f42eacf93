"""The command line as it is called: `python workflow/musecl STAGE CITY` in a copy of the code."""

import ast
import errno
import gc
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from bare_pipeline import REPOSITORY, contents
from toy_checkout import environment

STAGE = '''
"""A stage that writes what it sees."""

import json
import os

from musecl.runtime.errors import InputError
from musecl.runtime.workers import given_workers


def run(job):
    text = job.input("words.txt").read_text()
    if "wrong" in text:
        job.output("out.json").write_text("half")
        raise InputError("words.txt: holds a wrong word; write another")
    if "broken" in text:
        raise ZeroDivisionError
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"]
    threads = [os.environ[name] for name in names]
    seen = {"text": text, "city": job.declared.city, "threads": threads, "workers": given_workers()}
    job.output("out.json").write_text(json.dumps(seen))
'''
DVC = """
stages:
  toy:
    foreach: ${cities}
    do:
      desc: writes what it sees
      cmd: exec python workflow/musecl toy ${key}
      deps: ["data/${key}/words.txt"]
      params: [seed, "cities.${key}"]
      outs: ["data/${key}/out.json"]
  alone:
    desc: runs for all cities
    cmd: exec python workflow/musecl alone
    deps: [data/words.txt]
    outs: [data/out.json]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A pipeline of two stages with the real command line."""
    package = tmp_path / "workflow/musecl"
    (package / "stages").mkdir(parents=True)
    for name in ("__init__", "__main__", "cli", "commands"):
        shutil.copy(REPOSITORY / f"workflow/musecl/{name}.py", package / f"{name}.py")
    shutil.copytree(REPOSITORY / "workflow/musecl/runtime", package / "runtime")
    # Any value may stand in this params.yaml.
    (package / "config.py").write_text("def load_params(path): ...\n", encoding="utf-8")
    for name in ("toy", "alone"):
        (package / f"stages/{name}.py").write_text(STAGE, encoding="utf-8")
    (tmp_path / "dvc.yaml").write_text(DVC, encoding="utf-8")
    params = {"seed": 3, "cities": {"bos": {"extent": None}, "nyc": {"extent": None}}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    for folder in ("data/bos", "data"):
        (tmp_path / folder).mkdir(exist_ok=True, parents=True)
        (tmp_path / folder / "words.txt").write_text("hello", encoding="utf-8")
    return tmp_path


def musecl(
    root: Path, *arguments: str, anew: bool = False, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["python", "workflow/musecl", *arguments],
        cwd=root,
        env={**environment(anew), "PYTHONDONTWRITEBYTECODE": "1", **variables},
        capture_output=True,
        text=True,
    )


def test_a_stage_has_the_workers_it_is_given_and_libraries_one_thread_each(root) -> None:
    done = musecl(
        root, "toy", "bos", OMP_NUM_THREADS="17", MKL_NUM_THREADS="16", MUSECL_WORKERS="3"
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = yaml.safe_load((root / "data/bos/out.json").read_text(encoding="utf-8"))
    assert found == {"text": "hello", "city": "bos", "threads": ["1"] * 4, "workers": 3}


def test_a_stage_that_nobody_gives_cores_takes_all_it_may_run_on(root) -> None:
    done = musecl(root, "alone", OMP_NUM_THREADS="17")
    assert (done.returncode, done.stderr) == (0, "")
    found = yaml.safe_load((root / "data/out.json").read_text(encoding="utf-8"))
    cores = len(os.sched_getaffinity(0))
    assert found == {"text": "hello", "city": None, "threads": ["1"] * 4, "workers": cores}


def test_a_copy_runs_its_own_code(root, tmp_path) -> None:
    stage = root / "workflow/musecl/stages/alone.py"
    stage.write_text(STAGE.replace('"city": job.declared.city', '"mine": True'), encoding="utf-8")
    done = musecl(root, "alone", anew=True, PYTHONPATH=str(REPOSITORY / "workflow"))
    assert done.returncode == 0
    assert '"mine": true' in (root / "data/out.json").read_text(encoding="utf-8")


def test_the_help_lists_every_stage(root) -> None:
    done = musecl(root, "--help", COLUMNS="120")
    assert done.returncode == 0
    for word in ("toy", "writes what it sees", "alone", "runs for all cities", "stage"):
        assert word in done.stdout


def test_the_help_tells_examples_and_exit_codes_in_a_checkout_and_elsewhere(root, tmp_path) -> None:
    (tmp_path / "elsewhere").mkdir()
    for where in (root, tmp_path / "elsewhere"):
        command = ["python", str(root / "workflow/musecl"), "--help"]
        done = subprocess.run(command, cwd=where, env=environment(), capture_output=True, text=True)
        assert done.returncode == 0
        for words in ("exit codes:", "examples:", "embed", "doctor", "completion"):
            assert words in done.stdout
        assert ("writes what it sees" in done.stdout) == (where == root)


@pytest.mark.parametrize("command", ["toy", "stage", "preset", "timing", "embed", "doctor"])
def test_every_command_has_an_example(root, command) -> None:
    done = musecl(root, command, "--help")
    assert done.returncode == 0
    assert f"example:\n  musecl {command}" in done.stdout


def test_completion_knows_the_stages_and_the_cities(root) -> None:
    package = root / "workflow/musecl"
    shutil.copy(REPOSITORY / "workflow/musecl/completion.py", package / "completion.py")
    done = musecl(root, "completion", "bash")
    assert done.returncode == 0
    assert 'toy) words="bos nyc" ;;' in done.stdout
    assert 'words="toy alone stage' in done.stdout


def write(root: Path, name: str, text: str) -> None:
    (root / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("break_it", "arguments", "message"),
    [
        (
            lambda root: write(root, "data/bos/words.txt", "a wrong word"),
            ("toy", "bos"),
            "musecl: words.txt: holds a wrong word; write another\n",
        ),
        (
            lambda root: None,
            ("toy", "nyc"),
            "musecl: data/nyc/words.txt: absent; run `dvc repro` or `dvc pull`\n",
        ),
        (
            lambda root: None,
            ("toy", "atlantis"),
            "musecl: params.yaml: cities has no 'atlantis'; there is bos, nyc\n",
        ),
        (
            lambda root: write(root, "params.yaml", "seed: 3\ncitys: {bos: 1}\n"),
            ("alone",),
            "musecl: params.yaml: citys: unknown key; did you mean cities?\n",
        ),
        (
            lambda root: write(root, "params.yaml", "cities: {bos: 1}\n"),
            ("toy", "bos"),
            "musecl: params.yaml: seed: missing; add it\n",
        ),
        (
            lambda root: (root / "dvc.yaml").unlink(),
            ("toy", "bos"),
            "musecl: dvc.yaml: no such file; run from the folder that holds it\n",
        ),
        (
            lambda root: (root / "params.yaml").unlink(),
            ("toy", "bos"),
            "musecl: params.yaml: no such file; run from the folder that holds it\n",
        ),
        (
            lambda root: write(root, "params.yaml", "seed: [3\ncities:\n"),
            ("toy", "bos"),
            "musecl: params.yaml: not readable as YAML in line 2\n",
        ),
        (
            lambda root: write(root, "dvc.yaml", "stages: [3\nx:\n"),
            ("toy", "bos"),
            "musecl: dvc.yaml: not readable as YAML in line 2\n",
        ),
    ],
    ids=[
        "input",
        "absent",
        "city",
        "section",
        "parameter",
        "elsewhere",
        "no params",
        "no yaml",
        "bad dvc",
    ],
)
def test_an_error_for_the_user_is_one_line_and_status_1(
    root, break_it, arguments, message: str
) -> None:
    write(root, "data/bos/out.json", "of an earlier run")
    break_it(root)
    before = contents(root / "data")
    done = musecl(root, *arguments)
    assert (done.returncode, done.stderr) == (1, message)
    assert contents(root / "data") == before


def test_the_page_has_the_exit_codes_of_the_help(root) -> None:
    page = (REPOSITORY / "docs/running.md").read_text(encoding="utf-8")
    told = re.findall(r"^  +(\d+)  +\w", musecl(root, "--help").stdout, re.MULTILINE)
    assert re.findall(r"^\| (\d+) \|", page, re.MULTILINE) == told == ["0", "1", "2", "130"]


def test_a_python_without_the_libraries_says_how_to_get_them(root) -> None:
    variables = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-IS", "workflow/musecl", "toy", "bos"],
        cwd=root,
        env=variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"musecl: {sys.executable} lacks ")
    assert "`source .venv/bin/activate`" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_older_python_says_so_before_it_meets_what_it_cannot_read() -> None:
    path = REPOSITORY / "workflow/musecl/__main__.py"
    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(SystemExit, match=r"is older than Python 3.11; `source .venv/bin/activate`"),
    ):
        patch.setattr(sys, "version_info", (3, 8, 18))
        runpy.run_path(str(path), run_name="__main__")
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 5))  # nor f-strings


def test_a_notebooks_backend_of_matplotlib_is_not_asked_for(root) -> None:
    stage = root / "workflow/musecl/stages/alone.py"
    drawn = 'import matplotlib\nassert matplotlib.get_backend().lower() == "agg"\n'
    stage.write_text(drawn + STAGE, encoding="utf-8")
    # Jupyter's: of any other name of this form matplotlib finds out only when it draws.
    backend = "module://matplotlib_inline.backend_inline"
    done = musecl(root, "alone", anew=True, MPLBACKEND=backend)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_is_one_line_that_names_the_file(root) -> None:
    full = "OSError(28, 'No space left on device', '/disk/that/is/full')"
    stage = root / "workflow/musecl/stages/toy.py"
    stage.write_text(STAGE.replace("ZeroDivisionError", full), encoding="utf-8")
    write(root, "data/bos/words.txt", "broken")
    write(root, "data/bos/out.json", "of an earlier run")
    done = musecl(root, "toy", "bos")
    said = "[Errno 28] No space left on device: '/disk/that/is/full'"
    line = f"musecl: {said}; make room and run the same command again\n"
    assert (done.returncode, done.stderr) == (1, line)
    assert (root / "data/bos/out.json").read_text(encoding="utf-8") == "of an earlier run"


def test_a_full_disk_comes_with_the_room_that_is_left(root, tmp_path, monkeypatch) -> None:
    from musecl import cli

    asked = []
    usage = SimpleNamespace(free=12_300_000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: asked.append(path) or usage)
    full = OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "new/of.csv"))
    assert cli.room_left(full) == " (0.012 GB left on its disk)"
    assert asked == [tmp_path / "new"]
    assert cli.room_left(OSError(errno.ENOSPC, "No space left on device")) == ""
    monkeypatch.undo()
    stage = root / "workflow/musecl/stages/toy.py"
    here = f"OSError(28, 'No space left on device', {str(tmp_path / 'of.csv')!r})"
    stage.write_text(STAGE.replace("ZeroDivisionError", here), encoding="utf-8")
    write(root, "data/bos/words.txt", "broken")
    done = musecl(root, "toy", "bos")
    line = r"musecl: .*of\.csv' \(\d+\.\d{3} GB left on its disk\); make room and run the same.*\n"
    assert done.returncode == 1
    assert re.fullmatch(line, done.stderr)


def test_a_mistake_in_the_code_shows_where_it_is(root) -> None:
    write(root, "data/bos/words.txt", "broken")
    done = musecl(root, "toy", "bos")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "stages/toy.py" in done.stderr


@pytest.mark.parametrize("arguments", [("toy",), ("toys", "bos"), ("alone", "bos")])
def test_a_wrong_command_shows_the_usage(root, arguments) -> None:
    before = contents(root / "data")
    done = musecl(root, *arguments)
    assert done.returncode == 2
    assert "usage: musecl" in done.stderr
    assert contents(root / "data") == before


def test_garbage_is_collected_again_once_a_module_is_imported() -> None:
    from musecl.commands import importing

    with pytest.raises(ImportError), importing():
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled()
