"""What a run costs beside an earlier commit, in the same hour of the same machine.

`python benchmarks/run_cost.py --against COMMIT` clones this repository at COMMIT and at HEAD and
runs the target in each from nothing, one after the other, with the environment of the Python that
runs this. Printed per commit: every stage with its seconds, processor seconds, peak memory of its
largest process and the cores that Snakemake gave it; their sum; and the critical path, the longest
chain of stages that wait for each other, which no number of cores shortens. The last line is the
ratio of the two runs. What is not committed is not measured.
"""

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from musecl.runtime.pipeline import declared_in, read_stages  # noqa: E402


def lay(folder: Path, commit: str) -> Path:
    """Check a commit out into a new folder; it borrows the objects of this repository."""
    for command in (
        ["git", "clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(folder)],
        ["git", "-C", str(folder), "checkout", "--quiet", "--detach", commit],
    ):
        subprocess.run(command, check=True)
    return folder


def run(folder: Path, target: str, cores: int) -> tuple[float, float]:
    """Build a target; its output goes to `run.log`.

    Returns
    -------
    tuple of float
        Seconds, and processor seconds of all its processes.
    """
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = ["snakemake", "--cores", str(cores), target]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with (folder / "run.log").open("w") as log:
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, "PATH": path}, stdout=log, stderr=log
        )
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{target}: not built; {folder / 'run.log'} says why")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, used


def measured(folder: Path) -> pd.DataFrame:
    """Read what Snakemake measured of every job that ran in a checkout, the longest first.

    Returns
    -------
    pandas.DataFrame
        Indexed by DVC's name of the stage: seconds, processor seconds, MiB and cores.
    """
    log = (folder / "run.log").read_text(encoding="utf-8")
    blocks = re.findall(r"^(?:local)?rule \w+:\n((?:    .*\n)+)", log, re.MULTILINE)
    rows = {}
    for block in blocks:
        told = dict(line.strip().partition(": ")[::2] for line in block.splitlines())
        file = folder / told.get("benchmark", "absent")
        if file.is_file() and file.stat().st_size:
            *city, stage = file.relative_to(folder / "logs").with_suffix("").parts
            row = pd.read_csv(file, sep="\t", na_values="-").iloc[0]
            cores = int(told.get("threads", 1))
            rows["@".join([stage, *city])] = [row["s"], row["cpu_time"], row["max_rss"], cores]
    columns = ["seconds", "processor", "memory", "cores"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.sort_values("seconds", ascending=False, kind="stable")


def above(folder: Path, names: list[str]) -> dict[str, list[str]]:
    """Name the stages whose outputs each stage reads, among those given."""
    stages = {}
    for part in (folder, folder / "tables"):  # a later commit may keep the long tables apart
        if (part / "dvc.yaml").exists():
            stages |= read_stages(part)
    declared = {}
    for name in names:
        stage, _, city = name.partition("@")
        declared[name] = declared_in(stages, stage, city or None)
    maker = {path: name for name, one in declared.items() for path in one.outputs}
    return {
        name: sorted({maker[path] for path in one.inputs if path in maker})
        for name, one in declared.items()
    }


def critical_path(seconds: dict[str, float], above: dict[str, list[str]]) -> list[str]:
    """Find the chain of stages that takes longest, the first stage first."""

    @cache
    def longest(name: str) -> tuple[float, tuple[str, ...]]:
        before, chain = max((longest(other) for other in above[name]), default=(0.0, ()))
        return before + seconds[name], (*chain, name)

    return list(max(map(longest, seconds), default=(0.0, ()))[1])


def report(folder: Path) -> str:
    """Lay out what a run cost: a line per stage, their sum, the critical path."""
    table = measured(folder)
    if table.empty:
        raise SystemExit(f"{folder}: nothing ran there")
    path = critical_path(table["seconds"].to_dict(), above(folder, list(table.index)))
    lines = [f"{'stage':36} {'seconds':>8} {'processor':>10} {'peak MiB':>9} {'cores':>6}"]
    lines += [
        f"{row.Index:36} {row.seconds:8.1f} {row.processor:10.1f} {row.memory:9.0f} {row.cores:6d}"
        for row in table.itertuples()
    ]
    total = table[["seconds", "processor"]].sum()
    lines.append(
        f"{'all':36} {total.seconds:8.1f} {total.processor:10.1f} {table['memory'].max():9.0f}"
    )
    steps = " > ".join(f"{name} {table['seconds'][name]:.1f}" for name in path)
    lines.append(f"critical path {table['seconds'][path].sum():.1f} s: {steps}")
    return "\n".join(lines)


def main() -> None:
    """Print both tables and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", required=True, help="the earlier commit")
    parser.add_argument("--target", default="results/nyc/r2.csv")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--folder", type=Path, help="where to lay the two checkouts, and keep them")
    arguments = parser.parse_args()
    home = arguments.folder or Path(tempfile.mkdtemp(prefix="run-cost-"))
    took = {}
    for name, commit in {"before": arguments.against, "after": "HEAD"}.items():
        command = ["git", "-C", str(ROOT), "rev-parse", "--short", f"{commit}^{{commit}}"]
        commit = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        folder = lay(home / name, commit)
        took[name], used = run(folder, arguments.target, arguments.cores)
        print(f"{name}: {commit}, {arguments.target}, --cores {arguments.cores}")
        print(f"{report(folder)}\nrun {took[name]:.1f} s, processors {used:.1f} s\n", flush=True)
    print(f"after / before: {took['after'] / took['before']:.3f}")
    if not arguments.folder:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
