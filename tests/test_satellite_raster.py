"""Rasters of the user's: what is copied, cut down, downloaded, refused; and how they are shown."""

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from pydantic import ValidationError
from rasterio.enums import ColorInterp
from shapely.geometry import box

from musecl.runtime.errors import InputError, ParameterError
from musecl.sources import remote_files, satellite_raster
from musecl.sources.addresses import with_query
from musecl.sources.provider import Request, write_provenance
from musecl.sources.providers import chosen
from musecl.sources.satellite_raster import PROVIDER, RasterSettings
from own_files import as_regions
from shared_data import shared
from test_chips import EAST, NORTH, TO_DEGREES, write


def square(half_m: float, east_m: float = 0.0) -> shapely.Polygon:
    """A city: a square of ground around the middle of the rasters, in degrees."""
    corners = box(EAST - half_m, NORTH - half_m, EAST + half_m, NORTH + half_m)
    corners = shapely.affinity.translate(corners, east_m)
    return shapely.transform(corners, lambda xy: np.column_stack(TO_DEGREES.transform(*xy.T)))


def request_in(root: Path, area: shapely.Geometry | None = None, **settings: object) -> Request:
    folder, inputs = root / "fetched", root / "inputs"
    folder.mkdir(exist_ok=True)
    inputs.mkdir(exist_ok=True)
    chosen = RasterSettings(provider="raster", **settings)  # type: ignore[arg-type]
    return Request(chosen, inputs, as_regions(["all"], [area or square(200)]), folder)


def fetched(request: Request):
    PROVIDER.fetch(request)
    return PROVIDER.read(request.folder, request.settings)


def noise(count: int = 3, side: int = 64, kind: str = "uint8"):
    return np.random.default_rng(0).integers(1, 256, (count, side, side)).astype(kind)


def test_files_are_copied_as_they_are_and_the_last_by_name_lies_on_top(tmp_path: Path) -> None:
    request = request_in(tmp_path, path="**/*.tif")
    (request.inputs / "south").mkdir()
    for name in ("b.tif", "a.tif", "south/c.tif"):
        write(request.inputs / name, noise())
    (request.inputs / "a.tif.aux.xml").write_text("<PAMDataset/>")
    rasters = fetched(request)
    names = [path.relative_to(request.folder).as_posix() for path in rasters.paths]
    assert names == ["a.tif", "b.tif", "south/c.tif"]
    for name in [*names, "a.tif.aux.xml"]:
        assert (request.folder / name).read_bytes() == (request.inputs / name).read_bytes()
    assert (rasters.bands, rasters.stretch, rasters.nodata) == (None, None, None)


def test_a_name_with_brackets_is_a_name(tmp_path: Path) -> None:
    request = request_in(tmp_path, path="*.tif")
    write(request.inputs / "map [1].tif", noise())
    assert [path.name for path in fetched(request).paths] == ["map [1].tif"]


def test_rasters_elsewhere_are_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = request_in(tmp_path, path="*.tif", margin_m=0)
    write(request.inputs / "here.tif", noise())
    write(request.inputs / "there.tif", noise(), east=EAST + 5000)
    assert [path.name for path in fetched(request).paths] == ["here.tif"]
    assert not (request.folder / "there.tif").exists()
    assert "1 of 2 rasters do not meet the city" in capsys.readouterr().out
    (request.inputs / "here.tif").unlink()
    with pytest.raises(InputError, match="none of 1 rasters meets the city"):
        fetched(request)


def test_of_a_large_file_the_part_around_the_city_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(satellite_raster, "LARGE_BYTES", 1000)
    request = request_in(tmp_path, path="*.tif", margin_m=300)
    palette = {value: (value, 255 - value, 7, 255) for value in range(256)}
    classes = np.random.default_rng(0).integers(0, 256, (1, 2000, 2000)).astype(np.uint8)
    path = write(request.inputs / "p.tif", classes, 2.0, colours=palette, nodata=9)
    (part,) = fetched(request).paths
    with rasterio.open(path) as whole, rasterio.open(part) as cut:
        assert (cut.crs, cut.nodata, cut.colormap(1)) == (whole.crs, 9, whole.colormap(1))
        assert 500 <= cut.width < 520
        window = whole.window(*cut.bounds).round()
        assert (whole.read(window=window) == cut.read()).all()
        west, south, east, north = cut.bounds
        assert west <= EAST - 500 < EAST + 500 <= east
        assert south <= NORTH - 500 < NORTH + 500 <= north
    provenance = request.folder / "provenance.json"
    write_provenance(request.folder, PROVIDER, [request])
    (record,) = [r for r in json.loads(provenance.read_text())["files"] if r["file"] == "p.tif"]
    assert (record["source"], record["window"][2]) == ("p.tif", cut.width)


