"""Rasters of one's own: what is taken of them, and what is refused."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from pydantic import ValidationError
from rasterio.transform import from_origin
from shapely import box

from musecl.indicators.aggregation import values_by_region
from musecl.runtime.errors import InputError
from musecl.sources import indicator_raster as provider
from musecl.sources.indicator_raster import PROVIDER, RasterSettings
from musecl.sources.provider import write_provenance
from own_files import as_regions, boxes, provided, put, request_in
from shared_data import shared

CITY = box(10.02, 50.02, 10.18, 50.18)
REGIONS = boxes(10, 50, 10.2, 50.2, steps=2)
SAO_MIGUEL = {
    "Lagoa": 14_539.875,
    "Nordeste": 4_149.851,
    "Ponta Delgada": 66_866.708,
    "Povoação": 5_293.968,
    "Ribeira Grande": 31_920.497,
    "Vila Franca do Campo": 9_093.449,
}


def settings(**more):
    return RasterSettings(provider="raster", **{"path": "a.tif", "statistic": "sum", **more})


def write(path, pixels, west=9.0, north=51.0, size=0.01, crs=4326, **how):
    """Pixels (H, W) or (bands, H, W) as GeoTIFF; the default lies around the city."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = pixels if pixels.ndim == 3 else pixels[None]
    about = {"transform": from_origin(west, north, size, size), **how}
    with rasterio.open(
        path, "w", driver="GTiff", width=bands.shape[2], height=bands.shape[1],
        count=bands.shape[0], dtype=bands.dtype, crs=crs, compress="deflate", **about,
    ) as raster:  # fmt: skip
        raster.write(bands)


def people(height=200, width=200, seed=0):
    return np.random.default_rng(seed).poisson(3, (height, width)).astype("float32")


def test_a_small_raster_is_copied_as_it_is(tmp_path):
    write(tmp_path / "inputs/a.tif", people(70, 100), west=9.6, north=50.5)
    request = request_in(tmp_path, settings(), CITY)
    provider.fetch(request)
    assert (tmp_path / "raw/a.tif").read_bytes() == (tmp_path / "inputs/a.tif").read_bytes()
    assert provider.read(request.folder, settings()).paths == [tmp_path / "raw/a.tif"]


def test_a_much_larger_raster_is_cut_to_the_city_and_says_so(tmp_path):
    pixels = np.stack([people(1000, 2000), people(1000, 2000, seed=1)])
    pixels[1, 80:85, 1000:1010] = -1
    write(tmp_path / "inputs/n/a.tif", pixels, west=0.0, north=51.0, nodata=-1)
    about = settings(path="n/a.tif", band=2)
    request = request_in(tmp_path, about, CITY)
    provider.fetch(request)
    write_provenance(request.folder, PROVIDER, [request])
    with rasterio.open(tmp_path / "raw/n/a.tif") as part:
        assert part.width * part.height < 1000 * 2000 / 100
        assert (part.count, part.nodata, part.crs) == (2, -1, rasterio.CRS.from_epsg(4326))
        # Regions reach beyond the land, by 25 km at most.
        assert part.bounds.left == pytest.approx(10.02 - 0.36, abs=0.02)
        assert part.bounds.top == pytest.approx(50.18 + 0.225, abs=0.02)
    (record,) = json.loads((tmp_path / "raw/provenance.json").read_text())["files"]
    assert record["source_pixels"] == [2000, 1000]
    assert record["source_bytes"] == (tmp_path / "inputs/n/a.tif").stat().st_size
    whole = RasterSettings(provider="raster", path="n/a.tif", statistic="sum", band=2)
    first = values_by_region(provider.read(request.folder, about), REGIONS)
    second = values_by_region(provider.read(request.inputs, whole), REGIONS)
    np.testing.assert_allclose(first, second, rtol=1e-12)
    assert len(first) == 4


def test_tiles_outside_the_city_are_left_out(tmp_path, capsys):
    write(tmp_path / "inputs/t_1.tif", people(), west=9.0)
    write(tmp_path / "inputs/t_2.tif", people(), west=30.0)
    given = provided(tmp_path, provider, settings(path="t_*.tif"), CITY)
    assert [path.name for path in given.paths] == ["t_1.tif"]
    assert "t_2.tif: lies outside the city and is left out" in capsys.readouterr().out


