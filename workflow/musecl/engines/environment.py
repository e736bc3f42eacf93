"""What the engines' processes inherit, and the versions of the engines that are known."""

import os
import sys
from importlib.metadata import version
from pathlib import Path

# The engine glue reaches into modules of these that no release promises.
TESTED = {
    "snakemake": "9.27.1",
    "dvc": "3.67.1",
    "dvc-data": "3.18.3",
    "dvc-objects": "5.2.0",
}


def inherit_this_interpreter() -> None:
    """Have `python` be the interpreter of this process in all that it starts, and a shell run it.

    `.venv/bin/snakemake` is started without the environment's folder on the path, too; and DVC
    runs a step by $SHELL, which may be one that refuses everybody.
    """
    folder, path = str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)
    if path.split(os.pathsep)[0] != folder:
        os.environ["PATH"] = os.pathsep.join([folder, path])
    os.environ["SHELL"] = "/bin/sh"


def untested_versions() -> list[str]:
    """Name the engines of another version than the engine glue was tested with."""
    found = {name: version(name) for name in TESTED}
    return [
        f"{name} {found[name]} (tested: {tested})"
        for name, tested in TESTED.items()
        if found[name] != tested
    ]
