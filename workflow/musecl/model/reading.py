"""A trained model, read from its folder and checked to be whole."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from musecl.fusion.files import read_representation
from musecl.model.heads import heads_of
from musecl.model.model import PRETRAINED, Model
from musecl.runtime.errors import InputError

SETTINGS = "settings.json"
HEADS = "heads.safetensors"
FUSION = "fusion"
FORMAT = 1


def load_model(folder: str | Path) -> Model:
    """Read a trained model.

    Parameters
    ----------
    folder : str or Path
        `results/CITY/model`, or a copy of it: it holds all that it needs.

    Returns
    -------
    Model

    Raises
    ------
    InputError
        A file is absent, damaged, or not the one that the model was made with.

    Examples
    --------
    >>> musecl.load_model("results/nyc/model").indicators
    """
    folder = Path(folder)
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        if settings["format"] != FORMAT:
            raise InputError(
                f"{folder}: a model of format {settings['format']}, and this musecl reads "
                f"{FORMAT}; install musecl {settings['musecl']}"
            )
        tensors: dict[str, NDArray[np.float64]] = load_file(folder / HEADS)
        heads = heads_of(tensors, settings["heads"])
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{folder}: not readable as a model ({reason}); copy it again") from error
    for name, digest in settings["pretrained"].items():
        path = folder / PRETRAINED / name
        if not path.exists() or digest_of(path) != digest:
            raise InputError(f"{path}: not the file that the model was made with; copy it again")
    return Model(folder, settings, read_representation(folder / FUSION), heads)


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    return sha256(path.read_bytes()).hexdigest()
