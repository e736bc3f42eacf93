"""docs/sources.md and schemas/params.schema.json say what the table of providers says."""

import json
from itertools import pairwise
from typing import Any

import jsonschema
import pytest
import yaml

import sources_page
from musecl.sources.providers import PROVIDERS, provider_of

SCHEMA = json.loads(sources_page.SCHEMA.read_text(encoding="utf-8"))
PARAMS = sources_page.ROOT / "params.yaml"


def values() -> Any:
    return yaml.safe_load(PARAMS.read_text(encoding="utf-8"))


def refused(given: Any) -> list[str]:
    """Where the schema refuses some values, by key."""
    found = jsonschema.Draft202012Validator(SCHEMA).iter_errors(given)
    return [".".join(map(str, error.path)) for error in found]


def test_the_page_is_up_to_date() -> None:
    written = sources_page.PAGE.read_text(encoding="utf-8")
    assert written == sources_page.page(), "run `make declare`"


def test_the_schema_is_up_to_date() -> None:
    written = sources_page.SCHEMA.read_text(encoding="utf-8")
    assert written == sources_page.schema(), "run `make declare`"


@pytest.mark.parametrize(("layer", "name"), [(k, name) for k in PROVIDERS for name in PROVIDERS[k]])
def test_a_provider_says_what_it_is_and_is_on_the_page(layer: str, name: str) -> None:
    provider = provider_of(layer, name)
    assert (provider.layer, provider.name) == (layer, name)
    assert provider.says and provider.licence and provider.attribution
    page = sources_page.page()
    section = page.partition(f"### {layer}: {name}\n")[2].partition("\n##")[0]
    for key in provider.settings.model_fields:
        assert key == "provider" or f"| `{key}` |" in section


def test_what_is_shipped_fits_the_schema_that_its_first_line_names() -> None:
    first = PARAMS.read_text(encoding="utf-8").splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (sources_page.ROOT / named) == sources_page.SCHEMA
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert refused(values()) == []


@pytest.mark.parametrize(
    ("where", "value", "key"),
    [
        (["seed"], -1, "seed"),
        (["fuse", "aligment"], 1, "fuse"),
        (["cities", "nyc", "pois"], {"provider": "smaple"}, "cities.nyc.pois"),
        (["cities", "nyc", "boundary"], None, "cities.nyc.boundary"),
        (["cities", "nyc", "satellite", "metres_per_pixel"], 0, "cities.nyc.satellite"),
        (
            ["cities", "nyc", "indicators", "poverty_share", "unti"],
            "percent",
            "cities.nyc.indicators.poverty_share",
        ),
    ],
)
def test_the_schema_refuses_what_is_wrong(where: list[str], value: Any, key: str) -> None:
    given = values()
    node = given
    for part in where[:-1]:
        node = node[part]
    node[where[-1]] = value
    assert refused(given) == [key]


def test_a_layer_that_a_city_lacks_fits_the_schema() -> None:
    given = values()
    given["cities"]["nyc"]["street_view"] = None
    assert refused(given) == []


def test_a_section_stands_only_for_what_has_keys_within() -> None:
    lines = sources_page.page().splitlines()
    sections = 0
    for row, below in pairwise(lines):
        if not row.startswith("| `") or row.count(" | ") < 3:
            continue
        key, _, allowed = row.split(" | ")[:3]
        if "section" in allowed:
            sections += 1
            assert below.startswith(f"{key.removesuffix('`')}."), row
    assert sections
