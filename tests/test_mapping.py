"""The map: a row per region, and a GeoPackage that says what its columns are."""

import sqlite3
from contextlib import closing
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet
import pyogrio
import pytest

from musecl.evaluation.backtransform import Scale
from musecl.mapping.layout import PARTS, map_schema, split_of_map
from musecl.mapping.style import COLOURS, class_bounds, graduated_style
from musecl.mapping.writing import write_map
from musecl.sources.settings import OF_A_REGION, OF_AN_INDICATOR, check_names
from small_city import disk_of_regions

REGIONS = disk_of_regions(1).assign(district=["north", None, *["south"] * 5])
IDS = REGIONS["region_id"].tolist()
SCALES = {
    "share": Scale("percent", "identity", 0, 100),
    "density": Scale("people per km2", "ln(1+x)", 0),
}


def predictions():
    """Density of all regions, the first without a label; the share of three alone."""
    density = pd.DataFrame(
        {
            "region_id": IDS,
            "indicator": "density",
            "made_by": ["all labels", *["out of fold"] * 6],
            "observed": [np.nan, *range(100, 700, 100)],
            "prediction": np.arange(7) * 90.0,
            "prediction_from_coordinates": 55.0,
            "lower_90": 1.0,
            "upper_90": 999.0,
        }
    )
    share = density.iloc[4:].assign(indicator="share", observed=50.0, prediction=40.0)
    return pd.concat([density, share]).sample(frac=1, random_state=1)


@pytest.fixture
def files(tmp_path):
    paths = tmp_path / "map.gpkg", tmp_path / "map.parquet"
    write_map(REGIONS, predictions(), SCALES, {"density"}, *paths)
    return paths


def rows(path, query):
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def test_both_files_hold_a_row_per_region_joined_by_name(files):
    geopackage = gpd.read_file(files[0], layer="regions")
    parquet = gpd.read_parquet(files[1])
    for table in (geopackage, parquet):
        assert table.crs == "EPSG:4326"
        found = table.set_index("region_id")
        assert list(found.index) == IDS
        assert found["density_prediction"].tolist() == [0, 90, 180, 270, 360, 450, 540]
        assert found["density_error"].isna().tolist() == [True] + [False] * 6
        assert found["density_error"].iloc[1] == 90 - 100
        assert found["share_prediction"].isna().tolist() == [True] * 4 + [False] * 3
        assert found["density_made_by"].iloc[0] == "all labels"
        assert found["density_from_coordinates"].eq(55).all()
        assert found["district"].isna().tolist() == [False, True] + [False] * 5
        assert found.geometry.is_valid.all()
    assert list(geopackage.columns) == list(parquet.columns)


