"""Indicators of a toy city, worked out lot by lot and trip by trip."""

import numpy as np
import pandas as pd
import pytest

from musecl.stages import indicators
from musecl.stages.indicators import DESCRIPTIONS, INCOME_CLASSES, SHARES, count_lots
from musecl.step.errors import InputError
from small_city import disk_of_regions, job_in, trips_between

REGIONS = disk_of_regions()
IDS = REGIONS["region_id"].tolist()
CENTRES = REGIONS[["longitude", "latitude"]].to_numpy()
ZONES = ["MN01", "MN02"]


def lots():
    generator = np.random.default_rng(4)
    where = generator.integers(0, 12, 300)
    units = generator.integers(0, 3, 300)
    table = pd.DataFrame(
        {
            "longitude": CENTRES[where, 0],
            "latitude": CENTRES[where, 1],
            "neighbourhood": np.array([*ZONES, "PARK"])[generator.integers(0, 3, 300)],
            "residential_units": units,
            "population": np.where(units > 0, generator.lognormal(1, 3, 300), 0),
        }
    )
    far = table.iloc[:5].assign(longitude=-70.0, latitude=40.0)
    return pd.concat([table, far], ignore_index=True)


def census():
    names = {code for part, whole in SHARES.values() for code in [*part, *whole]}
    columns = sorted(names | set(INCOME_CLASSES))
    values = np.random.default_rng(5).integers(1, 900, (2, len(columns)))
    return pd.DataFrame(values, index=ZONES, columns=columns)


def run_on(root, monkeypatch, lot_table, minimum_population=500):
    folder = root / "data" / "toy"
    (folder / "source").mkdir(parents=True)
    REGIONS.to_parquet(folder / "regions.parquet")
    trips = pd.concat([trips_between(REGIONS, [(0, 0), (0, None), (3, 2)], half="label"),
                       trips_between(REGIONS, [(7, 7)] * 9)])  # fmt: skip
    monkeypatch.setattr(indicators, "read_lot_labels", lambda source, folder: lot_table)
    table = census().rename_axis("code").reset_index().assign(other_estimate=1)
    monkeypatch.setattr(indicators, "read_census", lambda source, folder: table)
    monkeypatch.setattr(indicators, "read_trips", lambda source, folder: trips)
    job = job_in(
        root,
        ["source", "regions.parquet"],
        ["indicators.parquet"],
        cities__toy__sources={"indicators": "sample"},
        indicators={"minimum_population": minimum_population},
    )
    indicators.run(job)
    job.publish()
    return pd.read_parquet(folder / "indicators.parquet")


@pytest.fixture
def table(tmp_path, monkeypatch):
    return run_on(tmp_path, monkeypatch, lots())


def values_of(table, name):
    return table[table["indicator"] == name].set_index("region_id")["value"].to_dict()


def lots_in(number):
    """The lots of a region, found by its centre, where all of them lie."""
    all_lots = lots()
    return all_lots[
        (all_lots["longitude"] == CENTRES[number, 0]) & (all_lots["latitude"] == CENTRES[number, 1])
    ]


def test_densities_are_per_km2_of_land(table):
    density, places = values_of(table, "population_density"), values_of(table, "number_of_places")
    assert list(density) == IDS
    assert list(places) == IDS
    for number, region in enumerate(IDS):
        row = REGIONS.iloc[number]
        land = row["area_km2"] * row["land_share"]
        inside = lots_in(number)
        assert density[region] == pytest.approx(np.log1p(inside["population"].sum() / land))
        shops = (inside["residential_units"] == 0).sum()
        assert places[region] == pytest.approx(np.log1p(shops / land))


def test_mobility_counts_ends_of_the_label_half_everywhere(table):
    expected = dict.fromkeys(IDS, 0)
    for number in (0, 0, 0, 3, 2):
        expected[IDS[number]] += 1
    assert values_of(table, "mobility_count") == pytest.approx(
        {region: np.log1p(count) for region, count in expected.items()}
    )


@pytest.mark.parametrize("name", list(SHARES))
def test_shares_equal_a_loop_that_moves_people_lot_by_lot(table, name):
    part, whole = SHARES[name]
    everyone = lots().groupby("neighbourhood")["population"].sum()
    expected = {}
    for number, region in enumerate(IDS):
        inside = lots_in(number)
        if inside["population"].sum() < 500:
            continue
        above = below = 0.0
        for lot in inside.itertuples():
            if lot.neighbourhood not in ZONES:
                continue
            moved = lot.population / everyone[lot.neighbourhood]
            above += moved * census().loc[lot.neighbourhood, part].sum()
            below += moved * census().loc[lot.neighbourhood, whole].sum()
        expected[region] = 100 * above / below
    assert 0 < len(expected) < 12
    assert values_of(table, name) == pytest.approx(expected)


def test_median_income_lies_between_those_of_the_neighbourhoods(table):
    edges = np.array(indicators.INCOME_EDGES)
    limits = []
    for zone in ZONES:
        counts = census().loc[zone, INCOME_CLASSES].to_numpy(dtype=float)
        limits.append(np.interp(counts.sum() / 2, [0, *np.cumsum(counts)], edges))
    found = np.expm1(list(values_of(table, "median_household_income").values()))
    assert (found >= min(limits) - 1e-6).all()
    assert (found <= max(limits) + 1e-6).all()


def test_people_without_a_census_have_no_share(tmp_path, monkeypatch):
    only_park = lots().assign(neighbourhood="PARK")
    table = run_on(tmp_path, monkeypatch, only_park)
    assert set(table["indicator"]) == {"population_density", "number_of_places", "mobility_count"}


def test_a_census_without_a_column_is_refused():
    table = census().rename_axis("code").reset_index().drop(columns=["DP03_0005E"])
    with pytest.raises(InputError, match="no column DP03_0005E"):
        indicators.census_counts(table)


def test_every_row_says_where_it_comes_from(table):
    assert set(table["indicator"]) == set(DESCRIPTIONS)
    assert set(table["city"]) == {"toy"}
    shared = table.groupby("indicator")["shares_source_with"].agg(set)
    assert shared["population_density"] == {"remote_view,street_view"}
    assert shared["mobility_count"] == {"text,pairs"}
    assert shared["poverty_share"] == {"text"}
    headline = table.groupby("indicator")["headline"].agg(set)
    assert {name for name, values in headline.items() if values == {True}} == {
        "population_density",
        "number_of_places",
        "no_vehicle_share",
        "bachelor_share",
        "mobility_count",
    }


def test_the_order_of_the_lots_changes_no_bit(table, tmp_path, monkeypatch):
    shuffled = lots().sample(frac=1, random_state=1)
    again = run_on(tmp_path / "again", monkeypatch, shuffled)
    pd.testing.assert_frame_equal(table, again, check_exact=True)


def test_regions_without_land_have_no_density():
    dry = REGIONS.assign(land_share=[0.0, *REGIONS["land_share"][1:]])
    none = pd.DataFrame({"region_id": [], "residential_units": [], "population": []})
    assert count_lots(none, dry).index.tolist() == IDS[1:]


def test_the_order_of_many_lots_of_a_region_changes_no_bit_of_their_sum():
    people = np.random.default_rng(0).lognormal(1, 3, 2_000)
    one = pd.DataFrame({"region_id": IDS[0], "residential_units": 1, "population": people})
    sums = {
        count_lots(one.sample(frac=1, random_state=order), REGIONS)["population"].sum()
        for order in range(10)
    }
    assert len(sums) == 1
