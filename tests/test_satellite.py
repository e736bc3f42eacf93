from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import yaml
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.transform import from_bounds

from drawn_city import (
    LATITUDE,
    LONGITUDE,
    build_root,
    census_table,
    lots_table,
    regions_table,
    run_stage,
)
from musecl.imagery.chips import ChipCutter
from musecl.imagery.images import COUNTED, imagery_of, iterate_images, read_image_index
from musecl.runtime.errors import InputError
from musecl.sources.contract import Rasters
from musecl.stages import fetch_satellite, satellite

UTM = CRS.from_epsg(32618)
GROUND_M = 400.0
PIXELS = 64


def write_raster(
    path: Path, bands: NDArray[np.generic], crs: str | None, bounds: tuple[float, ...], **more
) -> Path:
    count, height, width = bands.shape
    transform = from_bounds(*bounds, width, height)
    colours = more.pop("colours", None)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=count,
        height=height,
        width=width,
        dtype=bands.dtype,
        crs=crs,
        transform=transform,
        **more,
    ) as raster:
        raster.write(bands)
        if colours:
            raster.write_colormap(1, colours)
    return path


def around(crs: str, half_m: float = 1000.0) -> tuple[float, float, float, float]:
    """Bounds in a CRS of a square around the middle of the city."""
    east, north = Transformer.from_crs(4326, UTM, always_xy=True).transform(LONGITUDE, LATITUDE)
    back = Transformer.from_crs(UTM, crs, always_xy=True)
    return back.transform_bounds(east - half_m, north - half_m, east + half_m, north + half_m)


