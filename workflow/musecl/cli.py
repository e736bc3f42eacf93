"""The command line: a command per stage of dvc.yaml, and those of `commands.OTHERS`.

argparse parses: Snakemake and DVC start this by the thousand, and a parser with more to offer took
a sixth of all that a job of the bridge costs.
"""

import argparse
import errno
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from musecl.commands import OTHERS, ROOT, run_stage, stages_here
from musecl.step.errors import MuseclError
from musecl.step.pipeline import read_stages

NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
<<<<<<< HEAD
=======


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


def embed(**arguments: Any) -> None:
    """Apply a trained model to the user's images and places."""
    hold_libraries_to_one_thread()
    try:
        with importing():
            from musecl.model.command import run_embed
    except ModuleNotFoundError as error:
        raise EngineError(
            f"embed needs {error.name}, which is not installed; pip install 'musecl[embed]'"
        ) from error
    run_embed(**arguments)


def examine() -> None:
    """Check whether this machine and this checkout can run the pipeline."""
    from musecl.doctor.command import run_doctor

    if not run_doctor(ROOT):
        sys.exit(1)


def print_completion(shell: str) -> None:
    """Print the completion script of a shell, for the commands and cities of this folder."""
    from musecl.completion import completion

    stages = stages_here()
    params = read_yaml(ROOT / "params.yaml") if stages else None
    cities = list((params.get("cities") if isinstance(params, dict) else None) or ())
    words = {stage: cities if "foreach" in entry else [] for stage, entry in stages.items()}
    print(completion(shell, words | {name: list(one.words) for name, one in OTHERS.items()}))


class Command(NamedTuple):
    """A command that is no stage: what it does, how it is called, and what it takes."""

    text: str
    example: str
    run: Callable[..., None]
    words: tuple[str, ...] = ()
    arguments: Mapping[str, dict[str, Any]] = MappingProxyType({})


EMBED: dict[str, dict[str, Any]] = {
    "--model": {"required": True, "help": "folder of the model, as results/nyc/model"},
    "--output": {"required": True, "help": "Parquet file to write; predictions go beside it"},
    "--images": {"help": "images from above: a folder (REGION.jpg) or a table (region_id, file)"},
    "--street-views": {"help": "images from the street, in the same forms"},
    "--places": {"help": "table of places: region_id and text, or name and category"},
    "--regions": {"help": "table of region_id and neighbours, for what is around a region"},
}
OTHERS = {
    "stage": Command(
        "bring one stage up to date through DVC: skip it, restore it, pull for it or run it",
        "musecl stage fuse@nyc",
        reproduce_stage,
        arguments={"name": {"help": "of either dvc.yaml: fuse@nyc, baselines@nyc"}},
    ),
    "preset": Command(
        "set in params.yaml what a preset sets, and print what that changes",
        "musecl preset paper",
        set_preset,
        ("paper", "ours"),
        {"name": {"help": "a file of presets/: paper, ours"}},
    ),
    "costs": Command(
        "print where the time of the last runs went, from Snakemake's files",
        "musecl costs",
        print_costs,
    ),
    "city": Command(
        "add a city of your own files to params.yaml, or check what its files hold",
        "musecl city check lisbon",
        manage_city,
        ("add", "check"),
        {
            "action": {"choices": ["add", "check"], "help": "`city add --help` says more"},
            # The options of an action are read when it runs.
            "arguments": {"nargs": argparse.REMAINDER, "help": "of the action"},
        },
    ),
    "embed": Command(
        "embed images and places of any regions with a trained model, and predict indicators",
        "musecl embed --model results/nyc/model --images chips --output vectors.parquet",
        embed,
        tuple(EMBED),
        EMBED,
    ),
    "doctor": Command(
        "check environment, disk, registry, remote and GPU, and say what to do",
        "musecl doctor",
        examine,
    ),
    "completion": Command(
        "print a script that completes commands and cities in a shell",
        "source <(musecl completion bash)",
        print_completion,
        ("bash", "zsh"),
        {"shell": {"choices": ["bash", "zsh"], "help": "the shell to complete in"}},
    ),
}
>>>>>>> wtG
EPILOG = """\
examples:
  musecl doctor                 is everything there to run the pipeline?
  musecl regions nyc            run one stage of one city in this process
  musecl stage fuse@nyc         the same through DVC, which skips what is up to date
  musecl city add lisbon        begin a city of your own files
  musecl embed --help           apply a trained model to your own images and places

Whole pipelines are run by `snakemake` or `dvc repro`; docs/running.md says how.

exit codes:
  0  done
  1  a value, a file or the machine is not as it should be; one line says which, and what to do
  2  the command is called in a wrong way; the usage is shown
"""


def read_command() -> Callable[[], None]:
    """Read the arguments of the process; what they ask for, to be called.

    Raises
    ------
    MuseclError
        dvc.yaml cannot be read, or a stage is asked for where there is none.
    SystemExit
        The arguments are wrong, or ask for help.
    """
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="musecl",
        description="Region embeddings from imagery, places and mobility.",
        epilog=EPILOG,
        formatter_class=raw,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(command: str, text: str, example: str, run: Callable[..., None]) -> Any:
        added = commands.add_parser(
            command,
            help=text.replace("%", "%%"),
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=f"example:\n  {example}",
            formatter_class=raw,
        )
        added.set_defaults(run=run)
        return added

    stages = stages_here()
    first = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    if not stages and first is not None and first not in OTHERS:
        # A stage, maybe, in a folder that is no checkout: the error of its file says so.
        stages = read_stages(ROOT)
    for stage, entry in stages.items():
        of_city = "foreach" in entry
        text, example = entry.get("do", entry)["desc"], f"musecl {stage}{' nyc' * of_city}"
        added = add(stage, text, example, partial(run_stage, stage))
        if of_city:
            added.add_argument("city", help="a city of params.yaml")
    for name, one in OTHERS.items():
        added = add(name, one.text, one.example, one.run)
        for argument, options in one.arguments.items():
            added.add_argument(argument, **options)
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