@pytest.mark.parametrize("kind", ["alpha", "mask", "uint16"])
def test_a_part_keeps_alpha_mask_and_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(satellite_raster, "LARGE_BYTES", 1000)
    bands = {"gray": 1} if kind == "uint16" else None
    request = request_in(tmp_path, path="*.tif", margin_m=0, bands=bands)
    held = noise(4 if kind == "alpha" else 3, 300, "uint16" if kind == "uint16" else "uint8")
    if kind == "alpha":
        held[3] = 255 * (held[3] > 128)
    path = write(request.inputs / "a.tif", held)
    if kind == "mask":
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as raster:
            raster.write_mask(255 * (held[0] > 128))
    (part,) = fetched(request).paths
    with rasterio.open(path) as whole, rasterio.open(part) as cut:
        window = whole.window(*cut.bounds).round()
        assert cut.dtypes == whole.dtypes
        assert cut.mask_flag_enums == whole.mask_flag_enums
        assert (cut.colorinterp[-1] == ColorInterp.alpha) == (kind == "alpha")
        assert (whole.read(window=window) == cut.read()).all()
        assert (whole.dataset_mask(window=window) == cut.dataset_mask()).all()


def test_the_stretch_is_that_of_the_city_alone_and_is_recorded(tmp_path: Path) -> None:
    bands = noise(4, 200, "uint16") * 10
    bands[:, :, 120:] = 60_000  # outside
    bands[:, 95:105, 95:105] = 0  # no data
    request = request_in(
        tmp_path, path="*.tif", bands={"red": 3, "green": 2, "blue": 1}, nodata=0,
        stretch={"low": 5, "high": 90},
    )  # fmt: skip
    write(request.inputs / "s.tif", bands)
    rasters = fetched(request)
    inside = bands[[2, 1, 0], 80:120, 80:120].reshape(3, -1).astype(float)
    expected = np.percentile(inside[:, inside.any(axis=0)], [5, 90], axis=1).T
    assert rasters.stretch is not None
    assert np.array(rasters.stretch) == pytest.approx(expected, rel=0.01)
    assert (rasters.bands, rasters.nodata) == ((3, 2, 1), 0)
    record = json.loads((request.folder / "rasters.json").read_text())
    assert np.array(record["stretch"]).tolist() == np.array(rasters.stretch).tolist()
    write_provenance(request.folder, PROVIDER, [request])
    provenance = json.loads((request.folder / "provenance.json").read_text())
    assert record["stretch"] in [file.get("stretch") for file in provenance["files"]]
    assert PROVIDER.imagery == "photographic"


@pytest.mark.parametrize(
    ("settings", "bands", "said"),
    [
        ({}, noise(1), "1 bands without a palette"),
        ({}, noise(3, kind="uint16"), "holds uint16; say which bands"),
        ({"bands": {"gray": 4}}, noise(3), "has 3 bands, not 4"),
        ({"bands": {"gray": 1}, "nodata": 0}, np.zeros((1, 64, 64), np.uint16), "no data within"),
        ({"bands": {"gray": 1}}, np.ones((1, 64, 64), np.float32), "the same value from 2 to 98"),
        ({"bands": {"gray": 1}}, np.ones((1, 64, 64), np.complex64), "holds complex64"),
    ],
)
def test_rasters_that_cannot_be_shown_are_refused(
    tmp_path: Path, settings: dict, bands: np.ndarray, said: str
) -> None:
    request = request_in(tmp_path, path="*.tif", **settings)
    write(request.inputs / "x.tif", bands)
    with pytest.raises(InputError, match=said) as caught:
        fetched(request)
    assert "\n" not in str(caught.value)


def test_rasters_of_two_types_are_refused(tmp_path: Path) -> None:
    request = request_in(tmp_path, path="*.tif", bands={"gray": 1})
    write(request.inputs / "a.tif", noise(1))
    write(request.inputs / "b.tif", noise(1, kind="uint16"))
    with pytest.raises(InputError, match="1 of 2 rasters are not of 8 bits"):
        fetched(request)


@pytest.mark.parametrize("held", [b"", b"<html>no</html>", b"II*\0 and then nothing"])
def test_what_is_no_geotiff_is_named(tmp_path: Path, held: bytes) -> None:
    request = request_in(tmp_path, path="*.tif")
    (request.inputs / "x.tif").write_bytes(held)
    with pytest.raises(InputError, match=r"x\.tif: not readable as a GeoTIFF") as caught:
        fetched(request)
    assert "\n" not in str(caught.value)


