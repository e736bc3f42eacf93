"""Chips of rasters of any bands and type, against plain arithmetic and what was cut before."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.enums import ColorInterp, Resampling
from rasterio.warp import reproject, transform_bounds
from rasterio.windows import Window, from_bounds
from shapely.geometry import box

from musecl.imagery.chips import PIECE, ChipCutter, cut_chips
from musecl.imagery.images import encode_image
from musecl.imagery.settings import SatelliteSettings
from musecl.runtime.errors import InputError
from musecl.sources.contract import Rasters
from shared_data import shared

UTM = CRS.from_epsg(32618)
EAST, NORTH = 580_000.0, 4_510_000.0
TO_DEGREES = Transformer.from_crs(UTM, 4326, always_xy=True)
GROUND_M, PIXELS = 320.0, 32


def write(
    path: Path,
    bands: NDArray[np.generic],
    pixel_m: float = 10.0,
    east: float = EAST,
    north: float = NORTH,
    colours: dict[int, tuple[int, ...]] | None = None,
    **more: object,
) -> Path:
    """Write bands (B, H, W), the middle of the raster at a place in UTM."""
    count, height, width = bands.shape
    transform = Affine(
        pixel_m, 0, east - width * pixel_m / 2, 0, -pixel_m, north + height * pixel_m / 2
    )
    profile = {"crs": "EPSG:32618", **more}
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=bands.dtype,
        transform=transform, **profile,
    ) as raster:  # fmt: skip
        raster.write(bands)
        if colours:
            raster.write_colormap(1, colours)
    return path


def chip_at(source: Rasters, east_m: float = 0.0, north_m: float = 0.0) -> NDArray[np.uint8] | None:
    spot = TO_DEGREES.transform(EAST + east_m, NORTH + north_m)
    (chip,) = ChipCutter(source, UTM, GROUND_M, PIXELS).cut([spot])
    return chip


def regions_at(offsets: list[tuple[float, float]]) -> gpd.GeoDataFrame:
    spots = [TO_DEGREES.transform(EAST + east, NORTH + north) for east, north in offsets]
    return gpd.GeoDataFrame(
        {
            "region_id": [f"r{number:04d}" for number in range(len(spots))],
            "longitude": [spot[0] for spot in spots],
            "latitude": [spot[1] for spot in spots],
        },
        geometry=[box(x - 1e-3, y - 1e-3, x + 1e-3, y + 1e-3) for x, y in spots],
        crs=4326,
    )


def cut_as_before(path: Path, crs: CRS, longitude: float, latitude: float) -> NDArray | None:
    """The arithmetic of the chips of the sample's city, as of the commit a70b89d."""
    with rasterio.open(path) as raster:
        colours = np.zeros((256, 3), np.uint8)
        for value, colour in raster.colormap(1).items():
            colours[value] = colour[:3]
        easting, northing = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(
            longitude, latitude
        )
        half = GROUND_M / 2
        bounds = (easting - half, northing - half, easting + half, northing + half)
        around = transform_bounds(crs, raster.crs, *bounds, densify_pts=21)
        window = from_bounds(*around, transform=raster.transform)
        left, top = int(window.col_off) - 2, int(window.row_off) - 2
        right, bottom = int(left + window.width + 5), int(top + window.height + 5)
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, raster.width), min(bottom, raster.height)
        if left >= right or top >= bottom:
            return None
        window = Window(left, top, right - left, bottom - top)
        scale = GROUND_M / PIXELS
        transform = Affine.translation(bounds[0], bounds[3]) @ Affine.scale(scale, -scale)
        sums = np.zeros((4, PIXELS, PIXELS), np.float32)
        valid = (raster.dataset_mask(window=window) > 0).astype(np.float32)
        shown = colours[raster.read(1, window=window)].transpose(2, 0, 1)
        reproject(
            np.concatenate([shown * valid, valid[None]]),
            sums,
            src_transform=raster.window_transform(window),
            src_crs=raster.crs,
            dst_transform=transform,
            dst_crs=crs,
            resampling=Resampling.average,
        )
        if not sums[3].any():
            return None
        means = sums[:3] / np.where(sums[3] > 0, sums[3], 1)
        return np.ascontiguousarray(means.round().astype(np.uint8).transpose(1, 2, 0))


