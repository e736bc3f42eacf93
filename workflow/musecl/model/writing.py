"""The folder of a trained model: all that is needed to use it elsewhere, and its card."""

import json
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

from musecl.model.heads import Head, about, tensors_of
from musecl.model.model import PRETRAINED
from musecl.model.reading import FORMAT, HEADS, SETTINGS, digest_of


def write_model(
    folder: Path,
    said: Mapping[str, Any],
    parts: Mapping[str, Path],
    pretrained: Mapping[str, Path],
    heads: list[Head],
) -> None:
    """Write a model into a new folder.

    Parameters
    ----------
    folder : Path
        Is made.
    said : mapping
        The parameters that the model was made with, for `settings.json`.
    parts : mapping of str to Path
        Folders that the stages wrote: `fusion`, and the trained encoder of each view.
    pretrained : mapping of str to Path
        By modality, the folder of its pretrained weights. They are copied: a model folder that is
        copied elsewhere must say the same.
    heads : list of Head
        What predicts the indicators.
    """
    folder.mkdir()
    for name, source in parts.items():
        _copy(source, folder / name)
    digests = {}
    for name, source in pretrained.items():
        for path in _copy(source, folder / PRETRAINED / name):
            digests[path.relative_to(folder / PRETRAINED).as_posix()] = digest_of(path)
    save_file(tensors_of(heads), folder / HEADS)
    settings = {
        "format": FORMAT,
        "musecl": _version(),
        **said,
        "pretrained": digests,
        "heads": about(heads),
    }
    text = json.dumps(settings, indent=2, ensure_ascii=False)
    (folder / SETTINGS).write_text(text + "\n", encoding="utf-8")


def _copy(source: Path, target: Path) -> list[Path]:
    """Copy the files of a folder, but for hidden ones; the copies, sorted."""
    copied = []
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        if path.is_file() and not any(part.startswith(".") for part in inside.parts):
            (target / inside).parent.mkdir(parents=True, exist_ok=True)
            # Not its mode: DVC's files are read-only.
            copied.append(Path(shutil.copyfile(path, target / inside)))
    return copied


def _version() -> str:
    try:
        return version("musecl")
    except PackageNotFoundError:  # a checkout that runs its own copy
        return "of a checkout"
