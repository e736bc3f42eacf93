"""What the header of a photograph says: where, when and which way it was taken, what it spans.

EXIF 2.32 for position, direction and time; Google's Photo Sphere XMP (GPano) for panoramas.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import ExifTags, Image

FORMATS = ("JPEG", "PNG", "WEBP")
# Pillow warns above it and refuses twice of it; who reads photographs sets a limit below.
MOST_PIXELS = 1_000_000_000
Image.MAX_IMAGE_PIXELS = MOST_PIXELS
# A panorama of the whole sphere is twice as wide as high; some are a few pixels short of it.
WHOLE_SPHERE = 2.0
RATIO_TOLERANCE = 0.02


@dataclass(frozen=True)
class Header:
    """What a photograph says of itself.

    Attributes
    ----------
    longitude, latitude : float
        Degrees, EPSG:4326; nan where unknown.
    heading : float
        Degrees clockwise from north, of the middle of the image; nan where unknown. Where the
        camera gave a magnetic direction, it is that.
    taken : Timestamp or NaT
        By the camera's clock.
    panorama : bool
        Equirectangular.
    """

    longitude: float
    latitude: float
    heading: float
    taken: Any
    panorama: bool


def read_header(path: Path, most_pixels: float = MOST_PIXELS) -> Header:
    """Read the header of a photograph; no pixel of a JPEG is decoded.

    Raises
    ------
    OSError
        It is no JPEG, PNG or WebP.
    DecompressionBombError
        It has more pixels than `most_pixels`.
    """
    with _opened(path) as image:
        # Before all else: Pillow decodes a PNG to look for its EXIF.
        if image.width * image.height > most_pixels:
            raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
        gps, camera = _exif(image)
        longitude = _degrees(gps, ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, "EW")
        latitude = _degrees(gps, ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, "NS")
        if not (abs(longitude) <= 180 and abs(latitude) <= 90) or longitude == latitude == 0:
            longitude = latitude = np.nan
        # The reference, T or M, is not looked at: magnetic north is a few degrees off in cities.
        heading = _number(gps.get(ExifTags.GPS.GPSImgDirection))
        xmp = _xmp(image)
        panorama = _is_panorama(xmp, *image.size)
        if panorama:
            pose = _number(_gpano(xmp, "PoseHeadingDegrees"))
            heading = heading if np.isnan(pose) else pose
        taken = pd.to_datetime(
            str(camera.get(ExifTags.Base.DateTimeOriginal, "")).strip("\0 "),
            format="%Y:%m:%d %H:%M:%S",
            errors="coerce",
        )
        return Header(longitude, latitude, heading % 360, taken, panorama)


def read_spanned(path: Path) -> tuple[float, float, float, float]:
    """Say which part of the sphere a panorama spans, by its XMP or by its shape.

    Returns
    -------
    tuple of float
        Left, top, right and bottom as shares of the whole sphere, 0 to 1 from left to right and
        from straight up to straight down.
    """
    with _opened(path) as image:
        xmp, (width, height) = _xmp(image), image.size
    full_width, full_height, left, top, cropped_width, cropped_height = (
        _number(_gpano(xmp, name))
        for name in (
            *("FullPanoWidthPixels", "FullPanoHeightPixels"),
            *("CroppedAreaLeftPixels", "CroppedAreaTopPixels"),
            *("CroppedAreaImageWidthPixels", "CroppedAreaImageHeightPixels"),
        )
    )
    # Shares, for the image may have been made smaller since.
    spanned = (
        left / full_width if full_width > 0 else np.nan,
        top / full_height if full_height > 0 else np.nan,
        (left + cropped_width) / full_width if full_width > 0 else np.nan,
        (top + cropped_height) / full_height if full_height > 0 else np.nan,
    )
    if 0 <= spanned[0] < spanned[2] <= 1 and 0 <= spanned[1] < spanned[3] <= 1:
        return spanned
    # All around, the horizon in the middle.
    share = min(1.0, WHOLE_SPHERE * height / width)
    return 0.0, (1 - share) / 2, 1.0, (1 + share) / 2


def can_be_decoded(path: Path) -> bool:
    """Decode a photograph, in as few pixels as it can be, to see that it is whole."""
    try:
        with _opened(path) as image:
            image.draft("RGB", (1, 1))
            image.load()
    # Pillow's readers have no common error for what is broken.
    except Exception:
        return False
    return True


def _opened(path: Path) -> Image.Image:
    return Image.open(path, formats=FORMATS)


def _exif(image: Image.Image) -> tuple[dict[int, Any], dict[int, Any]]:
    """Position, and what the camera says of itself; empty where the EXIF is broken."""
    try:
        exif = image.getexif()
        return exif.get_ifd(ExifTags.IFD.GPSInfo), exif.get_ifd(ExifTags.IFD.Exif)
    # Pillow's reader of EXIF has no common error for what is broken.
    except Exception:
        return {}, {}


def _degrees(gps: dict[int, Any], tag: int, reference_tag: int, signs: str) -> float:
    """Degrees, minutes and seconds with the sign of their reference; nan where there are none."""
    reference = gps.get(reference_tag, "")
    if isinstance(reference, bytes):
        reference = reference.decode("ascii", "replace")
    reference = str(reference).strip("\0 ").upper()
    given = gps.get(tag)
    parts = [_number(part) for part in (given if isinstance(given, tuple) else (given,))]
    if reference not in tuple(signs) or np.isnan(parts[0]):
        return np.nan
    # Minutes may have decimals and no seconds: cameras write those as 0/0 or not at all.
    degrees: float = sum(
        part / 60**power for power, part in enumerate(parts[:3]) if not np.isnan(part)
    )
    return degrees if reference == signs[0] else -degrees


def _number(value: Any) -> float:
    """Whatever EXIF or XMP holds as a number; nan for a denominator of 0 and what is none."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return np.nan
    return number if np.isfinite(number) else np.nan


def _is_panorama(xmp: str, width: int, height: int) -> bool:
    projection = _gpano(xmp, "ProjectionType")
    if projection is not None:
        return projection.lower() == "equirectangular"
    return abs(width / height - WHOLE_SPHERE) < RATIO_TOLERANCE


def _xmp(image: Image.Image) -> str:
    held = image.info.get("xmp", b"")
    return held.decode("utf-8", "replace") if isinstance(held, bytes) else str(held)


def _gpano(xmp: str, name: str) -> str | None:
    """Find a property of the panorama, written as an attribute or as an element."""
    found = re.search(rf"GPano:{name}\s*(?:=\s*[\"']|>)\s*([^\"'<]*)", xmp)
    return None if found is None else found[1].strip()