@pytest.mark.parametrize("nodata", [None, 3])
def test_chips_of_a_palette_are_the_bytes_that_they_were(
    tmp_path: Path, nodata: int | None
) -> None:
    generator = np.random.default_rng(5)
    colours = {value: (*generator.integers(0, 256, 3).tolist(), 255) for value in range(256)}
    classes = generator.integers(0, 256, (1, 700, 650)).astype(np.uint8)
    # An odd pixel and another zone, so that no pixel meets another by chance.
    path = write(tmp_path / "p.tif", classes, 2.3, colours=colours, nodata=nodata)
    for crs in (UTM, CRS.from_epsg(32617)):
        offsets = [(0, 0), (131.7, -93.2), (690, 700), (-805, 10), (3000, 0)]
        spots = [TO_DEGREES.transform(EAST + east, NORTH + north) for east, north in offsets]
        chips = ChipCutter(Rasters([path]), crs, GROUND_M, PIXELS).cut(spots)
        before = [cut_as_before(path, crs, *spot) for spot in spots]
        assert [chip is None for chip in chips] == [chip is None for chip in before]
        assert sum(chip is None for chip in chips) == 1
        for chip, old in zip(chips, before, strict=True):
            if chip is not None and old is not None:
                assert chip.tobytes() == old.tobytes()
                assert encode_image(chip) == encode_image(old)


@pytest.mark.parametrize(
    "kind", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
)
def test_any_type_is_stretched_between_its_two_values(tmp_path: Path, kind: str) -> None:
    ramp = np.tile(np.arange(64), (64, 1))
    bands = np.stack([ramp, ramp + 20, 2 * ramp, ramp]).astype(kind)
    path = write(tmp_path / "r.tif", bands)
    stretch = ((20.0, 40.0), (20.0, 83.0), (0.0, 126.0))
    chip = chip_at(Rasters([path], (1, 2, 3), stretch))
    assert chip is not None
    inner = bands[:3, 16:48, 16:48].astype(float)
    low, high = np.array(stretch).T[:, :, None, None]
    expected = (((inner - low) / (high - low)).clip(0, 1) * 255).round().transpose(1, 2, 0)
    assert np.abs(chip - expected).max() <= 1
    assert (chip.min(), chip[..., 0].max()) == (0, 255)


def test_roles_name_the_bands_and_gray_is_three_alike(tmp_path: Path) -> None:
    bands = np.stack([np.full((64, 64), value, np.uint8) for value in (10, 20, 30, 40)])
    path = write(tmp_path / "b.tif", bands, photometric="MINISBLACK")
    chip = chip_at(Rasters([path], (3, 2, 1)))
    assert chip is not None
    assert (chip == (30, 20, 10)).all()
    gray = chip_at(Rasters([path], (4,)))
    assert gray is not None
    assert gray.shape == (PIXELS, PIXELS, 3)
    assert (gray == 40).all()


