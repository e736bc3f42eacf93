"""The table of providers: each stands where it says, a new one is a line, and nobody else knows."""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest

from closure import PACKAGE, imported_modules
from generated_city import SHIPPED
from musecl import sources
from musecl.config import check_params
from musecl.runtime.errors import InputError, ParameterError
from musecl.runtime.section import Section
from musecl.sources.layers import read_layer
from musecl.sources.provider import PROVENANCE, Provider
from musecl.sources.providers import LAYERS, PROVIDERS, chosen, provider_of
from musecl.stages import fetch_indicators, fetch_pois, pois
from small_city import disk_of_regions, job_in

ENTRIES = [(layer, name) for layer, names in PROVIDERS.items() for name in names]
# Words of the field, which stand in code for what they mean there.
WORDS = {"file", "flows", "folder", "points", "polygons", "raster", "table", "trips"}
NAMES = {name for _, name in ENTRIES} - WORDS
REGIONS = disk_of_regions()


def test_the_table_has_every_layer() -> None:
    assert tuple(PROVIDERS) == LAYERS
    assert all(PROVIDERS.values())


@pytest.mark.parametrize(("layer", "name"), ENTRIES)
def test_an_entry_of_the_table_is_the_provider_that_it_names(layer: str, name: str) -> None:
    provider = provider_of(layer, name)
    assert isinstance(provider, Provider)
    assert (provider.layer, provider.name) == (layer, name)
    assert issubclass(provider.settings, Section)
    # Its settings are for no other name.
    annotation = provider.settings.model_fields["provider"].annotation
    assert name in annotation.__args__
    assert provider.says
    assert "\n" not in provider.says + provider.licence + provider.attribution
    views = ("satellite", "street_view")
    assert (provider.imagery in ("rendered", "photographic")) == (layer in views)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", ["osm of nobody", "", None, 3, ["sample"], {"sample": 1}])
def test_an_unknown_provider_is_one_line_that_lists_the_others(layer: str, name: object) -> None:
    with pytest.raises(ParameterError) as caught:
        chosen(layer, {"provider": name})
    known = ", ".join(PROVIDERS[layer])
    assert str(caught.value) == f"no provider {name!r} for {layer}; there is {known}"


@pytest.mark.parametrize(("layer", "name"), ENTRIES)
def test_a_wrong_setting_is_one_line_that_says_whose(layer: str, name: str) -> None:
    with pytest.raises(ParameterError) as caught:
        chosen(layer, {"provider": name, "wrong_key": 1})
    assert str(caught.value).startswith(f"{layer}: {name}: ")
    assert "\n" not in str(caught.value)


# The upper bound draws a generated city again; params.yaml is checked for being one; and a city of
# one's own is added and checked with the providers that fit its files.
KNOWING = {"config.py", "stages/upper_bound.py"}


def others() -> list[Path]:
    """Every module that must work with whatever provider there is."""
    return [
        path
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] != "sources"
        and str(path.relative_to(PACKAGE)) not in KNOWING
        and path.relative_to(PACKAGE).parts[0] != "cities"
    ]


def test_no_other_module_imports_a_provider() -> None:
    known = {"sources"} | {f"sources.{name}" for name in SHARED}
    for path in others():
        for name in imported_modules(path):
            part = name.removeprefix("musecl.")
            if part.partition(".")[0] == "sources":
                assert part in known, f"{path}: {name}"


# What is known of kinds of files stands in `sources`, too, and is nobody's own.
SHARED = (
    *("contract", "layers", "packages", "provider", "providers", "settings"),
    *("geotiff", "photograph"),
)


def test_no_other_module_names_a_provider() -> None:
    """A name in code stands as a string of its own; in prose it stands among other words."""
    for path in others():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value not in NAMES, f"{path}:{node.lineno}: {node.value!r}"


def test_what_is_looked_for_is_found_where_it_stands() -> None:
    """The search above finds a name where there is one: in `config`, which knows a provider."""
    tree = ast.parse((PACKAGE / "config.py").read_text(encoding="utf-8"))
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert strings & NAMES
    upper_bound = imported_modules(PACKAGE / "stages/upper_bound.py")
    assert any(name.startswith("musecl.sources.synth") for name in upper_bound)


