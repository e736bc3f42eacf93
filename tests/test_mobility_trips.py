"""Trips out of tables: positions or stations, times on the city's clock, counts."""

import json

import geopandas as gpd
import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError
from shapely import Point, box

from musecl.flows import count_flows, count_origin_destination, locate
from musecl.geography.settings import RegionSettings
from musecl.runtime.errors import InputError
from musecl.sources import boundary_file
from musecl.sources.mobility_trips import PROVIDER
from musecl.stages.regions import build_regions
from own_files import provide, put
from shared_data import shared

POSITIONS = {
    "origin": {"longitude": "from_x", "latitude": "from_y"},
    "destination": {"longitude": "to_x", "latitude": "to_y"},
}
BY_STATION = {"origin": {"station": "a"}, "destination": {"station": "b"}}
STATIONS = {"path": "stations.csv", "id": "id", "longitude": "lon", "latitude": "lat"}
AREA = box(-4, 40, -3, 41)
ROWS = [
    {"from_x": -3.7, "from_y": 40.4, "to_x": -3.6, "to_y": 40.5, "at": "2019-05-01T08:10", "n": 2},
    {"from_x": -3.7, "from_y": 40.4, "to_x": None, "to_y": None, "at": "2019-05-01T23:59", "n": 1},
    {"from_x": 0, "from_y": 0, "to_x": -3.5, "to_y": 40.5, "at": None, "n": 1},
    {"from_x": None, "from_y": None, "to_x": 0, "to_y": 0, "at": None, "n": 1},
    {"from_x": -3.7, "from_y": 40.4, "to_x": -3.5, "to_y": 40.5, "at": None, "n": 0},
    {"from_x": -3.7, "from_y": 40.4, "to_x": -3.5, "to_y": 40.5, "at": None, "n": 5},
]  # fmt: skip


def saved(root, name, rows=ROWS):
    folder = root / "inputs"
    folder.mkdir(exist_ok=True)
    frame = pl.DataFrame(rows)
    write = {".csv": frame.write_csv, ".parquet": frame.write_parquet, ".json": frame.write_ndjson}
    write[(folder / name).suffix](folder / name)
    return folder


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.json"])
def test_every_kind_of_file_gives_the_same_trips(tmp_path, name, capsys):
    trips = provide(
        PROVIDER, saved(tmp_path, name), AREA, path=name, start={"column": "at"}, count="n",
        **POSITIONS,
    ).table  # fmt: skip
    assert list(trips.columns) == [
        "origin_longitude", "origin_latitude", "destination_longitude", "destination_latitude",
        "start", "trips",
    ]  # fmt: skip
    none = np.nan
    np.testing.assert_array_equal(
        trips.iloc[:, :4].to_numpy(),
        [
            [-3.7, 40.4, -3.6, 40.5],
            [-3.7, 40.4, none, none],
            [none, none, -3.5, 40.5],
            [-3.7, 40.4, -3.5, 40.5],
        ],
    )
    assert trips["start"].dt.hour.fillna(-1).to_list() == [8, 23, -1, -1]
    assert trips["trips"].to_list() == [2, 1, 1, 5]
    printed = capsys.readouterr().out
    assert "1 of 6 rows have no n above 0" in printed
    assert "5 rows, 2 with both ends; 1 without any are left out" in printed


def test_several_files_stand_in_the_order_of_their_names(tmp_path):
    saved(tmp_path, "b.csv", ROWS[:1])
    inputs = saved(tmp_path, "a.csv", ROWS[5:])
    trips = provide(PROVIDER, inputs, path="*.csv", **POSITIONS).table
    assert trips["destination_longitude"].to_list() == [-3.5, -3.6]
    assert trips["trips"].to_list() == [1, 1]
    assert trips["start"].isna().all()


def stations_in(root, content="id,lon,lat\n094,-3.7,40.4\n100,-3.6,40.5\n5379.10,-3.5,40.6\n"):
    folder = root / "inputs"
    folder.mkdir(exist_ok=True)
    (folder / "stations.csv").write_text(content)
    return folder


