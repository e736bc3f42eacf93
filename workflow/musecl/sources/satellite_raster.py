"""Imagery from above in the user's own GeoTIFF files, on this machine or behind a URL.

A small file is copied as it is. Of a large one, the part around the city is written as a GeoTIFF
of its own: the map of a country stays where it is. `rasters.json` beside them names the files, the
top one last, and the values that become black and white.
"""

import json
from glob import escape
from pathlib import Path
from typing import Literal, cast

import rasterio
from pydantic import Field, model_validator
from rasterio.io import DatasetReader
from rasterio.windows import Window
from shapely.geometry.base import BaseGeometry

from musecl.runtime.errors import InputError
from musecl.runtime.section import Count, NotNegative, Section
from musecl.sources.addresses import QUERY, secret_in, with_query, without_secrets
from musecl.sources.contract import Rasters
from musecl.sources.geotiff import (
    EIGHT_BITS,
    colour_bands,
    open_geotiff,
    percentiles,
    sample_area,
    window_of,
    write_part,
)
from musecl.sources.provider import Provider, Request
from musecl.sources.remote_files import AGENT, download, look_at_tiff, release
from musecl.sources.shapes import CrsName

RECORD = "rasters.json"
# Of a file of more bytes only the part around the city is taken.
LARGE_BYTES = 64 << 20
# So much is downloaded whole where the server gives no parts.
LARGEST = 4 << 30
REMOTE = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MAX_RETRY": 3,
    "GDAL_HTTP_RETRY_DELAY": 1,
    "GDAL_HTTP_TIMEOUT": 60,
    "GDAL_HTTP_USERAGENT": AGENT,
    # Signed addresses refuse a HEAD.
    "CPL_VSIL_CURL_USE_HEAD": "NO",
    "VSI_CACHE": True,
}


class Bands(Section):
    """Which band, from 1 on, is what: red, green and blue, or gray."""

    red: Count | None = Field(default=None, description="number of the red band")
    green: Count | None = Field(default=None, description="number of the green band")
    blue: Count | None = Field(default=None, description="number of the blue band")
    gray: Count | None = Field(default=None, description="number of the only band shown")

    @model_validator(mode="after")
    def _three_or_one(self) -> "Bands":
        given = [part is not None for part in (self.red, self.green, self.blue, self.gray)]
        if given not in ([True, True, True, False], [False, False, False, True]):
            raise ValueError("give red, green and blue, or gray alone")
        return self

    @property
    def numbers(self) -> tuple[int, ...]:
        """As `contract.Rasters.bands`."""
        parts = (self.red, self.green, self.blue, self.gray)
        return tuple(part for part in parts if part is not None)


class Stretch(Section):
    """Percentiles over the city that become black and white; 8-bit files are shown as they are."""

    low: float = Field(default=2, ge=0, le=100, description="percent of pixels that are black")
    high: float = Field(default=98, ge=0, le=100, description="percent of pixels below white")

    @model_validator(mode="after")
    def _rising(self) -> "Stretch":
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


class RasterSettings(Section):
    """GeoTIFF files of imagery: below `inputs/{city}/satellite`, or behind URLs."""

    provider: Literal["raster"]
    path: str | None = Field(default=None, description="file or pattern; the last by name on top")
    urls: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="http or https, without a secret; the last on top. The environment variable "
        f"{QUERY}, such as a signature or key, is put behind each and written down nowhere",
    )
    bands: Bands | None = Field(default=None, description="null: palette, or first three of 8 bits")
    nodata: float | None = Field(
        default=None, allow_inf_nan=True, description="where a file does not say itself"
    )
    crs: CrsName | None = Field(
        default=None, description="where a file has none, such as EPSG:32630"
    )
    stretch: Stretch = Field(default=Stretch(), description="of what is not of 8 bits")
    margin_m: NotNegative = Field(
        default=2000, description="kept around the city where a large file is cut down"
    )

    @model_validator(mode="after")
    def _one_place(self) -> "RasterSettings":
        if (self.path is None) == (not self.urls):
            raise ValueError("give path or urls")
        for url in self.urls:
            if not url.startswith(("http://", "https://")):
                raise ValueError(f"{without_secrets(url)} begins with neither http:// nor https://")
            secret = secret_in(url)
            if secret is not None:
                raise ValueError(
                    f"{without_secrets(url)} holds {secret}, which params.yaml would bring into "
                    f"git; put a signature or key into the environment variable {QUERY}, or "
                    "download the files and give path"
                )
        return self

    @property
    def band_numbers(self) -> tuple[int, ...] | None:
        """As `contract.Rasters.bands`."""
        return None if self.bands is None else self.bands.numbers


