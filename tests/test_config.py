"""params.yaml: what is shipped loads, and what is wrong is one line that names the key."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

from musecl.config import Params, check_params, load_params
from musecl.runtime.errors import ParameterError
from musecl.runtime.section import Section
from musecl.sources.providers import LAYERS, PROVIDERS, provider_of
from musecl.sources.settings import Indicator

SHIPPED = Path(__file__).parents[1] / "params.yaml"
# Through JSON, since what YAML names once and repeats would change everywhere at once.
VALUES = json.loads(json.dumps(yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))))
BOX = {"west": -74.0, "south": 40.6, "east": -73.9, "north": 40.8}
GENERATED = VALUES["cities"]["synth"]["pois"]
LAYER = "cities.nyc.pois"
INDICATOR = "cities.nyc.indicators.no_vehicle_share"
ABSENT = object()


def changed(key: str, value: Any) -> dict[str, Any]:
    """The shipped values with another one at a dotted key, or without it."""
    values = copy.deepcopy(VALUES)
    *parents, last = key.split(".")
    node = values
    for part in parents:
        node = node[part]
    if value is ABSENT:
        del node[last]
    else:
        node[last] = value
    return values


def at(key: str) -> Any:
    """The shipped value at a dotted key."""
    return reduce(lambda node, part: node[part], key.split("."), VALUES)


def paths(values: Any, above: str = "") -> Iterator[str]:
    """Every key at every depth, dotted."""
    if isinstance(values, dict):
        for key, value in values.items():
            yield f"{above}{key}"
            yield from paths(value, f"{above}{key}.")


def keys_of(section: type[Section]) -> Iterator[str]:
    """Every key that a section can hold, at every depth."""
    for name, field in section.model_fields.items():
        yield name
        waiting = [field.annotation]
        while waiting:
            part = waiting.pop()
            waiting += getattr(part, "__args__", ())
            if isinstance(part, type) and issubclass(part, Section):
                yield from keys_of(part)


def test_the_shipped_file_loads_and_says_what_is_in_it() -> None:
    params = load_params(SHIPPED)
    assert params.model_dump(exclude={"cities"}) == {k: VALUES[k] for k in VALUES if k != "cities"}
    assert params.regions.resolution == VALUES["regions"]["resolution"]
    assert list(params.cities) == list(VALUES["cities"])
    for name, city in params.cities.items():
        given = VALUES["cities"][name]
        for layer in LAYERS[:-1]:
            found = getattr(city, layer)
            assert (None if found is None else found.model_dump()) == given[layer]
        for about in city.indicators.values():
            assert set(about.source) & set(Indicator.model_fields) == set()
        assert {
            key: about.source
            | json.loads(about.model_dump_json(exclude={"source"}, exclude_none=True))
            for key, about in city.indicators.items()
        } == given["indicators"]


# What a user names may be left out; a city that others name is named by them.
OPTIONAL = {"cities.nyc", "cities.synth", *(f"transfers.{name}" for name in VALUES["transfers"])}
OPTIONAL |= {
    f"cities.{city}.indicators.{name}"
    for city, given in VALUES["cities"].items()
    for name in given["indicators"]
}
# A measure that counts nobody needs no such limit.
OPTIONAL |= {key for key in paths(VALUES) if key.endswith(".minimum_population")}
# Of many indicators no bound is known.
OPTIONAL |= {key for key in paths(VALUES) if key.endswith((".minimum_value", ".maximum_value"))}
NEEDED = sorted(set(paths(VALUES)) - OPTIONAL)


def said_of(key: str, reason: str) -> str:
    """How a message begins that is about a key: a provider's setting is checked by its model."""
    match key.split("."):
        case ["cities", city, "indicators", name, first, *rest] if (
            first not in Indicator.model_fields
        ):
            layer, where, provider = "indicators", f"cities.{city}.indicators.{name}.source", None
            provider = at(f"cities.{city}.indicators.{name}.provider")
        case ["cities", city, layer, first, *rest] if layer in LAYERS[:-1]:
            where, provider = f"cities.{city}.{layer}", at(f"cities.{city}.{layer}.provider")
        case _:
            return f"{SHIPPED}: {key}: {reason}"
    if (first, reason) == ("provider", "missing; add it"):
        first = next(iter(PROVIDERS[layer]))
        return f"{SHIPPED}: {where}: Value error, no provider None for {layer}; there is {first}"
    setting = ".".join([first, *rest])
    return f"{SHIPPED}: {where}: Value error, {layer}: {provider}: {setting}: {reason}"


