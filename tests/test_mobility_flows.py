"""Flows out of tables: zones and their polygons, hours, counts; New York's taxis as they are."""

import geopandas as gpd
import polars as pl
import pytest
import shapely
from pydantic import ValidationError
from shapely import Point, box

from musecl.flows import apportion, count_flows, count_origin_destination
from musecl.runtime.errors import InputError
from musecl.sources.mobility_flows import PROVIDER
from own_files import provide, put
from shared_data import shared
from small_city import disk_of_regions

ENDS = {"origin": "from", "destination": "to"}
ZONES = {"path": "zones.gpkg", "id": "code"}
TEXT = "from,to,n,hour\n056,7,2.5,8\n7,056,1,\n056,999,3,23\n,7,4,8\n"


def saved(root, text=TEXT):
    folder = root / "inputs"
    folder.mkdir(exist_ok=True)
    (folder / "t.csv").write_text(text)
    shapes = gpd.GeoDataFrame(
        {"code": ["7", "056", "056"]},
        geometry=[box(0, 0, 1, 1), box(1, 0, 2, 1), box(2, 0, 3, 1)],
        crs=4326,
    )
    shapes.to_file(folder / "zones.gpkg")
    return folder


def test_zones_are_put_together_and_ends_that_are_none_are_told(tmp_path, capsys):
    flows = provide(
        PROVIDER, saved(tmp_path), box(0, 0, 1, 1), path="t.csv", count="n", hour="hour",
        zones=ZONES, **ENDS,
    )  # fmt: skip
    assert flows.table["origin"].to_list() == ["056", "7", "056", ""]
    assert flows.table["destination"].to_list() == ["7", "056", "999", "7"]
    assert flows.table["hour"].fillna(-1).to_list() == [8, -1, 23, 8]
    assert flows.table["hour"].dtype == "Int8"
    assert flows.table["trips"].to_list() == [2.5, 1, 3, 4]
    assert flows.zones["zone"].to_list() == ["056", "7"]
    assert shapely.area(flows.zones.geometry.to_numpy()) == pytest.approx([2, 1])
    assert flows.weights is None
    printed = capsys.readouterr().out
    assert "3 trips have an destination that is no zone, as ['999']" in printed
    assert "4 trips have an origin that is no zone" in printed


def test_rows_are_trips_where_nothing_counts_them_and_hours_may_come_from_times(tmp_path):
    text = "from,to,at\na,b,2025-02-01 08:10:00\nb,a,\n"
    flows = provide(PROVIDER, saved(tmp_path, text), path="t.csv", start={"column": "at"}, **ENDS)
    assert flows.zones is None
    assert flows.table["trips"].to_list() == [1, 1]
    assert flows.table["hour"].fillna(-1).to_list() == [8, -1]


def test_weights_are_points_or_polygons_with_a_number(tmp_path):
    inputs = saved(tmp_path)
    (inputs / "people.csv").write_text("x,y,people\n0.5,0.5,10\n1.5,0.5,0\n")
    weights = {"path": "people.csv", "weight": "people", "longitude": "x", "latitude": "y"}
    settings = {"path": "t.csv", "zones": ZONES, **ENDS}
    flows = provide(PROVIDER, inputs, weights=weights, **settings)
    assert flows.weights["weight"].to_list() == [10, 0]
    (inputs / "people.csv").write_text("x,y,people\n0.5,0.5,10\n1.5,0.5,-1\n1,1,\n")
    with pytest.raises(InputError, match="row 2 has a weight below 0"):
        provide(PROVIDER, inputs, weights=weights, **settings)
    with pytest.raises(ValidationError, match="there are none"):
        provide(PROVIDER, inputs, path="t.csv", weights=weights, **ENDS)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"hour": "n"}, r"1 hours in 'n' are not 0 to 23, first 2.5"),
        ({"zones": {**ZONES, "id": "name"}}, "no column 'name'; the file has code"),
        ({"count": "hour2"}, "no column 'hour2'"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, settings, reason):
    with pytest.raises(InputError, match=reason):
        provide(PROVIDER, saved(tmp_path), path="t.csv", **ENDS, **settings)


def test_ends_that_are_no_zones_at_all_and_zones_elsewhere_are_refused(tmp_path):
    inputs = saved(tmp_path, "from,to\n56,7\n56,7\n")
    with pytest.raises(InputError, match=r"no origin is a zone; it holds \['56', .*\['056', '7'\]"):
        provide(PROVIDER, inputs, path="t.csv", zones=ZONES, **ENDS)
    with pytest.raises(InputError, match="only 0 of 2 positions"):
        provide(PROVIDER, saved(tmp_path), box(9, 9, 10, 10), path="t.csv", zones=ZONES, **ENDS)
    with pytest.raises(ValidationError, match="hour or start"):
        provide(PROVIDER, inputs, path="t.csv", hour="h", start={"column": "s"}, **ENDS)


TLC = {"origin": "PULocationID", "destination": "DOLocationID"}


def taxis(tmp_path, **settings):
    folder = shared("open_samples", "newyork")
    trips = folder / "tlc" / "yellow_tripdata_2025-02_sample.parquet"
    inputs = put(tmp_path, trips, *(folder / "taxi_zones").iterdir())
    return provide(
        PROVIDER,
        inputs,
        box(-74.1, 40.6, -73.8, 40.9),
        path=trips.name,
        start={"column": "tpep_pickup_datetime"},
        zones={"path": "taxi_zones.shp", "id": "LocationID"},
        **TLC,
        **settings,
    )


def test_yellow_taxis_of_new_york(tmp_path, capsys):
    flows = taxis(tmp_path)
    assert len(flows.zones) == 260
    assert flows.zones["zone"].is_unique
    assert {"56", "103"} <= set(flows.zones["zone"])
    assert flows.table["trips"].sum() == 5000
    printed = capsys.readouterr().out
    assert "3 polygons repeat an id" in printed
    assert "'264'" in printed
    regions = disk_of_regions(3)
    located = apportion(flows, regions)
    assert located["trips"].sum() == pytest.approx(5000)
    assert 0 < count_origin_destination(located)["trips"].sum() < 5000
    assert set(count_flows(located)["region_id"]) <= set(regions["region_id"])


def test_taxis_shared_out_by_weight_start_where_it_lies(tmp_path):
    flows = taxis(tmp_path)
    regions = disk_of_regions(3)
    centre = regions.loc[0, ["longitude", "latitude"]].to_list()
    one = gpd.GeoDataFrame({"weight": [1.0]}, geometry=[Point(centre)], crs=4326)
    zone = flows.zones.to_crs(4326).contains(Point(centre))
    name = flows.zones.loc[zone, "zone"].item()
    weighed = apportion(type(flows)(flows.table, flows.zones, one), regions)
    expected = flows.table.loc[flows.table["origin"] == name, "trips"].sum()
    others = share_of_zones_without(name, flows, regions)
    here = weighed.filter(pl.col("origin") == regions.loc[0, "region_id"])["trips"].sum()
    assert here == pytest.approx(expected + others)


def share_of_zones_without(name, flows, regions):
    """What comes by area from other zones, which have no weight."""
    rest = flows.table[flows.table["origin"] != name]
    by_area = apportion(type(flows)(rest, flows.zones), regions)
    return by_area.filter(pl.col("origin") == regions.loc[0, "region_id"])["trips"].sum()
