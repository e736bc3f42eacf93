"""The boundary of any city: every file that GeoPandas reads, and what is refused by row."""

import zipfile

import geopandas as gpd
import pytest
import shapely
from pydantic import ValidationError
from shapely import LineString, Point, Polygon, box

from musecl.runtime.errors import InputError
from musecl.sources.boundary_file import PROVIDER
from musecl.stages.regions import check_boundary, districts_of
from own_files import provide, put
from shared_data import shared

BOW = Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
DISTRICTS = gpd.GeoDataFrame(
    {"area": ["West", "East"], "people": [5, 7]},
    geometry=[shapely.force_3d(box(0, 0, 1, 1), 3.0), box(1, 0, 2, 1)],
    crs=4326,
)


def saved(folder, shapes, name):
    folder.mkdir(exist_ok=True)
    path = folder / name
    if path.suffix == ".parquet":
        shapes.to_parquet(path)
    elif path.suffix == ".zip":
        shapes.to_file(folder.parent / "made.shp")
        with zipfile.ZipFile(path, "w") as archive:
            for part in sorted(folder.parent.glob("made.*")):
                archive.write(part, f"inside/{part.name}")
    else:
        shapes.to_file(path)
    return folder


@pytest.mark.parametrize("name", ["a.shp", "a.zip", "a.gpkg", "a.geojson", "a.parquet"])
@pytest.mark.parametrize("crs", [4326, 2263])
def test_every_file_gives_flat_polygons_with_districts(tmp_path, name, crs):
    shapes = DISTRICTS.to_crs(crs) if name != "a.geojson" else DISTRICTS
    inputs = saved(tmp_path / "inputs", shapes, name)
    land = provide(PROVIDER, inputs, path=name, district="area")
    assert list(land.columns) == ["district", "geometry"]
    assert sorted(land["district"]) == ["East", "West"]
    assert not land.has_z.any()
    found = land.sort_values("district").to_crs(4326)
    for shape, bounds in zip(found.geometry, [(1, 0, 2, 1), (0, 0, 1, 1)], strict=True):
        assert shape.bounds == pytest.approx(bounds, abs=1e-6)
    assert list(provide(PROVIDER, inputs, path=name).columns) == ["geometry"]


def test_rows_are_chosen_by_sql_and_by_layer(tmp_path):
    inputs = saved(tmp_path / "inputs", DISTRICTS, "a.gpkg")
    DISTRICTS.iloc[:1].to_file(inputs / "a.gpkg", layer="other")
    land = provide(PROVIDER, inputs, path="a.gpkg", layer="a", where="people > 5", district="area")
    assert land["district"].to_list() == ["East"]
    assert len(provide(PROVIDER, inputs, path="a.gpkg", layer="other")) == 1
    with pytest.raises(InputError, match="holds the layers a, other; set layer"):
        provide(PROVIDER, inputs, path="a.gpkg")
    with pytest.raises(InputError, match="holds no row"):
        provide(PROVIDER, inputs, path="a.gpkg", layer="a", where="people > 50")
    with pytest.raises(InputError, match="not readable"):
        provide(PROVIDER, inputs, path="a.gpkg", layer="a", where="nobody > 5")
    with pytest.raises(InputError, match="holds the layers a, other; set layer"):
        provide(PROVIDER, inputs, path="a.gpkg", layer="absent")


def test_a_district_without_a_name_or_a_column_is_refused(tmp_path):
    inputs = saved(tmp_path / "inputs", DISTRICTS.assign(area=["West", None]), "a.gpkg")
    with pytest.raises(InputError, match="no area in row 2"):
        provide(PROVIDER, inputs, path="a.gpkg", district="area")
    with pytest.raises(InputError, match=r"no column 'name'; the file has area, people$"):
        provide(PROVIDER, inputs, path="a.gpkg", district="name")


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (BOW, r"invalid polygon in row 2 \(East\) \(Self-intersection"),
        (Polygon(), r"no geometry in row 2 \(East\)"),
        (None, r"no geometry in row 2 \(East\)"),
        (Point(1, 1), r"must hold polygons; Point in row 2 \(East\)"),
        (LineString([(0, 0), (1, 1)]), "must hold polygons; LineString"),
    ],
)
def test_a_wrong_shape_is_named_by_its_row(tmp_path, shape, reason):
    shapes = DISTRICTS.set_geometry([box(0, 0, 1, 1), shape], crs=4326)
    inputs = saved(tmp_path / "inputs", shapes, "a.gpkg")
    with pytest.raises(InputError, match=reason):
        provide(PROVIDER, inputs, path="a.gpkg", district="area")


def test_invalid_rings_are_repaired_where_asked(tmp_path, capsys):
    shapes = DISTRICTS.set_geometry([box(3, 0, 4, 1), BOW], crs=4326)
    inputs = saved(tmp_path / "inputs", shapes, "a.gpkg")
    land = provide(PROVIDER, inputs, path="a.gpkg", district="area", repair=True)
    assert land.is_valid.all()
    assert shapely.area(land.geometry.to_numpy()) == pytest.approx([1, 2])
    assert "repaired invalid polygons: row 2 (East)" in capsys.readouterr().out
    check_boundary(land)


