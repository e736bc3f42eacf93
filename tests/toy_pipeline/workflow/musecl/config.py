"""What stands in the toy's params.yaml, checked."""

from pathlib import Path

from musecl.runtime.errors import ParameterError
from musecl.runtime.plain_yaml import read_yaml


def load_params(path: Path) -> None:
    """Refuse a misspelt key that no stage's own section is checked for."""
    if "dims" in read_yaml(path)["fuse"]:
        raise ParameterError(f"{path}: fuse.dims: unknown key; did you mean fuse.dim?")