@pytest.mark.parametrize("key", NEEDED)
def test_every_key_is_needed(key: str) -> None:
    with pytest.raises(ParameterError) as caught:
        check_params(changed(key, ABSENT), SHIPPED)
    assert str(caught.value).startswith(said_of(key, "missing; add it"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", sorted(OPTIONAL - {"cities.nyc", "cities.synth"}))
def test_what_may_be_left_out(key: str) -> None:
    check_params(changed(key, ABSENT), SHIPPED)


NAMED_BY_USERS = {"cities", "transfers", "cities.nyc.indicators", "cities.synth.indicators"}
SECTIONS = sorted(
    key for key in paths(VALUES) if isinstance(at(key), dict) and key not in NAMED_BY_USERS
)


@pytest.mark.parametrize("section", SECTIONS)
def test_an_unknown_key_is_refused_in_every_section(section: str) -> None:
    with pytest.raises(ParameterError) as caught:
        check_params(changed(f"{section}.wrong_key", 1), SHIPPED)
    expected = said_of(f"{section}.wrong_key", "unknown key; there is ")
    assert str(caught.value).startswith(expected)
    assert "\n" not in str(caught.value)


def alone(**layers: Any) -> dict[str, Any]:
    """The shipped values with New York alone, and other layers of it."""
    city = VALUES["cities"]["nyc"] | layers
    return VALUES | {"cities": {"nyc": city}, "upper_bounds": [], "transfers": {}}


@pytest.mark.parametrize("layer", LAYERS[1:-1])
def test_a_city_may_lack_a_layer(layer: str) -> None:
    city = check_params(alone(**{layer: None}), SHIPPED).cities["nyc"]
    assert getattr(city, layer) is None


def test_a_city_needs_something_to_learn_from() -> None:
    with pytest.raises(ParameterError) as caught:
        check_params(alone(pois=None, satellite=None, street_view=None), SHIPPED)
    assert str(caught.value).startswith(
        f"{SHIPPED}: cities.nyc: Value error, one of pois, satellite and street_view must not be "
    )
    for layer in ("pois", "satellite", "street_view"):
        others = {"pois": None, "satellite": None, "street_view": None, "mobility": None}
        del others[layer]
        check_params(alone(**others), SHIPPED)


def test_each_layer_may_have_a_provider_of_its_own() -> None:
    city = check_params(alone(pois=GENERATED), SHIPPED).cities["nyc"]
    assert city.pois.model_dump() == GENERATED
    assert city.mobility.model_dump() == VALUES["cities"]["nyc"]["mobility"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("wrong_key", 1, "wrong_key: unknown key"),
        ("seed", "one", "seed: Input should be a valid integer, got 'one'"),
        ("seed", "1", "seed: Input should be a valid integer, got '1'"),
        ("seed", True, "seed: Input should be a valid integer, got True"),
        ("seed", -1, "seed: Input should be greater than or equal to 0, got -1"),
        ("regions", ABSENT, "regions: missing"),
        ("regions", None, "regions: Input should be a valid dictionary"),
        ("regions.resolution", 5, "regions.resolution: Input should be greater than or equal to 6"),
        ("regions.resolution", 11, "regions.resolution: Input should be less than or equal to 10"),
        ("regions.resolution", 8.5, "regions.resolution: Input should be a valid integer"),
        (
            "regions.grid",
            "hexagons",
            "regions.grid: Input should be 'h3', 'hexagon', 'square', 'polyg",
        ),
        ("regions.minimum_land_share", 1.5, "regions.minimum_land_share: Input should be less"),
        ("regions.spacing_m", "far", "regions.spacing_m: Input should be a valid number"),
        ("regions.spacing_m", float("nan"), "regions.spacing_m: Input should be "),
        ("cities", {}, "cities: Dictionary should have at least 1 item"),
        ("cities", None, "cities: Input should be a valid dictionary"),
        (LAYER, ABSENT, f"{LAYER}: missing"),
        (LAYER, "sample", f"{LAYER}: Value error, name a provider: {{provider: ...}}, or null, go"),
        (LAYER, {}, f"{LAYER}: Value error, no provider None for pois; there is table, osm"),
        (f"{LAYER}.provider", "oms", f"{LAYER}: Value error, no provider 'oms' for pois; there"),
        (f"{LAYER}.provider", ["sample"], f"{LAYER}: Value error, no provider ['sample'] for po"),
        (f"{LAYER}.provider", {"sample": 1}, f"{LAYER}: Value error, no provider {{'sample': 1}}"),
        (
            "cities.nyc.satellite.metres_per_pixel",
            0.5,
            "cities.nyc.satellite: Value error, satellite: sample: metres_per_pixel: Input sho",
        ),
        ("cities.nyc.boundary", None, "cities.nyc.boundary: Value error, name a provider: {prov"),
        ("cities.nyc.indicators", None, "cities.nyc.indicators: Input should be a valid diction"),
        (
            f"{INDICATOR}.minimum_value",
            100,
            f"{INDICATOR}: Value error, minimum_value must be below maximum_value",
        ),
        (INDICATOR, "sample", f"{INDICATOR}: Input should be a valid dictionary"),
        (
            "cities.nyc.indicators.area_km2",
            at(INDICATOR),
            "cities.nyc.indicators: Value error, 'area_km2': another column of the map is named ",
        ),
        (f"{INDICATOR}.source", {"provider": "sample"}, f"{INDICATOR}.source: Value error, indica"),
        (f"{INDICATOR}.provider", "osm", f"{INDICATOR}.source: Value error, no provider 'osm' fo"),
        (f"{INDICATOR}.measure", "age", f"{INDICATOR}.source: Value error, indicators: sample: m"),
        (f"{INDICATOR}.minimum_population", -1, f"{INDICATOR}.source: Value error, indicators: s"),
        (f"{INDICATOR}.transform", "log", f"{INDICATOR}.transform: Input should be 'ln(1+x)' or"),
        (f"{INDICATOR}.year", "now", f"{INDICATOR}.year: Input should be a valid integer"),
        (f"{INDICATOR}.label_provenance", ["maps"], f"{INDICATOR}.label_provenance.0: Input"),
        (
            "cities.synth.pois.cells",
            1,
            "cities.synth.pois: Value error, pois: synth: cells: Input should be greater",
        ),
        (
            "cities.synth.pois.strength.pois",
            -1,
            "cities.synth.pois: Value error, pois: synth: strength.pois: Input should be g",
        ),
        (
            "upper_bounds",
            ["nyc"],
            "upper_bounds: Value error, 'nyc' is no city whose every layer is",
        ),
        (
            "upper_bounds",
            ["atlantis"],
            "upper_bounds: Value error, 'atlantis' is no city whose eve",
        ),
        # An answer is known where all layers tell of one and the same city.
        *(
            (key, value, "upper_bounds: Value error, 'synth' is no city whose every layer is gener")
            for key, value in (
                ("cities.synth.mobility", None),
                ("cities.synth.mobility", {"provider": "sample"}),
                ("cities.synth.pois.seed", 2),
                ("cities.synth.indicators.bachelor_share.noise", 0.5),
            )
        ),
        ("upper_bounds", ["synth", "synth"], "upper_bounds: Value error, a city is named twice"),
        ("cities.nyc.extent", ABSENT, "cities.nyc.extent: missing"),
        ("cities.nyc.extent", BOX | {"east": -75}, "cities.nyc.extent: Value error, west must be"),
        ("cities.nyc.extent", BOX | {"north": 40}, "cities.nyc.extent: Value error, west must be"),
        ("cities.nyc.extent", BOX | {"west": -200}, "cities.nyc.extent.west: Input should be gre"),
        ("cities.nyc.extent", [1, 2, 3, 4], "cities.nyc.extent: Input should be a valid dict"),
        ("evaluate.splits", [], "evaluate.splits: "),
        ("transfers.nyc", {"train": "nyc", "predict": "synth"}, "transfers: Value error, 'nyc' mu"),
        (
            "transfers.nyc-to-par",
            {"train": "nyc", "predict": "par"},
            "transfers: Value error, 'nyc-to-par': 'par' is no city",
        ),
        (
            "transfers.nyc-to-nyc",
            {"train": "nyc", "predict": "nyc"},
            "transfers: Value error, 'nyc-to-nyc' is from a city to itself",
        ),
        ("evaluate.mlp.hidden", 512, "evaluate.mlp.hidden: Input should be a valid list"),
        ("encoders.text.weights", 3, "encoders.text.weights: Input should be a valid string"),
    ],
)
def test_a_wrong_value_is_named_by_its_key(key: str, value: Any, message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        check_params(changed(key, value), SHIPPED)
    assert str(caught.value).startswith(f"{SHIPPED}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "NYC",
        "new-york",
        "new york",
        "1st",
        "",
        "nyc\n",
        "../nyc",
        "nyc.x",
        "size",
        "nfiles",
        "models",
    ],
)
def test_a_city_that_cannot_be_named_so(name: str) -> None:
    values = VALUES | {"cities": {name: VALUES["cities"]["nyc"]}}
    with pytest.raises(ParameterError, match=r"params.yaml: cities: .*") as caught:
        check_params(values, SHIPPED)
    assert repr(name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["nyc", "new_york_2", "a", "size_2"])
def test_a_city_that_can_be_named_so(name: str) -> None:
    nyc = VALUES["cities"]["nyc"]
    values = VALUES | {"cities": {name: nyc | {"extent": BOX}}, "upper_bounds": [], "transfers": {}}
    params = check_params(values, SHIPPED)
    assert params.cities[name].extent.east == BOX["east"]


@pytest.mark.parametrize("resolution", range(6, 11))
def test_resolutions_that_exist(resolution: int) -> None:
    values = changed("regions.resolution", resolution)
    assert check_params(values, SHIPPED).regions.resolution == resolution


def absent(path: Path) -> None:
    """No file at all."""


def folder(path: Path) -> None:
    path.mkdir()


def bad_yaml(path: Path) -> None:
    path.write_text("seed: 1\nregions: [2\ncities:\n", encoding="utf-8")


def no_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\xfa seed")


def empty(path: Path) -> None:
    path.write_text("", encoding="utf-8")


def a_list(path: Path) -> None:
    path.write_text("- seed\n- 1\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (absent, "no such file; run from the folder that holds it"),
        (folder, "not readable ("),
        (no_text, "not readable"),
        (bad_yaml, "not readable as YAML in line 3"),
        (empty, "the file: Input should be a valid dictionary"),
        (a_list, "the file: Input should be a valid dictionary"),
    ],
)
def test_a_file_that_is_no_params_yaml(
    tmp_path, write: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / "params.yaml"
    write(path)
    with pytest.raises(ParameterError) as caught:
        load_params(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_further_errors_are_counted() -> None:
    values = changed("seed", "one") | {"transfers": 0, "wrong_key": 1}
    with pytest.raises(ParameterError, match=r"seed: .* \(and 2 more\)$"):
        check_params(values, SHIPPED)


def test_no_key_has_a_name_that_the_run_cache_of_dvc_overlooks() -> None:
    known = list(keys_of(Params))
    for layer, names in PROVIDERS.items():
        for name in names:
            known += keys_of(provider_of(layer, name).settings)
    assert {"seed", "west", "hidden", "minimum_trips", "unit", "strength"} <= set(known)
    assert not {"size", "nfiles"} & set(known)


@pytest.mark.parametrize(
    ("key", "wrong", "message"),
    [
        ("fuse.alignment", "aligment", "fuse.aligment: unknown key; did you mean alignment?"),
        ("seed", "sedd", "sedd: unknown key; did you mean seed?"),
        ("evaluate.mlp.hidden", "hiden", "evaluate.mlp.hiden: unknown key; did you mean hidden?"),
        ("cities.nyc.pois", "poi", "cities.nyc.poi: unknown key; did you mean pois?"),
    ],
)
def test_a_misspelt_key_is_named_with_the_nearest_and_alone(
    key: str, wrong: str, message: str
) -> None:
    values = changed(key, ABSENT)
    *parents, _ = key.split(".")
    reduce(lambda node, part: node[part], parents, values)[wrong] = at(key)
    with pytest.raises(ParameterError) as caught:
        check_params(values, SHIPPED)
    assert str(caught.value) == f"{SHIPPED}: {message}"


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("minimum", "minimum_value"), ("maximum", "maximum_value"), ("mesure", "measure")],
)
def test_a_misspelt_key_of_an_indicator_may_be_its_own_or_its_providers(
    wrong: str, meant: str
) -> None:
    indicator = "cities.nyc.indicators.bachelor_share"
    values = changed(f"{indicator}.{meant}", ABSENT)
    reduce(lambda node, part: node[part], indicator.split("."), values)[wrong] = at(
        f"{indicator}.{meant}"
    )
    with pytest.raises(ParameterError) as caught:
        check_params(values, SHIPPED)
    assert f": {wrong}: unknown key; did you mean {meant}?" in str(caught.value)


