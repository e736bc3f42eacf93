"""The command line: a command per stage, `stage`, which runs one through DVC, `preset`, `costs`.

The stage's module is imported when its command runs, so that no command waits for another's
libraries.
"""

import errno
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from musecl.step.errors import MuseclError
from musecl.step.pipeline import declaration, read_stages

ROOT = Path()
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}

app = typer.Typer(
    help="Region embeddings from imagery, places and mobility.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def run_stage(stage: str, city: str | None) -> None:
    """Run one stage of dvc.yaml in this process, its outputs renamed into place at the end."""
    from musecl.step.job import Job, run_job

    job = Job(declaration(ROOT, stage, city), ROOT)
    limit_threads(int(job.value("threads")) if "threads" in job.declared.parameters else 1)
    run_job(job, importlib.import_module(f"musecl.stages.{stage}"))


def limit_threads(threads: int) -> None:
    """Use so many threads, whoever calls: the last bit of a sum depends on their number."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(threads)
    # Threads that wait without spinning: on a busy machine they would take the cores from others.
    os.environ["OMP_WAIT_POLICY"] = "passive"


def _command(stage: str, per_city: bool) -> Callable[..., None]:
    if per_city:

        def for_city(city: Annotated[str, typer.Argument(help="a city of params.yaml")]) -> None:
            run_stage(stage, city)

        return for_city

    def for_all() -> None:
        run_stage(stage, None)

    return for_all


@app.command("stage")
def stage_command(
    name: Annotated[str, typer.Argument(help="as DVC addresses it: fuse@nyc")],
) -> None:
    """Bring one stage up to date through DVC: skip it, restore it, pull for it or run it."""
    from musecl.bridge.running import reproduce

    reproduce(ROOT, name)


@app.command("preset")
def preset_command(
    name: Annotated[str, typer.Argument(help="a file of presets/: paper, ours")],
) -> None:
    """Set in params.yaml what a preset sets, and print what that changes."""
    from musecl.presets import apply_preset

    changes = apply_preset(ROOT, name)
    print("\n".join(changes or [f"params.yaml is as presets/{name}.yaml has it"]))


@app.command("costs")
def costs_command() -> None:
    """Print where the time of the last runs went, from Snakemake's benchmark files."""
    from musecl.costs import costs

    print(costs(ROOT / "logs"))


def main() -> None:
    """Run the command line; an error that is meant for the user is one line and status 1."""
    try:
        for stage, entry in read_stages(ROOT).items():
            app.command(stage, help=entry.get("do", entry)["desc"])(
                _command(stage, "foreach" in entry)
            )
        app()
    except MuseclError as error:
        print(f"musecl: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        print(f"musecl: {error}; make room and run the same command again", file=sys.stderr)
        sys.exit(1)
