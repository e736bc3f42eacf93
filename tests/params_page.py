"""docs/params.md, read off the settings; `python tests/params_page.py` writes it."""

import types
import typing
from pathlib import Path
from typing import Any

import annotated_types as limits
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "params.md"
HEAD = """# Parameters

Every key of `params.yaml`; an unknown or missing one is an error that names it. The values are
those of the shipped file. A stage sees only the keys that `dvc.yaml` lists for it, and a change of
a key makes exactly those stages stale.
"""


def page() -> str:
    """Write the page: a section per section of params.yaml, a row per key."""
    from musecl.config import Params

    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    parts = [HEAD, "| key | value | allowed | meaning |\n|---|---|---|---|"]
    parts += rows(Params, values, "")
    return "\n".join(parts) + "\n"


def rows(model: type[BaseModel], values: dict[str, Any], prefix: str) -> list[str]:
    """List a row per key of a section, nested sections in place."""
    found = []
    for name, field in model.model_fields.items():
        key, value = f"{prefix}{name}", values[name]
        section = section_of(field.annotation)
        if section is not None and typing.get_origin(field.annotation) is dict:
            for entry, inner in value.items():
                found += rows(section, inner, f"{key}.{entry}.")
        elif section is not None and isinstance(value, dict):
            found += rows(section, value, f"{key}.")
        else:
            meaning = field.description or (section and summary(section)) or ""
            found.append(f"| `{key}` | `{shown(value)}` | {allowed(field)} | {meaning} |")
    return found


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Find the section that an annotation holds: itself, optional, or the values of a mapping."""
    for part in (annotation, *typing.get_args(annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def summary(section: type[BaseModel]) -> str:
    """First line of a section's docstring."""
    return (section.__doc__ or "").strip().splitlines()[0].rstrip(".")


def shown(value: Any) -> str:
    """A value as YAML writes it on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=1000).splitlines()[0]


def allowed(field: FieldInfo) -> str:
    """Type and limits in words."""
    bounds = []
    for limit in field.metadata:
        for sign, kind in (("≥", "ge"), ("≤", "le"), (">", "gt"), ("<", "lt")):
            if hasattr(limit, kind) and isinstance(
                limit, (limits.Ge, limits.Le, limits.Gt, limits.Lt)
            ):
                bounds.append(f"{sign} {getattr(limit, kind)}")
    return ", ".join([kind_of(field.annotation), *bounds])


def kind_of(annotation: Any) -> str:
    """Name a type as a reader of YAML would."""
    if typing.get_origin(annotation) is typing.Literal:
        return " or ".join(f"`{choice}`" for choice in typing.get_args(annotation))
    if typing.get_origin(annotation) is list:
        return f"list of {kind_of(typing.get_args(annotation)[0])}"
    if isinstance(annotation, types.UnionType):
        return " or ".join(kind_of(part) for part in typing.get_args(annotation))
    names = {
        bool: "true or false",
        int: "whole number",
        float: "number",
        str: "text",
        type(None): "null",
    }
    return names.get(annotation, "section")


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(ROOT / "workflow"))
    PAGE.write_text(page(), encoding="utf-8")
