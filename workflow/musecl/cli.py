"""The command line: a command per stage, `stage` through DVC, `preset`, `costs` and `city`.

A stage's module is imported when its command runs, so that no command waits for another's
libraries. argparse parses: Snakemake and DVC start this by the thousand, and a parser with more to
offer took a sixth of all that a job of the bridge costs.
"""

import argparse
import errno
import gc
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from musecl.step.errors import MuseclError
from musecl.step.pipeline import asked_for, read_stages
from musecl.step.workers import hold_libraries_to_one_thread

ROOT = Path()
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def importing() -> Iterator[None]:
    """Import libraries without the search for garbage: a sixth of the time, and there is none."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def run_stage(stage: str, city: str | None = None) -> None:
    """Run one stage of dvc.yaml in this process, its outputs renamed into place at the end."""
    with importing():
        from musecl.step.job import Job, run_job

    # A notebook names a backend of its own here, which matplotlib has not without its kernel.
    os.environ["MPLBACKEND"] = "Agg"
    job = Job(asked_for(ROOT, stage, city), ROOT)
    hold_libraries_to_one_thread()
    with importing():
        module = importlib.import_module(f"musecl.stages.{stage}")
    run_job(job, module)


def reproduce_stage(name: str) -> None:
    """Bring one stage up to date through DVC."""
    with importing():
        from musecl.bridge.running import reproduce

    reproduce(ROOT, name)


def set_preset(name: str) -> None:
    """Set in params.yaml what a preset sets, and print what that changes."""
    from musecl.presets import apply_preset

    changes = apply_preset(ROOT, name)
    print("\n".join(changes or [f"params.yaml is as presets/{name}.yaml has it"]))


def manage_city(action: str, arguments: list[str]) -> None:
    """Add a city of the user's files to params.yaml, or check what they hold."""
    from musecl.cities.command import run_city

    run_city(ROOT, action, arguments)


def print_costs() -> None:
    """Print where the time of the last runs went."""
    from musecl.costs import costs

    print(costs(ROOT / "logs"))


def read_command() -> Callable[[], None]:
    """Read the arguments of the process; what they ask for, to be called.

    Raises
    ------
    MuseclError
        dvc.yaml cannot be read.
    SystemExit
        The arguments are wrong, or ask for help.
    """
    parser = argparse.ArgumentParser(
        prog="musecl", description="Region embeddings from imagery, places and mobility."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(
        command: str, text: str, run: Callable[..., None], **arguments: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(command, help=text.replace("%", "%%"), description=text)
        added.set_defaults(run=run)
        for name, described in arguments.items():
            added.add_argument(name, help=described)
        return added

    for stage, entry in read_stages(ROOT).items():
        of_city = {"city": "a city of params.yaml"} if "foreach" in entry else {}
        add(stage, entry.get("do", entry)["desc"], partial(run_stage, stage), **of_city)
    text = "bring one stage up to date through DVC: skip it, restore it, pull for it or run it"
    add("stage", text, reproduce_stage, name="of either dvc.yaml: fuse@nyc, baselines@nyc")
    text = "set in params.yaml what a preset sets, and print what that changes"
    add("preset", text, set_preset, name="a file of presets/: paper, ours")
    add("costs", "print where the time of the last runs went, from Snakemake's files", print_costs)
    text = "add a city of your own files to params.yaml, or check what its files hold"
    city = add("city", text, manage_city)
    city.add_argument("action", choices=["add", "check"], help="`city add --help` says more")
    # The options of an action are read when it runs.
    city.add_argument("arguments", nargs=argparse.REMAINDER, help="of the action")
    found = vars(parser.parse_args())
    return partial(found.pop("run"), **found)


def main() -> None:
    """Run the command line; an error that is meant for the user is one line and status 1."""
    try:
        read_command()()
    except MuseclError as error:
        print(f"musecl: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        print(f"musecl: {error}; make room and run the same command again", file=sys.stderr)
        sys.exit(1)
