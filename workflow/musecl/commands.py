"""What each command does: `run_stage` for a stage, and those of `OTHERS`.

What a command takes is imported when it runs, so that no command waits for another's libraries.
"""

import argparse
import gc
import hashlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from musecl.runtime.errors import EngineError
from musecl.runtime.pipeline import asked_for, read_stages
from musecl.runtime.plain_yaml import read_yaml
from musecl.runtime.workers import hold_libraries_to_one_thread

ROOT = Path()


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
        from musecl.runtime.job import Job, run_job

    # A notebook names a backend of its own here, which matplotlib has not without its kernel.
    os.environ["MPLBACKEND"] = "Agg"
    job = Job(asked_for(ROOT, stage, city), ROOT)
    check_parameters()
    hold_libraries_to_one_thread()
    with importing():
        module = importlib.import_module(f"musecl.stages.{stage}")
    run_job(job, module)


def check_parameters() -> None:
    """Check the whole of params.yaml before anything is computed, once for each state of it.

    Plain DVC plans without a check, and a stage reads its own sections alone.

    Raises
    ------
    ParameterError
        A key is unknown, missing or wrong; the message names it.
    """
    path = ROOT / "params.yaml"
    checked = ROOT / ".musecl/checked" / hashlib.sha256(path.read_bytes()).hexdigest()
    if checked.exists():  # what the check imports takes longer than many a stage
        return
    with importing():
        from musecl.config import load_params

    load_params(path)
    checked.parent.mkdir(parents=True, exist_ok=True)
    checked.touch()


def reproduce_stage(name: str) -> None:
    """Bring one stage up to date through DVC."""
    with importing():
        from musecl.engines.running import reproduce

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


def print_timings() -> None:
    """Print where the time of the last runs went."""
    from musecl.timing import timings

    print(timings(ROOT / "logs"))


def embed(**arguments: Any) -> None:
    """Apply a trained model to the user's images and POIs."""
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


def stages_here() -> dict[str, Any]:
    """Read the stages of the checkout that this folder is; none elsewhere."""
    return read_stages(ROOT) if (ROOT / "dvc.yaml").exists() else {}


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
    "--pois": {"help": "table of POIs: region_id and text, or name and category"},
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
    "timing": Command(
        "print where the time of the last runs went, from Snakemake's files",
        "musecl timing",
        print_timings,
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
        "embed images and POIs of any regions with a trained model, and predict indicators",
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
