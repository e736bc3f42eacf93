"""Raw values by region against small sums done by hand."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from pydantic import TypeAdapter, ValidationError
from rasterio.transform import from_origin
from shapely import Point, box

from musecl.indicators.aggregation import values_by_region
from musecl.runtime.errors import InputError
from musecl.sources.contract import Points, Raster, Values, Zones
from musecl.sources.settings import Indicator
from own_files import boxes

# Four boxes of a tenth of a degree: 00 southwest, 01 northwest, 02 southeast, 03 northeast.
REGIONS = boxes(10, 50, 10.2, 50.2, steps=2).assign(land_share=[1.0, 0.5, 1.0, 0.0])
KM2 = REGIONS.set_index("region_id")["area_km2"]


def points(statistic="count", minimum=0, per_km2=None):
    rows = [
        (10.05, 50.05, 3.0, "a"),
        (10.06, 50.05, 5.0, "a"),
        (10.07, 50.05, 10.0, "b"),
        (10.05, 50.15, 7.0, "a"),
        (12.0, 50.0, 99.0, "z"),
    ]
    table = pd.DataFrame(rows, columns=["longitude", "latitude", "value", "key"])
    return Points(table, statistic, minimum, per_km2)


@pytest.mark.parametrize(
    ("statistic", "minimum", "expected"),
    [
        ("count", 0, {"box_00": 3, "box_01": 1, "box_02": 0, "box_03": 0}),
        ("count", 1, {"box_00": 3, "box_01": 1}),
        ("count", 2, {"box_00": 3}),
        ("distinct", 0, {"box_00": 2, "box_01": 1, "box_02": 0, "box_03": 0}),
        ("distinct", 3, {}),
        ("sum", 0, {"box_00": 18, "box_01": 7, "box_02": 0, "box_03": 0}),
        ("sum", 3, {"box_00": 18}),
        ("mean", 0, {"box_00": 6, "box_01": 7}),
        ("median", 0, {"box_00": 5, "box_01": 7}),
        ("median", 2, {"box_00": 5}),
    ],
)
def test_points(statistic, minimum, expected):
    found = values_by_region(points(statistic, minimum), REGIONS)
    assert found.to_dict() == expected
    assert (found.index.name, found.name, found.dtype) == ("region_id", "value", float)
    assert found.index.is_monotonic_increasing


def test_counts_per_area_know_no_region_without_land():
    whole = values_by_region(points(per_km2="region"), REGIONS)
    assert whole["box_01"] == pytest.approx(1 / KM2["box_01"])
    assert len(whole) == 4
    land = values_by_region(points(per_km2="land"), REGIONS)
    assert land["box_01"] == pytest.approx(2 / KM2["box_01"])
    assert list(land.index) == ["box_00", "box_01", "box_02"]


def test_order_of_points_and_regions_changes_no_bit():
    generator = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "longitude": generator.uniform(10, 10.2, 3000),
            "latitude": generator.uniform(50, 50.2, 3000),
            "value": generator.lognormal(0, 4, 3000),
        }
    )
    for statistic in ("sum", "mean"):
        first = values_by_region(Points(table, statistic), REGIONS)
        shuffled = Points(table.sample(frac=1, random_state=1), statistic)
        again = values_by_region(shuffled, REGIONS.sample(frac=1, random_state=2))
        pd.testing.assert_series_equal(first, again, check_exact=True)


def zones(values, shapes, kind="extensive", **more):
    table = gpd.GeoDataFrame({"value": values}, geometry=shapes, crs=4326)
    return Zones(table.to_crs(25832), kind, **more)


# A third of the first lies in box_02; the second is a quarter of box_01, the third most of it.
ACROSS = box(10, 50, 10.15, 50.1)
SOME, MOST = box(10, 50.1, 10.05, 50.15), box(10.05, 50.1, 10.1, 50.2)


def test_counts_of_zones_are_shared_out_and_none_is_lost():
    found = values_by_region(zones([30, 8, 5], [ACROSS, SOME, MOST]), REGIONS)
    assert found.to_dict() == pytest.approx({"box_00": 20, "box_01": 13, "box_02": 10}, rel=1e-4)
    assert found.sum() == pytest.approx(43, rel=1e-4)
    density = values_by_region(zones([8], [SOME], per_km2="land"), REGIONS)
    assert density.to_dict() == pytest.approx({"box_01": 16 / KM2["box_01"]}, rel=1e-3)


def test_a_region_that_zones_only_touch_has_no_count():
    found = values_by_region(zones([1000], [box(10, 50, 10.1001, 50.1)]), REGIONS)
    assert list(found.index) == ["box_00"]
    # A small square that lies in a region as a whole counts there, however large the region.
    small = box(10.15, 50.05, 10.151, 50.051)
    assert values_by_region(zones([7], [small]), REGIONS).to_dict() == pytest.approx({"box_02": 7})


def test_a_count_is_unknown_where_most_of_the_zones_is():
    known = values_by_region(zones([30, 8, np.nan], [ACROSS, SOME, MOST]), REGIONS)
    assert list(known.index) == ["box_00", "box_02"]
    assert "box_01" in values_by_region(zones([30, np.nan, 5], [ACROSS, SOME, MOST]), REGIONS)


def test_weights_move_counts():
    weights = gpd.GeoDataFrame(
        {"weight": [1.0, 3.0]}, geometry=[Point(10.05, 50.05), Point(10.12, 50.05)], crs=4326
    )
    found = values_by_region(zones([40], [ACROSS], weights=weights), REGIONS)
    assert found.to_dict() == pytest.approx({"box_00": 10, "box_02": 30})


def test_means_of_zones_are_averaged_over_the_known_part():
    west, east = box(10, 50, 10.025, 50.1), box(10.025, 50, 10.1, 50.1)
    found = values_by_region(zones([40, 80], [west, east], "intensive"), REGIONS)
    assert found.to_dict() == pytest.approx({"box_00": 70}, rel=1e-4)
    partly = values_by_region(zones([np.nan, 80], [west, east], "intensive"), REGIONS)
    assert partly.to_dict() == pytest.approx({"box_00": 80})
    assert values_by_region(zones([40, np.nan], [west, east], "intensive"), REGIONS).empty
    weights = gpd.GeoDataFrame(
        {"weight": [3.0, 1.0]}, geometry=[Point(10.01, 50.05), Point(10.05, 50.05)], crs=4326
    )
    weighed = zones([40, 80], [west, east], "intensive", weights=weights)
    assert values_by_region(weighed, REGIONS).to_dict() == pytest.approx({"box_00": 50})


def test_half_is_of_the_land_so_that_a_shore_keeps_its_value():
    third = box(10, 50.1, 10.035, 50.2)
    assert values_by_region(zones([40], [third], "intensive"), REGIONS).to_dict() == pytest.approx(
        {"box_01": 40}
    )
    assert values_by_region(zones([40], [third], "intensive"), REGIONS.assign(land_share=1.0)).empty


def raster(path, pixels, statistic="sum", west=10.0, north=50.2, **more):
    """Pixels of a twentieth of a degree: a region holds 2 x 2."""
    with rasterio.open(
        path, "w", driver="GTiff", width=pixels.shape[1], height=pixels.shape[0], count=1,
        dtype=pixels.dtype, crs=4326, transform=from_origin(west, north, 0.05, 0.05),
        nodata=more.pop("named", None),
    ) as file:  # fmt: skip
        file.write(pixels, 1)
    return Raster([path], statistic, **more)


PIXELS = np.arange(16, dtype="float32").reshape(4, 4)


def test_pixels_add_up_and_average(tmp_path):
    assert values_by_region(raster(tmp_path / "a.tif", PIXELS), REGIONS).to_dict() == (
        pytest.approx({"box_00": 42, "box_01": 10, "box_02": 50, "box_03": 18})
    )
    mean = values_by_region(raster(tmp_path / "a.tif", PIXELS, "mean"), REGIONS)
    assert mean.to_dict() == pytest.approx(
        {"box_00": 10.5, "box_01": 2.5, "box_02": 12.5, "box_03": 4.5}
    )


def test_a_pixel_counts_by_how_much_of_it_a_region_covers(tmp_path):
    shifted = raster(tmp_path / "a.tif", np.ones((6, 6), "uint8"), west=9.98, north=50.23)
    found = values_by_region(shifted, REGIONS)
    assert found.to_dict() == pytest.approx(dict.fromkeys(REGIONS["region_id"], 4))


def test_regions_are_brought_to_the_raster_and_not_it_to_them(tmp_path):
    pixels = np.random.default_rng(0).poisson(3, (300, 300)).astype("float32")
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=300, height=300, count=1, dtype="float32", crs=25832,
        transform=from_origin(565_000, 5_565_000, 100, 100),
    ) as file:  # fmt: skip
        file.write(pixels, 1)
    whole = values_by_region(Raster([path], "sum"), REGIONS).sum()
    area = REGIONS.to_crs(25832).area.sum()
    assert whole == pytest.approx(3 * area / 1e4, rel=0.01)


@pytest.mark.parametrize(
    ("absent", "more"),
    [
        (-99999.0, {"named": -99999.0}),
        (7777.0, {"named": 7777.0}),
        (7777.0, {"nodata": 7777.0}),
        (np.nan, {}),
        (-5.0, {}),
        (-5.0, {"named": -99999.0}),
    ],
)
def test_pixels_without_data_add_nothing(tmp_path, absent, more):
    pixels = PIXELS.copy()
    pixels[2, 0] = absent
    found = values_by_region(raster(tmp_path / "a.tif", pixels, **more), REGIONS)
    assert found["box_00"] == pytest.approx(34)


def test_what_the_file_says_of_no_data_stands(tmp_path):
    pixels = PIXELS.copy()
    pixels[2, 0] = 77
    given = raster(tmp_path / "a.tif", pixels, named=-1.0, nodata=77.0)
    assert values_by_region(given, REGIONS)["box_00"] == pytest.approx(111)


def test_below_0_is_a_value_in_a_mean(tmp_path):
    found = values_by_region(raster(tmp_path / "a.tif", -PIXELS, "mean"), REGIONS)
    assert found["box_01"] == pytest.approx(-2.5)


def test_a_mean_needs_data_over_half_of_the_land(tmp_path):
    pixels = PIXELS.copy()
    pixels[2:, :2] = [[8, np.nan], [np.nan, np.nan]]
    pixels[:2, :2] = [[0, np.nan], [np.nan, 5]]
    pixels[:2, 2:] = np.nan
    mean = values_by_region(raster(tmp_path / "a.tif", pixels, "mean"), REGIONS)
    assert mean.to_dict() == pytest.approx({"box_01": 2.5, "box_02": 12.5})
    total = values_by_region(raster(tmp_path / "a.tif", pixels), REGIONS)
    assert total.to_dict() == pytest.approx({"box_00": 8, "box_01": 5, "box_02": 50})


def test_a_sum_needs_half_of_the_land_within_the_raster(tmp_path):
    found = values_by_region(raster(tmp_path / "a.tif", PIXELS[:, :1]), REGIONS)
    assert found.to_dict() == pytest.approx({"box_00": 20, "box_01": 4})
    narrow = raster(tmp_path / "a.tif", PIXELS[:, :1], west=9.99)
    # 0.04 of 0.1 degrees: less than half of box_00, more than half of the land of box_01.
    assert list(values_by_region(narrow, REGIONS).index) == ["box_01"]


def test_tiles_beside_each_other_give_what_one_raster_gives(tmp_path):
    whole = raster(tmp_path / "a.tif", PIXELS, "mean")
    left = raster(tmp_path / "b.tif", PIXELS[:, :1])
    right = raster(tmp_path / "c.tif", PIXELS[:, 1:], west=10.05)
    parts = Raster([*left.paths, *right.paths], "mean")
    expected = values_by_region(whole, REGIONS)
    np.testing.assert_allclose(values_by_region(parts, REGIONS), expected, rtol=1e-6)


def test_values_stay_and_unknown_regions_are_refused():
    table = pd.DataFrame({"region_id": ["box_02", "box_00"], "value": [1, np.nan]})
    assert values_by_region(Values(table), REGIONS).to_dict() == {"box_02": 1}
    with pytest.raises(InputError, match="1 regions are not in the region table, first 'box_00'"):
        values_by_region(Values(table), REGIONS.iloc[1:])


def test_an_indicator_takes_its_provider_by_name():
    about = {
        "unit": "shootings",
        "year": 2022,
        "transform": "ln(1+x)",
        "primary": True,
        "label_provenance": [],
        "provider": "raster",
        "path": "a.tif",
        "statistic": "sum",
    }
    read = TypeAdapter(Indicator).validate_python
    assert read(about).source["statistic"] == "sum"
    wrong = [
        {"provider": "nowhere"},
        {"longitude": "x"},
        {"transform": "log"},
        {"label_provenance": ["weather"]},
    ]
    for change in wrong:
        with pytest.raises(ValidationError):
            read({**about, **change})


def test_pixels_behind_a_mask_add_nothing(tmp_path):
    given = raster(tmp_path / "a.tif", PIXELS)
    mask = np.full(PIXELS.shape, 255, "uint8")
    mask[2, 0] = 0
    with rasterio.open(given.paths[0], "r+") as file:
        file.write_mask(mask)
    assert values_by_region(given, REGIONS)["box_00"] == pytest.approx(34)