@pytest.mark.parametrize("stray", ["text", 3, None])
def test_a_missing_key_beside_a_stray_source_is_one_line(stray: Any) -> None:
    values = changed("fuse.k_rings", ABSENT)
    values["fuse"]["source"] = stray
    with pytest.raises(ParameterError, match=r"fuse\.k_rings: missing; add it \(and 1 more\)$"):
        check_params(values, SHIPPED)


@pytest.mark.parametrize(
    ("key", "old"),
    [
        ("upper_bounds", "answer_keys"),
        ("cities.nyc.pois", "places"),
        ("cities.nyc.satellite", "remote_view"),
        ("cities.nyc.indicators.mobility_count.primary", "headline"),
        ("cities.nyc.indicators.mobility_count.label_provenance", "shares_source_with"),
        ("satellite", "remote_view"),
        ("pairs.satellite", "remote_view"),
        ("pairs.satellite.k_rings", "rings"),
        ("encoders.satellite", "remote_view"),
        ("pretrain_satellite", "pretrain_remote_view"),
        ("embed_satellite", "embed_remote_view"),
        ("fuse.k_rings", "rings"),
        ("fuse.text_as_input", "text_token"),
        ("fuse.pois_weight", "places_weight"),
    ],
)
def test_an_old_name_is_refused_with_the_new_one(key: str, old: str) -> None:
    values = changed(key, ABSENT)
    *parents, new = key.split(".")
    reduce(lambda node, part: node[part], parents, values)[old] = at(key)
    with pytest.raises(ParameterError) as caught:
        check_params(values, SHIPPED)
    where = ".".join([*parents, old])
    assert str(caught.value).startswith(f"{SHIPPED}: {where}: was renamed; write {new}")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("threads", 2, "threads: left; each job uses the cores that it is given"),
        ("scene", {}, "scene: left; a layer of the sample holds metres_per_pixel"),
        ("cities.synth.generated", {}, "generated: left; the layers of the provider synth hold"),
        ("cities.nyc", {"sources": {}}, "cities.nyc.sources: left; each layer of a city names its"),
    ],
)
def test_an_old_key_without_a_successor_says_what_stands_for_it(
    key: str, value: Any, message: str
) -> None:
    with pytest.raises(ParameterError, match=re.escape(message)):
        check_params(changed(key, value), SHIPPED)