def test_the_crs_is_that_of_the_file_or_the_one_given(tmp_path):
    inputs = saved(tmp_path / "inputs", DISTRICTS.to_crs(2263), "a.shp")
    assert provide(PROVIDER, inputs, path="a.shp", crs="EPSG:2263").crs == 2263
    with pytest.raises(InputError, match=r"is in .*New York.*leave crs null"):
        provide(PROVIDER, inputs, path="a.shp", crs="EPSG:4326")
    (inputs / "a.prj").unlink()
    with pytest.raises(InputError, match="names no CRS; set crs"):
        provide(PROVIDER, inputs, path="a.shp")
    land = provide(PROVIDER, inputs, path="a.shp", crs="EPSG:2263")
    assert land.to_crs(4326).total_bounds == pytest.approx([0, 0, 2, 1], abs=1e-6)
    with pytest.raises(ValidationError, match="no coordinate reference system 'here'"):
        provide(PROVIDER, inputs, path="a.shp", crs="here")


def test_absent_damaged_and_foreign_files_are_one_line(tmp_path):
    inputs = saved(tmp_path / "inputs", DISTRICTS, "a.parquet")
    (inputs / "page.geojson").write_text("<html>404 not found</html>")
    (inputs / "page.zip").write_text("<html>404 not found</html>")
    (inputs / "table.csv").write_text("a,b\n1,2\n")
    for path in ("page.geojson", "page.zip"):
        with pytest.raises(InputError, match="not readable"):
            provide(PROVIDER, inputs, path=path)
    with pytest.raises(InputError, match="holds no shapes"):
        provide(PROVIDER, inputs, path="table.csv")
    for path in ("absent.gpkg", "../inputs/a.parquet"):
        with pytest.raises(InputError, match="no such file"):
            provide(PROVIDER, inputs, path=path)
    with pytest.raises(InputError, match="2 files; name one"):
        provide(PROVIDER, inputs, path="page.*")
    with pytest.raises(InputError, match="knows no layer and no where"):
        provide(PROVIDER, inputs, path="a.parquet", where="people > 5")


def provide_sample(tmp_path, *parts, **settings):
    path = shared("open_samples", *parts)
    inputs = put(tmp_path, *path.parent.glob(f"{path.stem}.*"))
    return provide(PROVIDER, inputs, path=path.name, **settings)


def test_madrid(tmp_path):
    land = provide_sample(
        tmp_path, "madrid", "neighbourhoods.geojson", district="neighbourhood_group"
    )
    assert (len(land), land["district"].nunique()) == (128, 21)
    regions = gpd.GeoDataFrame({"longitude": [-3.7038], "latitude": [40.4168]})
    assert districts_of(regions, land).to_list() == ["Centro"]


def test_helsinki_has_a_ring_to_repair_and_heights(tmp_path):
    with pytest.raises(InputError, match="Pohjoinen"):
        provide_sample(tmp_path, "helsinki", "Major_districts.gpkg", district="Name")
    land = provide_sample(
        tmp_path, "helsinki", "Major_districts.gpkg", district="Name", repair=True
    )
    assert len(land) == 23
    assert land.is_valid.all()
    assert not land.has_z.any()


def test_chicago_without_prj(tmp_path):
    with pytest.raises(InputError, match="names no CRS"):
        provide_sample(tmp_path, "chicago", "Chicago77.shp")
    land = provide_sample(tmp_path, "chicago", "Chicago77.shp", crs="EPSG:3435")
    west, south, east, north = check_boundary(land).total_bounds
    assert (len(land), -88 < west < east < -87.5, 41.6 < south < north < 42.1) == (77, True, True)


@pytest.mark.parametrize(
    ("name", "rows"), [("chicago_neighborhoods.zip", 98), ("chicago_city_limits.zip", 1)]
)
def test_zipped_shapefiles_in_feet(tmp_path, name, rows):
    land = provide_sample(tmp_path, "chicago", name)
    assert len(land) == rows
    west, south, east, north = check_boundary(land).total_bounds
    assert -88 < west < east < -87.5
    assert 41.6 < south < north < 42.1


def test_a_crs_without_an_authority_may_be_given(tmp_path):
    assert len(provide_sample(tmp_path, "polygons", "olinda1.shp", crs="EPSG:4674")) == 470


def test_real_files_that_are_refused(tmp_path):
    with pytest.raises(InputError, match="no geometry in row 1"):
        provide_sample(tmp_path, "polygons", "empty-geom.gpkg")
    with pytest.raises(InputError, match="invalid polygon in row 1"):
        provide_sample(tmp_path, "osm", "monaco_boundary.geojson")


def test_monaco_is_repaired(tmp_path):
    land = provide_sample(tmp_path, "osm", "monaco_boundary.geojson", repair=True)
    check_boundary(land)
    # Its waters belong to it: about 70 km2.
    assert land.to_crs(32632).area.sum() / 1e6 > 1.9