def test_absent_files_and_files_outside_are_one_line(tmp_path: Path) -> None:
    for path in ("none.tif", "../other/*.tif", "/etc/*.tif"):
        with pytest.raises(InputError, match="no such file"):
            fetched(request_in(tmp_path, path=path))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "give path or urls"),
        ({"path": "a", "urls": ["https://x/a.tif"]}, "give path or urls"),
        ({"urls": ["ftp://user:secret@x/a.tif?key=secret"]}, "begins with neither"),
        ({"urls": ["/vsis3/bucket/a.tif"]}, "begins with neither"),
        ({"path": "a", "bands": {"red": 1, "green": 2}}, "red, green and blue, or gray"),
        ({"path": "a", "bands": {"red": 1, "green": 2, "blue": 3, "gray": 1}}, "or gray alone"),
        ({"path": "a", "bands": {"gray": 0}}, "greater than or equal to 1"),
        ({"path": "a", "stretch": {"low": 50, "high": 50}}, "low must be below high"),
        ({"path": "a", "crs": "EPSG:0"}, "no coordinate reference system 'EPSG:0'"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        RasterSettings(provider="raster", **settings)


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("https://SECRET@x.org/a.tif", "a user or password"),
        ("https://me:SECRET@x.org/a.tif", "a user or password"),
        ("https://x.org/a.tif?year=2024&access_token=SECRET", "the secret access_token"),
        ("https://x.org/a.tif?token=SECRET", "the secret token"),
        ("https://x.org/a.tif?api_key=SECRET", "the secret api_key"),
        ("https://x.org/a.tif?apikey=SECRET", "the secret apikey"),
        ("https://x.org/a.tif?key=SECRET", "the secret key"),
        ("https://x.org/a.tif?X-Amz-Credential=SECRET&X-Amz-Date=1", "the secret X-Amz-Credential"),
        ("https://x.org/a.tif?Expires=1&Signature=SECRET", "the secret Signature"),
        ("https://x.org/a.tif?sv=2024&se=2025&sp=r&sig=SECRET", "the secret sig"),
    ],
)
def test_a_secret_in_a_url_is_refused_and_not_shown(url: str, what: str) -> None:
    given = {"provider": "raster", "urls": [url]}
    with pytest.raises(ParameterError, match=f"holds {what}, .*MUSECL_URL_QUERY") as caught:
        chosen("satellite", given)
    assert "SECRET" not in str(caught.value)
    assert "x.org/a.tif" in str(caught.value)
    # Not a list: the message shows what was given.
    with pytest.raises(ParameterError) as caught:
        chosen("satellite", {**given, "urls": url})
    assert "SECRET" not in str(caught.value)


def test_what_is_no_secret_may_stand_in_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://x.org/get?file=a.tif&year=2024&monkey=1"
    _, settings = chosen("satellite", {"provider": "raster", "urls": [url]})
    assert settings.urls == (url,)  # type: ignore[attr-defined]
    monkeypatch.setenv("MUSECL_URL_QUERY", "?sig=1")
    assert with_query(url) == f"{url}&sig=1"
    monkeypatch.delenv("MUSECL_URL_QUERY")
    assert with_query(url) == url