MADE_UP = '''
"""POIs of a table of one's own, and how long their names are."""

from typing import Literal

import geopandas as gpd
import pandas as pd

from musecl.sources.contract import Points
from musecl.sources.provider import Provider
from musecl.runtime.section import Section


class MadeUp(Section):
    """A table with a header."""

    provider: Literal["made_up"]
    file: str
    times: int = 1


def fetch(request):
    assert request.regions is not None and request.area.area > 0
    request.take(request.settings.file)


def read(folder, settings):
    table = pd.read_csv(folder / settings.file)
    points = gpd.points_from_xy(table["x"], table["y"], crs=4326)
    text = table["name"].str.upper()
    return gpd.GeoDataFrame(table[["name"]], geometry=points).assign(category="own", text=text)


def read_lengths(folder, settings):
    table = pd.read_csv(folder / settings.file)
    value = settings.times * table["name"].str.len().astype(float)
    columns = {"longitude": table["x"], "latitude": table["y"], "value": value}
    return Points(pd.DataFrame(columns), "sum")


POIS = Provider("made_up", "pois", MadeUp, fetch, read, "a table", attribution="Nobody")
LENGTHS = Provider("made_up", "indicators", MadeUp, fetch, read_lengths, "lengths of names")
'''


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A provider that is a module and two lines in the table, and nothing else."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/made_up.py").write_text(MADE_UP, encoding="utf-8")
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path / "modules")])
    monkeypatch.setitem(PROVIDERS["pois"], "made_up", "made_up:POIS")
    monkeypatch.setitem(PROVIDERS["indicators"], "made_up", "made_up:LENGTHS")
    yield
    sys.modules.pop("musecl.sources.made_up", None)
    vars(sources).pop("made_up", None)


GIVEN = {"provider": "made_up", "file": "own.csv"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Regions, and a table of POIs among the user's own files."""
    root = tmp_path / "root"
    (root / "data/toy").mkdir(parents=True)
    REGIONS.to_parquet(root / "data/toy/regions.parquet")
    for layer in ("pois", "indicators"):
        (root / "inputs/toy" / layer).mkdir(parents=True)
        table = REGIONS[["longitude", "latitude"]].set_axis(["x", "y"], axis=1).head(3)
        named = table.assign(name=["one", "three", "five"])
        named.to_csv(root / "inputs/toy" / layer / "own.csv", index=False)
    return root


@pytest.mark.usefixtures("made_up")
def test_a_new_provider_is_checked_fetched_and_read_by_its_name_alone(root: Path) -> None:
    city = SHIPPED["cities"]["nyc"] | {"pois": GIVEN}
    values = SHIPPED | {"cities": {"toy": city}, "upper_bounds": [], "transfers": {}}
    assert check_params(values, root / "params.yaml").cities["toy"].pois.file == "own.csv"

    job = job_in(root, ["regions.parquet"], ["raw/pois"], cities__toy__pois=GIVEN)
    fetch_pois.run(job)
    job.publish()
    folder = root / "data/toy/raw/pois"
    assert {path.name for path in folder.iterdir()} == {"own.csv", PROVENANCE}
    about = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
    assert about["settings"] == [{**GIVEN, "times": 1}]
    assert about["attribution"] == "Nobody"
    assert [record["file"] for record in about["files"]] == ["own.csv"]

    outputs = ["pois.parquet", "poi_category_counts.parquet"]
    inputs = ["raw/pois", "regions.parquet"]
    job = job_in(root, inputs, outputs, cities__toy__pois=GIVEN)
    assert isinstance(read_layer(job, "pois"), gpd.GeoDataFrame)
    pois.run(job)
    job.publish()
    found = pd.read_parquet(root / "data/toy/pois.parquet")
    assert found["text"].tolist() == ["ONE", "THREE", "FIVE"]
    assert found["region_id"].tolist() == REGIONS["region_id"].head(3).tolist()


@pytest.mark.usefixtures("made_up")
def test_indicators_of_one_provider_share_what_was_fetched(root: Path) -> None:
    about = {
        "unit": "letters",
        "year": 0,
        "transform": "identity",
        "primary": True,
        "label_provenance": [],
    }
    asked = {"once": GIVEN | about, "twice": GIVEN | {"times": 2} | about}
    job = job_in(root, ["regions.parquet"], ["raw/indicators"], cities__toy__indicators=asked)
    fetch_indicators.run(job)
    job.publish()
    folder = root / "data/toy/raw/indicators"
    assert [path.name for path in folder.iterdir()] == ["made_up"]
    said = json.loads((folder / "made_up" / PROVENANCE).read_text(encoding="utf-8"))
    assert [settings["times"] for settings in said["settings"]] == [1, 2]
    assert len(said["files"]) == 1


@pytest.mark.usefixtures("made_up")
def test_a_file_that_is_not_there_is_one_line_and_nothing_is_written(root: Path) -> None:
    (root / "inputs/toy/pois/own.csv").unlink()
    job = job_in(root, ["regions.parquet"], ["raw/pois"], cities__toy__pois=GIVEN)
    with pytest.raises(
        InputError, match=r"inputs/toy/pois/own.csv: no such file; put it"
    ) as caught:
        fetch_pois.run(job)
    job.discard()
    assert "\n" not in str(caught.value)
    assert not list((root / "data/toy/raw").iterdir())


def test_a_layer_that_the_city_lacks_is_read_as_none(root: Path) -> None:
    job = job_in(root, ["regions.parquet"], ["raw/pois"], cities__toy__pois=None)
    fetch_pois.run(job)
    job.publish()
    content = (root / "data/toy/raw/pois" / PROVENANCE).read_text(encoding="utf-8")
    assert json.loads(content) == {"provider": None}
    assert read_layer(job, "pois") is None
