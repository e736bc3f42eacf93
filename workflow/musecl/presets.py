"""Named settings: `presets/NAME.yaml` is a part of params.yaml, merged into it key by key."""

import os
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter

from musecl.config import check_params
from musecl.runtime.errors import ParameterError
from musecl.runtime.plain_yaml import read_yaml


def apply_preset(root: Path, name: str) -> list[str]:
    """Set in params.yaml what a preset sets; every other key stays, and so do comments.

    Only a comment on the line of a list that changes goes with the list.

    The file is written beside its place, checked, and renamed into it: it is the old or the new
    one, and never one that does not load.

    Parameters
    ----------
    root : Path
        The folder that holds params.yaml and presets/.
    name : str
        Of the preset, without `.yaml`.

    Returns
    -------
    list of str
        A line per key that changed: `pairs.satellite.top: 10 -> 1`.

    Raises
    ------
    ParameterError
        There is no such preset, a file is no YAML, or the merged parameters are wrong.
    """
    names = sorted(path.stem for path in (root / "presets").glob("*.yaml"))
    if name not in names:
        raise ParameterError(f"no preset {name!r}; there is {', '.join(names) or 'none'}")
    preset, place = root / "presets" / f"{name}.yaml", root / "params.yaml"
    yaml = _round_trip()
    params = _load(yaml, place)
    changes = list(_merge(params, _load(yaml, preset), ""))
    beside = place.with_name(f".partial-{os.getpid()}-{place.name}")
    try:
        yaml.dump(params, beside)
        check_params(read_yaml(beside), preset)
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)
    return changes


def _round_trip() -> YAML:
    """YAML that is written as it was read."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1000
    yaml.Representer = _Representer
    return yaml


class _Representer(RoundTripRepresenter):
    """Writes `null` where its base writes nothing."""

    def represent_null(self, data: None) -> ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:null", "null")


_Representer.add_representer(type(None), _Representer.represent_null)


def _load(yaml: YAML, path: Path) -> Any:
    """Read a file with its comments; `read_yaml` says in one line what is wrong with it."""
    if not isinstance(read_yaml(path), dict):
        raise ParameterError(f"{path}: holds no keys")
    try:
        # As text: line ends of Windows would stay in comments, and the others become those of Unix.
        return yaml.load(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        reason = str(error).splitlines()[0]
        raise ParameterError(f"{path}: not readable as YAML ({reason})") from error


def _merge(params: Any, preset: Any, above: str) -> Any:
    """Set values in place, sections key by key, and yield what changed."""
    for key, value in preset.items():
        old = params.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            yield from _merge(old, value, f"{above}{key}.")
        elif old != value:
            yield f"{above}{key}: {_shown(old)} -> {_shown(value)}"
            if isinstance(value, list):
                # Not the preset's own, which would bring the comment that stands after it.
                value = CommentedSeq(value)
                value.fa.set_flow_style()
            params[key] = value


def _shown(value: Any) -> str:
    return "absent" if value is None else str(value)