class Handler(BaseHTTPRequestHandler):
    """Serves files of a folder; what a test asks of it stands in `server.ways`."""

    def do_GET(self) -> None:
        name, _, query = self.path.partition("?")
        self.server.queries.add(query)
        way = self.server.ways.get(name, "ranges")
        asked = self.headers.get("Range")
        self.server.asked.append((name, asked, self.headers.get("User-Agent")))
        path = self.server.folder / name.lstrip("/")
        if way == "page":
            self.answer(200, b"<html><title>Sign in</title>", "text/html")
        elif not path.is_file():
            self.answer(404, b"not here", "text/plain")
        elif way == "busy for parts" and asked:
            self.answer(503, b"", "text/plain")
        elif asked and way == "ranges":
            held = path.read_bytes()
            first, _, last = asked.removeprefix("bytes=").partition("-")
            part = held[int(first) : int(last or len(held)) + 1]
            self.answer(206, part, "image/tiff", f"bytes {first}-{last}/{len(held)}")
        else:
            self.answer(200, path.read_bytes(), "image/tiff")

    def answer(self, status: int, body: bytes, kind: str, part: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if part:
            self.send_header("Content-Range", part)
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    monkeypatch.setattr(remote_files, "PAUSE_S", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("MUSECL_URL_QUERY", "sig=SECRET")
    held = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.folder, held.ways, held.asked = tmp_path / "served", {}, []
    held.queries = set()
    held.folder.mkdir()
    thread = threading.Thread(target=held.serve_forever, args=(0.01,))
    thread.start()
    yield held
    held.shutdown()
    thread.join()
    held.server_close()


def at(server: ThreadingHTTPServer, name: str) -> str:
    return f"http://127.0.0.1:{server.server_port}/{name}"


def test_a_small_file_behind_a_url_is_taken_whole(
    tmp_path: Path, server: ThreadingHTTPServer
) -> None:
    urls = []
    for name in ("z.tif", "a.tif"):
        write(server.folder / name, noise())
        urls.append(at(server, name))
    request = request_in(tmp_path, urls=urls)
    rasters = fetched(request)
    assert [path.name for path in rasters.paths] == ["000-z.tif", "001-a.tif"]
    assert rasters.paths[0].read_bytes() == (server.folder / "z.tif").read_bytes()
    assert all("musecl" in agent for _, _, agent in server.asked)
    write_provenance(request.folder, PROVIDER, [request])
    provenance = (request.folder / "provenance.json").read_text(encoding="utf-8")
    assert "000-z.tif" in provenance
    assert "SECRET" not in provenance


def test_of_a_large_file_behind_a_url_only_parts_are_read(
    tmp_path: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(satellite_raster, "LARGE_BYTES", 1000)
    bands = noise(3, 1500)
    more = {"tiled": True, "blockxsize": 256, "blockysize": 256}
    whole = write(server.folder / "big.tif", bands, **more)
    request = request_in(tmp_path, urls=[at(server, "big.tif")], margin_m=100)
    (path,) = fetched(request).paths
    with rasterio.open(path) as part, rasterio.open(whole) as raster:
        window = raster.window(*part.bounds).round()
        assert (raster.read(window=window) == part.read()).all()
        assert part.width < 70
    # GDAL asks once for all of it, and hangs up after the header.
    parts = [asked for _, asked, _ in server.asked]
    assert sum(asked is None for asked in parts) <= 1 < len(parts)
    assert "SECRET" not in json.dumps(request.records)
    assert "SECRET" not in request.settings.model_dump_json()  # what params.yaml and a lock hold
    assert server.queries == {"sig=SECRET"}


@pytest.mark.parametrize("way", ["whole", "busy for parts"])
def test_without_parts_the_whole_file_is_taken_up_to_a_limit(
    tmp_path: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(satellite_raster, "LARGE_BYTES", 1000)
    write(server.folder / "big.tif", noise())
    server.ways["/big.tif"] = way
    (path,) = fetched(request_in(tmp_path, urls=[at(server, "big.tif")])).paths
    assert path.read_bytes() == (server.folder / "big.tif").read_bytes()
    monkeypatch.setattr(satellite_raster, "LARGEST", 2000)
    with pytest.raises(InputError, match=r"big\.tif: has more than .* gives no parts") as caught:
        fetched(request_in(tmp_path, urls=[at(server, "big.tif")]))
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("absent", "the server says 404 Not Found"),
        ("page", "is no GeoTIFF, it begins with '<html>"),
    ],
)
def test_what_is_no_raster_behind_a_url_is_told_apart(
    tmp_path: Path, server: ThreadingHTTPServer, way: str, said: str
) -> None:
    server.ways["/x.tif"] = way
    with pytest.raises(InputError, match=said) as caught:
        fetched(request_in(tmp_path, urls=[at(server, "x.tif")]))
    assert "SECRET" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_is_not_there_is_one_line(
    tmp_path: Path, server: ThreadingHTTPServer
) -> None:
    url = at(server, "x.tif").replace(str(server.server_port), "1")
    with pytest.raises(InputError, match="does not answer as it should") as caught:
        fetched(request_in(tmp_path, urls=[url]))
    assert "SECRET" not in str(caught.value)


MADRID = box(-3.73, 40.39, -3.65, 40.47)
REAL = [
    ("madrid/madrid_scene_s2_120_2019-1-1.tif", MADRID,
     {"bands": {"red": 1, "green": 2, "blue": 3}, "nodata": 0}),
    ("chicago/SP27GTIF.tiff", box(-87.66, 41.84, -87.6, 41.9), {"bands": {"gray": 1}}),
    ("polygons/L7_ETMs_olinda.tif", box(-34.91, -8.0, -34.83, -7.95),
     {"bands": {"red": 3, "green": 2, "blue": 1}}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "area", "settings"), REAL, ids=[name for name, _, _ in REAL])
def test_real_rasters_are_taken(
    tmp_path: Path, name: str, area: shapely.Polygon, settings: dict
) -> None:
    path = shared("open_samples", *name.split("/"))
    request = request_in(tmp_path, area, path=path.name, **settings)
    (request.inputs / path.name).write_bytes(path.read_bytes())
    rasters = fetched(request)
    assert [one.read_bytes() for one in rasters.paths] == [path.read_bytes()]
    if "madrid" in name:
        assert rasters.stretch is not None
        for low, high in rasters.stretch:
            assert 50 < low < high < 6000
    else:
        assert rasters.stretch is None
