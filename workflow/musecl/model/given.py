"""Images and POIs that a model is asked about, read from the user's files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from musecl.imagery.images import iterate_images, read_image_index
from musecl.runtime.errors import InputError
from musecl.runtime.leftovers import without_leftovers
from musecl.runtime.tables import KEY

ENDINGS = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"}
INDEX = [KEY, "viewpoint", "orientation"]


@dataclass(frozen=True)
class GivenImages:
    """Images, and which region each shows.

    Attributes
    ----------
    index : DataFrame
        `region_id`, `viewpoint` and `orientation` of n images, sorted; images of one view are
        averaged before the views of a region are.
    files : list of Path or Path
        A file per image, or a folder as the pipeline writes it (`data/CITY/satellite`).
    """

    index: pd.DataFrame
    files: list[Path] | Path

    def batches(self, size: tuple[int, int], count: int) -> Iterator[NDArray[np.uint8]]:
        """Decode the images, `count` at a time, in the height and width that the model knows.

        Yields
        ------
        array of shape (count, H, W, 3), uint8
            RGB; the last batch may hold fewer.

        Raises
        ------
        InputError
            A file is no image.
        """
        if isinstance(self.files, Path):
            for batch in iterate_images(self.files, count):
                yield np.stack([_in_size(image, size) for image in batch])
            return
        for start in range(0, len(self.files), count):
            yield np.stack([_decode(path, size) for path in self.files[start : start + count]])


def find_images(given: str | Path) -> GivenImages:
    """Find images by the regions that they show.

    Parameters
    ----------
    given : str or Path
        A folder of images, each named by its region (`REGION.jpg`) or in a folder named by it
        (`REGION/anything.jpg`, a view each); a table (CSV or Parquet) with `region_id`, `file`
        (relative to the table) and, if several images are of one place, `viewpoint` and
        `orientation`; or a folder of images that the pipeline wrote.

    Raises
    ------
    InputError
        There is nothing of that kind, or an image is named twice.
    """
    path = Path(given)
    if path.is_dir() and (path / "part-000.parquet").exists():
        return GivenImages(read_image_index(path)[INDEX], path)
    if path.is_dir():
        found = _in_folder(path)
    elif path.exists():
        found = _in_table(path)
    else:
        raise InputError(f"{path}: no such folder or table; name one that holds images")
    if found.duplicated(INDEX).any():
        twice = found[found.duplicated(INDEX)].iloc[0]
        raise InputError(
            f"{path}: region {twice[KEY]!r} has two images of viewpoint {twice['viewpoint']}"
        )
    found = found.sort_values(INDEX, ignore_index=True)
    return GivenImages(found[INDEX], [Path(name) for name in found["file"]])


def _in_folder(folder: Path) -> pd.DataFrame:
    found = without_leftovers(folder.rglob("*"), folder)
    files = sorted(path for path in found if path.suffix.lower() in ENDINGS)
    if not files:
        raise InputError(f"{folder}: holds no image; name each by its region, as REGION.jpg")
    regions = [path.stem if path.parent == folder else path.parent.name for path in files]
    table = pd.DataFrame({KEY: regions, "file": files, "orientation": 0})
    return table.assign(viewpoint=table.groupby(KEY).cumcount())


def _in_table(path: Path) -> pd.DataFrame:
    found = read_given(path, [KEY, "file"])
    found["file"] = [str(path.parent / name) for name in found["file"].astype(str)]
    if "viewpoint" not in found.columns:
        found["viewpoint"] = found.groupby(KEY).cumcount()
    if "orientation" not in found.columns:
        found["orientation"] = 0
    return found


def read_pois(given: str | Path | pd.DataFrame) -> pd.DataFrame:
    """Read POIs of regions.

    Parameters
    ----------
    given : str, Path or DataFrame
        A table (CSV or Parquet) with `region_id` and `text`, or with `name` and `category`, which
        the text is then made of; `weight` (above 0) where POIs count differently.

    Returns
    -------
    DataFrame
        `region_id`, `text`, `weight`.

    Raises
    ------
    InputError
        The table lacks a column, holds no POI, or a weight that is no number.
    """
    what = "pois" if isinstance(given, pd.DataFrame) else str(given)
    table = given if isinstance(given, pd.DataFrame) else read_given(Path(given), [KEY])
    if "text" in table.columns:
        text = table["text"]
    elif {"name", "category"} <= set(table.columns):
        named = table[["name", "category"]].fillna("").astype(str)
        text = (named["name"] + ", " + named["category"]).str.strip(", ")
    else:
        raise InputError(f"{what}: has no column `text`, nor `name` and `category`; add it")
    weight = table["weight"] if "weight" in table.columns else pd.Series(1.0, table.index)
    if not pd.api.types.is_numeric_dtype(weight):
        raise InputError(f"{what}: a weight is no number; correct it, or leave the column out")
    found = pd.DataFrame({KEY: table[KEY], "text": text}).assign(weight=weight).dropna()
    if found.empty:
        raise InputError(f"{what}: holds no POI; leave it out")
    return found.astype({KEY: str, "text": str})


def read_given(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read a user's table, CSV or Parquet; regions are text.

    Raises
    ------
    InputError
        The file is absent or damaged, lacks a column, or a row names no region.
    """
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(path, dtype={KEY: str})
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not readable as CSV or Parquet ({reason})") from error
    lacking = [name for name in columns if name not in table.columns]
    if lacking:
        raise InputError(f"{path}: has no column {lacking[0]!r}; it has {', '.join(table.columns)}")
    if table[KEY].isna().any():
        row = int(table[KEY].isna().to_numpy().argmax()) + 1
        raise InputError(f"{path}: row {row} has no region_id; name its region, or leave it out")
    return table.assign(**{KEY: table[KEY].astype(str)})


def _decode(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise InputError(f"{path}: absent or no image; give JPEG, PNG, TIFF or WebP")
    return _in_size(np.asarray(image, dtype=np.uint8), size)


def _in_size(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize an image to the height and width that the encoder was trained on."""
    if image.shape[:2] == size:
        return image
    resized = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(resized, dtype=np.uint8)
