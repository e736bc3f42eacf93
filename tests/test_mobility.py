"""The mobility stage: where and when trips start, and which half of the sample's it may see."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely import Point

from musecl.flows import locate
from musecl.sources.contract import Trips
from musecl.sources.sample import mobility as sample
from musecl.stages import mobility
from small_city import disk_of_regions, job_in, trips_between

REGIONS = disk_of_regions()


def run_on(root, monkeypatch, trips):
    folder = root / "data" / "toy"
    (folder / "raw/mobility").mkdir(parents=True)
    REGIONS.to_parquet(folder / "regions.parquet")
    monkeypatch.setattr(sample, "read_trips", lambda folder: trips)
    outputs = ["flows.parquet", "origin_destination.parquet"]
    job = job_in(
        root,
        ["raw/mobility", "regions.parquet"],
        outputs,
        cities__toy__mobility=None if trips is None else {"provider": "sample"},
    )
    mobility.run(job)
    job.publish()
    return [pd.read_parquet(folder / name) for name in outputs]


def test_ends_lie_in_the_region_that_contains_them():
    generator = np.random.default_rng(0)
    west, south, east, north = REGIONS.total_bounds
    table = trips_between(REGIONS, [(0, 0)] * 150)
    for end in ("origin", "destination"):
        table[f"{end}_longitude"] = generator.uniform(west - 0.01, east + 0.01, 150)
        table[f"{end}_latitude"] = generator.uniform(south - 0.01, north + 0.01, 150)
    located = locate(Trips(table.assign(trips=1.0)), REGIONS)
    for end in ("origin", "destination"):
        points = gpd.points_from_xy(table[f"{end}_longitude"], table[f"{end}_latitude"])
        expected = [
            next(
                (
                    r
                    for r, cell in zip(REGIONS["region_id"], REGIONS.geometry, strict=True)
                    if cell.contains(Point(point))
                ),
                None,
            )
            for point in points
        ]
        assert located[end].to_list() == expected
        assert None in expected


@pytest.mark.parametrize(
    ("starts", "hours"),
    [
        (None, [None, None]),
        (["2015-01-01 00:10", "2015-01-01 23:59"], [0, 23]),
        (["2015-01-01 08:00", None], [8, None]),
    ],
)
def test_hour_is_that_of_the_start_and_null_without_one(starts, hours):
    located = locate(
        Trips(trips_between(REGIONS, [(0, 1), (2, 3)], starts).assign(trips=1.0)), REGIONS
    )
    assert located["hour"].to_list() == hours


def test_the_stage_counts_the_input_half_and_drops_ends_outside(tmp_path, monkeypatch, capsys):
    ids = REGIONS["region_id"].tolist()
    trips = pd.concat(
        [
            trips_between(REGIONS, [(0, 1), (0, 1), (0, None), (None, 2), (None, None)]),
            trips_between(REGIONS, [(5, 6), (0, 1)], half="label"),
        ]
    )
    flows, pairs = run_on(tmp_path, monkeypatch, trips)
    assert flows[["region_id", "inflow", "outflow"]].to_numpy().tolist() == [
        [ids[0], 0, 3],
        [ids[1], 2, 0],
        [ids[2], 1, 0],
    ]
    assert flows["hour"].isna().all()
    assert flows["hour"].dtype == "Int8"
    assert pairs[["origin", "destination", "trips"]].to_numpy().tolist() == [[ids[0], ids[1], 2]]
    printed = capsys.readouterr().out
    assert "5 of 7 trips are input" in printed
    assert "5 rows; in no region lie 2 origins, 2 destinations" in printed


def test_hours_stand_apart(tmp_path, monkeypatch):
    starts = ["2015-01-01 08:00", "2015-01-02 08:30", "2015-01-01 17:00", None]
    flows, pairs = run_on(tmp_path, monkeypatch, trips_between(REGIONS, [(0, 1)] * 4, starts))
    assert pairs["hour"].fillna(-1).tolist() == [-1, 8, 17]
    assert pairs["trips"].tolist() == [1, 2, 1]
    assert flows.groupby("region_id")["outflow"].sum().tolist() == [4, 0]


@pytest.mark.parametrize("trips", [trips_between(REGIONS, [(None, None)]), None])
def test_a_city_without_trips_has_empty_tables(tmp_path, monkeypatch, capsys, trips):
    flows, pairs = run_on(tmp_path, monkeypatch, trips)
    assert ("this city has none" in capsys.readouterr().out) == (trips is None)
    assert flows.empty
    assert pairs.empty
    assert flows["hour"].dtype == "Int8"