def test_infrared_that_is_written_as_an_alpha_is_none(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    bands = np.full((4, 64, 64), 90, np.uint8)
    bands[3] = generator.integers(0, 256, (64, 64))
    bands[3, :, :40] = 0  # water
    path = write(tmp_path / "n.tif", bands)
    with rasterio.open(path) as raster:
        assert raster.colorinterp[3] == ColorInterp.alpha
    chip = chip_at(Rasters([path]))
    assert chip is not None
    assert (chip == 90).all()
    false_colour = chip_at(Rasters([path], (4, 1, 2)))
    assert false_colour is not None
    assert (false_colour[..., 1:] == 90).all()


def test_an_alpha_is_honoured_beside_gray_and_of_sixteen_bits(tmp_path: Path) -> None:
    for kind, most in (("uint8", 255), ("uint16", 65535)):
        bands = np.full((2, 64, 64), 90, kind)
        bands[1] = most
        bands[1, :, :32] = 0
        path = write(tmp_path / "a.tif", bands, photometric="MINISBLACK", alpha="yes")
        chip = chip_at(Rasters([path], (1,), ((0.0, 255.0),)))
        assert chip is not None
        assert (chip[:, :16] == 0).all()
        assert (chip[:, 16:] == 90).all()


def test_a_mask_beside_the_bands_is_honoured(tmp_path: Path) -> None:
    path = write(tmp_path / "m.tif", np.full((3, 64, 64), 90, np.uint8))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as raster:
        mask = np.full((64, 64), 255, np.uint8)
        mask[:32] = 0
        raster.write_mask(mask)
    chip = chip_at(Rasters([path]))
    assert chip is not None
    assert (chip[:16] == 0).all()
    assert (chip[16:] == 90).all()


def test_a_value_that_means_no_data_must_stand_in_all_the_bands(tmp_path: Path) -> None:
    bands = np.full((3, 64, 64), 100, np.uint8)
    bands[:, :, 1::2] = 0
    bands[0] = np.where(np.arange(64) % 2, bands[0], 0)  # no red is a colour
    path = write(tmp_path / "z.tif", bands, pixel_m=5)
    dark, shown = chip_at(Rasters([path])), chip_at(Rasters([path], nodata=0))
    assert dark is not None
    assert shown is not None
    assert (shown == (0, 100, 100)).all()
    assert (dark == (0, 50, 50)).all()


def test_not_a_number_is_no_data_and_does_not_spread(tmp_path: Path) -> None:
    bands = np.full((1, 64, 64), 5.0, np.float32)
    bands[:, ::2] = np.nan
    bands[:, 1::8] = np.inf
    path = write(tmp_path / "f.tif", bands, pixel_m=2.5)
    chip = chip_at(Rasters([path], (1,), ((0.0, 10.0),)))
    assert chip is not None
    inner = chip[8:24, 8:24]
    assert set(np.unique(inner)) <= {128}


def test_the_later_raster_lies_on_top_and_shows_what_is_below_where_it_has_no_data(
    tmp_path: Path,
) -> None:
    below = write(tmp_path / "z.tif", np.full((3, 64, 64), 50, np.uint8))
    top = np.full((3, 64, 64), 200, np.uint8)
    top[:, :, :32] = 0
    above = write(tmp_path / "a.tif", top, nodata=0)
    chip = chip_at(Rasters([below, above]))
    assert chip is not None
    assert (chip[:, :16] == 50).all()
    assert (chip[:, 16:] == 200).all()
    other = chip_at(Rasters([above, below]))
    assert other is not None
    assert (other == 50).all()


def test_rasters_side_by_side_in_two_zones_make_one_chip(tmp_path: Path) -> None:
    west = write(tmp_path / "w.tif", np.full((3, 64, 64), 50, np.uint8), east=EAST - 320)
    middle = Transformer.from_crs(32618, 32619, always_xy=True).transform(EAST + 200, NORTH)
    east = write(
        tmp_path / "e.tif", np.full((3, 80, 80), 200, np.uint8), east=middle[0] + 160,
        north=middle[1], crs="EPSG:32619",
    )  # fmt: skip
    chip = chip_at(Rasters([east, west]))
    assert chip is not None
    assert (chip[:, :16] == 50).all()
    assert (chip[:, 24:] == 200).all()


def test_a_raster_without_data_leaves_the_region_out(tmp_path: Path) -> None:
    bands = np.full((3, 64, 264), 90, np.uint8)
    bands[:, :, :100] = 0
    path = write(tmp_path / "h.tif", bands, nodata=0)
    regions = regions_at([(0, 0), (-1100, 0), (9000, 0)])
    rows = cut_chips(Rasters([path]), regions, SatelliteSettings(ground_m=GROUND_M, pixels=PIXELS))
    assert rows["region_id"].tolist() == ["r0000"]


def test_a_crs_is_taken_from_the_source_where_the_file_has_none(tmp_path: Path) -> None:
    path = write(tmp_path / "c.tif", np.full((3, 64, 64), 90, np.uint8), crs=None)
    with pytest.raises(InputError, match="no coordinate reference system"):
        chip_at(Rasters([path]))
    chip = chip_at(Rasters([path], crs="EPSG:32618"))
    assert chip is not None
    assert (chip == 90).all()


def test_values_of_sixteen_bits_without_a_stretch_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "s.tif", np.zeros((3, 9, 9), np.uint16))
    with pytest.raises(InputError, match=r"s\.tif: holds uint16, and nobody says"):
        chip_at(Rasters([path], (1, 2, 3)))
    with pytest.raises(InputError, match=r"has 3 bands, not 4"):
        chip_at(Rasters([path], (4, 2, 1)))


