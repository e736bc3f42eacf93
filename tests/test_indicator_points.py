"""Points of one's own: what they become, what is left out, what is refused."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from shapely import box

from musecl.indicators.aggregation import values_by_region
from musecl.runtime.errors import InputError
from musecl.sources import indicator_points as provider
from musecl.sources.indicator_points import PointsSettings
from own_files import as_regions, boxes, cells, provided, put, request_in
from shared_data import shared

AREA = box(-74.05, 40.7, -73.9, 40.85)
NEW_YORK = box(-74.3, 40.45, -73.65, 40.95)
MADRID = box(-3.9, 40.3, -3.5, 40.7)
ROWS = """key,price,Latitude,Longitude
7,$60.00,40.72,-74.0
07,"1,000",40.74,-73.95
7,(null),40.8,-73.92
 ,5,40.8,-73.92
9,5,,
9,5,0,0
9,5,(null),-73.9
9,5,95,-73.92
"""


def settings(**more):
    about = {"path": "a.csv", "longitude": "Longitude", "latitude": "Latitude"}
    return PointsSettings(provider="points", **{**about, "statistic": "count", **more})


def of_shapes(path, **more):
    return settings(path=path, longitude=None, latitude=None, **more)


def write(root, text=ROWS, name="a.csv"):
    (root / "inputs").mkdir(exist_ok=True)
    (root / "inputs" / name).write_text(text, encoding="utf-8-sig")


def test_points_without_a_position_are_left_out_and_counted(tmp_path, capsys):
    write(tmp_path)
    points = provided(tmp_path, provider, settings(minimum=2), AREA)
    assert points.table.columns.tolist() == ["longitude", "latitude"]
    assert points.table["latitude"].tolist() == [40.72, 40.74, 40.8, 40.8]
    assert (points.statistic, points.minimum, points.per_km2) == ("count", 2, None)
    assert "a.csv: 4 of 8 rows have no position, left out" in capsys.readouterr().out


def test_values_are_parsed_and_what_has_none_is_counted(tmp_path, capsys):
    write(tmp_path)
    points = provided(tmp_path, provider, settings(statistic="mean", value="price"), AREA)
    assert points.table["value"].tolist() == [60, 1000, 5]
    said = capsys.readouterr().out
    assert "a.csv, column price: 1 of 4 cells are empty, 0 are no number" in said
    assert "a.csv: 1 of 4 points have no value and are left out" in said


def test_keys_stay_text_and_an_empty_one_is_none(tmp_path, capsys):
    write(tmp_path)
    points = provided(tmp_path, provider, settings(statistic="distinct", key="key"), AREA)
    assert points.table["key"].tolist() == ["7", "07", "7"]
    assert "1 of 4 points have no key and are left out" in capsys.readouterr().out


def test_files_of_a_pattern_are_read_together(tmp_path):
    write(tmp_path)
    write(tmp_path, ROWS, "b.csv")
    assert len(provided(tmp_path, provider, settings(path="*.csv"), AREA).table) == 8


def shapes():
    table = pd.DataFrame({"price": ["$1", "$2"], "other": 0})
    return gpd.GeoDataFrame(
        table, geometry=gpd.points_from_xy([-74.0, -73.95], [40.72, 40.74]), crs=4326
    )


@pytest.mark.parametrize("name", ["a.gpkg", "a.geojson", "a.parquet", "a.shp"])
def test_shapes_in_any_reference_system_give_the_same_points(tmp_path, name):
    (tmp_path / "inputs").mkdir()
    path = tmp_path / "inputs" / name
    if name == "a.parquet":
        shapes().to_crs(32618).to_parquet(path)
    else:
        shapes().to_crs(4326 if name == "a.geojson" else 2263).to_file(path)
    points = provided(tmp_path, provider, of_shapes(name, statistic="sum", value="price"), AREA)
    assert points.table["longitude"].tolist() == pytest.approx([-74.0, -73.95], abs=1e-6)
    assert points.table["latitude"].tolist() == pytest.approx([40.72, 40.74], abs=1e-6)
    assert points.table["value"].tolist() == [1, 2]


def test_shapes_without_a_reference_system_need_one(tmp_path):
    (tmp_path / "inputs").mkdir()
    shapes().to_crs(32618).set_crs(None, allow_override=True).to_file(tmp_path / "inputs/a.shp")
    with pytest.raises(InputError, match="names no CRS; set crs"):
        provided(tmp_path, provider, of_shapes("a.shp"), AREA)
    points = provided(tmp_path, provider, of_shapes("a.shp", crs="EPSG:32618"), AREA)
    assert points.table["latitude"].tolist() == pytest.approx([40.72, 40.74], abs=1e-6)


def test_a_file_of_several_layers_needs_one_named(tmp_path):
    (tmp_path / "inputs").mkdir()
    for layer in ("first", "second"):
        shapes().to_file(tmp_path / "inputs/a.gpkg", layer=layer)
    for layer in (None, "third"):
        with pytest.raises(InputError, match="holds the layers first, second; set layer"):
            provided(tmp_path, provider, of_shapes("a.gpkg", layer=layer), AREA)
    assert len(provided(tmp_path, provider, of_shapes("a.gpkg", layer="second"), AREA).table) == 2


def test_shapes_that_are_no_points_are_refused_and_empty_ones_left_out(tmp_path, capsys):
    (tmp_path / "inputs").mkdir()
    table = shapes()
    table.loc[2] = ["$3", 0, None]
    table.to_file(tmp_path / "inputs/a.gpkg")
    assert len(provided(tmp_path, provider, of_shapes("a.gpkg"), AREA).table) == 2
    assert "1 of 3 rows have no position" in capsys.readouterr().out
    table.loc[2, "geometry"] = AREA
    table.to_file(tmp_path / "inputs/a.gpkg")
    with pytest.raises(InputError, match=r"row 3 \(and 0 more\) is no point but a Polygon"):
        provided(tmp_path, provider, of_shapes("a.gpkg"), AREA)


def test_swapped_columns_are_refused_and_said_to_be(tmp_path):
    write(tmp_path)
    wrong = settings(longitude="Latitude", latitude="Longitude")
    with pytest.raises(InputError, match="swapped 4 would: exchange"):
        provided(tmp_path, provider, wrong, AREA)
    with pytest.raises(InputError, match=r"only 0 of 4 positions .* check the columns, their CRS"):
        provided(tmp_path, provider, settings(), MADRID)


def test_points_of_which_nothing_is_left_are_refused(tmp_path):
    write(tmp_path, "Latitude,Longitude,price\n40.72,-74,(null)\n")
    with pytest.raises(InputError, match="no row has both a position and what is counted"):
        provided(tmp_path, provider, settings(statistic="sum", value="price"), AREA)


@pytest.mark.parametrize(
    "wrong",
    [
        {"longitude": None},
        {"statistic": "mean"},
        {"value": "price"},
        {"statistic": "distinct"},
        {"key": "key"},
        {"statistic": "median", "value": "price", "per_km2": "land"},
        {"crs": "EPSG:0"},
        {"geometry": "shape"},
        {"minimum": -1},
        {"unknown": 1},
    ],
)
def test_settings_that_do_not_go_together_are_refused(wrong):
    with pytest.raises(ValidationError):
        settings(**wrong)


def test_an_absent_file_and_one_outside_the_folder_are_refused(tmp_path):
    write(tmp_path)
    for path in ("b.csv", "../inputs/a.csv", str(tmp_path / "inputs/a.csv")):
        with pytest.raises(InputError, match="no such file"):
            provider.fetch(request_in(tmp_path, settings(path=path), AREA))


def test_real_prices_of_madrid(tmp_path):
    put(tmp_path, shared("open_samples", "madrid", "madrid_abb.gpkg"))
    given = provided(
        tmp_path,
        provider,
        of_shapes("madrid_abb.gpkg", statistic="median", value="price", minimum=5),
        MADRID,
    )
    prices = given.table["value"]
    assert (len(prices), prices.median(), round(prices.mean())) == (18_399, 60, 119)
    found = values_by_region(given, cells(40.45, -3.7, 26))
    assert len(found) == 243
    assert found.between(1, 9999).all()


def test_real_shootings_count_incidents_once(tmp_path, capsys):
    folder = shared("open_samples", "newyork", "nypd")
    put(tmp_path, *sorted(folder.glob("*.csv")))
    whole = as_regions(["whole"], [NEW_YORK])
    given = provided(
        tmp_path,
        provider,
        settings(path="shootings_ytd_2022.csv", statistic="distinct", key="INCIDENT_KEY"),
        NEW_YORK,
    )
    raw = pd.read_csv(folder / "shootings_ytd_2022.csv", encoding="utf-8-sig", dtype=str)
    located = raw.dropna(subset="Latitude")
    assert len(given.table) == len(located) == 1394
    assert values_by_region(given, whole)["whole"] == located["INCIDENT_KEY"].nunique() < 1394
    assert "6 of 1400 rows have no position" in capsys.readouterr().out
    both = settings(path="shootings_ytd_*.csv")
    assert len(provided(tmp_path, provider, both, NEW_YORK).table) == 1394 + 902


def test_real_shootings_in_feet_have_a_position_each(tmp_path):
    path = shared("open_samples", "newyork", "nypd", "shootings_ytd_2022.csv")
    put(tmp_path, path)
    feet = provided(
        tmp_path,
        provider,
        settings(path=path.name, longitude="X_COORD_CD", latitude="Y_COORD_CD", crs="EPSG:2263"),
        NEW_YORK,
    ).table
    raw = pd.read_csv(path, encoding="utf-8-sig")
    assert len(feet) == 1400
    known = raw["Latitude"].notna()
    np.testing.assert_allclose(feet["latitude"][known], raw["Latitude"][known], atol=1e-4)
    counted = values_by_region(
        provided(tmp_path, provider, settings(path=path.name), NEW_YORK),
        boxes(*NEW_YORK.bounds),
    )
    assert counted.sum() == 1394