def test_what_a_raster_must_be(tmp_path):
    cases = [
        ({"crs": None}, settings(), "names no coordinate reference system"),
        ({"west": 30.0}, settings(), "no pixel in the city has data"),
        ({"nodata": 7}, settings(), "no pixel in the city has data"),
        ({}, settings(nodata=7), "no pixel in the city has data"),
        ({}, settings(band=2), "has no band 2, only 1"),
        ({"transform": from_origin(9, 51, 0.01, -0.01)}, settings(), "rotated or upside down"),
        (
            {"transform": from_origin(9, 51, 0.01, 0.01) @ rasterio.Affine.rotation(5)},
            settings(),
            "rotated or upside down",
        ),
    ]
    for how, about, says in cases:
        write(tmp_path / "inputs/a.tif", np.full((200, 200), 7, "uint8"), **how)
        with pytest.raises(InputError, match=says):
            provided(tmp_path, provider, about, CITY)
    (tmp_path / "inputs/a.tif").write_text("<!DOCTYPE html>")
    with pytest.raises(InputError, match="not readable as a raster"):
        provided(tmp_path, provider, settings(), CITY)


def test_rasters_of_different_grids_are_refused(tmp_path):
    write(tmp_path / "inputs/t_1.tif", people())
    write(tmp_path / "inputs/t_2.tif", people(), size=0.02)
    with pytest.raises(InputError, match=r"t_2\.tif: its grid differs from that of t_1\.tif"):
        provided(tmp_path, provider, settings(path="t_*.tif"), CITY)


def test_a_mean_is_not_divided_by_an_area():
    with pytest.raises(ValidationError, match="leave per_km2 out"):
        settings(statistic="mean", per_km2="land")


def test_a_damaged_block_is_named(tmp_path):
    path = tmp_path / "inputs/a.tif"
    write(path, np.random.default_rng(0).random((200, 200)))
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 3)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.tif: damaged in rows \d+ to \d+, columns \d+ to"):
        provided(tmp_path, provider, settings(), CITY)


def real_area(path: Path):
    with rasterio.open(path) as raster:
        return gpd.GeoSeries([box(*raster.bounds)], crs=raster.crs).to_crs(4326).iloc[0]


@pytest.mark.parametrize(
    ("name", "says"),
    [("corrupt.tif", "damaged in rows"), ("all-nodata.tif", "no pixel in the city has data")],
)
def test_real_rasters_that_hold_nothing(tmp_path, name, says):
    path = shared("open_samples", "raster", name)
    put(tmp_path, path)
    with pytest.raises(InputError, match=says):
        provided(tmp_path, provider, settings(path=name), real_area(path))


def test_real_people_of_aruba(tmp_path):
    path = shared("open_samples", "population", "worldpop_abw_ppp_2020_UNadj_constrained.tif")
    put(tmp_path, path)
    given = provided(tmp_path, provider, settings(path=path.name), box(-70, 12.45, -69.9, 12.6))
    regions = boxes(-70.07, 12.41, -69.86, 12.63, steps=6)
    found = values_by_region(given, regions)
    assert found.sum() == pytest.approx(106_766.0, abs=1e-3)
    assert (found >= 0).all()
    density = values_by_region(
        provided(tmp_path, provider, settings(path=path.name, per_km2="region"), real_area(path)),
        regions,
    )
    km2 = regions.set_index("region_id")["area_km2"].loc[found.index]
    np.testing.assert_allclose(density * km2, found)


def test_real_people_of_the_municipalities_of_sao_miguel(tmp_path):
    folder = shared("open_samples", "population", "sao_miguel")
    name = "gpw_v411_2020_count_2020.tif"
    put(tmp_path, folder / name)
    towns = gpd.read_file(folder / "concelhos.gpkg")
    regions = as_regions(towns["name"].tolist(), list(towns.geometry))
    given = provided(tmp_path, provider, settings(path=name), towns.union_all())
    assert values_by_region(given, regions).to_dict() == pytest.approx(SAO_MIGUEL, abs=5e-4)
