"""POIs out of tables and geographic files: names, categories, phrases and positions."""

import geopandas as gpd
import numpy as np
import polars as pl
import pytest
import shapely
from pydantic import ValidationError
from shapely import LineString, Point, Polygon, box

from musecl.pois import locate_pois
from musecl.runtime.errors import InputError
from musecl.sources.pois_table import PROVIDER
from own_files import provide, put
from shared_data import shared
from small_city import disk_of_regions

COLUMNS = {"name": "name", "category": "kind"}
POSITIONS = {"longitude": "lon", "latitude": "lat"}
AREA = box(-74.1, 40.6, -73.8, 40.9)
ROWS = [
    ("Joe's", "fast_food", -73.98, 40.75),
    (None, "park", -73.97, 40.76),
    ("NA", None, -73.99, 40.74),
]
EXPECTED = {
    "name": ["Joe's", "", "NA"],
    "category": ["fast_food", "park", "other"],
    "text": ["fast food Joe's", "park", "other NA"],
}


def shapes_of(rows):
    return gpd.GeoDataFrame(
        {"name": [row[0] for row in rows], "kind": [row[1] for row in rows]},
        geometry=[Point(row[2], row[3]) for row in rows],
        crs=4326,
    )


def saved(root, name, rows=ROWS):
    folder = root / "inputs"
    folder.mkdir(exist_ok=True)
    path = folder / name
    frame = pl.DataFrame(rows, schema=["name", "kind", "lon", "lat"], orient="row")
    if path.suffix == ".csv":
        frame.write_csv(path)
    elif name == "plain.parquet":
        frame.write_parquet(path)
    elif name == "wkb.parquet":
        wkb = shapely.to_wkb(shapely.points(frame["lon"], frame["lat"]))
        frame.select("name", "kind", pl.Series("geometry", list(wkb))).write_parquet(path)
    elif path.suffix == ".parquet":
        shapes_of(rows).to_parquet(path)
    else:
        shapes_of(rows).to_file(path)
    return folder


@pytest.mark.parametrize(
    "name", ["a.csv", "plain.parquet", "wkb.parquet", "geo.parquet", "a.gpkg", "a.geojson"]
)
def test_every_kind_of_file_gives_the_same_pois(tmp_path, name):
    position = POSITIONS if name in ("a.csv", "plain.parquet") else {}
    pois = provide(PROVIDER, saved(tmp_path, name), AREA, path=name, **COLUMNS, **position)
    assert list(pois.columns) == ["name", "category", "text", "geometry"]
    assert {column: pois[column].to_list() for column in EXPECTED} == EXPECTED
    found = np.column_stack([pois.geometry.x, pois.geometry.y])
    np.testing.assert_allclose(found, [row[2:] for row in ROWS])
    assert pois.crs == 4326


def test_a_column_of_text_and_one_category_for_all(tmp_path):
    inputs = saved(tmp_path, "a.csv")
    pois = provide(PROVIDER, inputs, path="a.csv", one_category="bar", text="name", **POSITIONS)
    assert set(pois["category"]) == {"bar"}
    assert pois["text"].to_list() == ["Joe's", "bar", "NA"]
    for wrong in ({}, {"category": "kind", "one_category": "bar"}):
        with pytest.raises(ValidationError, match="give category"):
            provide(PROVIDER, inputs, path="a.csv", **POSITIONS, **wrong)
    with pytest.raises(ValidationError, match="go together"):
        provide(PROVIDER, inputs, path="a.csv", one_category="bar", longitude="lon")


def test_projected_positions_and_well_known_text(tmp_path):
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    x, y = gpd.GeoSeries([Point(-73.98, 40.75)], crs=4326).to_crs(2263)[0].coords[0]
    (inputs / "a.csv").write_text(f'lon,lat,shape\n{x},{y},"POINT ({x} {y})"\n')
    for position in (POSITIONS, {"geometry": "shape"}):
        pois = provide(
            PROVIDER, inputs, AREA, path="a.csv", one_category="bar", crs="EPSG:2263", **position
        )
        point = pois.to_crs(4326).geometry[0]
        assert (point.x, point.y) == pytest.approx((-73.98, 40.75))


def test_rows_without_a_position_are_left_out_and_counted(tmp_path, capsys):
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "a.csv").write_text(
        "lon,lat,kind\n-73.9,40.7,a\n0,0,b\n,,c\nnan,nan,d\n-73.9,40.8,e\n-73.9,(null),f\n0.0,0.0,g\n"
        "-73.9,40.8,h\n-73.9,40.8,i\n-73.9,140.8,j\n"
    )
    pois = provide(PROVIDER, inputs, AREA, path="a.csv", category="kind", **POSITIONS)
    assert pois["category"].to_list() == ["a", "e", "h", "i"]
    assert "6 of 10 rows have no position" in capsys.readouterr().out


def test_null_island_and_empty_shapes_of_a_geographic_file_are_left_out(tmp_path, capsys):
    folder = tmp_path / "inputs"
    folder.mkdir()
    shapes = shapes_of(ROWS).set_geometry([Point(0, 0), Point(), None], crs=4326)
    gpd.GeoDataFrame(
        {"name": ["a", "b", "c", "d"], "kind": "k"},
        geometry=[*shapes.geometry, Point(-73.9, 40.7)],
        crs=4326,
    ).to_file(folder / "a.gpkg")
    assert provide(PROVIDER, folder, AREA, path="a.gpkg", **COLUMNS)["name"].to_list() == ["d"]
    assert "3 of 4 rows have no position" in capsys.readouterr().out


