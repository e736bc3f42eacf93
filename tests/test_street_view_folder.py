"""Photographs of the user's: position, direction and time from EXIF or a table; what is unfit."""

import json
import zlib
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational
from shapely import Polygon, box

from musecl.runtime.errors import InputError
from musecl.sources.photograph import read_header, read_spanned
from musecl.sources.provider import Request
from musecl.sources.street_view_folder import PROVIDER, FolderSettings
from shared_data import shared

HERE = {1: "N", 2: (40.0, 26.0, 49.1), 3: "W", 4: (3.0, 43.0, 29.11)}


def photograph(
    path: Path,
    gps: dict | None = None,
    taken: str | None = None,
    size: tuple[int, int] = (80, 60),
    xmp: str = "",
    orientation: int | None = None,
    image: Image.Image | None = None,
) -> Path:
    exif = Image.Exif()
    if gps is not None:
        exif[0x8825] = gps
    if taken is not None:
        exif[0x8769] = {36867: taken}
    if orientation is not None:
        exif[0x0112] = orientation
    image = image or Image.effect_noise(size, 60).convert("RGB")
    image.save(path, "JPEG", exif=exif, xmp=xmp.encode(), quality=95)
    return path


def request_in(
    root: Path, path: str = "*.jpg", area: Polygon | None = None, **settings: object
) -> Request:
    folder, inputs = root / "fetched", root / "inputs"
    folder.mkdir(exist_ok=True)
    inputs.mkdir(exist_ok=True)
    chosen = FolderSettings(provider="folder", path=path, **settings)  # type: ignore[arg-type]
    regions = None if area is None else gpd.GeoDataFrame(geometry=[area], crs=4326)
    return Request(chosen, inputs, regions, folder)


def fetched(request: Request) -> pd.DataFrame:
    PROVIDER.fetch(request)
    photographs = PROVIDER.read(request.folder, request.settings)
    assert photographs.folder == request.folder
    return photographs.table.set_index("path")


NONE = IFDRational(0, 0)
POSITIONS = [
    (HERE, (-3.724753, 40.446972)),
    ({**HERE, 1: "S", 3: "E"}, (3.724753, -40.446972)),
    ({1: "S", 2: (0.0, 22.278, 0.0), 3: "E", 4: (36.0, 3.385, 0.0)}, (36.056417, -0.3713)),
    ({1: "N", 2: (40.0, 26.8183, NONE), 3: "W", 4: (3.0, 43.4852, NONE)}, (-3.724753, 40.446972)),
    ({1: "N", 2: (40.446972, NONE, NONE), 3: "W", 4: (3.724753, NONE, NONE)},
     (-3.724753, 40.446972)),
    ({1: "n\0", 2: HERE[2], 3: "w", 4: HERE[4]}, (-3.724753, 40.446972)),
    ({**HERE, 2: (NONE, NONE, NONE)}, None),
    ({**HERE, 2: (95.0, 0.0, 0.0)}, None),
    ({2: HERE[2], 4: HERE[4]}, None),
    ({1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)}, None),
    ({}, None),
]  # fmt: skip


@pytest.mark.parametrize(("gps", "place"), POSITIONS)
def test_positions_of_exif(tmp_path: Path, gps: dict, place: tuple[float, float] | None) -> None:
    header = read_header(photograph(tmp_path / "a.jpg", gps))
    found = (header.longitude, header.latitude)
    if place is None:
        assert np.isnan(found).any()
    else:
        assert found == pytest.approx(place, abs=1e-5)


@pytest.mark.parametrize("reference", ["T", "M"])
def test_direction_and_time_of_exif(tmp_path: Path, reference: str) -> None:
    gps = {**HERE, 16: reference, 17: 212.9}
    header = read_header(photograph(tmp_path / "a.jpg", gps, "2015:04:10 20:12:23"))
    assert header.heading == pytest.approx(212.9)
    assert header.taken == pd.Timestamp("2015-04-10 20:12:23")
    assert not header.panorama
    unknown = read_header(photograph(tmp_path / "b.jpg", {**HERE, 17: NONE}, "0000:00:00 00:00:00"))
    assert np.isnan(unknown.heading)
    assert pd.isna(unknown.taken)


GPANO = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description {} '
    'GPano:PoseHeadingDegrees="350.5" GPano:ProjectionType="{}"/></x:xmpmeta>'
)
CROPPED = (
    'GPano:FullPanoWidthPixels="8000" GPano:FullPanoHeightPixels="4000" '
    'GPano:CroppedAreaLeftPixels="1000" GPano:CroppedAreaTopPixels="500" '
    'GPano:CroppedAreaImageWidthPixels="6000" GPano:CroppedAreaImageHeightPixels="3000"'
)


