"""Polygons of one's own: read, repaired or refused by the number of their row."""

import geopandas as gpd
import numpy as np
import pytest
from pydantic import ValidationError
from shapely import LineString, Point, Polygon, box

from musecl.indicators.aggregation import values_by_region
from musecl.runtime.errors import InputError
from musecl.sources import indicator_polygons as provider
from musecl.sources.indicator_polygons import PolygonsSettings
from own_files import boxes, provided, put
from shared_data import shared

AREA = box(0, 50, 1, 51)
BOWTIE = Polygon([(0, 50), (1, 51), (1, 50), (0, 51)])
HELSINKI = (24.4, 59.9, 25.4, 60.5)


def settings(**more):
    about = {"path": "a.gpkg", "value": "people", "kind": "extensive", **more}
    return PolygonsSettings(provider="polygons", **about)


def zones(*shapes):
    people = [["10", "1,000", "999999999", "(null)"][row % 4] for row in range(len(shapes))]
    kind = ["tract", "tract", "water", "tract"][: len(shapes)]
    return gpd.GeoDataFrame({"people": people, "kind": kind}, geometry=list(shapes), crs=4326)


def write(root, table, name="a.gpkg", **how):
    (root / "inputs").mkdir(exist_ok=True)
    table.to_file(root / "inputs" / name, **how)


def test_values_are_parsed_and_a_stated_number_means_unknown(tmp_path, capsys):
    write(tmp_path, zones(*[box(0, 50, 0.5, 50.5)] * 4))
    given = provided(tmp_path, provider, settings(missing=999999999), AREA)
    np.testing.assert_equal(given.table["value"].to_numpy(), [10, 1000, np.nan, np.nan])
    assert (given.kind, given.weights, given.per_km2) == ("extensive", None, None)
    assert "a.gpkg, column people: 1 of 4 cells are empty" in capsys.readouterr().out


def test_a_condition_on_a_column_that_is_not_read_chooses_rows(tmp_path):
    write(tmp_path, zones(*[box(0, 50, 0.5, 50.5)] * 3))
    given = provided(tmp_path, provider, settings(where="kind = 'water'"), AREA)
    assert given.table["value"].tolist() == [999999999]
    with pytest.raises(InputError, match="not readable"):
        provided(tmp_path, provider, settings(where="kind is equal water"), AREA)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        (Polygon(), "no geometry in row 2;"),
        (None, "no geometry in row 2;"),
        (BOWTIE, "invalid polygon in row 2 (Self-intersection"),
        (LineString([(0, 50), (1, 51)]), "must hold polygons; LineString in row 2"),
    ],
)
def test_a_bad_shape_is_named_by_its_row(tmp_path, shape, says):
    write(tmp_path, zones(box(0, 50, 1, 51), shape, box(0, 50, 1, 51)))
    with pytest.raises(InputError) as caught:
        provided(tmp_path, provider, settings(), AREA)
    assert f"a.gpkg: {says}" in str(caught.value)


def test_invalid_polygons_are_mended_where_asked(tmp_path, capsys):
    write(tmp_path, zones(BOWTIE, box(0, 50, 1, 51)))
    given = provided(tmp_path, provider, settings(repair=True), AREA)
    assert given.table.geometry.is_valid.all()
    assert given.table.geometry.iloc[0].area == pytest.approx(0.5)
    assert "repaired invalid polygons: row 1" in capsys.readouterr().out


def test_heights_are_dropped(tmp_path):
    high = Polygon([(0, 50, 9), (1, 50, 9), (1, 51, 9)])
    write(tmp_path, zones(high))
    assert not provided(tmp_path, provider, settings(), AREA).table.has_z.any()


def test_a_reference_system_must_be_there_or_given(tmp_path):
    bare = zones(box(0, 50, 1, 51)).set_crs(None, allow_override=True)
    write(tmp_path, bare, "a.shp")
    with pytest.raises(InputError, match="names no CRS; set crs"):
        provided(tmp_path, provider, settings(path="a.shp"), AREA)
    given = provided(tmp_path, provider, settings(path="a.shp", crs="EPSG:4326"), AREA)
    assert given.table.crs == 4326


def test_files_of_a_pattern_come_together_in_one_reference_system(tmp_path):
    write(tmp_path, zones(box(0, 50, 0.5, 50.5)), "t_1.gpkg")
    write(tmp_path, zones(box(0.5, 50, 1, 50.5)).to_crs(32631), "t_2.gpkg")
    given = provided(tmp_path, provider, settings(path="t_*.gpkg"), AREA)
    assert given.table.total_bounds == pytest.approx([0, 50, 1, 50.5], abs=1e-6)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"value": "person"}, "no column 'person'; the file has people, kind"),
        ({"layer": "other"}, "holds the layers a; set layer"),
        ({"path": "b.gpkg"}, "b.gpkg: no such file"),
        ({"value": "kind"}, "no polygon has a number in column kind"),
        ({"weights": {"path": "a.gpkg", "weight": "kind"}}, "no weight above 0 in column kind"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, change, says):
    write(tmp_path, zones(box(0, 50, 1, 51)))
    with pytest.raises(InputError) as caught:
        provided(tmp_path, provider, settings(**change), AREA)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_polygons_and_weights_elsewhere_are_refused(tmp_path):
    write(tmp_path, zones(box(0, 50, 1, 51)))
    write(tmp_path, gpd.GeoDataFrame({"w": [1]}, geometry=[Point(9, 9)], crs=4326), "w.gpkg")
    with pytest.raises(InputError, match=r"a\.gpkg: only 0 of 1 positions"):
        provided(tmp_path, provider, settings(), box(5, 50, 6, 51))
    weights = {"path": "w.gpkg", "weight": "w"}
    with pytest.raises(InputError, match=r"w\.gpkg: only 0 of 1 positions"):
        provided(tmp_path, provider, settings(weights=weights), AREA)


