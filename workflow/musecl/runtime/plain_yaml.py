"""YAML 1.2 as DVC reads it, by a parser in C: `040` is 40, `1e-3` a number, and `no` a word.

DVC's own reader takes four times as long to import, which every job would wait for.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from musecl.runtime.errors import ParameterError

# As in ruamel.yaml, which DVC reads by; what else there is, YAML 1.1 has alike.
KINDS = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?0b[0-1_]+|[-+]?0o?[0-7_]+|[-+]?[0-9_]+|[-+]?0x[0-9a-fA-F_]+", "-+0123456789"),
    "float": (
        r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
        r"|[-+]?\.[0-9_]+(?:[eE][-+][0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+0123456789.",
    ),
}
TAG = "tag:yaml.org,2002:"
BASES = {"0b": 2, "0o": 8, "0x": 16}


class _WrongKeyError(yaml.MarkedYAMLError):
    """A key that DVC could not name, or that stands there twice."""


class _Loader(yaml.CSafeLoader):
    """Resolves plain words by YAML 1.2, and takes each key once, as text."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        # Before those of `<<` are merged in, which may come twice.
        for key_node, _ in node.value:
            if key_node.tag == f"{TAG}merge":
                continue
            mark, written = key_node.start_mark, key_node.value
            if key_node.tag != f"{TAG}str":
                shown = written if isinstance(written, str) and written else "that stands there"
                problem = f"the key {shown} is no text; put it in quotes"
                raise _WrongKeyError(problem=problem, problem_mark=mark)
            if written in seen:
                problem = f"the key {written} stands there twice; keep one of them"
                raise _WrongKeyError(problem=problem, problem_mark=mark)
            seen.add(written)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: Any) -> int:
        value = self.construct_scalar(node).replace("_", "")
        sign = -1 if value[:1] == "-" else 1
        digits = value.lstrip("+-")
        return sign * (int(digits[2:], BASES[digits[:2]]) if digits[:2] in BASES else int(digits))

    def construct_yaml_float(self, node: Any) -> float:
        value = self.construct_scalar(node).replace("_", "").lower()
        return float(value.replace(".inf", "inf").replace(".nan", "nan"))


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag.removeprefix(TAG) not in KINDS]
    for first, found in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
for kind, (pattern, first) in KINDS.items():
    _Loader.add_implicit_resolver(TAG + kind, re.compile(f"^(?:{pattern})$"), list(first))
_Loader.add_constructor(f"{TAG}int", _Loader.construct_yaml_int)
_Loader.add_constructor(f"{TAG}float", _Loader.construct_yaml_float)


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises
    ------
    ParameterError
        The file is absent or is no YAML, or a key is no text or stands twice; one line says where.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError as error:
        raise ParameterError(f"{path}: no such file; run from the folder that holds it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path}: not readable ({error})") from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where else ""
        said = error.problem if isinstance(error, _WrongKeyError) else "not readable as YAML"
        raise ParameterError(f"{path}: {said}{line}") from error
    # The last two: PyYAML's, of a word that is not what its tag says.
    except (ValueError, KeyError, AttributeError) as error:
        raise ParameterError(f"{path}: not readable as YAML ({error})") from error