@pytest.mark.parametrize("name", ["t.csv", "t.json"])
def test_ids_of_stations_are_text(tmp_path, name, capsys):
    inputs = stations_in(tmp_path)
    rows = [("094", 100), (100, "5379.10"), ("94", "100"), (None, "5379.1")]
    text = {
        "t.csv": "a,b\n" + "".join(f"{a or ''},{b}\n" for a, b in rows),
        "t.json": "".join(json.dumps({"a": a, "b": b}) + "\n" for a, b in rows),
    }[name]
    (inputs / name).write_text(text)
    trips = provide(PROVIDER, inputs, AREA, path=name, stations=STATIONS, **BY_STATION).table
    np.testing.assert_array_equal(
        trips[["origin_longitude", "destination_longitude"]].to_numpy(),
        [[-3.7, -3.6], [-3.6, -3.5], [np.nan, -3.6]],
    )
    printed = capsys.readouterr().out
    assert "2 of 4 rows have no known a; 1 ids are not among the stations" in printed
    assert "1 of 4 rows have no known b; 1 ids" in printed


def test_whole_floats_of_a_parquet_file_are_ids_and_stations_may_be_shapes(tmp_path):
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    pl.DataFrame({"a": [12.0, None, 7.0], "b": [7, 7, 12]}).write_parquet(inputs / "t.parquet")
    points = gpd.GeoDataFrame(
        {"id": [7, 12]}, geometry=[Point(-3.7, 40.4), Point(-3.6, 40.5)], crs=4326
    )
    points.to_crs(25830).to_file(inputs / "s.gpkg")
    stations = {"path": "s.gpkg", "id": "id"}
    trips = provide(PROVIDER, inputs, path="t.parquet", stations=stations, **BY_STATION).table
    np.testing.assert_allclose(trips["origin_longitude"], [-3.6, np.nan, -3.7])


def test_stations_that_cannot_be_are_refused(tmp_path):
    inputs = stations_in(tmp_path, "id,lon,lat\n1,-3.7,40.4\n1,-3.6,40.5\n")
    (inputs / "t.csv").write_text("a,b\n1,1\n")
    settings = {"path": "t.csv", **BY_STATION}
    with pytest.raises(InputError, match="1 stations stand at several positions, first '1'"):
        provide(PROVIDER, inputs, stations=STATIONS, **settings)
    stations_in(tmp_path, "id,lon,lat\n1a,-3.7,40.4\n1a,-3.7,40.4\n")
    with pytest.raises(InputError, match=r"no a is a station; it holds \['1'\], .*\['1a'\]"):
        provide(PROVIDER, inputs, stations=STATIONS, **settings)
    with pytest.raises(ValidationError, match="needs `stations`"):
        provide(PROVIDER, inputs, **settings)
    for end in ({}, {"longitude": "x"}, {"longitude": "x", "latitude": "y", "station": "s"}):
        with pytest.raises(ValidationError, match="give longitude and latitude, or station"):
            provide(PROVIDER, inputs, path="t.csv", origin=end, destination={"station": "b"})


def test_swapped_absent_and_foreign_columns_are_one_line(tmp_path):
    inputs = saved(tmp_path, "t.csv")
    swapped = {
        end: {"longitude": columns["latitude"], "latitude": columns["longitude"]}
        for end, columns in POSITIONS.items()
    }
    with pytest.raises(InputError, match="swapped 8 would: exchange"):
        provide(PROVIDER, inputs, AREA, path="t.csv", **swapped)
    with pytest.raises(InputError, match=r"no column 'count'.*the file has from_x, from_y"):
        provide(PROVIDER, inputs, path="t.csv", count="count", **POSITIONS)
    with pytest.raises(InputError, match="no at is a number above 0"):
        provide(PROVIDER, inputs, path="t.csv", count="at", **POSITIONS)
    with pytest.raises(InputError, match="no trip has an end that is known"):
        provide(PROVIDER, saved(tmp_path, "u.csv", ROWS[3:4]), path="u.csv", **POSITIONS)


def regions_of(tmp_path, *parts, **settings):
    path = shared("open_samples", *parts)
    inputs = put(tmp_path, *path.parent.glob(f"{path.stem}.*"))
    land = provide(boundary_file.PROVIDER, inputs, path=path.name, **settings)
    grid = RegionSettings(
        grid="h3", resolution=8, spacing_m=1000, minimum_block_m2=0, minimum_land_share=0
    )
    return build_regions(land, grid), land


BICIMAD = {"origin": {"station": "idunplug_station"}, "destination": {"station": "idplug_station"}}


