"""docs/params.md, read off the settings; `python tests/params_page.py` writes it."""

import types
import typing
from collections.abc import Collection, Iterable
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

| key | value | allowed | meaning |
|---|---|---|---|"""
CITIES = """
## Cities

Of each city, under a name of your choice (`CITY`: a-z, 0-9 and _). A layer is a provider and,
beside it, that provider's settings, which [sources.md](sources.md) lists; it is `null` where the
city lacks it.

| key | allowed | meaning |
|---|---|---|"""


def page() -> str:
    """Write the page: a row per key, apart for cities."""
    from musecl.config import Params

    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    parts = [HEAD, *rows(Params, values, ""), CITIES, *city_rows()]
    return "\n".join(parts) + "\n"


def city_rows() -> list[str]:
    """List a row per key of a city: of a layer its providers, of an indicator all that is said."""
    from musecl.sources.providers import PROVIDERS
    from musecl.sources.settings import City

    found = []
    for name, field in City.model_fields.items():
        key = f"cities.CITY.{name}"
        if name == "indicators":
            found.append(
                line(f"{key}.INDICATOR", "section; none where no label is known", field.description)
            )
            found += model_rows(section_of(field.annotation), f"{key}.INDICATOR.", {"source"})
            provider = line(f"{key}.INDICATOR.provider", one_of(PROVIDERS[name]), "of its values")
            found.append(provider)
        elif name in PROVIDERS:
            optional = type(None) in typing.get_args(field.annotation)
            providers = one_of(PROVIDERS[name]) + ("; the layer may be null" if optional else "")
            found.append(line(f"{key}.provider", providers, field.description))
        else:
            found.append(line(key, "section or null", field.description))
            found += model_rows(section_of(field.annotation), f"{key}.")
    return found


def model_rows(
    model: type[BaseModel] | None, prefix: str, without: Collection[str] = ()
) -> list[str]:
    """List a row per key of a model, without a value; nested sections in place."""
    found = []
    for name, field in (model.model_fields if model else {}).items():
        section = section_of(field.annotation)
        if name in without:
            continue
        if section is not None:
            found += model_rows(section, f"{prefix}{name}.")
        else:
            default = "" if field.is_required() else f"; `{shown(field.default)}` where left out"
            meaning = field.description or ""
            found.append(line(f"{prefix}{name}", allowed(field) + default, meaning))
    return found


def line(key: str, values: str, meaning: str | None) -> str:
    """Lay out a row of three columns."""
    return f"| `{key}` | {values} | {meaning or ''} |"


def one_of(names: Iterable[str]) -> str:
    """List what may be chosen from."""
    return " or ".join(f"`{name}`" for name in names)


def rows(model: type[BaseModel], values: dict[str, Any], prefix: str) -> list[str]:
    """List a row per key of a section but `cities`, nested sections in place."""
    found = []
    for name, field in model.model_fields.items():
        if name == "cities":
            continue
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
    bounds = [*bounds_of(field.metadata), *limits_within(field.annotation)]
    return ", ".join([kind_of(field.annotation), *bounds])


def bounds_of(metadata: Iterable[Any]) -> list[str]:
    """Limits in words."""
    bounds = []
    for limit in metadata:
        for sign, kind in (("≥", "ge"), ("≤", "le"), (">", "gt"), ("<", "lt")):
            if hasattr(limit, kind) and isinstance(
                limit, (limits.Ge, limits.Le, limits.Gt, limits.Lt)
            ):
                bounds.append(f"{sign} {getattr(limit, kind):,}")
    return bounds


def limits_within(annotation: Any) -> list[str]:
    """Limits that an annotation itself holds, as of the entries of a list."""
    found = []
    if typing.get_origin(annotation) is typing.Annotated:
        for about in typing.get_args(annotation)[1:]:
            found += bounds_of(getattr(about, "metadata", [about]))
    elif typing.get_origin(annotation) is not typing.Literal:
        for part in typing.get_args(annotation):
            found += limits_within(part)
    return found


def kind_of(annotation: Any) -> str:
    """Name a type as a reader of YAML would.

    Raises
    ------
    TypeError
        It is none that is known here.
    """
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return kind_of(parts[0])
    if origin is typing.Literal:
        return one_of(parts)
    if origin in (list, tuple):
        many = "s" if typing.get_origin(parts[0]) is typing.Annotated else ""
        return f"list of {kind_of(parts[0])}{many}"
    # Python makes a `typing.Union` of a choice with something annotated.
    if origin in (types.UnionType, typing.Union):
        return " or ".join(kind_of(part) for part in parts)
    names = {
        bool: "true or false",
        int: "whole number",
        float: "number",
        str: "text",
        type(None): "null",
    }
    if annotation in names:
        return names[annotation]
    if origin is dict or section_of(annotation) is annotation:
        return "section"
    raise TypeError(f"no word for {annotation}")


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(ROOT / "workflow"))
    PAGE.write_text(page(), encoding="utf-8")
