"""The entry of a city in params.yaml: written as text, and put in so that all else stays."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from musecl.runtime.errors import ParameterError
from musecl.runtime.section import Section
from musecl.sources.providers import provider_of

STEP = "  "


@dataclass(frozen=True)
class Entry:
    """What is written of a layer or an indicator.

    Attributes
    ----------
    settings : dict
        `provider`, and those of its settings that are known.
    about : str
        What the file holds; stands above.
    notes : dict of str
        What stands behind a setting, by its key.
    choices : dict of str
        For a setting that is left out: what is shown instead of its default.
    missing : str or None
        What the user has to fill in; the layer is null until then.
    """

    settings: dict[str, Any]
    about: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    choices: dict[str, str] = field(default_factory=dict)
    missing: str | None = None


def write_city(
    name: str, layers: dict[str, Entry | None], indicators: dict[str, Entry], indent: str
) -> list[str]:
    """Write the lines of a city.

    Parameters
    ----------
    name : str
        Of the city.
    layers : dict of Entry or None
        By layer, without the indicators; None where the city lacks it.
    indicators : dict of Entry
        By name.
    indent : str
        Of the cities in params.yaml.
    """
    inner = indent + STEP
    lines = [
        f"{indent}{name}:",
        f"{inner}extent: null  # {{west: , south: , east: , north: }} in degrees for a part of it",
    ]
    for layer, entry in layers.items():
        lines += [f"{inner}{layer}: null"] if entry is None else _write(layer, layer, entry, inner)
    lines.append(f"{inner}indicators:")
    for indicator, entry in indicators.items():
        lines += _write(indicator, "indicators", entry, inner + STEP)
    return lines


def insert_city(text: str, lines: list[str]) -> str:
    """Put the lines of a city behind the last one; every other character stays.

    Parameters
    ----------
    text : str
        Of params.yaml, which holds at least one city.
    lines : list of str
        As `write_city` gives them.

    Raises
    ------
    ParameterError
        `cities` is not written as a block, a city a line.
    """
    cities = _cities(text)
    # The node ends where the next key begins; what stands before that key belongs to it.
    kept = text[: cities.end_mark.index].splitlines(keepends=True)
    while not kept[-1].strip() or kept[-1].startswith("#"):
        kept.pop()
    before = "".join(kept)
    ending = "\r\n" if "\r\n" in text else "\n"
    if not before.endswith("\n"):
        lines = ["", *lines]
    added = ending.join(lines) + ending
    return before + added + text[len(before) :]


def indent_of_cities(text: str) -> str:
    """Say how far the names of cities are indented; errors as in `insert_city`."""
    return " " * int(_cities(text).start_mark.column)


def _cities(text: str) -> yaml.MappingNode:
    whole = yaml.compose(text, yaml.SafeLoader)
    for key, value in whole.value if isinstance(whole, yaml.MappingNode) else []:
        if key.value == "cities" and isinstance(value, yaml.MappingNode) and not value.flow_style:
            return value
    raise ParameterError("params.yaml: write cities as a block, the name of each on a line")


def _write(name: str, layer: str, entry: Entry, indent: str) -> Iterator[str]:
    """Write a layer, or an indicator: settings first, then what else can be set, in comments."""
    lines = [f"{STEP}{key}: {_shown(value)}" for key, value in entry.settings.items()]
    for number, key in enumerate(entry.settings):
        if key in entry.notes:
            lines[number] += f"  # {entry.notes[key]}"
    settings = provider_of(layer, entry.settings["provider"]).settings
    for key, (value, meaning) in _left_out(settings, entry).items():
        lines.append(f"{STEP}# {key}: {value}  # {meaning}")
    if entry.about:
        yield f"{indent}# {entry.about}"
    if entry.missing is not None:
        yield f"{indent}{name}: null  # fill in: {entry.missing}"
        indent += "# "
    yield f"{indent}{name}:"
    yield from (indent + line for line in lines)


def _left_out(settings: type[Section], entry: Entry) -> dict[str, tuple[str, str]]:
    """List the settings that an entry leaves to their default: what is shown, what they mean."""
    return {
        key: (
            entry.choices.get(key)
            or ("" if about.is_required() else _shown(_plain(about.get_default()))),
            about.description or "",
        )
        for key, about in settings.model_fields.items()
        if key not in entry.settings
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.model_dump(mode="json")
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    """Write a value on one line."""
    text = yaml.safe_dump(
        value, default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False
    )
    return text.removesuffix("\n").removesuffix("\n...")
