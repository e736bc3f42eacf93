"""Fill the environment whose Python runs this file: `make environment`.

`python tools/install.py` installs what requirements.lock pins, by its hashes, and then PyTorch,
which stands apart from the lock. uv does it, which pip installs first, by its pin in the lock;
`--installer pip` does without. uv does not read pip's configuration, so that is handed on here:
what pip is set up for decides.
"""

import argparse
import ast
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
TORCH = "torch==2.13.0"
ENGINES = ("snakemake.cli", "dvc.cli.parser", "dvc.repo.reproduce", "dvc.commands.repro")
PIP = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
# uv in place of pip: one best version over all indexes; no configuration but pip's. That of this
# project would drop PyTorch, as it does for the lock.
UV = (
    *(str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--no-config"),
    *("--python", sys.executable, "--index-strategy", "unsafe-best-match"),
)
# What pip calls an option, where uv looks for it, and what stands between several values there.
OPTIONS = {
    "index-url": ("UV_DEFAULT_INDEX", None),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "constraint": ("UV_CONSTRAINT", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", None),
    "proxy": ("ALL_PROXY", None),
}


def settings_for_uv(listed: str) -> dict[str, str]:
    """Translate what `pip config list` prints into uv's variables.

    Parameters
    ----------
    listed : str
        Lines such as `global.find-links='/a /b'`; those of variables (PIP_*) begin with `:env:`.

    Returns
    -------
    dict of str to str
        From uv's variables to values; pip's order holds: variables, [install], [global].
    """
    found = re.findall(r"^(global|install|:env:)\.([a-z-]+)=(.+)$", listed, re.MULTILINE)
    found.sort(key=lambda line: ("global", "install", ":env:").index(line[0]))
    settings = {}
    for _, option, text in found:
        value = str(ast.literal_eval(text)).strip()
        if option in OPTIONS and value:  # pip passes over an empty one, too
            variable, between = OPTIONS[option]
            settings[variable] = between.join(value.split()) if between else value
    return settings


def environment() -> dict[str, str]:
    """Add pip's configuration, for uv, to this process's variables; what is set for uv wins."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {**settings_for_uv(listed), **os.environ}


def block_of(package: str, lock: str) -> str:
    """Cut one package, with its pin and its hashes, out of a lock.

    Raises
    ------
    SystemExit
        The lock does not hold it.
    """
    block = re.search(rf"^{package}==(?:.*\\\n)*.*\n", lock, re.MULTILINE)
    if block is None:
        raise SystemExit(f"requirements.lock: no {package}; `git checkout requirements.lock`")
    return block[0]


def processors_only() -> bool:
    """Tell whether the default build of PyTorch would bring CUDA to a machine that has none."""
    gpu = Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi")
    return platform.system() == "Linux" and not gpu


def torch_arguments(installer: str, variables: Mapping[str, str]) -> list[str]:
    """Choose the build of PyTorch that fits the machine.

    Without a GPU it is `+cpu`: from where pip is set up to look, else, with uv, from PyTorch's own
    index, whose address uv knows.
    """
    if not processors_only():
        return [TORCH]
    build = f"{TORCH}+cpu"
    print(f"no NVIDIA GPU here: {build}; another build: make environment TORCH={TORCH}", flush=True)
    if installer == "uv":
        asked = subprocess.run(
            [*UV, "--dry-run", "--no-deps", "--reinstall", build],
            env=variables,
            capture_output=True,
        )
        if asked.returncode:
            return ["--torch-backend=cpu", build]
    return [build]


def run(command: list[str], variables: Mapping[str, str], otherwise: str) -> None:
    """Run an installer, and end with what else there is where it fails."""
    if subprocess.run(command, env=variables).returncode:
        raise SystemExit(f"musecl: {' '.join(command[-2:])}: not installed; {otherwise}")


def import_all() -> None:
    """Import both engines and every stage: whether they can be, and to write their bytecode.

    pip compiles all that it installs, uv nothing; a quarter of it is ever imported. It is written
    whatever PYTHONDONTWRITEBYTECODE says, for without it every job compiles for half a minute.
    """
    workflow = LOCK.parent / "workflow"
    stages = sorted(file.stem for file in (workflow / "musecl/stages").glob("[!_]*.py"))
    names = [*ENGINES, *(f"musecl.stages.{stage}" for stage in stages)]
    variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPATH": str(workflow)}
    command = [sys.executable, "-c", f"import {', '.join(names)}"]
    if subprocess.run(command, env=variables).returncode:
        raise SystemExit("musecl: the environment cannot import what the lines above name")


def main() -> None:
    """Install the lock, then PyTorch, which finds what it needs of the lock in place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--installer", choices=("uv", "pip"), default="uv")
    parser.add_argument("--torch", default="", help="PyTorch's requirement, as pip reads it")
    arguments = parser.parse_args()
    install, variables = list(PIP), dict(os.environ)
    without = "pip's own lines above say why"
    locked = ["--no-deps", "--require-hashes", "-r"]
    if arguments.installer == "uv":
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as pinned:
            pinned.write(block_of("uv", LOCK.read_text(encoding="utf-8")))
            pinned.flush()
            run([*install, *locked, pinned.name], variables, without)
        install, variables = list(UV), environment()
        without = "`make environment INSTALLER=pip` does without uv"
    # With hashes uv takes no constraint but pins; a lock of pins needs none.
    free = {name: value for name, value in variables.items() if name != "UV_CONSTRAINT"}
    run([*install, *locked, str(LOCK)], free, without)
    build = [arguments.torch] if arguments.torch else []
    run(
        [*install, *(build or torch_arguments(arguments.installer, variables))],
        variables,
        "pip's find-links or extra-index-url can name where a build of PyTorch lies; "
        f"`make environment TORCH={TORCH}` takes the registry's default, with CUDA on Linux",
    )
    import_all()


if __name__ == "__main__":
    main()
