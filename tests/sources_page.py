"""docs/sources.md and schemas/params.schema.json, read off the table of providers.

`python tests/sources_page.py` writes both.
"""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import models_json_schema

from params_page import ROOT, allowed, section_of, shown

PAGE = ROOT / "docs" / "sources.md"
SCHEMA = ROOT / "schemas" / "params.schema.json"
HEAD = """# Where the layers of a city come from

A city of `params.yaml` has seven layers, and each names its provider:

```yaml
cities:
  delft:
    pois: {provider: table, path: pois.csv, longitude: lon, latitude: lat, category: kind}
    street_view: null
```

This page lists the providers of each layer and their settings. A setting without a default must be
given; one with a dot belongs to a section within. [own-city.md](own-city.md) shows the way from
files to a result, and `musecl city add` writes such an entry from files. Editors that know
`schemas/params.schema.json`, as the first line of `params.yaml` names it, offer the same keys.

**Files of yours** lie in `inputs/CITY/LAYER/`, and a `path` is a name or a pattern below that
folder. They are inputs like any other: change one, and what follows from it is made anew.

**What lies behind a URL** is waited for: a server that is busy (HTTP 429, 500, 502, 503, 504) is
asked again after longer and longer pauses, or when it wishes (`Retry-After`), for half an hour at
most; one that cannot be reached, three times. A download that breaks goes on where it stopped, in
the same run or the next one, where the server gives parts and names the version of the file. A page
in place of a file, or a body that is too short, is one line. A layer that fails stops itself alone:
with `snakemake --keep-going` the others are fetched, and the next run fetches that one.

**A layer that a city lacks is `null`**, all but `boundary`. The run then has fewer tokens and fewer
methods; one of `pois`, `satellite` and `street_view` must be there. Without `mobility`, pairs
of street views fall back as `pairs.street_view.fallback` says, and without `pois` those of
satellite images as `pairs.satellite.fallback` does.

**`data/CITY/raw/LAYER/provenance.json`** says of each layer who provided it, with which settings,
under which licence and whom to name, and of each file its hash, its bytes and where it comes from.
Of a layer that is `null` it says `{"provider": null}`. Whoever publishes a result finds there whom
to name.
"""
MEANINGS = {
    "boundary": "Polygons of the city's land, from which the regions are made. A city on both "
    "sides of 180 degrees east is refused in one line: give the part on one side of it.",
    "roads": "Lines that regions are divided along, where `regions.grid` is `blocks`.",
    "pois": "Points of interest: a name, a category, a point or a polygon.",
    "mobility": "Trips between points, or counts of trips between zones.",
    "satellite": "Imagery from above, which a chip per region is cut from.",
    "street_view": "Photographs from the street, some viewpoints a region.",
    "indicators": "What is to be predicted: each indicator has a name, and a provider of its own.",
}


def page() -> str:
    """Write the page: a section per layer, a table of its providers, one of settings for each."""
    from musecl.sources.providers import LAYERS, PROVIDERS, provider_of
    from musecl.sources.settings import Indicator

    parts = [HEAD]
    for layer in LAYERS:
        providers = [provider_of(layer, name) for name in PROVIDERS[layer]]
        parts += [f"## `{layer}`", "", MEANINGS[layer], ""]
        parts += ["| provider | what it is | licence | whom to name |", "|---|---|---|---|"]
        parts += [
            f"| [`{one.name}`](#{layer}-{one.name}) | {one.says} | {one.licence} | "
            f"{one.attribution} |"
            for one in providers
        ]
        if layer == "indicators":
            parts += ["", "Beside the settings of its provider, an indicator has:", ""]
            parts += table(Indicator, leave_out={"source"})
        for one in providers:
            parts += ["", f"### {layer}: {one.name}", ""]
            parts += table(one.settings, leave_out={"provider"}) or ["It has no settings."]
        parts.append("")
    return "\n".join(parts)


