"""Indicators of a toy city by the sample's measures, lot by lot and trip by trip."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from musecl.indicators.aggregation import values_by_region
from musecl.runtime.errors import InputError
from musecl.sources.contract import Points
from musecl.sources.sample import indicators as sample
from musecl.sources.sample.indicators import INCOME_CLASSES, SHARES
from musecl.sources.settings import Indicator
from musecl.stages import indicators
from small_city import disk_of_regions, job_in, trips_between

REGIONS = disk_of_regions()
IDS = REGIONS["region_id"].tolist()
CENTRES = REGIONS[["longitude", "latitude"]].to_numpy()
ZONES = ["MN01", "MN02"]
SHIPPED = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text(encoding="utf-8"))
MEASURED = SHIPPED["cities"]["nyc"]["indicators"]


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
    table = pd.DataFrame(values, index=ZONES, columns=columns)
    # No share is above 100%.
    return table.assign(
        **{code: 20_000 + table[code] for _, whole in SHARES.values() for code in whole}
    )


def run_on(root, monkeypatch, lot_table, measured=MEASURED):
    folder = root / "data" / "toy"
    (folder / "raw/indicators/sample").mkdir(parents=True)
    REGIONS.to_parquet(folder / "regions.parquet")
    trips = pd.concat([trips_between(REGIONS, [(0, 0), (0, None), (3, 2)], half="label"),
                       trips_between(REGIONS, [(7, 7)] * 9)])  # fmt: skip
    monkeypatch.setattr(sample, "read_lot_labels", lambda folder: lot_table)
    table = census().rename_axis("code").reset_index().assign(other_estimate=1)
    monkeypatch.setattr(sample, "read_census", lambda folder: table)
    monkeypatch.setattr(sample, "read_trips", lambda folder: trips)
    job = job_in(
        root,
        ["raw/indicators", "regions.parquet"],
        ["indicators.parquet"],
        cities__toy__indicators=measured,
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
    density, pois = values_of(table, "population_density"), values_of(table, "number_of_pois")
    assert list(density) == IDS
    assert list(pois) == IDS
    for number, region in enumerate(IDS):
        row = REGIONS.iloc[number]
        land = row["area_km2"] * row["land_share"]
        inside = lots_in(number)
        assert density[region] == pytest.approx(np.log1p(inside["population"].sum() / land))
        shops = (inside["residential_units"] == 0).sum()
        assert pois[region] == pytest.approx(np.log1p(shops / land))


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
    edges = np.array(sample.INCOME_EDGES)
    limits = []
    for zone in ZONES:
        counts = census().loc[zone, INCOME_CLASSES].to_numpy(dtype=float)
        limits.append(np.interp(counts.sum() / 2, [0, *np.cumsum(counts)], edges))
    found = np.expm1(list(values_of(table, "median_household_income").values()))
    assert (found >= min(limits) - 1e-6).all()
    assert (found <= max(limits) + 1e-6).all()


def test_people_without_a_census_have_no_share(tmp_path, monkeypatch):
    only_park = lots().assign(neighbourhood="PARK")
    counted = ("population_density", "number_of_pois", "mobility_count")
    table = run_on(
        tmp_path / "counted", monkeypatch, only_park, {name: MEASURED[name] for name in counted}
    )
    assert set(table["indicator"]) == set(counted)
    with pytest.raises(InputError, match="bachelor_share: no region has a value") as caught:
        run_on(tmp_path / "all", monkeypatch, only_park)
    assert "\n" not in str(caught.value)


def test_a_census_without_a_column_is_refused():
    table = census().rename_axis("code").reset_index().drop(columns=["DP03_0005E"])
    with pytest.raises(InputError, match="no column DP03_0005E"):
        sample.census_counts(table)


def test_every_row_says_where_it_comes_from(table):
    assert set(table["indicator"]) == set(MEASURED)
    assert set(table["city"]) == {"toy"}
    shared = table.groupby("indicator")["label_provenance"].agg(set)
    assert shared["population_density"] == {"satellite,street_view"}
    assert shared["mobility_count"] == {"text,pairs"}
    assert shared["poverty_share"] == {"text"}
    assert set(table["source"]) == {sample.PROVIDER.attribution}
    for name, about in MEASURED.items():
        rows = table[table["indicator"] == name]
        for key in ("unit", "year", "transform"):
            assert set(rows[key]) == {about[key]}
    primary = table.groupby("indicator")["primary"].agg(set)
    assert {name for name, values in primary.items() if values == {True}} == {
        "population_density",
        "number_of_pois",
        "no_vehicle_share",
        "bachelor_share",
        "mobility_count",
    }


def test_a_table_says_what_is_possible(table):
    bounds = table.groupby("indicator")[["minimum_value", "maximum_value"]].agg(set)
    assert bounds.loc["population_density", "minimum_value"] == {0}
    assert all(np.isnan(value) for value in bounds.loc["population_density", "maximum_value"])
    assert bounds.loc["poverty_share"].tolist() == [{0}, {100}]


def test_a_value_outside_what_is_possible_is_refused():
    about = Indicator.model_validate(MEASURED["poverty_share"])
    for value, bound in ((101.0, "maximum_value 100"), (-1.0, "minimum_value 0")):
        raw = pd.Series([50.0, value], index=["a", "b"])
        with pytest.raises(InputError, match=f"poverty_share: {value:g} lies outside its {bound}"):
            indicators.describe("toy", "poverty_share", raw, about, "source")


def test_a_city_without_indicators_has_a_table_without_rows(tmp_path, monkeypatch, capsys):
    table = run_on(tmp_path, monkeypatch, lots(), measured={})
    assert (len(table), list(table.columns)) == (0, list(indicators.INDICATORS.columns))
    assert (table["value"].dtype, table["primary"].dtype) == (float, bool)
    assert "the city has none" in capsys.readouterr().out


def test_the_order_of_the_lots_changes_no_bit(table, tmp_path, monkeypatch):
    shuffled = lots().sample(frac=1, random_state=1)
    again = run_on(tmp_path / "again", monkeypatch, shuffled)
    pd.testing.assert_frame_equal(table, again, check_exact=True)


def density_of(lot_table, regions=REGIONS):
    given = Points(lot_table.rename(columns={"population": "value"}), "sum", per_km2="land")
    return values_by_region(given, regions)


def test_regions_without_land_have_no_density():
    dry = REGIONS.assign(land_share=[0.0, *REGIONS["land_share"][1:]])
    found = density_of(lots().iloc[:0], dry)
    assert found.dropna().index.tolist() == IDS[1:]
    assert (found.dropna() == 0).all()


def test_the_order_of_many_lots_of_a_region_changes_no_bit_of_their_sum():
    people = np.random.default_rng(0).lognormal(1, 3, 2_000)
    longitude, latitude = CENTRES[0]
    one = pd.DataFrame({"longitude": longitude, "latitude": latitude, "population": people})
    sums = {density_of(one.sample(frac=1, random_state=order))[IDS[0]] for order in range(10)}
    assert len(sums) == 1


def about(**changes):
    return Indicator.model_validate(MEASURED["population_density"] | changes)


def test_a_region_without_a_value_has_no_row():
    raw = pd.Series([np.nan, 3.0, 0.0], index=IDS[:3])
    table = indicators.describe("toy", "people", raw, about(), "somebody")
    assert table["region_id"].tolist() == IDS[1:3]
    assert table["value"].tolist() == pytest.approx([np.log(4), 0])
    same = indicators.describe("toy", "people", raw, about(transform="identity"), "somebody")
    assert same["value"].tolist() == [3, 0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([np.nan, np.nan], "people: no region has a value; check that its source covers the city"),
        ([-1.0, 5.0], r"people: -1 has no ln\(1\+x\); set its transform to identity"),
    ],
)
def test_values_that_cannot_be_are_refused_in_one_line(values, message):
    raw = pd.Series(values, index=IDS[:2])
    with pytest.raises(InputError, match=message) as caught:
        indicators.describe("toy", "people", raw, about(), "somebody")
    assert "\n" not in str(caught.value)