def test_most_outside_is_refused_and_swapped_ones_are_told(tmp_path):
    swapped = {"longitude": "lat", "latitude": "lon"}
    inputs = saved(tmp_path, "a.csv")
    with pytest.raises(InputError, match="swapped 3 would: exchange"):
        provide(PROVIDER, inputs, AREA, path="a.csv", **COLUMNS, **swapped)
    with pytest.raises(InputError, match=r"only 0 of 3 .* check the columns"):
        provide(PROVIDER, inputs, box(2, 48, 3, 49), path="a.csv", **COLUMNS, **POSITIONS)


def test_beijing_swapped_is_no_pair_of_degrees(tmp_path):
    rows = [("a", "b", 116.3, 39.9)] * 3
    inputs = saved(tmp_path, "a.csv", rows)
    with pytest.raises(InputError, match="exchange the two columns"):
        provide(PROVIDER, inputs, path="a.csv", **COLUMNS, longitude="lat", latitude="lon")


def test_polygons_are_pois_with_an_area_and_lines_are_none(tmp_path):
    folder = tmp_path / "inputs"
    folder.mkdir()
    regions = disk_of_regions()
    parks = shapes_of(ROWS[:2]).set_geometry(
        [shapely.force_3d(regions.geometry.iloc[3], 1.0), regions.geometry.iloc[4]], crs=4326
    )
    parks.to_file(folder / "a.gpkg")
    pois = provide(PROVIDER, folder, AREA, path="a.gpkg", **COLUMNS)
    rows = locate_pois(pois, regions)
    assert sorted(rows["weight"].round(3).to_list()) == [1, 1]
    line = LineString([(-73.98, 40.75), (-73.97, 40.76)])
    bow = Polygon([(-74, 40.7), (-73.9, 40.8), (-73.9, 40.7), (-74, 40.8)])
    for shape, reason in ((line, "first a LineString"), (bow, "invalid, first fast food Joe's")):
        parks.set_geometry([shape, regions.geometry.iloc[4]], crs=4326).to_file(folder / "b.gpkg")
        with pytest.raises(InputError, match=reason):
            provide(PROVIDER, folder, path="b.gpkg", **COLUMNS)


def test_missing_columns_and_positions_are_one_line(tmp_path):
    inputs = saved(tmp_path, "a.csv")
    saved(tmp_path, "a.gpkg")
    saved(tmp_path, "plain.parquet")
    with pytest.raises(InputError, match=r"no column 'x'; .*the file has name, kind, lon, lat"):
        provide(PROVIDER, inputs, path="a.csv", name="x", one_category="bar", **POSITIONS)
    with pytest.raises(InputError, match="no column 'x'; the file has name, kind"):
        provide(PROVIDER, inputs, path="a.gpkg", name="x", one_category="bar")
    with pytest.raises(InputError, match="name the columns longitude and latitude"):
        provide(PROVIDER, inputs, path="a.csv", one_category="bar")
    with pytest.raises(InputError, match="no column 'geometry'"):
        provide(PROVIDER, inputs, path="plain.parquet", one_category="bar")
    with pytest.raises(InputError, match="neither WKB nor WKT"):
        provide(PROVIDER, inputs, path="a.csv", one_category="bar", geometry="kind")


def provide_sample(tmp_path, *parts, area=None, **settings):
    path = shared("open_samples", *parts)
    inputs = put(tmp_path, path)
    return provide(PROVIDER, inputs, area, path=path.name, **settings)


def test_bars_of_madrid(tmp_path):
    pois = provide_sample(
        tmp_path,
        "madrid",
        "pois_bars_madrid.parquet",
        area=box(-3.889, 40.312, -3.518, 40.643),
        name="name",
        category="amenity",
    )
    assert len(pois) == 1258
    assert (pois["name"] != "").sum() == 1150
    assert (pois.geom_type == "Point").sum() == 1233
    assert set(pois["category"]) == {"bar"}
    assert pois.loc[pois["name"] == "", "text"].eq("bar").all()


def test_foursquare(tmp_path):
    pois = provide_sample(
        tmp_path,
        "foursquare",
        "places_test.parquet",
        area=box(-1, 9.7, 1.5, 12.4),
        name="name",
        one_category="place",
    )
    assert len(pois) == 766


def test_overture_without_geo_metadata(tmp_path):
    settings = {"name": "names.primary", "category": "categories.primary"}
    pois = provide_sample(
        tmp_path, "overture", "project_c_samples.parquet", area=box(-170, 19, -66, 65), **settings
    )
    assert len(pois) == 3425
    inside = pois.geometry.within(box(-88, 41.6, -87.4, 42.1))
    assert inside.sum() == 45
    assert (pois["name"] != "").mean() > 0.99
    assert pois["category"].nunique() > 100


def test_a_city_in_a_file_of_a_continent_is_no_error(tmp_path, capsys):
    settings = {"name": "names.primary", "category": "categories.primary"}
    file = ("overture", "project_c_samples.parquet")
    provide_sample(tmp_path, *file, area=box(-88, 41.6, -87.4, 42.1), **settings)
    assert "45 of 3425 positions (1.3%) lie inside the city" in capsys.readouterr().out
    with pytest.raises(InputError, match="only 0 of 3425 positions"):
        provide_sample(tmp_path, *file, area=box(2, 48, 3, 49), **settings)


def test_landmarks_and_a_separator(tmp_path):
    pois = provide_sample(
        tmp_path,
        "chicago",
        "Individual_Landmarks.csv",
        area=box(-88, 41.6, -87.5, 42.1),
        name="LANDMARK NAME",
        one_category="landmark",
        longitude="LONGITUDE",
        latitude="LATITUDE",
    )
    assert len(pois) > 300