def table(settings: type[BaseModel], leave_out: set[str]) -> list[str]:
    """List the settings of a section, a row each; empty where it has none."""
    found = [row for row in rows(settings, "") if row[0] not in leave_out]
    if not found:
        return []
    head = ["| key | default | allowed | meaning |", "|---|---|---|---|"]
    return head + [f"| `{key}` | {value} | {kind} | {text} |" for key, value, kind, text in found]


def rows(settings: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield key, default, what is allowed and meaning; of a section within, also those of it."""
    for name, field in settings.model_fields.items():
        section = section_of(field.annotation)
        meaning = (field.description or "").replace("|", "\\|")
        yield f"{prefix}{name}", default(field), allowed(field), meaning
        if section is not None:
            yield from rows(section, f"{prefix}{name}.")


def default(field: FieldInfo) -> str:
    """Show the default of a setting; empty where it must be given."""
    if field.is_required():
        return ""
    value = field.get_default()
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return f"`{shown(list(plain) if isinstance(plain, tuple) else plain)}`"


def schema() -> str:
    """Write the JSON schema of params.yaml, every layer as one of its providers' settings."""
    from musecl.config import Params
    from musecl.sources.providers import LAYERS, PROVIDERS, provider_of
    from musecl.sources.settings import City, Indicator

    settings = {
        layer: {name: provider_of(layer, name).settings for name in PROVIDERS[layer]}
        for layer in LAYERS
    }
    # Two layers may have sections of one name: pydantic tells them apart when it sees all at once.
    models = {model for named in settings.values() for model in named.values()}
    ordered = sorted(models, key=lambda model: (model.__module__, model.__qualname__))
    references, whole = models_json_schema(
        [(model, "validation") for model in (Params, City, Indicator, *ordered)],
        ref_template="#/$defs/{model}",
    )
    definitions = whole["$defs"]

    def definition(model: type[BaseModel]) -> dict[str, Any]:
        found: dict[str, Any] = definitions[name_of(model)]
        return found

    def name_of(model: type[BaseModel]) -> str:
        return str(references[model, "validation"]["$ref"]).rpartition("/")[2]

    city = definition(City)["properties"]
    for layer in LAYERS[:-1]:
        city[layer] = {
            "description": city[layer].get("description", ""),
            **choice({name: references[m, "validation"] for name, m in settings[layer].items()}),
        }
        if layer != "boundary":
            city[layer] = {"anyOf": [city[layer], {"type": "null"}]}
    about = definition(Indicator)
    indicators = {}
    for name, model in settings["indicators"].items():
        key = f"indicator_{name}"
        definitions[key] = together(definition(model), about)
        indicators[name] = {"$ref": f"#/$defs/{key}"}
    definitions[name_of(Indicator)] = choice(indicators)
    content = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **definitions.pop(name_of(Params)),
        # The empty section that stands for a layer in the model is in use no more.
        "$defs": {name: definitions[name] for name in sorted(definitions) if name != "Section"},
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def choice(named: dict[str, Any]) -> dict[str, Any]:
    """One of several definitions, told apart by `provider`."""
    mapping = {name: reference["$ref"] for name, reference in named.items()}
    discriminator = {"propertyName": "provider", "mapping": mapping}
    return {"oneOf": list(named.values()), "discriminator": discriminator}


def together(settings: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """An indicator: its provider's settings, and what is said of every indicator."""
    beside = {key: value for key, value in about["properties"].items() if key != "source"}
    required = [*settings.get("required", []), *about["required"]]
    return {
        **settings,
        "properties": {**settings["properties"], **beside},
        "required": [key for key in required if key != "source"],
    }


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(ROOT / "workflow"))
    PAGE.write_text(page(), encoding="utf-8")
    SCHEMA.parent.mkdir(exist_ok=True)
    SCHEMA.write_text(schema(), encoding="utf-8")
