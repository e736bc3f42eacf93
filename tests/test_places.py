"""Places against shapely, one piece at a time, and what must stay out of them."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely import Point, box
from shapely.affinity import translate

from musecl import places as domain
from musecl.places import (
    arrange,
    count_categories,
    locate_areas,
    locate_points,
    locate_trip_ends,
    street_type,
)
from musecl.stages import places as stage
from small_city import disk_of_regions, job_in

REGIONS = disk_of_regions()
IDS = REGIONS["region_id"].tolist()
CENTRES = REGIONS[["longitude", "latitude"]].to_numpy()


def stations():
    rows = [("Alpha", *CENTRES[0]), ("Beta", *CENTRES[0]), ("Alpha", *CENTRES[4]), ("Far", -70, 40)]
    return pd.DataFrame(rows, columns=["name", "longitude", "latitude"])


def areas():
    middle = REGIONS.geometry.iloc[3]
    x, y = middle.centroid.coords[0]
    shapes = [box(x, y, x + 0.02, y + 0.01), middle.buffer(1e-5), box(-70, 40, -69.9, 40.1)]
    names = ["Green", "Graves", "Away"]
    return gpd.GeoDataFrame(
        {"name": names, "category": ["park", "cemetery", "park"], "text": names},
        geometry=shapes,
        crs=4326,
    )


def trips():
    rows = [
        ("t3", "Broadway", 0, "5th Avenue", 1, "input"),
        ("t1", "Broadway", 0, "Broadway", 0, "input"),
        ("t2", "", 2, None, 2, "input"),
        ("t4", "Secret Street", 0, "Secret Street", 5, "label"),
    ]
    table = pd.DataFrame(
        rows,
        columns=["trip_id", "origin_name", "origin", "destination_name", "destination", "half"],
    )
    for end in ("origin", "destination"):
        # Every trip has ends of its own, so that it shows which one gives the position.
        table[f"{end}_longitude"] = CENTRES[table[end], 0] + 0.0005 * table.index
        table[f"{end}_latitude"] = CENTRES[table[end], 1]
    return table.drop(columns=["origin", "destination"])


def test_points_lie_in_one_region_each_and_count_once():
    rows = locate_points(stations(), REGIONS, "subway station", "Subway station {name}")
    assert rows[["region_id", "name", "text"]].to_numpy().tolist() == [
        [IDS[0], "Alpha", "Subway station Alpha"],
        [IDS[0], "Beta", "Subway station Beta"],
        [IDS[4], "Alpha", "Subway station Alpha"],
    ]
    assert (rows["weight"] == 1).all()


def test_an_area_weighs_the_share_of_each_region_that_it_covers():
    rows = locate_areas(areas(), REGIONS)
    cells, shapes = REGIONS.to_crs(32618), areas().to_crs(32618)
    expected = {
        (region, name): shape.intersection(cell).area / cell.area
        for region, cell in zip(IDS, cells.geometry, strict=True)
        for name, shape in zip(shapes["name"], shapes.geometry, strict=True)
    }
    expected = {key: share for key, share in expected.items() if share >= 0.01}
    found = rows.set_index(["region_id", "name"])["weight"].to_dict()
    assert found == pytest.approx(expected, abs=1e-6)
    assert {name for _, name in found} == {"Green", "Graves"}
    # A rim of a metre around a region is a difference between maps, not a place.
    assert rows.loc[rows["name"] == "Graves", "region_id"].tolist() == [IDS[3]]


def test_the_position_of_an_area_lies_in_it_and_in_the_region():
    shape = dict(zip(areas()["name"], areas().geometry, strict=True))
    cell = dict(zip(IDS, REGIONS.geometry, strict=True))
    for row in locate_areas(areas(), REGIONS).itertuples():
        point = Point(row.longitude, row.latitude)
        assert shape[row.name].contains(point)
        assert cell[row.region_id].contains(point)


def test_areas_of_another_reference_system_weigh_the_same():
    mine = locate_areas(areas().to_crs(2263), REGIONS)
    np.testing.assert_allclose(mine["weight"], locate_areas(areas(), REGIONS)["weight"], atol=2e-6)


def test_streets_at_trip_ends_stand_once_per_region():
    rows = arrange([locate_trip_ends(trips(), REGIONS)])
    assert rows[["region_id", "name", "category"]].to_numpy().tolist() == [
        [IDS[0], "Broadway", "trip end on avenue"],
        [IDS[0], "Secret Street", "trip end on street"],
        [IDS[1], "5th Avenue", "trip end on avenue"],
        [IDS[5], "Secret Street", "trip end on street"],
    ]
    shuffled = locate_trip_ends(trips().sample(frac=1, random_state=2), REGIONS)
    pd.testing.assert_frame_equal(rows, arrange([shuffled]))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("5th Avenue", "avenue"),
        ("Avenue B", "avenue"),
        ("Park Avenue South", "avenue"),
        ("Broadway", "avenue"),
        ("West 57th Street", "street"),
        ("Bridge Street", "street"),
        ("Park Avenue Tunnel", "bridge or tunnel"),
        ("Ed Koch Queensboro Bridge Upper Level", "bridge or tunnel"),
        ("Queens Boulevard", "boulevard"),
        ("JFK Access Road", "road"),
        ("Riverside Drive", "road"),
        ("Cathedral Parkway", "expressway or parkway"),
        ("FDR Drive", "expressway or parkway"),
        ("I 678 South", "expressway or parkway"),
        ("NY 9A North", "expressway or parkway"),
        ("Columbus Circle", "place"),
        ("Terminal B Arrivals", "terminal"),
        ("The Westin", "other way"),
    ],
)
def test_street_type(name, kind):
    assert street_type(name) == kind


def test_histogram_adds_weights_and_knows_every_region():
    rows = [(IDS[0], "park", 0.5), (IDS[0], "park", 0.25), (IDS[2], "a", 1.0)]
    table = pd.DataFrame(rows, columns=["region_id", "category", "weight"])
    found = count_categories(table, IDS[::-1])
    assert list(found.columns) == ["region_id", "a", "park"]
    assert found["region_id"].tolist() == IDS
    counts = found.set_index("region_id")
    assert counts.loc[IDS[0]].tolist() == [0, 0.75]
    assert counts.loc[IDS[2]].tolist() == [1, 0]
    assert counts.to_numpy().sum() == pytest.approx(1.75)
    pd.testing.assert_frame_equal(found, count_categories(table.iloc[::-1], IDS))


def run_on(root, monkeypatch, trip_table):
    folder = root / "data" / "toy"
    (folder / "source").mkdir(parents=True)
    REGIONS.to_parquet(folder / "regions.parquet")
    middle = REGIONS.geometry.iloc[3]
    hoods = gpd.GeoDataFrame(
        {"code": ["MN01"], "name": ["Midtown"], "borough": ["MANHATTAN"]},
        geometry=[translate(middle, 0.002)],
        crs=4326,
    )
    parks = areas()[["name", "geometry"]].assign(kind=["park", "cemetery", "other"])
    monkeypatch.setattr(stage, "read_neighbourhoods", lambda source, folder: hoods)
    monkeypatch.setattr(stage, "read_open_areas", lambda source, folder: parks)
    monkeypatch.setattr(stage, "read_stations", lambda source, folder: stations())
    monkeypatch.setattr(stage, "read_trips", lambda source, folder: trip_table)
    outputs = ["places.parquet", "place_histogram.parquet"]
    job = job_in(
        root, ["source", "regions.parquet"], outputs, cities__toy__sources__places="sample"
    )
    stage.run(job)
    job.publish()
    return [pd.read_parquet(folder / name) for name in outputs]


def test_the_stage_names_every_kind_and_never_the_label_half(tmp_path, monkeypatch):
    places, histogram = run_on(tmp_path, monkeypatch, trips())
    assert list(places.columns) == domain.COLUMNS
    assert not places["name"].eq("Secret Street").any()
    assert {
        "Neighbourhood Midtown, Manhattan",
        "Green, a park",
        "Graves, a cemetery",
        "Subway station Beta",
        "5th Avenue",
    } == set(places["text"]) - {"Subway station Alpha", "Broadway"}
    assert histogram["region_id"].tolist() == IDS
    sums = places.groupby(["region_id", "category"])["weight"].sum()
    for (region, category), weight in sums.items():
        row = histogram.loc[histogram["region_id"] == region, category]
        assert row.item() == pytest.approx(weight)


def test_the_label_half_changes_no_byte(tmp_path, monkeypatch):
    changed = trips()
    changed.loc[changed["half"] == "label", "origin_name"] = "Other Road"
    first = run_on(tmp_path / "a", monkeypatch, trips())
    second = run_on(tmp_path / "b", monkeypatch, changed.sample(frac=1, random_state=3))
    for one, other in zip(first, second, strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_a_city_may_lack_points_trips_and_areas():
    nothing = [
        locate_points(stations().iloc[:0], REGIONS, "subway station", "{name}"),
        locate_areas(areas().iloc[2:], REGIONS),
        locate_trip_ends(trips().iloc[:0], REGIONS),
    ]
    assert arrange(nothing).empty
    assert list(arrange(nothing).columns) == domain.COLUMNS
    assert count_categories(arrange(nothing), IDS)["region_id"].tolist() == IDS