def test_the_same_rows_are_the_same_bytes(files, tmp_path):
    (tmp_path / "again").mkdir()
    again = tmp_path / "again/map.gpkg", tmp_path / "again/map.parquet"
    write_map(REGIONS, predictions(), SCALES, {"density"}, *again)
    for one, other in zip(files, again, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_every_column_says_what_it_is_and_its_unit(files):
    columns = [name for (_, name, *_) in rows(files[0], "PRAGMA table_info(regions)")]
    said = dict(rows(files[0], "SELECT column_name, description FROM gpkg_data_columns"))
    assert set(said) == set(columns) - {"fid"}
    assert said["density"] == "density: the label; null where there is none [people per km2]"
    extensions = rows(files[0], "SELECT table_name FROM gpkg_extensions "
                                "WHERE extension_name = 'gpkg_schema'")  # fmt: skip
    assert {name for (name,) in extensions} == {
        "gpkg_data_columns",
        "gpkg_data_column_constraints",
    }
    schema = pyarrow.parquet.read_schema(files[1])
    for name in schema.names:
        assert b"description" in schema.field(name).metadata
    for ending in PARTS:
        assert schema.field("share" + ending).metadata[b"unit"] == b"percent"


def test_gdal_reads_the_layer_and_its_contents_carry_no_date(files):
    assert "regions" in [name for name, _ in pyogrio.list_layers(files[0])]
    info = pyogrio.read_info(files[0], layer="regions")
    assert (info["features"], info["geometry_type"]) == (7, "MultiPolygon")
    dates = rows(files[0], "SELECT last_change FROM gpkg_contents")
    dates += rows(files[0], "SELECT update_time FROM layer_styles")
    assert {date for (date,) in dates} == {"2000-01-01T00:00:00.000Z"}
    assert rows(files[0], "PRAGMA integrity_check") == [("ok",)]
    assert rows(files[0], "PRAGMA foreign_key_check") == []


def test_the_first_primary_indicator_is_drawn_at_first(files):
    found = rows(files[0], "SELECT styleName, useAsDefault, f_table_name, f_geometry_column, "
                           "styleQML FROM layer_styles ORDER BY id")  # fmt: skip
    assert [row[:4] for row in found] == [
        ("share", 0, "regions", "geom"),
        ("density", 1, "regions", "geom"),
    ]
    style = ElementTree.fromstring(found[1][4].partition("\n")[2])
    renderer = style.find("renderer-v2")
    assert renderer.attrib["attr"] == "density_prediction"
    ranges = renderer.findall("ranges/range")
    bounds = [(float(one.attrib["lower"]), float(one.attrib["upper"])) for one in ranges]
    assert (bounds[0][0], bounds[-1][1]) == (0, 540)
    assert [low for low, _ in bounds[1:]] == [high for _, high in bounds[:-1]]
    symbols = {one.attrib["name"]: one for one in renderer.findall("symbols/symbol")}
    drawn = [
        symbols[one.attrib["symbol"]].find("layer/Option/Option[@name='color']").attrib["value"]
        for one in ranges
    ]
    assert drawn == [f"{colour},255" for colour in COLOURS]


@pytest.mark.parametrize(
    ("values", "bounds"),
    [
        ([], [0, 0]),
        ([np.nan, np.inf], [0, 0]),
        ([3.0, 3.0], [3, 3]),
        ([0.0] * 9 + [5.0], [0, 5]),
        (list(range(11)), [0, 2, 4, 6, 8, 10]),
    ],
)
def test_classes_cover_what_there_is(values, bounds):
    assert class_bounds(np.array(values, dtype=float)) == pytest.approx(bounds)
    style = graduated_style("a", np.array(values, dtype=float))
    assert style.count("<range ") == len(bounds) - 1


def test_the_map_shows_the_spatial_split_where_it_was_judged():
    assert split_of_map(["random", "spatial", "paper"]) == "spatial"
    assert split_of_map(["paper", "random"]) == "paper"


def test_a_city_without_indicators_has_a_map_of_its_regions(tmp_path):
    nothing = predictions().iloc[:0]
    write_map(REGIONS, nothing, {}, set(), tmp_path / "map.gpkg", tmp_path / "map.parquet")
    assert len(gpd.read_parquet(tmp_path / "map.parquet")) == 7
    assert rows(tmp_path / "map.gpkg", "SELECT count(*) FROM layer_styles") == [(0,)]


def test_no_two_columns_of_the_map_have_one_name():
    """The second would stand in the place of the first."""
    assert (*PARTS, "_made_by") == OF_AN_INDICATOR
    assert set(map_schema({}).columns) <= set(OF_A_REGION)
    check_names(["income", "income_of_households", "error"])
    for names in (["income", "income_error"], ["income_error", "income"], ["Rent", "rent"]):
        with pytest.raises(ValueError, match="another column of the map is named"):
            check_names(names)
    with pytest.raises(ValueError, match="'area_km2'"):
        check_names(["area_km2"])


def test_the_legend_has_numbers_that_a_person_reads() -> None:
    style = graduated_style("density", np.array([0.0, 815.76, 4981.2, 9900.4, 17_512.0, 68_970.0]))
    labels = [part.get("label") for part in ElementTree.fromstring(style).iter("range")]
    assert labels[0].startswith("0 to ")
    assert labels[-1].endswith(" to 69,000")
    assert "e+" not in "".join(labels)