def pixel_positions(shape: tuple[int, int], crs: str, bounds: tuple[float, ...]) -> NDArray:
    """Easting and northing in UTM (2, H, W) of a raster's pixel centres."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    place = from_bounds(*bounds, shape[1], shape[0]) @ (columns, rows)
    to_utm = Transformer.from_crs(crs, UTM, always_xy=True)
    return np.array(to_utm.transform(*place))


def cut(path: Path, east_m: float = 0.0, north_m: float = 0.0) -> NDArray[np.uint8] | None:
    """The chip centred so many metres (UTM) from the middle of the city."""
    to_utm = Transformer.from_crs(4326, UTM, always_xy=True)
    east, north = to_utm.transform(LONGITUDE, LATITUDE)
    spot = to_utm.transform(east + east_m, north + north_m, direction="INVERSE")
    (chip,) = ChipCutter(Rasters([path]), UTM, GROUND_M, PIXELS).cut([spot])
    return chip


CRSS = ["EPSG:32618", "EPSG:4326", "EPSG:3857", "EPSG:32617"]


@pytest.mark.parametrize("crs", CRSS)
@pytest.mark.parametrize("centre", [(0.0, 0.0), (137.0, -211.0)])
def test_a_gradient_is_cut_where_it_lies(
    tmp_path: Path, crs: str, centre: tuple[float, float]
) -> None:
    bounds = around(crs)
    east, north = pixel_positions((900, 900), crs, bounds)
    middle = Transformer.from_crs(4326, UTM, always_xy=True).transform(LONGITUDE, LATITUDE)
    # Red grows by 1 in 8 m to the east, green by 1 in 8 m to the north.
    red, green = ((axis - m) / 8 + 127 for axis, m in zip((east, north), middle, strict=True))
    bands = np.stack([red, green, np.full_like(red, 50)]).clip(0, 255).round().astype(np.uint8)
    chip = cut(write_raster(tmp_path / "g.tif", bands, crs, bounds), *centre)
    assert chip is not None
    assert chip.shape == (PIXELS, PIXELS, 3)
    offsets = (np.arange(PIXELS) + 0.5) / PIXELS * GROUND_M - GROUND_M / 2
    expected_red = (offsets + centre[0]) / 8 + 127
    expected_green = (-offsets + centre[1]) / 8 + 127
    assert np.abs(chip[..., 0] - expected_red[None, :]).max() < 1.2
    assert np.abs(chip[..., 1] - expected_green[:, None]).max() < 1.2
    assert (chip[..., 2] == 50).all()


@pytest.mark.parametrize("crs", CRSS)
def test_a_marker_lies_in_its_pixel(tmp_path: Path, crs: str) -> None:
    bounds = around(crs)
    east, north = pixel_positions((1200, 1200), crs, bounds)
    middle = Transformer.from_crs(4326, UTM, always_xy=True).transform(LONGITUDE, LATITUDE)
    marker = np.hypot(east - middle[0] - 70, north - middle[1] - 110) < 8
    bands = np.stack([marker * 255, marker * 0, marker * 0]).astype(np.uint8)
    chip = cut(write_raster(tmp_path / "m.tif", bands, crs, bounds))
    assert chip is not None
    weight = chip[..., 0] / chip[..., 0].sum(dtype=float)
    scale = GROUND_M / PIXELS
    column = (weight.sum(axis=0) * (np.arange(PIXELS) + 0.5)).sum() * scale - GROUND_M / 2
    row = GROUND_M / 2 - (weight.sum(axis=1) * (np.arange(PIXELS) + 0.5)).sum() * scale
    assert (column, row) == pytest.approx((70, 110), abs=1.5)
    area = chip[..., 0].sum(dtype=float) / 255 * scale**2
    assert area == pytest.approx(np.pi * 8**2, rel=0.1)


def aligned_palette_raster(path: Path) -> tuple[Path, NDArray[np.uint8], NDArray[np.uint8]]:
    """Classes at random, four of the raster's pixels to one of the chip's along each side."""
    middle = Transformer.from_crs(4326, UTM, always_xy=True).transform(LONGITUDE, LATITUDE)
    west, north = middle[0] - 300, middle[1] + 300
    size = 384
    classes = np.random.default_rng(2).integers(0, 4, (size, size)).astype(np.uint8)
    colours = np.array([(250, 0, 0), (0, 250, 0), (0, 0, 250), (200, 200, 200)], np.uint8)
    entries = {value: (*colour, 255) for value, colour in enumerate(colours.tolist())}
    bounds = (west, north - 600, west + 600, north)
    write_raster(path, classes[None], "EPSG:32618", bounds, colours=entries)
    return path, classes, colours


def test_colours_of_a_palette_are_averaged_and_not_its_numbers(tmp_path: Path) -> None:
    path, classes, colours = aligned_palette_raster(tmp_path / "p.tif")
    chip = cut(path)
    assert chip is not None
    # 1.5625 m a pixel: 64 of them are the 100 m between the raster's edge and the chip's.
    inner = colours[classes[64:-64, 64:-64]].astype(float)
    expected = inner.reshape(PIXELS, 4, PIXELS, 4, 3).mean(axis=(1, 3))
    assert np.abs(chip - expected).max() < 1


def test_pixels_without_data_do_not_darken_their_neighbours(tmp_path: Path) -> None:
    bounds = around("EPSG:32618", 300)
    bands = np.full((3, 600, 600), 180, np.uint8)
    bands[:, :, ::2] = 0
    chip = cut(write_raster(tmp_path / "n.tif", bands, "EPSG:32618", bounds, nodata=0))
    assert chip is not None
    assert (chip == 180).all()


def test_a_fourth_band_says_where_the_data_is(tmp_path: Path) -> None:
    bounds = around("EPSG:32618", 300)
    bands = np.full((4, 600, 600), 90, np.uint8)
    bands[3] = 255
    bands[3, :, :300] = 0
    path = write_raster(
        tmp_path / "a.tif", bands, "EPSG:32618", bounds, photometric="RGB", alpha="yes"
    )
    chip = cut(path)
    assert chip is not None
    assert (chip[:, : PIXELS // 2] == 0).all()
    assert (chip[:, PIXELS // 2 :] == 90).all()


@pytest.mark.parametrize(
    ("east_m", "share"), [(0, 1.0), (200, 0.75), (399, 0.25), (550, 0.0), (9000, 0.0), (-9e4, 0.0)]
)
def test_outside_the_raster_is_black_and_all_of_it_is_no_chip(
    tmp_path: Path, east_m: float, share: float
) -> None:
    bounds = around("EPSG:32618", 300)
    path = write_raster(
        tmp_path / "w.tif", np.full((3, 300, 300), 200, np.uint8), "EPSG:32618", bounds
    )
    chip = cut(path, east_m)
    if share == 0:
        assert chip is None
    else:
        assert chip is not None
        assert ((chip == 200) | (chip == 0)).all()
        assert (chip == 200).mean() == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize(
    ("bands", "crs", "said"),
    [
        (np.zeros((3, 9, 9), np.uint8), None, "no coordinate reference system"),
        (np.zeros((3, 9, 9), np.uint16), "EPSG:32618", "uint16"),
        (np.zeros((1, 9, 9), np.uint8), "EPSG:32618", "without a palette"),
        (np.zeros((2, 9, 9), np.uint8), "EPSG:32618", "2 bands"),
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_other_rasters_are_refused(tmp_path: Path, bands: NDArray, crs: str, said: str) -> None:
    path = write_raster(tmp_path / "bad.tif", bands, crs, (0, 0, 90, 90))
    with pytest.raises(InputError, match=said):
        cut(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    chips = {"satellite": {"ground_m": GROUND_M, "pixels": PIXELS}}
    root = build_root(tmp_path, lots_table(), census_table(), **chips)
    run_stage(root, fetch_satellite)
    return root


def test_every_region_of_the_drawn_city_has_a_chip(root: Path) -> None:
    run_stage(root, satellite)
    index = read_image_index(root / "data/tiny/satellite")
    regions = regions_table()
    assert index["region_id"].tolist() == regions["region_id"].tolist()
    assert (index[["viewpoint", "orientation"]] == 0).all(axis=None)
    pd.testing.assert_frame_equal(
        index[["longitude", "latitude"]], pd.DataFrame(regions[["longitude", "latitude"]])
    )
    (chips,) = iterate_images(root / "data/tiny/satellite", 99)
    assert chips.shape == (7, PIXELS, PIXELS, 3)
    assert imagery_of(root / "data/tiny/satellite") == "rendered"
    counted = pd.read_parquet(root / "data/tiny/satellite" / COUNTED)
    assert counted["region_id"].tolist() == regions["region_id"].tolist()
    assert counted["lots"].sum() > 100


def test_regions_outside_the_raster_are_counted(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    regions = regions_table(k_rings=12)
    regions.to_parquet(root / "data/tiny/regions.parquet")
    run_stage(root, satellite)
    found = len(read_image_index(root / "data/tiny/satellite"))
    assert 7 < found < len(regions)
    said = capsys.readouterr().out
    assert f"{found} chips, {len(regions) - found} regions have none" in said


def test_a_raster_of_another_place_is_an_error(root: Path) -> None:
    place = (100_000.0, 5_000_000.0, 101_000.0, 5_001_000.0)
    bands = np.zeros((3, 50, 50), np.uint8)
    write_raster(root / "data/tiny/raw/satellite/drawn_city.tif", bands, "EPSG:32633", place)
    with pytest.raises(InputError, match="no region has an image"):
        run_stage(root, satellite)


def test_a_city_without_the_view_has_none(root: Path) -> None:
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    params["cities"]["tiny"]["satellite"] = None
    (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    run_stage(root, fetch_satellite)
    run_stage(root, satellite)
    assert [path.name for path in (root / "data/tiny/satellite").iterdir()] == ["about.json"]
    assert imagery_of(root / "data/tiny/satellite") is None
