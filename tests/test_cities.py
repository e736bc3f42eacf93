"""`musecl city`: an entry is added and nothing else changes; what is wrong with files is said."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import geopandas as gpd
import numpy as np
import pandas as pd
import polars as pl
import pytest
import rasterio
import shapely
import yaml
from PIL import Image
from rasterio.transform import from_origin

from made_city import CRS, SIDE, SOUTH, WEST, make_city
from musecl.cities.adding import Given, add_city
from musecl.cities.checking import check_city
from musecl.cities.command import run_city
from musecl.cities.contents import look_at_indicator, look_at_mobility, look_at_pois
from musecl.cities.entry import indent_of_cities, insert_city
from musecl.cities.guessing import guess_indicator, guess_pois, guess_trips
from musecl.cities.imagery import look_at_rasters
from musecl.cities.looking import look
from musecl.cities.network import find_outline, look_at_urls
from musecl.cities.pictures import guess_satellite, guess_street_view
from musecl.cities.report import Area, Report
from musecl.cities.sampling import ROWS, sample_files
from musecl.config import load_params
from musecl.geography.settings import RegionSettings
from musecl.imagery.settings import SatelliteSettings
from musecl.runtime.errors import InputError, MuseclError, ParameterError
from musecl.sources.contract import Flows, Points, Trips
from musecl.sources.providers import LAYERS, PROVIDERS
from musecl.stages.regions import build_regions
from toy_checkout import environment

ROOT = Path(__file__).parents[1]
SHIPPED = (ROOT / "params.yaml").read_bytes()
GRID = RegionSettings(
    grid="h3", resolution=8, spacing_m=1000, minimum_block_m2=0, minimum_land_share=0.25
)
CHIP = SatelliteSettings(ground_m=1120, pixels=128)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the made city."""
    folder = tmp_path_factory.mktemp("files")
    make_city(folder)
    return folder


@pytest.fixture(scope="module")
def area(files: Path) -> Area:
    land = gpd.read_file(files / "boundary.gpkg")
    return Area(land, build_regions(land, GRID))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A pipeline's params.yaml and inputs."""
    root = tmp_path / "root"
    (root / "inputs/nyc/pois").mkdir(parents=True)
    (root / "inputs/nyc/pois/.gitkeep").touch()
    (root / "params.yaml").write_bytes(SHIPPED)
    return root


