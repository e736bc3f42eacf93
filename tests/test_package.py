"""The package: what is installed with it, what importing it costs, and what it offers."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import musecl
from closure import PACKAGE, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# What requirements.in names for the tests alone, or for working on the code.
FOR_TESTS = {
    *("pytest", "pytest-xdist", "hypothesis", "moto[s3]", "flask", "flask-cors", "playwright"),
    *("ruff", "mypy", "snakefmt", "pandas-stubs", "types-PyYAML", "types-tqdm"),
}


def lists() -> dict[str, list[str]]:
    """The packages of the base and of each extra, by name."""
    return {"base": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}


def test_the_lists_are_those_of_requirements_in() -> None:
    """Each package once, in one of the lists; PyTorch alone stands apart from the file."""
    lines = (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
    asked = {line for line in lines if line and not line.startswith("#")}
    named = [name for names in lists().values() for name in names if name != "musecl[embed]"]
    assert len(named) == len(set(named))
    assert set(named) == asked - FOR_TESTS | {"torch"}


def test_the_base_is_light() -> None:
    heavy = {"torch", "snakemake", "dvc", "transformers", "opencv-python-headless", "numba"}
    assert not heavy & set(lists()["base"])


def imported(statement: str) -> set[str]:
    """The modules that are there after a statement, in a fresh interpreter."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command,
        env={"PYTHONPATH": str(PACKAGE.parent), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_the_import_brings_nothing() -> None:
    found = {name.split(".")[0] for name in imported("import musecl")}
    assert "musecl" in found
    assert not found & {"numpy", "pandas", "geopandas", "torch", "yaml", "pydantic"}


def test_results_are_read_judged_and_drawn_with_the_base_alone() -> None:
    names = ("load_results", "plot_map", "similar_regions", "evaluate_vectors")
    found = {name.split(".")[0] for name in imported(f"from musecl import {', '.join(names)}")}
    assert "geopandas" in found
    lacking = {"torch", "cv2", "transformers", "snakemake", "dvc", "numba", "faiss", "rasterio"}
    assert not found & lacking


def test_the_public_names_are_a_dozen_and_there() -> None:
    assert len(musecl.__all__) <= 12
    assert sorted(musecl.__all__) == sorted(musecl._MODULE_OF) == dir(musecl)
    for name in musecl.__all__:
        assert getattr(musecl, name).__doc__
        assert getattr(musecl, name).__module__ == musecl._MODULE_OF[name]


def test_what_the_base_lacks_is_named_with_the_extra_that_brings_it(monkeypatch) -> None:
    for name in [name for name in sys.modules if name.startswith("musecl.model")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match=r"musecl.load_model needs safetensors.*musecl\[embed\]"):
        _ = musecl.load_model


def test_every_file_beside_the_code_is_package_data() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    endings = {name.removeprefix("*") for name in settings["setuptools"]["package-data"]["*"]}
    listed = subprocess.run(
        ["git", "ls-files", "workflow/musecl"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()
    others = {Path(name).suffix or Path(name).name for name in listed} - {".py"}
    assert ".txt" in others
    assert others <= endings


def test_the_readme_calls_what_there_is() -> None:
    """Names and options in the README's lines are those of the package and the command."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    used = set(re.findall(r"musecl\.([a-z_]+)\(", text))
    assert {"load_results", "plot_map"} <= used <= set(musecl.__all__)
    (line,) = re.findall(r"^musecl embed (.*)$", text, re.MULTILINE)
    from musecl.commands import EMBED

    assert set(re.findall(r"--[a-z-]+", line)) <= set(EMBED)
