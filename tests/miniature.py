"""A miniature of the pipeline: `python tests/miniature.py FOLDER`, or `make miniature DIR=FOLDER`.

A copy of this repository, with its own git and DVC and a params.yaml for a part of one borough and
few steps. What runs in it is the copy's own code.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]

# Lower and midtown Manhattan and what lies across the river; everything else as in params.yaml.
SMALLER: dict[str, Any] = {
    "cities": {
        "nyc": {
            "extent": {"west": -74.02, "south": 40.69, "east": -73.93, "north": 40.78},
            "satellite": {"metres_per_pixel": 5.0},
            "street_view": {"metres_per_pixel": 5.0},
        }
    },
    "satellite": {"pixels": 64},
    "street_view": {"viewpoints": 2, "pixels": 64},
    "pairs": {"satellite": {"top": 3}, "street_view": {"top": 3}},
    "pretrain_satellite": {"steps": 4, "batch": 16},
    "pretrain_street_view": {"steps": 4, "batch": 8},
    "fuse": {"steps": 6, "batch": 32},
    "evaluate": {"seeds": 1, "folds": 3, "splits": ["random", "spatial"], "mlp": {"epochs": 2}},
}


def lay_miniature(folder: Path) -> None:
    """Copy the repository into a new or empty folder, make it small, start its git and DVC.

    Raises
    ------
    SystemExit
        The folder holds something already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise SystemExit(f"{folder}: not empty; name a new folder")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and Path(name).name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    # The generated city takes as long as the rest; its own tests are apart.
    del params["cities"]["synth"]
    params["upper_bounds"], params["transfers"] = [], {}
    update(params, SMALLER)
    lay_tables(folder)
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    for command in (
        ["git", "init", "--quiet"],
        ["git", "add", "--all"],
        ["git", "-c", "user.name=miniature", "-c", "user.email=", "commit", "-qm", "A miniature"],
    ):
        subprocess.run(command, cwd=folder, check=True)


def lay_tables(folder: Path) -> None:
    """Copy the pipeline of the long tables, of which none was asked for."""
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "tables/dvc.yaml", folder / "tables")
    asked = yaml.safe_load((ROOT / "tables/asked.yaml").read_text(encoding="utf-8"))
    nothing = {
        section: {stage: type(names)() for stage, names in stages.items()}
        for section, stages in asked.items()
    }
    (folder / "tables/asked.yaml").write_text(yaml.safe_dump(nothing, sort_keys=False))


def update(params: dict[str, Any], changes: dict[str, Any]) -> None:
    """Change values of nested settings in place.

    Raises
    ------
    KeyError
        A changed key does not exist.
    """
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(params[key], dict):
            update(params[key], value)
        else:
            if key not in params:
                raise KeyError(key)
            params[key] = value


if __name__ == "__main__":
    lay_miniature(Path(sys.argv[1]))
    print(f"cd {sys.argv[1]} && snakemake --cores 2 results/nyc/r2.csv")
