"""Readers of the sample's tables, on tiny files in the real formats; whole, odd and damaged."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from musecl.runtime.errors import InputError
from musecl.sources.sample import tables

READERS = {
    "boundary": tables.read_boundary,
    "open areas": tables.read_open_areas,
    "neighbourhoods": tables.read_neighbourhoods,
    "stations": tables.read_stations,
    "lots": tables.read_lots,
    "trips": tables.read_trips,
    "lot labels": tables.read_lot_labels,
    "census": tables.read_census,
}
FILES = {
    "boundary": tables.BOROUGHS,
    "open areas": tables.NEIGHBOURHOODS,
    "neighbourhoods": tables.NEIGHBOURHOODS,
    "stations": tables.STOPS,
    "lots": tables.LOTS,
    "trips": tables.ROUTES,
    "lot labels": tables.LOTS,
    "census": tables.CENSUS,
}
LOTS = """\
borough,block,lot,unitsres,latitude,longitude,county_fips,nta,modzcta,ct_population_density,\
bbl_population_estimate
BK,805,70,0.0,40.6470537,-74.0176216,47,BK0702,11220,4.17,0.0
BK,275,17,7.0,40.6908424,-73.9956152,47,BK0201,11201,1.82,12.786512205213072
MN,1,10,,40.7,,61,,10004,0,0
SI,7,2,1.5,40.59,-74.1,85,,10301,0.5,3.25
"""
STOPS = """\
stop_id,stop_code,stop_name,stop_desc,stop_lat,stop_lon,zone_id,stop_url,location_type,parent_station
S31,,St George,,40.643748,-74.073643,,,1,
101,,"Van Cortlandt Park, 242 St",,40.889248,-73.898583,,,1,
101N,,"Van Cortlandt Park, 242 St",,40.889248,-73.898583,,,0,101
101S,,"Van Cortlandt Park, 242 St",,40.889248,-73.898583,,,0,101
"""
CENSUS = """\
nta2020,nta_code,B01001_001E,B01001_001M,DP03_0052E,DP03_0052PE,nameE
North,BX02,400,31,17,4.25,x
South,BK01,900,77,,,y
"""
AREAS = {
    "BK0101": ("Greenpoint", "0"),
    "BK0102": ("Williamsburg", "0"),
    "BK5591": ("McCarren Park", "9"),
    "BK5571": ("Calvary", "7"),
    "QN8381": ("Airport", "8"),
    "QN0151": ("Rikers Island", "5"),
    "QN0161": ("Sunnyside Yards", "6"),
    "QN0191": ("Astoria Park", "9"),
}


def route(number: int, **changes: Any) -> dict[str, Any]:
    """A route as OSRM gives it, as far as it is read."""
    ends = [[-73.97 + number / 1000, 40.75], [-73.96, 40.77 + number / 1000]]
    middle = {"name": "on the way", "location": [-73.9, 40.7]}
    record = {
        "routes": [{"distance": 2655.4, "geometry": {"type": "LineString", "coordinates": ends}}],
        "waypoints": [
            {"distance": 4.5, "name": "Madison Avenue", "location": ends[0]},
            middle,
            {"distance": 10.1, "name": "3rd Avenue", "location": ends[1]},
        ],
        "code": "Ok",
        "uuid": f"uuid-{number}",
    }
    return record | changes


def areas(shapes: dict[str, tuple[str, str]]) -> gpd.GeoDataFrame:
    keys = list(reversed(shapes))
    return gpd.GeoDataFrame(
        {
            "nta2020": keys,
            "name": [shapes[key][0] for key in keys],
            "nta_type": [shapes[key][1] for key in keys],
            "borough": [{"BK": "BROOKLYN", "QN": "QUEENS"}[key[:2]] for key in keys],
            "borough_code": 3,
        },
        geometry=[shapely.box(i, 0, i + 1, 1) for i in range(len(keys))],
        crs=4326,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What `fetch` writes, a few rows each."""
    for name in FILES.values():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / tables.LOTS).write_text(LOTS, encoding="utf-8")
    (tmp_path / tables.STOPS).write_text(STOPS, encoding="utf-8")
    (tmp_path / tables.CENSUS).write_text(CENSUS, encoding="utf-8")
    areas(AREAS).to_file(tmp_path / tables.NEIGHBOURHOODS, driver="GeoJSON")
    areas(dict(list(AREAS.items())[:2])).to_file(tmp_path / tables.BOROUGHS, driver="GeoJSON")
    write_routes(tmp_path, [route(0), route(1)])
    return tmp_path