@pytest.mark.parametrize(
    ("key", "old", "new"),
    [
        ("cities.nyc.indicators.number_of_pois.measure", "number_of_places", "number_of_pois"),
        ("cities.nyc.indicators.number_of_pois.label_provenance", ["places"], "pois"),
        ("evaluate.mlp.methods", ["remote_view"], "satellite"),
        ("evaluate.mlp.methods", ["remote_view_pretrained"], "satellite_pretrained"),
    ],
)
def test_an_old_value_is_refused_with_the_new_one(key: str, old: Any, new: str) -> None:
    value = old if isinstance(old, str) else old[0]
    with pytest.raises(ParameterError, match=rf": {value} was renamed; write {new}$"):
        check_params(changed(key, old), SHIPPED)


def test_an_old_value_is_a_wrong_one_where_the_new_may_not_stand() -> None:
    with pytest.raises(ParameterError, match=r"alignment: Input should be .*, got 'places'$"):
        check_params(changed("fuse.alignment", "places"), SHIPPED)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("seed", 2**63, "seed: Input should be less than 9223372036854775808"),
        (
            "evaluate.splits",
            ["random", "random"],
            "evaluate.splits: Value error, 'random' is",
        ),
        ("evaluate.mlp.methods", ["text", "text"], "methods: Value error, 'text' is named twice"),
        ("evaluate.mlp.hidden", [-5], "evaluate.mlp.hidden.0: Input should be greater than or"),
        ("evaluate.mlp.hidden", [True], "evaluate.mlp.hidden.0: Input should be a valid integer"),
        ("pairs.satellite.top", 10**9, "pairs.satellite.top: Input should be less than or equal"),
        ("evaluate.mlp.hidden", [10**9], "evaluate.mlp.hidden.0: Input should be less than or"),
        ("evaluate.folds", 10**30, "evaluate.folds: Input should be less than or equal to"),
        ("satellite.ground_m", float("inf"), "satellite.ground_m: Input should be a finite"),
        ("fuse.temperature", float("nan"), "fuse.temperature: Input should be a finite number"),
        ("fuse.learning_rate", 1e12, "fuse.learning_rate: Input should be less than or equal to 1"),
        ("cities.synth.boundary.noise", float("nan"), "boundary: synth: noise: Input should be a"),
    ],
)
def test_what_would_fail_once_all_is_computed_is_refused(
    key: str, value: Any, message: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        check_params(changed(key, value), SHIPPED)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def numbers_of(schema: Any, above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every number that a schema tells of, by its place."""
    if isinstance(schema, dict) and schema.get("type") in ("integer", "number"):
        yield above, schema
    elif isinstance(schema, dict | list):
        parts = schema.items() if isinstance(schema, dict) else enumerate(schema)
        for name, part in parts:
            yield from numbers_of(part, f"{above}/{name}")


def test_every_number_has_limits() -> None:
    schema = json.loads((SHIPPED.parent / "schemas/params.schema.json").read_text("utf-8"))
    found = dict(numbers_of(schema))
    assert len(found) > 50
    without = {
        place
        for place, about in found.items()
        if not ({"minimum", "exclusiveMinimum"} & set(about))
        or not ({"maximum", "exclusiveMaximum"} & set(about))
    }
    # What a file holds, or a unit counts, may be any number.
    allowed = re.compile("nodata|missing|(minimum|maximum)_value")
    assert {place for place in without if not allowed.search(place)} == set()


def test_sections_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_params(SHIPPED).seed = 2
