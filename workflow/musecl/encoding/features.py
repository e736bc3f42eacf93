"""Features of images through the frozen encoder, kept on disk: where training picks up.

A folder holds `index.parquet` (which image each row is), `pooled.npy` (n, D0) float32 and
`hidden.npy` (n, C, h, w) float16. The arrays are written and read a batch at a time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from musecl.encoding.encoders import Encoder, fastest_device
from musecl.runtime.errors import InputError
from musecl.runtime.progress import progress
from musecl.runtime.tables import KEY, read_table, write_table
from musecl.runtime.workers import in_pieces

TURNS = 4
# A chip is as many images as it has turns. The activations of more leave the caches, at half speed.
IMAGES_AT_ONCE = {"satellite": 4, "street_view": 16}
ROW_ORDER = [KEY, "viewpoint", "orientation"]
INDEX_SCHEMA = pa.DataFrameSchema(
    {
        KEY: pa.Column(str, nullable=False),
        "viewpoint": pa.Column("int64", pa.Check.ge(0)),
        "orientation": pa.Column("int64", pa.Check.ge(0)),
    },
    strict=True,
    unique=ROW_ORDER,
    coerce=True,
)


@dataclass(frozen=True)
class Features:
    """Features of n images; `pooled` and `hidden` stay on disk until they are indexed.

    Attributes
    ----------
    index : DataFrame
        `region_id`, `viewpoint` and `orientation` of each row of the arrays.
    pooled : array of shape (n, D0), float32
        The frozen encoder's features, low-level ones included.
    hidden : array of shape (n, C, h, w), float16
        The frozen trunk's output.
    """

    index: pd.DataFrame
    pooled: NDArray[np.float32]
    hidden: NDArray[np.float16]


def turned(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn square images by quarters: from above no direction is up.

    Mirror images, too, would cost as much again; docs/performance.md has what they add.

    Parameters
    ----------
    images : array of shape (B, H, H, 3)
        Square images.

    Returns
    -------
    array of shape (4 B, H, H, 3)
        The turns of the first image, against the clock, then those of the second, ...
    """
    quarters = [np.rot90(images, number, axes=(1, 2)) for number in range(4)]
    return np.stack(quarters, axis=1).reshape(-1, *images.shape[1:])


def turned_index(index: pd.DataFrame) -> pd.DataFrame:
    """Repeat each row of an image index 4 times, `orientation` 0 to 3, as `turned` does."""
    repeated = index.loc[index.index.repeat(TURNS), [KEY, "viewpoint"]].reset_index(drop=True)
    return repeated.assign(orientation=np.tile(np.arange(TURNS), len(index)))


def encode(
    encoder: Encoder, images: Iterable[NDArray[np.uint8]], total: int, description: str
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float16]]]:
    """Run images through the frozen encoder, a batch in one thread, several side by side.

    Parameters
    ----------
    encoder : Encoder
        With its pretrained weights.
    images : iterable of arrays of shape (B, H, W, 3), uint8
        RGB.
    total : int
        Images in all, for the progress bar.
    description : str
        What the progress bar says.

    Yields
    ------
    pooled : array of shape (B, D0), float32
        The top's features beside the low-level ones.
    hidden : array of shape (B, C, h, w), float16
        The trunk's output.
    """
    device = fastest_device()
    encoder = encoder.for_inference().to(device)

    @torch.inference_mode()
    def run(batch: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float16]]:
        hidden, low = encoder.trunk(torch.from_numpy(batch).to(device))
        pooled = torch.cat([encoder.top(hidden), low], dim=1)
        return pooled.cpu().numpy(), hidden.half().contiguous().cpu().numpy()

    with progress(f"{description}, images", total=total) as shown:
        for pooled, hidden in in_pieces(run, images):
            yield pooled, hidden
            shown.update(len(pooled))


def write_features(
    folder: Path,
    index: pd.DataFrame,
    batches: Iterable[tuple[NDArray[np.floating], ...]],
) -> None:
    """Write features batch by batch into a new folder; no row where the city lacks the view.

    Parameters
    ----------
    folder : Path
        Is made.
    index : DataFrame
        `region_id`, `viewpoint`, `orientation`, n rows.
    batches : iterable of (pooled, hidden)
        As `encode` yields them, n rows in all, in the order of the index.

    Raises
    ------
    InputError
        There are more or fewer rows than the index has, or a value is not finite.
    """
    folder.mkdir()
    write_table(index[ROW_ORDER], INDEX_SCHEMA, folder / "index.parquet")
    arrays: list[np.memmap[Any, Any]] = []
    done = 0
    for batch in batches:
        if not arrays:
            names = ("pooled.npy", "hidden.npy")
            arrays = [
                open_memmap(folder / name, "w+", part.dtype, (len(index), *part.shape[1:]))
                for name, part in zip(names, batch, strict=True)
            ]
        if not all(np.isfinite(part).all() for part in batch):
            raise InputError(
                f"{folder.name}: the encoder gives values that are not finite within rows {done} "
                f"to {done + len(batch[0])}; look at these images and at the encoder's weights"
            )
        for array, part in zip(arrays, batch, strict=True):
            array[done : done + len(part)] = part[: len(index) - done]
        done += len(batch[0])
    if done != len(index):
        raise InputError(f"{folder.name}: {done} images for {len(index)} rows of their index")
    if not arrays:
        for name in ("pooled.npy", "hidden.npy"):
            np.save(folder / name, np.zeros((0, 0), np.float32))
    for array in arrays:
        array.flush()


def read_features(folder: Path) -> Features:
    """Read what `write_features` wrote, the arrays mapped from disk.

    Raises
    ------
    InputError
        An array is absent, damaged or not as long as the index.
    """
    index = read_table(folder / "index.parquet", INDEX_SCHEMA)
    try:
        pooled = np.load(folder / "pooled.npy", mmap_mode="r", allow_pickle=False)
        hidden = np.load(folder / "hidden.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: not readable as features ({error}); encode again") from error
    if not len(index) == len(pooled) == len(hidden):
        raise InputError(
            f"{folder}: {len(pooled)} and {len(hidden)} rows of features for {len(index)} rows of "
            "their index; encode again"
        )
    return Features(index, pooled, hidden)


def rows_of_viewpoints(index: pd.DataFrame) -> tuple[pd.DataFrame, list[NDArray[np.int64]]]:
    """Group the rows of an index by viewpoint, whatever order they are in.

    Parameters
    ----------
    index : DataFrame
        `region_id`, `viewpoint`, `orientation`.

    Returns
    -------
    keys : DataFrame
        `region_id` and `viewpoint`, V rows, sorted.
    rows : list of V arrays of int
        The rows of each viewpoint, by orientation.
    """
    numbered = index[ROW_ORDER].assign(row=np.arange(len(index))).sort_values(ROW_ORDER)
    groups = numbered.groupby([KEY, "viewpoint"], sort=True)["row"]
    keys = groups.size().reset_index()[[KEY, "viewpoint"]]
    return keys, [rows.to_numpy() for _, rows in groups]