def write_routes(folder: Path, records: Any) -> None:
    (folder / tables.ROUTES).write_text(json.dumps(records), encoding="utf-8")


def test_areas_come_by_their_type(folder) -> None:
    open_areas = tables.read_open_areas(folder)
    assert open_areas[["name", "kind"]].to_numpy().tolist() == [
        ["Airport", "airport"],
        ["Astoria Park", "park"],
        ["Calvary", "cemetery"],
        ["McCarren Park", "park"],
        ["Rikers Island", "other"],
        ["Sunnyside Yards", "other"],
    ]
    residential = tables.read_neighbourhoods(folder)
    assert residential[["code", "name", "borough"]].to_numpy().tolist() == [
        ["BK0101", "Greenpoint", "BROOKLYN"],
        ["BK0102", "Williamsburg", "BROOKLYN"],
    ]
    land = tables.read_boundary(folder)
    assert list(land.columns) == ["district", "geometry"]
    assert land["district"].is_unique
    for table in (open_areas, residential, land):
        assert table.crs == 4326
    assert residential.geometry.iloc[0].equals(shapely.box(7, 0, 8, 1))


def test_stations_are_those_and_not_their_platforms(folder) -> None:
    stations = tables.read_stations(folder)
    assert list(stations.columns) == ["name", "longitude", "latitude"]
    assert stations.to_numpy().tolist() == [
        ["Van Cortlandt Park, 242 St", -73.898583, 40.889248],
        ["St George", -74.073643, 40.643748],
    ]


def test_lots_are_positions_without_any_label(folder, capsys) -> None:
    lots = tables.read_lots(folder)
    assert list(lots.columns) == ["latitude", "longitude", "borough", "block", "lot"]
    assert lots.to_numpy().tolist() == [
        [40.6470537, -74.0176216, "BK", 805, 70],
        [40.6908424, -73.9956152, "BK", 275, 17],
        [40.59, -74.1, "SI", 7, 2],
    ]
    assert "1 of 4 lots have no position and are left out" in capsys.readouterr().out


def test_no_label_changes_what_the_reader_of_lots_returns(folder) -> None:
    before = tables.read_lots(folder)
    table = pd.read_csv(folder / tables.LOTS)
    kept = ["latitude", "longitude", "borough", "block", "lot"]
    for name in set(table.columns) - set(kept):
        table[name] = table[name].sample(frac=1, random_state=1).to_numpy()
    table.assign(more_people=[1, 2, 3, 4]).to_csv(folder / tables.LOTS, index=False)
    pd.testing.assert_frame_equal(tables.read_lots(folder), before)
    table[kept].to_csv(folder / tables.LOTS, index=False)
    pd.testing.assert_frame_equal(tables.read_lots(folder), before)


def test_labels_of_lots(folder) -> None:
    labels = tables.read_lot_labels(folder)
    columns = ["latitude", "longitude", "neighbourhood", "residential_units", "population"]
    assert list(labels.columns) == columns
    assert labels["population"].tolist() == [0.0, 12.786512205213072, 3.25]
    assert labels["residential_units"].tolist() == [0.0, 7.0, 1.5]
    assert labels["neighbourhood"].fillna("").tolist() == ["BK0702", "BK0201", ""]


def test_the_census_has_estimates_by_code_and_no_margins(folder) -> None:
    census = tables.read_census(folder)
    assert list(census.columns) == ["code", "B01001_001E", "DP03_0052E"]
    assert census["code"].tolist() == ["BK01", "BX02"]
    assert census["B01001_001E"].tolist() == [900, 400]
    assert census["DP03_0052E"].isna().tolist() == [True, False]