def fetch(request: Request) -> None:
    """Copy the rasters that meet the city, or the part of them around it; find their stretch.

    Raises
    ------
    InputError
        A file is absent or no georeferenced GeoTIFF, lacks a band that is named, no file meets the
        city, or some are of 8 bits and others not.
    """
    settings = cast(RasterSettings, request.settings)
    paths = _take_urls(request) if settings.urls else _take_files(request)
    record = {
        "files": [str(path.relative_to(request.folder)) for path in paths],
        "stretch": _stretch(paths, settings, cast(BaseGeometry, request.area)),
    }
    file = request.folder / RECORD
    file.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    request.record(file, source="computed", stretch=record["stretch"])


def read(folder: Path, settings: RasterSettings) -> Rasters:
    """Read which rasters there are, and how their values become colours.

    Raises
    ------
    InputError
        The folder lacks its record.
    """
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as JSON ({error}); fetch it again") from error
    stretch = record["stretch"]
    return Rasters(
        [folder / name for name in record["files"]],
        settings.band_numbers,
        None if stretch is None else tuple((float(low), float(high)) for low, high in stretch),
        settings.nodata,
        settings.crs,
    )


def _take_files(request: Request) -> list[Path]:
    found = request.find(str(request.settings.path))
    taken = []
    for path in found:
        name = path.relative_to(request.inputs)
        with open_geotiff(path, request.settings.crs) as raster:
            window = _checked_window(request, raster, str(path))
            if window is None:
                continue
            if path.stat().st_size > LARGE_BYTES:
                (request.folder / name).parent.mkdir(parents=True, exist_ok=True)
                taken.append(_take_part(request, raster, window, name, path.name))
                continue
        taken += request.take(escape(str(name)))
    return _some(taken, len(found))


def _take_urls(request: Request) -> list[Path]:
    urls, folder = request.settings.urls, request.held or request.folder
    taken, whole = [], {}
    for number, url in enumerate(map(with_query, urls)):
        shown = without_secrets(url)
        name = Path(f"{number:03d}-{Path(shown).stem}.tif")
        found = look_at_tiff(url)
        if found.ranges and (found.size is None or found.size > LARGE_BYTES):
            with (
                rasterio.Env(**REMOTE),
                open_geotiff(f"/vsicurl/{url}", request.settings.crs, shown) as raster,
            ):
                window = _checked_window(request, raster, shown)
                if window is not None:
                    taken.append(_take_part(request, raster, window, name, shown))
            continue
        download(url, folder / name, LARGEST)
        with open_geotiff(folder / name, request.settings.crs, shown) as raster:
            if _checked_window(request, raster, shown) is not None:
                whole[name] = shown
                taken.append(request.folder / name)
    # Once all are there: where one fails, none of the others comes again.
    for name, shown in whole.items():
        release(folder / name, request.folder / name)
        request.record(request.folder / name, source=shown)
    return _some(taken, len(urls))


def _checked_window(request: Request, raster: DatasetReader, name: str) -> Window | None:
    settings = request.settings
    colour_bands(raster, settings.band_numbers, name)
    area = cast(BaseGeometry, request.area)
    return window_of(raster, settings.crs, area, settings.margin_m)


def _take_part(
    request: Request, raster: DatasetReader, window: Window, name: Path, source: str
) -> Path:
    path = request.folder / name
    write_part(raster, window, path)
    request.record(path, source=source, window=[round(side) for side in window.flatten()])
    return path


def _some(taken: list[Path], given: int) -> list[Path]:
    if not taken:
        raise InputError(
            f"none of {given} rasters meets the city; check their place and coordinate reference "
            "system, and the boundary"
        )
    if len(taken) < given:
        print(f"{given - len(taken)} of {given} rasters do not meet the city and are left out")
    return taken


def _stretch(
    paths: list[Path], settings: RasterSettings, area: BaseGeometry
) -> tuple[tuple[float, float], ...] | None:
    samples = []
    for path in paths:
        with open_geotiff(path, settings.crs) as raster:
            bands = colour_bands(raster, settings.band_numbers, str(path))
            if set(raster.dtypes) != {EIGHT_BITS}:
                samples.append(sample_area(raster, bands, settings.nodata, settings.crs, area))
    if not samples:
        return None
    if len(samples) < len(paths):
        raise InputError(
            f"{len(samples)} of {len(paths)} rasters are not of 8 bits; give rasters of one type"
        )
    return percentiles(samples, settings.stretch.low, settings.stretch.high)


PROVIDER = Provider(
    "raster",
    "satellite",
    RasterSettings,
    fetch,
    read,
    "GeoTIFF or COG of your own, on this machine or by URL, of any bands and type",
    imagery="photographic",
)
