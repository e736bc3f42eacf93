"""Images on disk: Parquet shards of encoded images, each image with the region it shows.

A folder holds `part-000.parquet`, `part-001.parquet`, ...; their rows together are sorted by
region, view and orientation, and every reader keeps that order. `about.json` says what the images
are, `rendered` or `photographic`, and that there are none where the city lacks the view; where the
images are drawn from counted things, `counted.parquet` holds how many of them a region has.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow
import pyarrow.parquet as parquet
from numpy.typing import NDArray
from pandera.errors import SchemaError

from musecl.runtime.errors import InputError
from musecl.runtime.tables import KEY, key_column, write_table

SHARD_ROWS = 4096
ABOUT, COUNTED = "about.json", "counted.parquet"
IMAGERY = ("none", "photographic", "photographic+rendered", "rendered")
ROW_ORDER = [KEY, "viewpoint", "orientation"]

INDEX_SCHEMA = pa.DataFrameSchema(
    {
        KEY: pa.Column(str, nullable=False),
        "viewpoint": pa.Column("int64", pa.Check.ge(0)),
        "orientation": pa.Column("int64", pa.Check.in_range(0, 359)),
        "longitude": pa.Column("float64", pa.Check.in_range(-180, 180)),
        "latitude": pa.Column("float64", pa.Check.in_range(-90, 90)),
    },
    strict=True,
    unique=ROW_ORDER,
)
# What is counted are lots: evaluate.read_counted reads them.
COUNTED_SCHEMA = pa.DataFrameSchema(
    {KEY: key_column(), "lots": pa.Column("int64", pa.Check.ge(0))}, strict=True
)
IMAGE_SCHEMA = INDEX_SCHEMA.add_columns({"image": pa.Column(object, nullable=False)})


def encode_image(image: NDArray[np.uint8]) -> bytes:
    """Encode an (H, W, 3) RGB image as JPEG of quality 92.

    On the rendered images PNG takes as much space, and eight times as long to write.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, 92]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return encoded.tobytes()


def write_view(
    folder: Path,
    rows: pd.DataFrame | None,
    imagery: str | None,
    counted: pd.DataFrame | None = None,
) -> None:
    """Write the images of a view into a new folder, and what they are.

    Parameters
    ----------
    folder : Path
        Is made.
    rows : DataFrame or None
        As `write_images` takes them; None where the city lacks the view.
    imagery : str or None
        `rendered` or `photographic`; None where the city lacks the view.
    counted : DataFrame, optional
        `region_id` and `lots`, how many of them the images are drawn from.

    Raises
    ------
    InputError
        As `write_images`, or the counts are none.
    """
    folder.mkdir()
    (folder / ABOUT).write_text(json.dumps({"imagery": imagery}) + "\n", encoding="utf-8")
    if rows is not None:
        write_images(folder, rows)
    if counted is not None:
        write_table(counted, COUNTED_SCHEMA, folder / COUNTED)


def imagery_of(folder: Path) -> str | None:
    """Read what the images of a folder are; None where the city lacks the view.

    Raises
    ------
    InputError
        The folder does not say it.
    """
    try:
        said: str | None = json.loads((folder / ABOUT).read_text(encoding="utf-8"))["imagery"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{folder / ABOUT}: not readable ({error}); build it again") from error
    return said


def imagery_of_views(folders: Iterable[Path]) -> str:
    """Say what the images of several folders are: one of `IMAGERY`; errors as of `imagery_of`."""
    found = {imagery_of(folder) for folder in folders} - {None}
    return "+".join(sorted(map(str, found))) or "none"


def write_images(folder: Path, rows: pd.DataFrame) -> None:
    """Write images into a folder of shards, sorted by region, view and orientation.

    Parameters
    ----------
    folder : Path
        An existing, empty folder.
    rows : DataFrame
        `region_id`, `viewpoint`, `orientation` (degrees), `longitude`, `latitude` (EPSG:4326) and
        `image` (bytes of a PNG or JPEG), in any order.

    Raises
    ------
    InputError
        There is no image at all, or a column is missing, unknown or wrong.
    """
    if rows.empty:
        raise InputError(f"{folder}: no region has an image; check that the source covers the city")
    rows = rows.sort_values(ROW_ORDER)
    for number, start in enumerate(range(0, len(rows), SHARD_ROWS)):
        shard = rows.iloc[start : start + SHARD_ROWS]
        write_table(shard, IMAGE_SCHEMA, folder / f"part-{number:03d}.parquet")


def read_image_index(folder: Path) -> pd.DataFrame:
    """Read which image each row is: every column but `image`, in row order; no row without a view.

    Raises
    ------
    InputError
        The folder holds no shard, or a shard is damaged or of other columns; the message names it.
    """
    if imagery_of(folder) is None:
        return pd.DataFrame(columns=list(INDEX_SCHEMA.columns))
    shards = [_read_index(path) for path in _shards(folder)]
    return pd.concat(shards, ignore_index=True)


def iterate_images(folder: Path, batch: int) -> Iterator[NDArray[np.uint8]]:
    """Decode the images of a folder, a batch at a time, in row order; none without a view.

    Parameters
    ----------
    folder : Path
        As `write_images` left it.
    batch : int
        Images per batch; the last batch may hold fewer.

    Yields
    ------
    array of shape (batch, H, W, 3), uint8
        RGB.

    Raises
    ------
    InputError
        A shard is damaged, or an image in it cannot be decoded or has another size than the
        first; the message names the shard.
    """
    if imagery_of(folder) is None:
        return
    images = _decoded(_shards(folder))
    while chunk := list(islice(images, batch)):
        yield np.stack(chunk)


def _shards(folder: Path) -> list[Path]:
    found = sorted(folder.glob("part-*.parquet"))
    expected = [folder / f"part-{number:03d}.parquet" for number in range(len(found))]
    if not found or found != expected:
        raise InputError(
            f"{folder}: {len(found)} shards, not numbered from part-000 on; build it again"
        )
    return found


def _read_index(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path, columns=list(INDEX_SCHEMA.columns))
        checked: pd.DataFrame = INDEX_SCHEMA.validate(frame)
    except (OSError, arrow.ArrowException, SchemaError) as error:
        raise _damaged(path, error) from error
    return checked


def _decoded(shards: list[Path]) -> Iterator[NDArray[np.uint8]]:
    shape = None
    for path in shards:
        for row, encoded in enumerate(_encoded(path)):
            image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR_RGB)
            if image is None:
                raise InputError(f"{path}: the image in row {row} is damaged; build it again")
            shape = shape or image.shape
            if image.shape != shape:
                size, first = f"{image.shape[1]} x {image.shape[0]}", f"{shape[1]} x {shape[0]}"
                raise InputError(f"{path}: the image in row {row} is {size} pixels, not {first}")
            yield image


def _encoded(path: Path) -> Iterator[bytes]:
    try:
        for batch in parquet.ParquetFile(path).iter_batches(256, columns=["image"]):
            yield from batch.column("image").to_pylist()
    except (OSError, KeyError, arrow.ArrowException) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    reason = str(error).splitlines()[0]
    return InputError(f"{path}: not readable as images ({reason}); build it again")