def test_a_trip_goes_from_its_first_to_its_last_point(folder) -> None:
    trips = tables.read_trips(folder)
    assert trips.loc[1].drop(["start", "half"]).to_dict() == {
        "trip_id": "uuid-1",
        "origin_longitude": -73.97 + 1 / 1000,
        "origin_latitude": 40.75,
        "destination_longitude": -73.96,
        "destination_latitude": 40.77 + 1 / 1000,
        "origin_name": "Madison Avenue",
        "destination_name": "3rd Avenue",
    }
    assert trips["start"].isna().all()
    assert trips["start"].dtype.kind == "M"


def test_records_without_a_way_are_left_out_and_counted(folder, capsys) -> None:
    odd = [
        route(1, routes=[]),
        route(2, waypoints=[]),
        {"code": "NoRoute", "message": "no way", "uuid": "uuid-3"},
        route(4, waypoints=route(4)["waypoints"][:1]),
    ]
    write_routes(folder, [route(0), *odd, route(5)])
    assert tables.read_trips(folder)["trip_id"].tolist() == ["uuid-0", "uuid-5"]
    assert "4 of 6 routes have no way and are left out" in capsys.readouterr().out


def test_halves_are_stable_apart_and_about_half(folder) -> None:
    write_routes(folder, [route(number) for number in range(2000)])
    trips = tables.read_trips(folder)
    assert set(trips["half"]) == {"input", "label"}
    # Three standard deviations of a fair coin are 67.
    assert abs((trips["half"] == "input").sum() - 1000) < 67
    half = trips.set_index("trip_id")["half"]
    for trip_id in half.index[:50]:
        last_of_first_byte = int(hashlib.sha256(trip_id.encode()).hexdigest()[1], 16)
        assert half[trip_id] == ("label" if last_of_first_byte % 2 else "input")

    write_routes(folder, [route(number) for number in reversed(range(0, 2000, 3))])
    again = tables.read_trips(folder).set_index("trip_id")["half"]
    assert again.equals(half[again.index])


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def scramble(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00\x01" * 300)


def drop_first_line(path: Path) -> None:
    path.write_bytes(path.read_bytes().split(b"\n", 1)[1])


def other_json(path: Path) -> None:
    path.write_text('{"message": "Not Found"}', encoding="utf-8")


def no_features(path: Path) -> None:
    path.write_text('{"type": "FeatureCollection", "features": []}', encoding="utf-8")


def other_properties(path: Path) -> None:
    point = {"type": "Point", "coordinates": [0, 0]}
    feature = {"type": "Feature", "properties": {"id": 1}, "geometry": point}
    collection = {"type": "FeatureCollection", "features": [feature]}
    path.write_text(json.dumps(collection), encoding="utf-8")


def no_location(path: Path) -> None:
    path.write_text(json.dumps([route(0, waypoints=[{"name": "A"}, {"name": "B"}])]))


def no_routes(path: Path) -> None:
    path.write_text(json.dumps([route(0, routes=[])]))


def words_for_numbers(path: Path) -> None:
    path.write_text(path.read_text().replace("40.", "north ").replace("900", "many"))


EVERY = [remove, empty, scramble]
TABLES = [*EVERY, drop_first_line]
SHAPES = [*EVERY, halve, other_json]
DAMAGES = {
    "boundary": [*SHAPES, other_properties],
    "open areas": [*SHAPES, no_features, other_properties],
    "neighbourhoods": [*SHAPES, no_features, other_properties],
    "stations": [*TABLES, words_for_numbers],
    "lots": [*TABLES, words_for_numbers],
    "trips": [*EVERY, halve, other_json, no_location, no_routes],
    "lot labels": [*TABLES, words_for_numbers],
    "census": TABLES,
}


@pytest.mark.parametrize(
    ("layer", "damage"),
    [
        pytest.param(layer, damage, id=f"{layer} {damage.__name__}")
        for layer, damages in DAMAGES.items()
        for damage in damages
    ],
)
def test_a_damaged_file_is_named_in_one_line(
    folder, layer: str, damage: Callable[[Path], None]
) -> None:
    READERS[layer](folder)
    path = folder / FILES[layer]
    damage(path)
    with pytest.raises(InputError) as caught:
        READERS[layer](folder)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.endswith("; fetch it again")
    assert "\n" not in message
