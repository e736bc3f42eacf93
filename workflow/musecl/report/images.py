"""Small images for the page: what a region looks like from above and from its streets."""

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from musecl.imagery.images import read_image_index
from musecl.runtime.errors import InputError
from musecl.runtime.tables import KEY

# Of the page's 15 MB; as text, an image takes a third more than its bytes.
MOST_BYTES = 8_000_000
# Pixels on a side and WebP quality, the best first.
QUALITIES = ((96, 75), (96, 50), (72, 40), (48, 30))
SAMPLED_IMAGES = 64


def choose_views(index: pd.DataFrame, count: int) -> pd.DataFrame:
    """Choose the first images of each region: other viewpoints before other headings.

    Parameters
    ----------
    index : DataFrame
        As `read_image_index` gives it.
    count : int
        Images per region; fewer where it has fewer.

    Returns
    -------
    DataFrame
        Rows of `index`, their labels kept, in its order.
    """
    heading = index.groupby([KEY, "viewpoint"]).cumcount()
    ordered = index.assign(heading=heading).sort_values([KEY, "heading", "viewpoint"])
    return index.loc[ordered.groupby(KEY).head(count).index.sort_values()]


def read_thumbnails(folders: Sequence[tuple[Path, int]]) -> list[dict[str, list[str]]]:
    """Read small images of each region, as base64 of WebP; together they take 8 MB at most.

    Parameters
    ----------
    folders : sequence of (Path, int)
        The images of a view, as `imagery.images` writes them, and how many of each region.

    Returns
    -------
    list of dict
        Per folder, from `region_id` to its images; empty where the city lacks the view.

    Raises
    ------
    InputError
        An image cannot be decoded; the message names its folder.
    """
    chosen = [choose_views(read_image_index(folder), count) for folder, count in folders]
    total = sum(map(len, chosen))
    first = [
        image
        for (folder, _), rows in zip(folders, chosen, strict=True)
        for image in _read_rows(folder, rows.iloc[:: max(1, len(rows) // SAMPLED_IMAGES)])
    ]
    pixels, quality = _fitting(first, total)
    found: list[dict[str, list[str]]] = []
    for (folder, _), rows in zip(folders, chosen, strict=True):
        images: dict[str, list[str]] = {}
        for region, image in zip(rows[KEY], _read_rows(folder, rows), strict=True):
            small = base64.b64encode(shrink(image, pixels, quality)).decode("ascii")
            images.setdefault(region, []).append(small)
        found.append(images)
    return found


def shrink(image: "cv2.typing.MatLike", pixels: int, quality: int) -> bytes:
    """Encode an image as WebP, its longer side at most `pixels`."""
    scale = min(1, pixels / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".webp", small, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()


def _fitting(images: list["cv2.typing.MatLike"], total: int) -> tuple[int, int]:
    """Find the best quality at which `total` images like these take no more than MOST_BYTES."""
    for pixels, quality in QUALITIES:
        sizes = [len(shrink(image, pixels, quality)) for image in images]
        if total * float(np.mean(sizes or [0])) <= MOST_BYTES:
            break
    return pixels, quality


def _read_rows(folder: Path, rows: pd.DataFrame) -> Iterator["cv2.typing.MatLike"]:
    """Decode the images of some rows of the folder's index, one shard in memory at a time."""
    start = 0
    for path in sorted(folder.glob("part-*.parquet")) if len(rows) else ():
        encoded = pd.read_parquet(path, columns=["image"])["image"]
        here = rows.index[(rows.index >= start) & (rows.index < start + len(encoded))]
        for row in here:
            image = cv2.imdecode(np.frombuffer(encoded.iloc[row - start], np.uint8), 1)
            if image is None:
                raise InputError(f"{path}: the image in row {row - start} is damaged; build again")
            yield image
        start += len(encoded)
