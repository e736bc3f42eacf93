"""The command line: a command per stage of dvc.yaml, and those of `commands.OTHERS`.

argparse parses: Snakemake and DVC start this by the thousand, and a parser with more to offer took
a sixth of all that a job of the engine glue costs.
"""

import argparse
import errno
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from musecl.commands import OTHERS, ROOT, run_stage, stages_here
from musecl.runtime.errors import MuseclError
from musecl.runtime.lifetime import end_interrupted
from musecl.runtime.pipeline import read_stages

NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
EPILOG = """\
examples:
  musecl doctor                 is everything there to run the pipeline?
  musecl regions nyc            run one stage of one city in this process
  musecl stage fuse@nyc         the same through DVC, which skips what is up to date
  musecl city add lisbon        begin a city of your own files
  musecl embed --help           apply a trained model to your own images and POIs

Whole pipelines are run by `snakemake` or `dvc repro`; docs/running.md says how.

exit codes:
  0  done
  1  a value, a file or the machine is not as it should be; one line says which, and what to do
  2  the command is called in a wrong way; the usage is shown
  130  it was interrupted by Ctrl-C
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
        description="Region embeddings from imagery, POIs and mobility.",
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


def room_left(error: OSError) -> str:
    """Say how much room the disk of the file of an error has; nothing where it is not known."""
    # Imported here: this is started by the thousand, and rarely needs it.
    import shutil

    if error.errno != errno.ENOSPC or not isinstance(error.filename, str):
        return ""
    try:
        free = shutil.disk_usage(Path(error.filename).absolute().parent).free
    except OSError:
        return ""
    return f" ({free / 1e9:.3f} GB left on its disk)"


def main() -> None:
    """Run the command line; an error that is meant for the user is one line and status 1.

    So is Ctrl-C, whose status is 130.
    """
    try:
        read_command()()
    except MuseclError as error:
        print(f"musecl: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        said = f"{error}{room_left(error)}; make room and run the same command again"
        print(f"musecl: {said}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        end_interrupted()
