"""A fitted representation on disk: its tensors, and what they belong to."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from musecl.fusion.models import MODES
from musecl.fusion.reduction import Reduction
from musecl.fusion.representation import Representation
from musecl.fusion.settings import FuseSettings
from musecl.runtime.errors import InputError

WEIGHTS = "weights.safetensors"
SETTINGS = "settings.json"
FUSION = "fusion"
TOKENS = "tokens"
PARTS = "parts"


def write_representation(folder: Path, fitted: Representation) -> None:
    """Write a fitted representation into a new folder."""
    folder.mkdir()
    tensors: dict[str, NDArray[Any]] = {
        f"{FUSION}/{name}": value.numpy() for name, value in fitted.fusion.state_dict().items()
    }
    for modality, kinds in fitted.tokens.items():
        for kind, one in kinds.items():
            tensors |= _named(f"{TOKENS}/{modality}/{kind}", one)
    for name, one in fitted.parts.items():
        tensors |= _named(f"{PARTS}/{name}", one)
    save_file(
        {name: np.ascontiguousarray(value) for name, value in tensors.items()}, folder / WEIGHTS
    )
    # Lists keep the order, which decides what a column is.
    settings = {
        "fuse": fitted.settings.model_dump(mode="json"),
        "kinds": list(fitted.kinds.items()),
        "tokens": [[modality, list(kinds)] for modality, kinds in fitted.tokens.items()],
        "parts": list(fitted.parts),
    }
    (folder / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def read_representation(folder: Path) -> Representation:
    """Read what `write_representation` wrote.

    Raises
    ------
    InputError
        A file is absent, damaged, or not of the other.
    """
    try:
        said = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        tensors = load_file(folder / WEIGHTS)
        settings = FuseSettings.model_validate(said["fuse"])
        kinds = dict(said["kinds"])
        fusion = MODES[settings.mode](kinds, settings)
        fusion.load_state_dict(
            {
                name.removeprefix(f"{FUSION}/"): torch.from_numpy(value)
                for name, value in tensors.items()
                if name.startswith(f"{FUSION}/")
            }
        )
        return Representation(
            settings,
            kinds,
            {
                modality: {kind: _read(tensors, f"{TOKENS}/{modality}/{kind}") for kind in of_kind}
                for modality, of_kind in said["tokens"]
            },
            {name: _read(tensors, f"{PARTS}/{name}") for name in said["parts"]},
            fusion.eval(),
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{folder}: not readable as a fusion ({reason}); build or copy it again"
        ) from error


def _named(name: str, reduction: Reduction) -> dict[str, NDArray[np.float64]]:
    return {f"{name}/{field}": np.atleast_1d(value) for field, value in reduction._asdict().items()}


def _read(tensors: dict[str, NDArray[Any]], name: str) -> Reduction:
    mean, directions, spread = (tensors[f"{name}/{field}"] for field in Reduction._fields)
    return Reduction(mean, directions, float(spread[0]))