def state(root: Path) -> dict[str, bytes | None]:
    """Every file and folder of a pipeline, with its bytes."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in root.rglob("*")
    }


def made(files: Path, **changed: Any) -> Given:
    given = {
        "boundary": str(files / "boundary.gpkg"),
        "pois": str(files / "pois.csv"),
        "trips": str(files / "trips.csv"),
        "satellite": str(files / "orthophoto.tif"),
        "indicators": {"income": str(files / "incomes.gpkg")},
    }
    return Given(**{**given, **changed})


def reports(root: Path, name: str = "delft") -> dict[str, Report]:
    return {report.name: report for report in check_city(root, name)}


# The text of params.yaml.


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("cities:\n  a:\n    x: 1\n", "next: 2\n"),
        ("cities:\n  a: {x: 1}  # mine\n\n", "next: 2\n"),
        ("# first\ncities:\n  # one\n  a: &a\n    x: 1\n  b: *a\n", "# of the next\nnext: 2\n"),
        ("cities:\n    a:\n      x: |\n        text\n      # the rest of a\n", "\n\n# next\nn: 2"),
        ("seed: 1\r\ncities:\r\n  a:\r\n    x: 1\r\n", "next: 2\r\n"),
        ("seed: 1\ncities:\n  a:\n    x: 1\n", ""),
        ("seed: 1\ncities:\n  ä: {x: [1,\n    2]}\n", "\n\n"),
    ],
)
def test_a_city_goes_behind_the_last_one_and_every_byte_stays(before: str, after: str) -> None:
    blank = before.rstrip("\n") + "\n" if before.endswith("\n\n") else before
    found = insert_city(before + after, ["  new:", "    x: 3"])
    assert found.startswith(blank)
    assert found.endswith(before[len(blank) :] + after)
    added = found[len(blank) : len(found) - len(before[len(blank) :] + after)]
    assert added.splitlines() == ["  new:", "    x: 3"]
    assert ("\r\n" in before) == ("\r\n" in added)
    if indent_of_cities(before) == "  ":
        was, now = yaml.safe_load(before + after), yaml.safe_load(found)
        assert now == {**was, "cities": {**was["cities"], "new": {"x": 3}}}


def test_a_last_line_without_an_end_gets_one() -> None:
    assert insert_city("cities:\n  a: 1", ["  b: 2"]) == "cities:\n  a: 1\n  b: 2\n"


def test_cities_in_braces_are_refused() -> None:
    with pytest.raises(ParameterError, match="write cities as a block"):
        insert_city("cities: {a: {x: 1}}\n", ["  b: 2"])


# Wrong calls.


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("nyc", {}, "there is a city 'nyc' already"),
        ("Delft", {}, "'Delft' is no name of a city"),
        ("models", {}, "'models' is no name of a city"),
        ("../delft", {}, "is no name of a city"),
        ("delft", {"indicators": {}}, "what is to be predicted?"),
        ("delft", {"boundary": "FILES/none.gpkg"}, "none.gpkg: no such file"),
        ("delft", {"pois": "FILES/none.csv"}, "none.csv: no such file"),
        ("delft", {"street_view": "FILES/*.jpg"}, "*.jpg: no such file"),
        ("delft", {"pois": "FILES/*.csv"}, "stands for 2 files; name one"),
        ("delft", {"boundary": "FILES/pois.csv"}, "holds no shapes; give a file of polygons"),
        ("delft", {"boundary": "FILES/orthophoto.tif"}, "orthophoto.tif: not readable"),
        ("delft", {"satellite": "FILES/pois.csv"}, "not readable as a raster"),
        ("delft", {"indicators": {"i": "FILES/incomes.gpkg:wealth"}}, "no column 'wealth'; it has"),
        ("delft", {"indicators": {"i": "FILES/none.gpkg:income"}}, "income: no such file"),
    ],
)
def test_a_wrong_call_is_one_line_and_writes_nothing(
    root: Path, files: Path, name: str, changed: dict[str, Any], message: str
) -> None:
    def here(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: here(inner) for key, inner in value.items()}
        return value.replace("FILES", str(files))

    before = state(root)
    with pytest.raises(MuseclError) as caught:
        add_city(root, name, made(files, **{key: here(value) for key, value in changed.items()}))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert state(root) == before


def test_inputs_that_are_there_already_are_left_alone(root: Path, files: Path) -> None:
    (root / "inputs/delft").mkdir()
    before = state(root)
    with pytest.raises(InputError, match="is there already"):
        add_city(root, "delft", made(files))
    assert state(root) == before


def test_files_of_one_name_are_refused(root: Path, files: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(files / "incomes.gpkg", other)
    two = {"a": str(files / "incomes.gpkg"), "b": str(other / "incomes.gpkg")}
    before = state(root)
    with pytest.raises(InputError, match="has the same name; rename one of them"):
        add_city(root, "delft", made(files, indicators=two))
    assert state(root) == before


def test_an_entry_that_would_not_load_is_not_written(root: Path, files: Path) -> None:
    before = state(root)
    with pytest.raises(ParameterError, match="one of pois, satellite and street_view"):
        add_city(root, "delft", made(files, pois=None, satellite=None))
    assert state(root) == before


def test_a_copy_that_fails_leaves_nothing(
    root: Path, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    before = state(root)
    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(InputError, match=r"cannot be linked .*; leave out --link"):
        add_city(root, "delft", made(files), link=True)
    assert state(root) == before


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["add", "delft"], 2, "one of the arguments --boundary --place is required"),
        (["add", "delft", "--place", "x", "--indicator", "income"], 1, "write it as NAME=FILE"),
        (["check", "delft"], 1, "musecl: no city 'delft'; there is nyc, synth\n"),
        (["remove", "delft"], 2, "invalid choice: 'remove'"),
        (["add", "--help"], 0, ""),
    ],
)
def test_the_command_refuses_what_it_does_not_know(
    root: Path, arguments: list[str], status: int, message: str
) -> None:
    shutil.copytree(ROOT / "workflow", root / "workflow")
    shutil.copy(ROOT / "dvc.yaml", root)
    found = subprocess.run(
        [sys.executable, "workflow/musecl", "city", *arguments],
        cwd=root,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert found.returncode == status
    assert message in found.stderr
    assert "Traceback" not in found.stderr
    assert (root / "params.yaml").read_bytes() == SHIPPED


# A city that is added.


def test_a_city_is_added_and_nothing_else_changes(root: Path, files: Path) -> None:
    said = add_city(root, "delft", made(files))
    assert said[0] == "params.yaml: delft is added; inputs/delft holds 5 files"
    assert said[-1] == "next: python workflow/musecl city check delft"
    assert len(said) == 2
    text = (root / "params.yaml").read_bytes()
    end = SHIPPED.index(b"upper_bounds:")
    assert text.startswith(SHIPPED[:end])
    assert text.endswith(SHIPPED[end:])
    added = yaml.safe_load(text)["cities"]["delft"]
    assert added["boundary"] == {"provider": "file", "path": "boundary.gpkg"}
    assert added["pois"] == {
        "provider": "table",
        "path": "pois.csv",
        "longitude": "lon",
        "latitude": "lat",
        "name": "name",
        "category": "category",
    }
    assert added["mobility"]["origin"] == {"longitude": "start_lng", "latitude": "start_lat"}
    assert added["mobility"]["destination"] == {"longitude": "end_lng", "latitude": "end_lat"}
    assert added["mobility"]["start"] == {"column": "started_at"}
    assert added["satellite"] == {"provider": "raster", "path": "orthophoto.tif"}
    assert added["street_view"] is None
    assert added["indicators"]["income"]["provider"] == "polygons"
    assert added["indicators"]["income"]["value"] == "income"
    assert set(load_params(root / "params.yaml").cities) == {"nyc", "synth", "delft"}
    layers = {path.name for path in (root / "inputs/delft").iterdir()}
    assert layers == set(LAYERS)
    assert all((root / "inputs/delft" / layer / ".gitkeep").exists() for layer in layers)
    for layer, name in [("boundary", "boundary.gpkg"), ("satellite", "orthophoto.tif")]:
        copy = root / "inputs/delft" / layer / name
        assert copy.read_bytes() == (files / name).read_bytes()
        assert not copy.samefile(files / name)
    assert not list(root.rglob(".partial*"))


def test_every_setting_that_is_left_out_stands_in_a_comment(root: Path, files: Path) -> None:
    add_city(root, "delft", made(files))
    lines = (root / "params.yaml").read_text(encoding="utf-8").splitlines()
    entry = lines[lines.index("  delft:") :]
    assert "      # district: null  # column that names parts of the city" in entry
    # Without its mark, a comment is a setting that loads.
    text = "\n".join(lines).replace("      # district: null  #", "      district: district  #")
    (root / "params.yaml").write_text(text, encoding="utf-8")
    assert load_params(root / "params.yaml").cities["delft"].boundary.district == "district"


def test_files_can_be_linked(root: Path, files: Path) -> None:
    add_city(root, "delft", made(files), link=True)
    assert (root / "inputs/delft/pois/pois.csv").samefile(files / "pois.csv")


def test_what_cannot_be_guessed_is_null_and_said(root: Path, files: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd.csv"
    odd.write_text("shop,where\nA,here\n", encoding="utf-8")
    said = add_city(root, "delft", made(files, pois=str(odd)))
    assert "fill in pois: which columns are longitude and latitude" in said
    text = (root / "params.yaml").read_text(encoding="utf-8")
    assert "    pois: null  # fill in: which columns are longitude and latitude\n" in text
    assert load_params(root / "params.yaml").cities["delft"].pois is None
    # Without the marks in front, the lines are the layer, but for what is to be filled in.
    block = text[text.index("    # pois:\n") :].partition("    # columns: started_at")[0]
    filled = yaml.safe_load("\n".join(line.replace("    # ", "", 1) for line in block.splitlines()))
    assert filled["pois"]["path"] == "odd.csv"
    assert filled["pois"]["longitude"] is None


def test_the_page_adds_and_checks_the_made_city_as_it_is_typed(root: Path) -> None:
    page = (ROOT / "docs/own-city.md").read_text(encoding="utf-8")
    shutil.copytree(ROOT / "workflow", root / "workflow")
    shutil.copytree(ROOT / "tests", root / "tests", ignore=shutil.ignore_patterns("toy_pipeline"))
    shutil.copy(ROOT / "dvc.yaml", root)
    typed = [
        line
        for block in page.split("```")[1::2]
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("python ")
    ]
    assert len(typed) >= 3
    for command in typed:
        done = subprocess.run(
            command, shell=True, cwd=root, env=environment(), capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, ""), command
    assert "70 regions" in done.stdout
    assert "delft" in load_params(root / "params.yaml").cities


@pytest.mark.skipif("osm" not in PROVIDERS["boundary"], reason="no provider `osm` of boundaries")
def test_a_place_stands_in_for_a_boundary(root: Path, files: Path) -> None:
    add_city(root, "delft", made(files, boundary=None, place="Delft, Netherlands"))
    added = yaml.safe_load((root / "params.yaml").read_bytes())["cities"]["delft"]
    assert added["boundary"] == {"provider": "osm", "place": "Delft, Netherlands"}
    assert not list((root / "inputs/delft/boundary").glob("[!.]*"))


# What is guessed of files.


def test_separator_encoding_and_decimals_of_a_table_are_found(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    text = "Straße;X_COORD;Y_COORD\nGrün;4,35;52,01\nBlau;4,36;52,02\n"
    path.write_bytes(text.encode("iso-8859-1"))
    seen = look(path)
    assert seen.options == {"encoding": "iso-8859-1", "separator": ";"}
    assert seen.columns == ["Straße", "X_COORD", "Y_COORD"]
    assert seen.numbers("X_COORD").tolist() == [4.35, 4.36]


def test_nested_columns_of_parquet_are_named_with_a_dot(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    rows = [{"names": {"primary": "A"}, "lon": 4.36, "lat": 52.01, "wkb": b"x", "l": ["a"]}]
    pl.DataFrame(rows).write_parquet(path)
    assert look(path).columns == ["names.primary", "lon", "lat"]
    assert guess_pois(path, None).settings["name"] == "names.primary"


@pytest.mark.parametrize("name", ["p.geojson", "p.json", "p.gpkg", "p.parquet", "p.shp"])
def test_shapes_need_no_columns_of_positions(tmp_path: Path, area: Area, name: str) -> None:
    points = area.regions.geometry.representative_point()
    table = gpd.GeoDataFrame({"kind": ["shop"] * len(points)}, geometry=points, crs=4326)
    path = tmp_path / name
    if name == "p.parquet":
        table.to_parquet(path)
    else:
        driver = "GeoJSON" if "json" in name else None
        table.to_file(path, driver=driver)
    entry = guess_pois(path, area.land)
    assert entry.missing is None
    assert entry.settings == {"provider": "table", "path": name, "category": "kind"}
    assert "Point; EPSG:4326" in entry.about or "Point; OGC:CRS84" in entry.about


@pytest.mark.parametrize(
    ("crs", "columns", "expected"),
    [
        ("EPSG:4326", ["lon", "lat"], {"longitude": "lon", "latitude": "lat"}),
        ("EPSG:4326", ["lat", "lon"], {"longitude": "lat", "latitude": "lon"}),
        (CRS, ["x", "y"], {"longitude": "x", "latitude": "y", "crs": CRS}),
        ("EPSG:32631", ["x", "y"], {"longitude": "x", "latitude": "y", "crs": "EPSG:32631"}),
        ("EPSG:3857", ["x", "y"], {"longitude": "x", "latitude": "y", "crs": "EPSG:3857"}),
    ],
)
def test_the_boundary_tells_crs_and_order_of_positions(
    tmp_path: Path, area: Area, crs: str, columns: list[str], expected: dict[str, str]
) -> None:
    points = area.regions.geometry.representative_point().to_crs(crs)
    path = tmp_path / "p.csv"
    table = pd.DataFrame(dict(zip(columns, [points.x, points.y], strict=True)))
    table.assign(type="shop").to_csv(path, index=False)
    entry = guess_pois(path, area.land)
    assert entry.missing is None
    assert {key: entry.settings.get(key) for key in expected} == expected
    assert ("crs" in entry.settings) == ("crs" in expected)
    swapped = columns[0] == "lat"
    assert entry.notes.get("longitude", "") == (
        "the file has them the wrong way round" if swapped else ""
    )


def test_positions_elsewhere_have_to_be_filled_in(tmp_path: Path, area: Area) -> None:
    path = tmp_path / "p.csv"
    path.write_text("lon,lat\n-73.9,40.7\n-73.8,40.8\n", encoding="utf-8")
    assert "lie outside the boundary" in str(guess_pois(path, area.land).missing)


@pytest.mark.parametrize(
    ("times", "setting", "shown"),
    [
        (["2024-05-01 10:00", "2024-05-01T11:00:01"], {"column": "started"}, ""),
        (["2024-05-01T10:00:00Z"] * 2, None, "{column: started, time_zone: }"),
        (["1714550000", "1714560000"], None, "{column: started, format: epoch, time_zone: }"),
        (["1.5.2024 10:00"] * 2, None, "{column: started, format: }"),
    ],
)
def test_a_start_is_set_where_its_column_is_enough(
    tmp_path: Path, times: list[str], setting: dict[str, str] | None, shown: str
) -> None:
    path = tmp_path / "t.csv"
    ends = {"o_lon": 4.36, "o_lat": 52.0, "d_lon": 4.37, "d_lat": 52.01, "trips": 3}
    pd.DataFrame({"started": times, **ends}).to_csv(path, index=False)
    entry = guess_trips(path, None)
    assert entry.missing is None
    assert entry.settings["count"] == "trips"
    assert entry.settings.get("start") == setting
    assert entry.choices.get("start", "") == shown


def test_trips_between_cells_are_flows(tmp_path: Path, area: Area) -> None:
    path = tmp_path / "f.csv"
    cells = area.regions["region_id"]
    pd.DataFrame({"from": cells, "to": cells[::-1], "n": 2}).to_csv(path, index=False)
    expected = {"provider": "flows", "path": "f.csv", "origin": "from", "destination": "to"}
    assert guess_trips(path, area.land).settings == {**expected, "count": "n"}


@pytest.mark.parametrize(
    ("columns", "column", "expected"),
    [
        ({"lon": 4.36, "lat": 52.0}, None, {"provider": "points", "statistic": "count"}),
        ({"lon": 4.36, "lat": 52.0, "price": "$60"}, "price", {"statistic": "mean"}),
        ({"region_id": "hex_1", "rent": 7}, None, {"provider": "table", "value": "rent"}),
    ],
)
def test_an_indicator_is_what_its_file_holds(
    tmp_path: Path, columns: dict[str, Any], column: str | None, expected: dict[str, str]
) -> None:
    path = tmp_path / "i.csv"
    pd.DataFrame({key: [value] * 3 for key, value in columns.items()}).to_csv(path, index=False)
    settings = guess_indicator(path, column, None).settings
    assert {key: settings[key] for key in expected} == expected
    assert settings["unit"] == "unknown"
    counted = "count" in expected.values()
    assert settings["transform"] == ("ln(1+x)" if counted else "identity")
    assert settings["minimum_value"] == (0 if counted else None)
    assert settings["maximum_value"] is None


@pytest.mark.parametrize(
    ("values", "bounds"), [([3.0, 60.0, 99.5], (0, 100)), ([-4.0, 60.0, 99.0], (None, None))]
)
def test_a_column_of_percentages_has_bounds(
    tmp_path: Path, values: list[float], bounds: tuple[int | None, int | None]
) -> None:
    path = tmp_path / "i.csv"
    pd.DataFrame({"region_id": list("abc"), "percent_poor": values}).to_csv(path, index=False)
    settings = guess_indicator(path, None, None).settings
    assert (settings["minimum_value"], settings["maximum_value"]) == bounds
    assert settings["unit"] == ("percent" if bounds == (0, 100) else "unknown")


def test_counts_of_polygons_are_shared_out(tmp_path: Path, area: Area) -> None:
    path = tmp_path / "i.gpkg"
    table = area.land.assign(population=[1000, 2000], share=[0.5, 0.6])
    table[["population", "share", "geometry"]].to_file(path)
    with pytest.raises(InputError, match=r"which column is the indicator.* of population, share"):
        guess_indicator(path, None, None)
    assert guess_indicator(path, "population", None).settings["kind"] == "extensive"
    assert guess_indicator(path, "share", None).settings["kind"] == "intensive"


def raster(path: Path, kind: str, bands: int, pixel: float = 10.0, **more: Any) -> Path:
    """A raster over the made city and a kilometre around it."""
    side = int((SIDE + 2000) / pixel)
    corner = from_origin(WEST - 1000, SOUTH + SIDE + 1000, pixel, pixel)
    about = {"crs": CRS, "transform": corner, **more}
    with rasterio.open(
        path, "w", driver="GTiff", width=side, height=side, count=bands, dtype=kind, **about
    ) as written:
        written.write(np.ones((bands, side, side), kind))
    return path


@pytest.mark.parametrize(
    ("kind", "bands", "expected"),
    [
        ("uint8", 3, None),
        ("uint8", 1, {"gray": 1}),
        ("uint16", 4, {"red": 1, "green": 2, "blue": 3}),
    ],
)
def test_bands_are_named_where_the_raster_does_not_say(
    tmp_path: Path, kind: str, bands: int, expected: dict[str, int] | None
) -> None:
    path = raster(tmp_path / "r.tif", kind, bands)
    entry = guess_satellite([path], "r.tif")
    assert entry.settings.get("bands") == expected
    assert entry.about == f"{bands} bands of {kind}; 830 x 830 pixels of 10; {CRS}"


def test_photographs_without_a_position_need_a_table(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (8, 8)).save(path)
    entry, tables = guess_street_view([path], "*.jpg", tmp_path)
    assert (tables, str(entry.missing)[:5]) == ([], "table")
    table = tmp_path / "where.csv"
    table.write_text("file,longitude,latitude\na.jpg,4.36,52.0\n", encoding="utf-8")
    entry, tables = guess_street_view([path], "*.jpg", tmp_path)
    assert (tables, entry.missing, entry.settings["table"]) == ([table], None, "where.csv")
    table.unlink()
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 0.0, 0.0), 3: "E", 4: (4.0, 21.0, 0.0)})
    Image.new("RGB", (8, 8)).save(path, exif=exif)
    assert guess_street_view([path], "*.jpg", tmp_path)[0].missing is None


# What is found by a check.


def pois_in(area: Area) -> gpd.GeoDataFrame:
    points = area.regions.geometry.representative_point()
    kinds = {"name": "A", "category": ["shop", "park"] * (len(points) // 2), "text": "shop A"}
    return gpd.GeoDataFrame(kinds, geometry=points, crs=4326)


def test_pois_are_counted_inside_whatever_their_crs(area: Area) -> None:
    for crs in ("EPSG:4326", CRS):
        report = look_at_pois(pois_in(area).to_crs(crs), area)
        assert report.complete
        assert "70 rows, 2 categories" in report.what
        assert report.what.endswith("; 70 inside, in 70 of 70 regions")


def test_swapped_coordinates_are_told_from_another_place(area: Area) -> None:
    pois = pois_in(area)
    swapped = pois.set_geometry(pois.geometry.map(lambda p: shapely.Point(p.y, p.x)))
    report = look_at_pois(swapped.set_crs(4326), area)
    assert ["swapped" in problem for problem in report.problems] == [True]
    elsewhere = pois.set_geometry(pois.translate(10), crs=4326)
    report = look_at_pois(elsewhere, area)
    assert ["only 0 of 70 positions" in problem for problem in report.problems] == [True]
    wrong_crs = pois.to_crs(CRS).set_crs("EPSG:32631", allow_override=True)
    assert not look_at_pois(wrong_crs, area).complete


def test_trips_are_counted_by_their_ends(area: Area) -> None:
    middles = area.regions[["longitude", "latitude"]]
    table = pd.DataFrame(
        {
            "origin_longitude": middles["longitude"],
            "origin_latitude": middles["latitude"],
            "destination_longitude": np.nan,
            "destination_latitude": np.nan,
            "start": pd.NaT,
            "trips": 2.0,
        }
    )
    report = look_at_mobility(Trips(table), area)
    assert report.what == "70 rows, 140 trips, 0 with a start; 70 of 140 ends inside, in 70 regions"
    assert report.complete
    flows = pd.DataFrame({"origin": ["a"], "destination": ["b"], "hour": [1], "trips": [1.0]})
    assert not look_at_mobility(Flows(flows), area).complete
    zones = area.land.assign(zone=["a", "b"])[["zone", "geometry"]]
    assert "between 2 zones" in look_at_mobility(Flows(flows, zones), area).what
    assert look_at_mobility(Flows(flows, zones), area).complete


@pytest.mark.parametrize(
    ("count", "complete", "doubt"),
    [(70, True, None), (29, True, "labels in fewer than 30 regions"), (0, False, None)],
)
def test_labels_are_counted(area: Area, count: int, complete: bool, doubt: str | None) -> None:
    middles = area.regions[["longitude", "latitude"]]
    moved = middles.copy()
    moved.iloc[count:] = middles.iloc[0] if count else 0.5
    report = look_at_indicator(Points(moved.assign(value=np.arange(70.0)), "mean"), area)
    assert report.complete == complete
    assert (f"in {count} of 70 regions" in report.what) == (count > 0 or not complete)
    found = [one for one in report.doubts if "labels" in one]
    assert bool(found) == (doubt is not None)
    assert all(str(doubt) in one for one in found)


def test_counts_of_points_that_lie_elsewhere_are_no_zeros(area: Area) -> None:
    far = pd.DataFrame({"longitude": [0.5], "latitude": [0.5]})
    problems = look_at_indicator(Points(far, "count"), area).problems
    assert "no region has a value; check the file, its CRS and its columns" in problems


def test_one_value_for_all_is_doubted(area: Area) -> None:
    middles = area.regions[["longitude", "latitude"]].assign(value=3.0)
    report = look_at_indicator(Points(middles, "mean"), area)
    assert "every region has the same value: there is nothing to predict" in report.doubts


@pytest.mark.parametrize(
    ("more", "problem", "doubt"),
    [
        ({}, None, None),
        ({"pixel": 100.0}, None, "the raster is coarse: 11 pixels"),
        ({"transform": from_origin(0, 0, 10, 10)}, "none meets the city", None),
        ({"crs": None}, "names no CRS; set crs", None),
        (
            {"transform": from_origin(WEST, SOUTH + 1000, 10, 10)},
            None,
            "fewer than 30 regions are seen",
        ),
    ],
)
def test_rasters_are_told_by_their_headers(
    tmp_path: Path, area: Area, more: dict[str, Any], problem: str | None, doubt: str | None
) -> None:
    raster(tmp_path / "r.tif", "uint8", 3, **more)
    report = look_at_rasters(tmp_path, SimpleNamespace(path="*.tif", crs=None), area, CHIP)
    assert [problem in one for one in report.problems] == ([] if problem is None else [True])
    assert [doubt in one for one in report.doubts] == ([] if doubt is None else [True])
    if not more:
        assert report.what.endswith("covers 70 of 70 regions; a chip of 1120 m has 112 pixels")


def test_a_damaged_raster_is_found(tmp_path: Path, area: Area) -> None:
    path = raster(tmp_path / "r.tif", "uint8", 3, compress="deflate")
    # The header stays, so it can be opened.
    content = path.read_bytes()
    path.write_bytes(content[:4000] + bytes(len(content) - 4000))
    with pytest.raises(InputError, match="damaged"):
        look_at_rasters(tmp_path, SimpleNamespace(path="r.tif", crs=None), area, CHIP)
    with pytest.raises(InputError, match="no such file"):
        look_at_rasters(tmp_path, SimpleNamespace(path="none.tif", crs=None), area, CHIP)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet", "t.jsonl"])
def test_of_a_large_table_the_first_rows_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("musecl.cities.sampling.LARGE_BYTES", 1000)
    folder, part = tmp_path / "all", tmp_path / "part"
    folder.mkdir()
    part.mkdir()
    table = pd.DataFrame({"a": np.arange(ROWS + 5)})
    if name == "t.parquet":
        table.to_parquet(folder / name)
    elif name == "t.jsonl":
        table.to_json(folder / name, orient="records", lines=True)
    else:
        table.to_csv(folder / name, index=False)
    (folder / "small.csv").write_text("a\n1\n", encoding="utf-8")
    assert sample_files(folder, part) == [name]
    assert (part / "small.csv").read_text(encoding="utf-8") == "a\n1\n"
    read = pd.read_parquet if name == "t.parquet" else pd.read_csv
    rows = pd.read_json(part / name, lines=True) if name == "t.jsonl" else read(part / name)
    assert len(rows) in (ROWS, ROWS + 1)
    assert rows["a"].iloc[:ROWS].tolist() == list(range(ROWS))


@pytest.fixture
def server() -> Iterator[str]:
    """Answers of a Nominatim and of a file server, on this machine."""

    class FakeAnswers(BaseHTTPRequestHandler):
        shapes: ClassVar[dict[str, Any]] = {
            "Delft": [shapely.box(4.3, 51.9, 4.4, 52.0)],
            "a point": [shapely.Point(4.3, 51.9)],
            "nowhere": [],
        }

        def do_GET(self) -> None:
            status, body = (200, b"II*\0") if "whole.tif" in self.path else (404, b"")
            if self.path.startswith("/search"):
                asked = self.path.partition("q=")[2].partition("&")[0].replace("+", " ")
                shapes = self.shapes[asked]
                names = {"display_name": [asked] * len(shapes)}
                table = gpd.GeoDataFrame(names, geometry=shapes, crs=4326)
                status, body = 200, table.to_json().encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    found = HTTPServer(("127.0.0.1", 0), FakeAnswers)
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{found.server_port}"
    found.shutdown()
    thread.join()
    found.server_close()


def test_urls_are_asked_and_no_secret_is_shown(server: str) -> None:
    report = look_at_urls([f"{server}/whole.tif?key=secret", f"{server}/none.tif?key=secret"])
    assert report.what == "2 URLs; 1 of 2 asked answer"
    assert [problem.partition("/none")[2] for problem in report.problems] == [
        ".tif: the server says 404"
    ]
    assert "secret" not in str(report)
    assert "no answer" in look_at_urls(["http://127.0.0.1:1/a.tif"]).problems[0]


def test_a_place_is_asked_for(server: str) -> None:
    def outline(place: str) -> gpd.GeoDataFrame:
        return find_outline(SimpleNamespace(place=place, osm_id=None, nominatim_url=server))

    assert outline("Delft").total_bounds.tolist() == [4.3, 51.9, 4.4, 52.0]
    for place in ("a point", "nowhere"):
        with pytest.raises(InputError, match=f"knows no outline of '{place}'"):
            outline(place)


def test_a_report_is_a_line_and_what_there_is_to_say() -> None:
    assert str(Report("3 rows", name="pois")) == "ok    pois: 3 rows"
    report = Report("3 rows", ["few"], ["far"], ["read"], "pois")
    assert str(report).splitlines() == [
        "WRONG pois: 3 rows",
        "        wrong: far",
        "        doubt: few",
        "        read",
    ]
    assert str(Report("", problems=["absent"], name="x")) == "WRONG x: absent"


def test_what_providers_fetch_themselves_is_not_checked(root: Path) -> None:
    found = reports(root, "nyc")
    assert "not checked" in found["boundary"].what
    assert found["boundary"].complete
    assert "not checked" in found["indicators.poverty_share"].what


def test_a_city_that_is_right_is_complete(
    root: Path, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_city(root, "delft", made(files))
    before = state(root)
    run_city(root, "check", ["delft"])
    lines = capsys.readouterr().out.splitlines()
    assert "ok    boundary: 2 polygons, Amersfoort / RD New; 70 regions, 39 km2" in lines
    assert "ok    street_view: null, the city lacks it" in lines
    assert not [line for line in lines if line.startswith("WRONG") or "doubt:" in line]
    assert state(root) == before


@pytest.mark.parametrize(
    ("layer", "name", "broken", "message"),
    [
        ("pois", "pois.csv", None, "no such file"),
        ("pois", "pois.csv", "name,category,lon,lat\n", "position"),
        ("pois", "pois.csv", "name,category,lon,lat\nA,b,52.01,4.36\n", "swapped"),
        ("pois", "pois.csv", "name,category,lon,lat\nA,b,84000,446000\n", "degrees"),
        ("pois", "pois.csv", "name,category,lon\nA,b,4.36\n", "no column"),
        ("mobility", "trips.csv", None, "no such file"),
        ("satellite", "orthophoto.tif", None, "no such file"),
        ("satellite", "orthophoto.tif", "no raster", "not readable as a raster"),
        ("boundary", "boundary.gpkg", "no boundary", "not readable"),
        ("indicators", "incomes.gpkg", None, "no such file"),
    ],
)
def test_what_is_wrong_with_a_layer_is_said_and_the_others_are_checked(
    root: Path, files: Path, layer: str, name: str, broken: str | None, message: str
) -> None:
    add_city(root, "delft", made(files))
    path = root / "inputs/delft" / layer / name
    path.unlink()
    if broken is not None:
        path.write_text(broken, encoding="utf-8")
    found = reports(root)
    key = "indicators.income" if layer == "indicators" else layer
    assert message in str(found[key]), found[key]
    assert {one.name for one in found.values() if not one.complete} == {key}
    assert len(found) == 6


def test_a_check_that_finds_something_wrong_ends_with_status_1(root: Path, files: Path) -> None:
    add_city(root, "delft", made(files))
    (root / "inputs/delft/pois/pois.csv").unlink()
    with pytest.raises(SystemExit) as ended:
        run_city(root, "check", ["delft"])
    assert ended.value.code == 1


@pytest.mark.parametrize(
    "more",
    [
        {"panorama": "no"},
        {},
    ],
)
def test_photographs_are_sampled_and_read_by_their_provider(
    root: Path, files: Path, area: Area, tmp_path: Path, more: dict[str, str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    middles = area.regions.iloc[:4]
    for number in range(4):
        Image.new("RGB", (64, 48)).save(folder / f"{number}.jpg")
    table = middles[["longitude", "latitude"]].assign(file=[f"{n}.jpg" for n in range(4)], **more)
    table.to_csv(folder / "where.csv", index=False)
    add_city(root, "delft", made(files, street_view=f"{folder}/*.jpg"))
    report = reports(root)["street_view"]
    assert report.complete
    assert "files: 4; 4 of 4 looked at can be used, 0 with a heading" in report.what
    assert report.what.endswith("; 4 inside, in 4 regions")


def test_a_raster_of_values_is_there_until_it_has_been_read(
    root: Path, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(given: Any, regions: gpd.GeoDataFrame) -> pd.Series:
        with rasterio.open(given.paths[0]) as people:
            return pd.Series(float(people.count), index=regions["region_id"])

    path = raster(tmp_path / "people.tif", "float32", 1)
    monkeypatch.setattr("musecl.cities.contents.values_by_region", read)
    add_city(root, "delft", made(files, indicators={"people": str(path)}))
    added = yaml.safe_load((root / "params.yaml").read_bytes())["cities"]["delft"]
    assert added["indicators"]["people"]["provider"] == "raster"
    assert "in 70 of 70 regions from 1 to 1" in reports(root)["indicators.people"].what


def test_geojson_is_told_from_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(
        "\n".join(json.dumps({"lon": 4.0, "kind": kind}) for kind in "ab"), encoding="utf-8"
    )
    assert look(path).columns == ["lon", "kind"]
    path.write_text(json.dumps([{"lon": 4.0}, {"lat": 5.0}]), encoding="utf-8")
    assert look(path).columns == ["lon", "lat"]
