"""What planning and recording cost as cities are added: the real dvc.yaml and rules, empty steps.

`python benchmarks/many_cities.py` lays the pipeline with 1 and with 100 cities, records all, and
times commands that have nothing to do and the overhead of a job. The limits are those that
docs/engines.md promises; each line ends with the share of the limit that was used.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from miniature import lay_miniature  # noqa: E402
from toy_checkout import environment  # noqa: E402

# Seconds, with one city and with many.
LIMITS = {
    "snakemake, one city, nothing to do": (8, 10),
    "snakemake, all, nothing to do": (8, 60),
    "dvc repro, one city, nothing to do": (3, 10),
    "dvc repro, all, nothing to do": (3, 60),
    "job through DVC, beyond its step": (1, 1),
}

EMPTY_STEP = '''"""Writes each declared output, and reads nothing."""


def run(job):
    for name in job.declared.outputs:
        path = job.output(name)
        if "." not in name:
            path.mkdir()
            path = path / "empty.txt"
        path.write_text(f"{job.declared.name} {name}\\n")
'''


def lay(folder: Path, cities: int) -> list[str]:
    """Lay a checkout with so many cities, all tables asked for, all present and recorded."""
    lay_miniature(folder)
    for module in (folder / "workflow/musecl/stages").glob("[!_]*.py"):
        module.write_text(EMPTY_STEP)
    path = folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    names = [f"city{number:03d}" for number in range(cities)]
    params["cities"] = dict.fromkeys(names, params["cities"]["nyc"])
    path.write_text(yaml.safe_dump(params, sort_keys=False))
    for name in names:
        shutil.copytree(folder / "inputs/nyc", folder / "inputs" / name)
    tables = folder / "tables/asked.yaml"
    asked = yaml.safe_load(tables.read_text())
    asked["cities"] = {stage: list(names) for stage in asked["cities"]}
    tables.write_text(yaml.safe_dump(asked))
    run(folder, sys.executable, str(Path(__file__)), "--record")
    run(folder, "git", "add", "--all")
    return names


def record() -> None:
    """Write every output of the checkout and record all at once, as no user would."""
    sys.path.insert(0, "workflow")
    from dvc.repo import Repo

    with Repo() as repo:
        for stage in repo.index.stages:
            for out in stage.outs:
                path = Path(out.fs_path)
                if "." not in path.name:
                    path.mkdir(parents=True, exist_ok=True)
                    path = path / "empty.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"{stage.addressing} {out}\n")
        repo.commit(force=True)


def run(folder: Path, *command: str) -> float:
    """Seconds that a command took."""
    started = time.monotonic()
    done = subprocess.run(
        command, cwd=folder, env=environment(anew=True), capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.monotonic() - started


def measure(folder: Path, names: list[str]) -> dict[str, float]:
    """Seconds of each command; the job's is that of a stage beyond its step's own."""
    one = f"results/{names[0]}/r2.csv"
    idle = [
        run(folder, "snakemake", "--cores", "2", one),
        run(folder, "snakemake", "--cores", "2"),
        run(folder, "dvc", "repro", f"evaluate@{names[0]}"),
        run(folder, "dvc", "repro"),
    ]
    step = run(folder, "python", "workflow/musecl", "evaluate", names[0])
    change_evaluate(folder)
    job = ("python", "workflow/musecl", "stage", f"evaluate@{names[0]}")
    return dict(zip(LIMITS, [*idle, run(folder, *job) - step], strict=True))


def change_evaluate(folder: Path) -> None:
    """Make evaluate stale, and no other stage."""
    with (folder / "workflow/musecl/stages/evaluate.py").open("a") as file:
        file.write("# changed\n")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--keep", type=Path, help="folder to lay the checkouts in, and to keep")
    arguments = parser.parse_args()
    if arguments.record:
        record()
        return
    home = arguments.keep or Path(tempfile.mkdtemp(prefix="many-cities-"))
    for cities in (1, 100):
        names = lay(home / str(cities), cities)
        for what, seconds in measure(home / str(cities), names).items():
            share = seconds / LIMITS[what][cities > 1]
            print(f"{cities:4d} cities  {what:36s} {seconds:6.2f} s  {share:.2f} of the limit")
    if not arguments.keep:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