def test_bicimad(tmp_path):
    regions, land = regions_of(tmp_path, "madrid", "neighbourhoods.geojson")
    folder = shared("open_samples", "madrid", "bicimad")
    inputs = put(tmp_path, *folder.iterdir())
    trips = provide(
        PROVIDER,
        inputs,
        land.to_crs(4326).union_all(),
        path="20*.json",
        encoding="iso-8859-1",
        start={"column": "unplug_hourTime", "time_zone": "Europe/Madrid"},
        stations={
            "path": "stations_metadata.csv",
            "id": "id",
            "longitude": "longitude",
            "latitude": "latitude",
        },
        **BICIMAD,
    )
    assert len(trips.table) == 1200
    assert trips.table.notna().all(axis=None)
    located = locate(trips, regions)
    pairs = count_origin_destination(located.with_columns(hour=pl.lit(None, pl.Int8)))
    assert (pairs["trips"].sum(), len(pairs)) == (1200, 604)
    assert pairs["trips"].dtype == pl.Int64
    assert count_flows(located)["region_id"].n_unique() == 52
    # The file of May 2019 starts at midnight of Madrid, written +0200.
    assert trips.table["start"].min().isoformat() == "2019-05-01T00:00:00"


def test_the_encoding_of_bicimad_is_told(tmp_path):
    folder = shared("open_samples", "madrid", "bicimad")
    inputs = put(tmp_path, *folder.iterdir())
    stations = {**STATIONS, "path": "stations_metadata.csv"}
    stations.update(longitude="longitude", latitude="latitude")
    with pytest.raises(InputError, match=r"201905.*set its encoding"):
        provide(PROVIDER, inputs, path="201905*", stations=stations, **BICIMAD)


def test_taxis_of_chicago(tmp_path):
    inputs = put(tmp_path, shared("open_samples", "chicago", "taxi_trips.csv"))
    trips = provide(
        PROVIDER,
        inputs,
        box(-88, 41.6, -87.5, 42.1),
        path="taxi_trips.csv",
        origin={"longitude": "pickup_longitude", "latitude": "pickup_latitude"},
        destination={"longitude": "dropoff_longitude", "latitude": "dropoff_latitude"},
        start={"column": "trip_start_timestamp", "format": "epoch", "time_zone": "UTC"},
    ).table
    ends = trips["origin_longitude"].notna() & trips["destination_longitude"].notna()
    assert ends.sum() == 14_519
    raw = pl.read_csv(inputs / "taxi_trips.csv", columns=["trip_start_hour", "pickup_latitude"])
    hours = raw.filter(pl.col("pickup_latitude").is_not_null())["trip_start_hour"].to_list()
    known = trips[trips["origin_longitude"].notna()]
    assert known["start"].dt.hour.to_list() == hours


def test_bikes_of_helsinki(tmp_path):
    folder = shared("open_samples", "helsinki")
    stations = "hrtopendata_citybikes_helsinki_espoo_2025.gpkg"
    inputs = put(tmp_path, folder / "citybike_trips.json", folder / stations)
    trips = provide(
        PROVIDER,
        inputs,
        box(24.5, 60.1, 25.3, 60.4),
        path="citybike_trips.json",
        origin={"station": "Departure station id"},
        destination={"station": "Return station id"},
        start={"column": "Departure"},
        stations={"path": stations, "id": "ID"},
    ).table
    assert len(trips) == 100
    assert trips.notna().all(axis=None)
    assert set(trips["start"].dt.date.astype(str)) == {"2021-05-31"}


@pytest.mark.parametrize(
    ("name", "ends", "start", "rows", "both"),
    [
        (
            "JC-201902-citibike-tripdata_first6000lines.csv",
            ("start station {}itude", "end station {}itude"),
            {"column": "starttime", "format": "%m/%d/%y %I:%M %p"},
            5999,
            5999,
        ),
        (
            "JC-202102-citibike-tripdata.csv",
            ("start_{}", "end_{}"),
            {"column": "started_at"},
            4881,
            4881 - 68,
        ),
        (
            "citibike_2024-09_sample.csv",
            ("start_{}", "end_{}"),
            {"column": "started_at"},
            10_000,
            9_998,
        ),
    ],
)
def test_citi_bike_in_both_layouts(tmp_path, name, ends, start, rows, both):
    inputs = put(tmp_path, shared("open_samples", "newyork", "citibike", name))
    origin, destination = (
        {
            "longitude": end.format("long" if "itude" in end else "lng"),
            "latitude": end.format("lat"),
        }
        for end in ends
    )
    trips = provide(
        PROVIDER,
        inputs,
        box(-74.3, 40.5, -73.7, 40.95),
        path=name,
        origin=origin,
        destination=destination,
        start=start,
    ).table
    assert len(trips) == rows
    ends_known = trips["origin_longitude"].notna() & trips["destination_longitude"].notna()
    assert ends_known.sum() == both
    assert trips["start"].notna().all()