def test_an_overview_is_read_where_it_is_finer_than_the_chip(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    fine = generator.integers(0, 256, (3, 1024, 1024)).astype(np.uint8)
    path = write(tmp_path / "o.tif", fine, pixel_m=1, tiled=True, blockxsize=256, blockysize=256)
    whole = chip_at(Rasters([path]))
    with rasterio.open(path, "r+") as raster:
        raster.build_overviews([2, 4, 8, 16], Resampling.average)
    source = Rasters([path])
    assert [sheet.overview for sheet in ChipCutter(source, UTM, GROUND_M, PIXELS).sheets] == [1]
    assert ChipCutter(source, UTM, GROUND_M, 320).sheets[0].overview is None
    coarse = chip_at(source)
    assert whole is not None
    assert coarse is not None
    # 4 m in place of 1 m: an edge of a pixel of 10 m moves by half of one.
    assert np.abs(coarse.astype(float) - whole).mean() < 4


def test_the_rows_do_not_depend_on_the_number_of_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(2)
    path = write(tmp_path / "w.tif", generator.integers(0, 256, (3, 300, 300)).astype(np.uint8))
    pois = generator.uniform(-1700, 1700, (2 * PIECE + 5, 2)).tolist()
    settings, rows = SatelliteSettings(ground_m=GROUND_M, pixels=PIXELS), []
    for workers in (1, 4):
        monkeypatch.setenv("MUSECL_WORKERS", str(workers))
        rows.append(cut_chips(Rasters([path]), regions_at(pois), settings))
    pd.testing.assert_frame_equal(*rows)
    assert 50 < len(rows[0]) < len(pois)


def broken_raster(path: Path) -> Path:
    bands = np.random.default_rng(0).integers(0, 256, (3, 512, 512)).astype(np.uint8)
    write(path, bands, tiled=True, blockxsize=256, blockysize=256, compress="deflate")
    held = bytearray(path.read_bytes())
    held[len(held) // 2 :] = bytes(len(held) - len(held) // 2)
    path.write_bytes(held)
    return path


def test_a_block_that_cannot_be_read_is_named_with_its_file(tmp_path: Path) -> None:
    path = broken_raster(tmp_path / "broken.tif")
    with pytest.raises(InputError) as caught:
        chip_at(Rasters([path]), 1200, -1200)
    said = str(caught.value)
    assert f"{path}: columns " in said
    assert " and rows " in said
    assert "\n" not in said


def middle_of(path: Path) -> tuple[float, float]:
    with rasterio.open(path) as raster:
        left, bottom, right, top = raster.bounds
        to_degrees = Transformer.from_crs(raster.crs, 4326, always_xy=True)
        return to_degrees.transform((left + right) / 2, (bottom + top) / 2)


def chip_of(path: Path, ground_m: float, **more: object) -> NDArray[np.uint8] | None:
    """Chip in the middle of a real raster."""
    spot = middle_of(path)
    crs = gpd.GeoSeries(gpd.points_from_xy([spot[0]], [spot[1]]), crs=4326).estimate_utm_crs()
    source = Rasters([path], **more)  # type: ignore[arg-type]
    (chip,) = ChipCutter(source, CRS.from_user_input(crs), ground_m, 64).cut([spot])
    return chip


REAL = [
    ("raster/cog_rgb.tif", 20, {}),
    ("raster/cog_rgb_mask.tif", 20, {}),
    ("raster/clp.tif", 40_000, {"bands": (1,)}),
    ("raster/cog_dateline.tif", 100_000, {"bands": (1,), "stretch": ((0.0, 65_535.0),)}),
    ("raster/RGBA.uint16.tif", 400, {"bands": (3, 2, 1), "stretch": ((0.0, 2e4),) * 3}),
    ("raster/naip_m_4208701_ne_16_060_20200902.tif", 60, {}),
    ("chicago/SP27GTIF.tiff", 5000, {"bands": (1,)}),
    ("polygons/L7_ETMs_olinda.tif", 4000, {"bands": (3, 2, 1)}),
    ("madrid/madrid_scene_s2_120_2019-7-10.tif", 9000,
     {"bands": (1, 2, 3), "stretch": ((0.0, 4000.0),) * 3, "nodata": 0}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "ground_m", "more"), REAL, ids=[name for name, _, _ in REAL])
def test_real_rasters_give_chips(name: str, ground_m: float, more: dict) -> None:
    path = shared("open_samples", *name.split("/"))
    chip = chip_of(path, ground_m, **more)
    assert chip is not None
    assert chip.std() > 3
    if len(more.get("bands", (1, 2, 3))) == 1:
        assert (chip == chip[..., :1]).all()
    with rasterio.open(path) as raster:
        bands = more.get("bands", (1, 2, 3))
        window = raster.read(bands, masked=True)
    # About as bright as the middle half of the raster, stretched likewise.
    height, width = window.shape[1:]
    inner = window[:, height // 4 : 3 * height // 4, width // 4 : 3 * width // 4].astype(float)
    for band, (low, high) in enumerate(more.get("stretch", ((0.0, 255.0),) * len(bands))):
        shown = ((inner[band] - low) / (high - low)).clip(0, 1).mean() * 255
        assert chip[..., band][chip.any(axis=2)].mean() == pytest.approx(shown, abs=60)


def test_a_real_raster_without_any_data_gives_none() -> None:
    path = shared("open_samples", "raster", "all-nodata.tif")
    assert chip_of(path, 150, bands=(3, 2, 1), stretch=((0.0, 1.0),) * 3) is None


def test_the_damaged_block_of_a_real_raster_is_named() -> None:
    path = shared("open_samples", "raster", "corrupt.tif")
    with pytest.raises(InputError, match=r"corrupt\.tif: columns \d+ to \d+ and rows"):
        chip_of(path, 60)
