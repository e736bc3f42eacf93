"""POIs against shapely, one piece at a time, and what must stay out of them."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely import Point, box
from shapely.affinity import translate

from musecl import pois as domain
from musecl.pois import count_categories, locate_areas, locate_points, locate_pois
from musecl.runtime.errors import InputError
from musecl.sources.sample import pois as sample
from musecl.stages import pois as stage
from small_city import disk_of_regions, job_in

REGIONS = disk_of_regions()
IDS = REGIONS["region_id"].tolist()
CENTRES = REGIONS[["longitude", "latitude"]].to_numpy()


def stations():
    rows = [("Alpha", *CENTRES[0]), ("Beta", *CENTRES[0]), ("Alpha", *CENTRES[4]), ("Far", -70, 40)]
    return pd.DataFrame(rows, columns=["name", "longitude", "latitude"])


def points(**columns):
    """The stations as a provider gives POIs."""
    return sample.at_points(stations(), **{"category": "subway station", "text": "x"} | columns)


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
    named = points(text="Subway station " + stations()["name"])
    rows = locate_points(named, REGIONS)
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


def test_a_name_that_is_observed_again_counts_once_per_region_where_it_was_first():
    rows = [(name, 0, 0.001 * number) for number, name in enumerate("abaab")]
    rows += [("a", 4, 0.0), ("a", 4, 0.001), ("far", 0, 5.0)]
    table = pd.DataFrame(
        [(name, CENTRES[row, 0] + shift, CENTRES[row, 1]) for name, row, shift in rows],
        columns=["name", "longitude", "latitude"],
    )
    observed = sample.at_points(table, category="street", text="x", observed=True)
    found = locate_pois(observed, REGIONS)
    expected = [[IDS[0], "a"], [IDS[0], "b"], [IDS[4], "a"]]
    assert found[["region_id", "name"]].to_numpy().tolist() == expected
    first = table["longitude"].iloc[[0, 1, 5]]
    assert found["longitude"].tolist() == pytest.approx(first.tolist())
    for unseen in (observed.assign(observed=False), observed.drop(columns="observed")):
        assert len(locate_pois(unseen, REGIONS)) == 7
    once = observed.assign(observed=[True, False, True, False, True, True, True, True])
    assert locate_pois(once, REGIONS)["name"].tolist() == ["a", "a", "b", "b", "a"]


def test_points_of_another_reference_system_lie_in_the_same_regions():
    mine = locate_pois(points().to_crs(2263), REGIONS)
    expected = locate_pois(points(), REGIONS)
    assert mine["region_id"].tolist() == expected["region_id"].tolist()
    np.testing.assert_allclose(mine["longitude"], expected["longitude"], atol=1e-7)


def test_points_and_areas_stand_together_in_one_order():
    both = pd.concat([areas(), points()[["name", "category", "text", "geometry"]]])
    found = locate_pois(gpd.GeoDataFrame(both, crs=4326), REGIONS)
    assert list(found.columns) == domain.COLUMNS
    assert set(found["category"]) == {"park", "cemetery", "subway station"}
    order = ["region_id", "category", "name", "longitude", "latitude"]
    pd.testing.assert_frame_equal(found, found.sort_values(order, ignore_index=True))
    mixed = gpd.GeoDataFrame(both.sample(frac=1, random_state=2), crs=4326)
    pd.testing.assert_frame_equal(found, locate_pois(mixed, REGIONS), check_exact=True)


def test_category_counts_add_weights_and_knows_every_region():
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
    (folder / "raw/pois").mkdir(parents=True)
    REGIONS.to_parquet(folder / "regions.parquet")
    middle = REGIONS.geometry.iloc[3]
    hoods = gpd.GeoDataFrame(
        {"code": ["MN01"], "name": ["Midtown"], "borough": ["MANHATTAN"]},
        geometry=[translate(middle, 0.002)],
        crs=4326,
    )
    parks = areas()[["name", "geometry"]].assign(kind=["park", "cemetery", "other"])
    monkeypatch.setattr(sample, "read_neighbourhoods", lambda folder: hoods)
    monkeypatch.setattr(sample, "read_open_areas", lambda folder: parks)
    monkeypatch.setattr(sample, "read_stations", lambda folder: stations())
    monkeypatch.setattr(sample, "read_trips", lambda folder: trip_table)
    return run_stage(root, {"provider": "sample"})


def run_stage(root, provided):
    outputs = ["pois.parquet", "poi_category_counts.parquet"]
    inputs = ["raw/pois", "regions.parquet"]
    job = job_in(root, inputs, outputs, cities__toy__pois=provided)
    stage.run(job)
    job.publish()
    return [pd.read_parquet(root / "data/toy" / name) for name in outputs]


def test_the_stage_names_every_kind_and_never_the_label_half(tmp_path, monkeypatch):
    pois, category_counts = run_on(tmp_path, monkeypatch, trips())
    assert list(pois.columns) == domain.COLUMNS
    assert not pois["name"].eq("Secret Street").any()
    assert {
        "Neighbourhood Midtown, Manhattan",
        "Green, a park",
        "Graves, a cemetery",
        "Subway station Beta",
        "5th Avenue",
    } == set(pois["text"]) - {"Subway station Alpha", "Broadway"}
    assert category_counts["region_id"].tolist() == IDS
    sums = pois.groupby(["region_id", "category"])["weight"].sum()
    for (region, category), weight in sums.items():
        row = category_counts.loc[category_counts["region_id"] == region, category]
        assert row.item() == pytest.approx(weight)


def test_the_label_half_changes_no_byte(tmp_path, monkeypatch):
    changed = trips()
    changed.loc[changed["half"] == "label", "origin_name"] = "Other Road"
    first = run_on(tmp_path / "a", monkeypatch, trips())
    second = run_on(tmp_path / "b", monkeypatch, changed.sample(frac=1, random_state=3))
    for one, other in zip(first, second, strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_a_city_may_lack_points_or_areas():
    bare = points()[["name", "category", "text", "geometry"]]
    for pois in (bare, areas(), bare.iloc[:0], areas().iloc[2:]):
        found = locate_pois(pois, REGIONS)
        assert list(found.columns) == domain.COLUMNS
        assert found.empty == (len(pois) < 2)
        assert count_categories(found, IDS)["region_id"].tolist() == IDS


def test_a_city_without_pois_has_empty_tables_and_no_zero(tmp_path, capsys):
    (tmp_path / "data/toy").mkdir(parents=True)
    REGIONS.to_parquet(tmp_path / "data/toy/regions.parquet")
    pois, category_counts = run_stage(tmp_path, None)
    assert list(pois.columns) == domain.COLUMNS
    assert list(category_counts.columns) == ["region_id"]
    assert pois.empty and category_counts.empty
    assert "pois: this city has none" in capsys.readouterr().out


def test_pois_that_lie_elsewhere_are_refused(tmp_path, monkeypatch):
    far = points().iloc[[3]]
    monkeypatch.setattr(stage, "read_layer", lambda job, layer: far)
    (tmp_path / "data/toy").mkdir(parents=True)
    REGIONS.to_parquet(tmp_path / "data/toy/regions.parquet")
    with pytest.raises(InputError, match="pois: none of 1 lies in a region") as caught:
        run_stage(tmp_path, {"provider": "sample"})
    assert "\n" not in str(caught.value)