def test_weights_are_read_and_one_below_0_refused(tmp_path):
    write(tmp_path, zones(box(0, 50, 1, 51)))
    table = gpd.GeoDataFrame(
        {"w": ["2", "1,000", "(null)", "-1"]}, geometry=[Point(0.5, 50.5)] * 4, crs=4326
    )
    weights = {"path": "w.gpkg", "weight": "w"}
    write(tmp_path, table.iloc[:3], "w.gpkg")
    given = provided(tmp_path, provider, settings(weights=weights), AREA)
    assert given.weights["weight"].tolist() == [2, 1000]
    write(tmp_path, table, "w.gpkg")
    with pytest.raises(InputError, match="row 4 has a weight below 0"):
        provided(tmp_path, provider, settings(weights=weights), AREA)


def test_an_intensive_value_is_not_divided_by_an_area():
    with pytest.raises(ValidationError, match="leave per_km2 out"):
        settings(kind="intensive", per_km2="land")


def test_real_population_of_helsinki_is_conserved(tmp_path):
    path = shared("open_samples", "helsinki", "Population_grid_2021_HSY.gpkg")
    put(tmp_path, path)
    about = settings(path=path.name, value="inhabitants")
    given = provided(tmp_path, provider, about, box(*HELSINKI))
    assert given.table["value"].sum() == 1_207_168
    found = values_by_region(given, boxes(*HELSINKI, steps=8))
    assert found.sum() == pytest.approx(1_207_168, rel=1e-6)


def test_real_occupancy_of_helsinki_has_no_rate_of_a_thousand_million(tmp_path):
    path = shared("open_samples", "helsinki", "Population_grid_2021_HSY.gpkg")
    put(tmp_path, path)
    about = settings(path=path.name, value="occupancy_rate", kind="intensive", missing=999999999)
    given = provided(tmp_path, provider, about, box(*HELSINKI))
    unknown = given.table["value"].isna()
    assert 0 < unknown.sum() < len(unknown)
    centre = boxes(24.93, 60.16, 24.96, 60.19, steps=3)
    found = values_by_region(given, centre)
    assert len(found) > 3
    assert found.between(5, 200).all()


def test_real_districts_are_invalid_unless_repaired(tmp_path):
    path = shared("open_samples", "helsinki", "Major_districts.gpkg")
    put(tmp_path, path)
    table = gpd.read_file(path).assign(people=1.0)
    row = int(np.flatnonzero(table["Name"] == "Pohjoinen")[0]) + 1
    write(tmp_path, table, "d.gpkg")
    with pytest.raises(InputError, match=rf"invalid polygon in row {row} \(Ring Self-intersection"):
        provided(tmp_path, provider, settings(path="d.gpkg"), box(*HELSINKI))
    given = provided(tmp_path, provider, settings(path="d.gpkg", repair=True), box(*HELSINKI))
    assert given.table.geometry.is_valid.all()


def test_real_tracts_of_olinda_without_a_code_of_their_reference_system(tmp_path):
    path = shared("open_samples", "polygons", "olinda1.shp")
    put(tmp_path, path)
    west, south, east, north = -34.93, -8.06, -34.81, -7.94
    about = settings(path=path.name, value="V014")
    given = provided(tmp_path, provider, about, box(west, south, east, north))
    assert len(given.table) == 470
    assert given.table.crs.to_epsg() is None
    found = values_by_region(given, boxes(west, south, east, north))
    assert found.sum() == pytest.approx(given.table["value"].sum(), rel=1e-12)


def test_real_areas_of_chicago_without_a_reference_system_need_one(tmp_path):
    path = shared("open_samples", "chicago", "Chicago77.shp")
    put(tmp_path, path)
    about = {"path": path.name, "value": "AREA_NUMBE"}
    city = box(-87.95, 41.6, -87.5, 42.05)
    with pytest.raises(InputError, match="set crs"):
        provided(tmp_path, provider, settings(**about), city)
    with pytest.raises(InputError, match="only 0 of 77 positions"):
        provided(tmp_path, provider, settings(**about, crs="EPSG:32616"), city)
    given = provided(tmp_path, provider, settings(**about, crs="EPSG:3435"), city)
    assert len(given.table) == 77
    found = values_by_region(given, boxes(*city.bounds))
    assert found.sum() == pytest.approx(77 * 78 / 2, rel=1e-4)


def test_real_states_that_reach_over_180_degrees_do_no_harm(tmp_path):
    path = shared("open_samples", "polygons", "cb_2020_us_state_20m.shp")
    put(tmp_path, path)
    about = settings(path=path.name, value="ALAND", kind="intensive")
    chicago = (-87.8, 41.8, -87.7, 41.9)
    given = provided(tmp_path, provider, about, box(*chicago))
    found = values_by_region(given, boxes(*chicago, steps=2))
    assert found.nunique() == 1
    assert found.iloc[0] == pytest.approx(143_780_567_633, rel=1e-2)


def test_a_real_empty_geometry_is_refused_by_row(tmp_path):
    path = shared("open_samples", "polygons", "empty-geom.gpkg")
    (tmp_path / "inputs").mkdir()
    gpd.read_file(path).assign(people=1.0).to_file(tmp_path / "inputs/a.gpkg")
    with pytest.raises(InputError, match="no geometry in row 1"):
        provided(tmp_path, provider, settings(), AREA)