def test_panoramas_by_shape_and_by_xmp(tmp_path: Path) -> None:
    gps = {**HERE, 17: 10.0}
    wide = read_header(photograph(tmp_path / "w.jpg", gps, size=(400, 200)))
    assert (wide.panorama, wide.heading) == (True, 10.0)
    flat = photograph(tmp_path / "f.jpg", gps, size=(400, 200), xmp=GPANO.format("", "cylindrical"))
    assert not read_header(flat).panorama
    sphere = GPANO.format(CROPPED, "equirectangular")
    part = photograph(tmp_path / "p.jpg", gps, size=(300, 150), xmp=sphere)
    header = read_header(part)
    assert (header.panorama, header.heading) == (True, 350.5)
    assert read_spanned(part) == (0.125, 0.125, 0.875, 0.875)
    element = "<GPano:ProjectionType>equirectangular</GPano:ProjectionType>"
    other = photograph(tmp_path / "e.jpg", gps, size=(300, 100), xmp=element)
    assert read_header(other).panorama
    assert read_spanned(other) == pytest.approx((0, 1 / 6, 1, 5 / 6))


def test_what_cannot_be_used_is_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = request_in(tmp_path, megapixels=0.01)
    good = photograph(request.inputs / "good.jpg", HERE)
    photograph(request.inputs / "nowhere.jpg")
    photograph(request.inputs / "large.jpg", HERE, size=(101, 100))
    held = good.read_bytes()
    (request.inputs / "truncated.jpg").write_bytes(held[: len(held) * 2 // 3])
    (request.inputs / "text.jpg").write_text("no photograph")
    (request.inputs / "empty.jpg").write_bytes(b"")
    table = fetched(request)
    assert table.index.tolist() == ["good.jpg"]
    assert table.loc["good.jpg", "longitude"] == pytest.approx(-3.724753, abs=1e-5)
    said = capsys.readouterr().out
    assert (
        "6 photographs, left out: 3 broken or no photograph, 1 too large, 1 without a position"
        in said
    )
    good.unlink()
    with pytest.raises(InputError, match="none of 5 photographs can be used") as caught:
        fetched(request)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("side", [15_000, 40_000, 60_000])
def test_a_picture_that_unpacks_to_gigapixels_is_not_decoded(tmp_path: Path, side: int) -> None:
    request = request_in(tmp_path, "*.png")
    Image.new("RGB", (8, 8)).save(request.inputs / "bomb.png", "PNG")
    held = bytearray((request.inputs / "bomb.png").read_bytes())
    # The header alone says how many there are.
    held[16:24] = side.to_bytes(4, "big") * 2
    held[29:33] = zlib.crc32(bytes(held[12:29])).to_bytes(4, "big")
    (request.inputs / "bomb.png").write_bytes(held)
    with pytest.raises(InputError, match="1 too large"):
        fetched(request)


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_other_formats_are_read(tmp_path: Path, kind: str) -> None:
    request = request_in(tmp_path, f"*.{kind}")
    exif = Image.Exif()
    exif[0x8825] = HERE
    Image.new("RGB", (80, 60)).save(request.inputs / f"a.{kind}", exif=exif)
    assert fetched(request).index.tolist() == [f"a.{kind}"]


def test_heic_is_refused(tmp_path: Path) -> None:
    request = request_in(tmp_path, "*")
    (request.inputs / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(InputError, match=r"IMG_1\.HEIC: HEIC is not read; save .* as JPEG"):
        fetched(request)


def test_a_table_stands_above_exif(tmp_path: Path) -> None:
    request = request_in(tmp_path, "**/*.jpg", table="where.csv")
    (request.inputs / "x").mkdir()
    for name in ("a.jpg", "b.jpg", "x/c.jpg", "d.jpg"):
        photograph(request.inputs / name, {**HERE, 17: 5.0} if name == "b.jpg" else None)
    text = (
        "\ufefffile,longitude,latitude,heading,taken,panorama\n"
        "a.jpg,2.35,48.85,370,2020-05-06T07:08:09,yes\n"
        "b.jpg,,,,,\n"
        " x/c.jpg , 2.36, 48.86,,,false\n"
        "gone.jpg,2.37,48.87,,,\n"
    )
    (request.inputs / "where.csv").write_text(text, encoding="utf-8")
    table = fetched(request)
    assert table.index.tolist() == ["a.jpg", "b.jpg", "x/c.jpg"]
    assert table.loc["a.jpg"].tolist() == [
        2.35,
        48.85,
        10,
        pd.Timestamp("2020-05-06 07:08:09"),
        True,
    ]
    assert table.loc["b.jpg", "longitude"] == pytest.approx(-3.724753, abs=1e-5)
    assert table.loc["b.jpg", "heading"] == 5
    assert np.isnan(table.loc["x/c.jpg", "heading"])
    assert table["panorama"].tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,lon,lat\na.jpg,1,2\n", r"no column 'file', 'longitude', .* has name, lon, lat"),
        ("file,longitude,latitude\na.jpg,1,2\na.jpg,1,2\n", r"names a\.jpg twice"),
        ("file,longitude,latitude\na.jpg,1,2,3\n", r"where\.csv: not readable"),
        ("", r"where\.csv: not readable"),
    ],
)
def test_tables_that_cannot_be_read_are_refused(tmp_path: Path, text: str, said: str) -> None:
    request = request_in(tmp_path, table="where.csv")
    photograph(request.inputs / "a.jpg")
    (request.inputs / "where.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        fetched(request)


@pytest.mark.parametrize(
    ("longitude", "latitude", "said"),
    [
        (48.85, 2.35, "only 0 of 2 .* swapped 2 would: exchange the columns of longitude"),
        (13.4, 52.5, "only 0 of 2 .* lie inside the city; check the columns, their CRS"),
        (2.35, 139.7, "2 of 2 positions are no longitude and latitude in degrees; exchange"),
    ],
)
def test_photographs_that_all_lie_elsewhere_are_refused(
    tmp_path: Path, longitude: float, latitude: float, said: str
) -> None:
    request = request_in(tmp_path, area=box(2.3, 48.8, 2.4, 48.9), table="where.csv")
    for name in ("a.jpg", "b.jpg"):
        photograph(request.inputs / name)
    text = f"file,longitude,latitude\na.jpg,{longitude},{latitude}\nb.jpg,{longitude},{latitude}\n"
    (request.inputs / "where.csv").write_text(text)
    with pytest.raises(InputError, match=rf"where\.csv: {said}"):
        fetched(request)


def test_photographs_in_the_city_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = request_in(tmp_path, area=box(-4, 40, -3, 41))
    photograph(request.inputs / "a.jpg", HERE)
    assert len(fetched(request)) == 1
    assert "*.jpg: 1 of 1 positions (100.0%) lie inside the city" in capsys.readouterr().out


def test_a_table_of_another_encoding_and_separator(tmp_path: Path) -> None:
    request = request_in(tmp_path, table="where.csv", separator=";", encoding="iso-8859-1")
    photograph(request.inputs / "Coruña.jpg")
    text = "file;longitude;latitude\nCoruña.jpg;-8,4;43,37\n"
    (request.inputs / "where.csv").write_text(text, encoding="iso-8859-1")
    table = fetched(request)
    assert table[["longitude", "latitude"]].to_numpy().tolist() == [[-8.4, 43.37]]


def test_real_photographs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = request_in(tmp_path)
    for path in shared("open_samples", "photos").glob("*.jpg"):
        (request.inputs / path.name).write_bytes(path.read_bytes())
    madrid = shared("open_samples", "madrid", "iphone_hdr_NO.jpg")
    (request.inputs / madrid.name).write_bytes(madrid.read_bytes())
    table = fetched(request)
    pois = table[["longitude", "latitude"]].round(3).apply(tuple, axis=1).to_dict()
    assert pois["iphone_hdr_NO.jpg"] == (-3.725, 40.447)
    assert pois["berlin_01.jpg"] == (13.4, 52.519)
    assert pois["Kodak_CX7530.jpg"] == (36.056, 0.371 * -1)
    assert pois["67-0_length_string.jpg"] == (7.592, 51.025)
    assert {"45-gps_ifd.jpg", "landscape_6.jpg", "image01551.jpg"}.isdisjoint(pois)
    assert table.loc["iphone_hdr_NO.jpg", "heading"] == pytest.approx(212.9, abs=0.1)
    assert table.index[table["panorama"]].tolist() == ["67-0_length_string.jpg"]
    assert table.loc["67-0_length_string.jpg", "heading"] == pytest.approx(291.39)
    assert "without a position" in capsys.readouterr().out
    record = json.dumps(request.records)
    assert "photographs.csv" in record
