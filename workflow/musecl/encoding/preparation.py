"""What becomes of an image before a vision model sees it, as preprocessor_config.json says."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from musecl.runtime.errors import InputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
# As Pillow numbers them.
NEAREST, BICUBIC = 0, 3
# Below this many pixels ConvNeXT's kind resizes to more than it keeps, and cuts the middle out.
CROPPED_BELOW = 384
# An image of more than that is a mistake, and would take gigabytes.
LARGEST_SIDE = 4096


@dataclass(frozen=True)
class Preparation:
    """How square images become a model's input.

    Attributes
    ----------
    resized, cropped : int or None
        Side in pixels that an image is resized to, and of the middle that is kept; None for as
        it is.
    mean, deviation : tuple of 3 float
        Of the channels, in the model's order.
    divisor : float
        Of values of 0 to 255.
    reversed : bool
        Whether the model takes blue first.
    resample : int
        Pillow's number of the interpolation.
    """

    resized: int | None = None
    cropped: int | None = None
    mean: tuple[float, ...] = IMAGENET_MEAN
    deviation: tuple[float, ...] = IMAGENET_DEVIATION
    divisor: float = 255.0
    reversed: bool = False
    resample: int = 2

    @property
    def side(self) -> int | None:
        """Side in pixels of what the model sees; None where it sees an image as it is."""
        return self.cropped or self.resized

    def __call__(self, images: Tensor) -> Tensor:
        """Prepare images: uint8 of shape (B, H, H, 3), RGB, to float of shape (B, 3, h, h)."""
        pixels = images.permute(0, 3, 1, 2).float().div(self.divisor)
        if self.resized is not None and pixels.shape[2:] != (self.resized, self.resized):
            how = {NEAREST: "nearest", BICUBIC: "bicubic"}.get(self.resample, "bilinear")
            smooth = {} if how == "nearest" else {"antialias": True}
            side = (self.resized, self.resized)
            pixels = functional.interpolate(pixels, side, mode=how, **smooth)
            # Cubic curves overshoot; an image holds nothing above white.
            pixels = pixels.clamp(0, 255 / self.divisor) if how == "bicubic" else pixels
        if self.cropped is not None and self.cropped < pixels.shape[2]:
            first = (pixels.shape[2] - self.cropped) // 2
            kept = slice(first, first + self.cropped)
            pixels = pixels[:, :, kept, kept]
        if self.reversed:
            pixels = pixels.flip(1)
        shift = torch.tensor(self.mean, device=images.device).view(1, 3, 1, 1)
        scale = torch.tensor(self.deviation, device=images.device).view(1, 3, 1, 1)
        return ((pixels - shift) / scale).contiguous(memory_format=torch.channels_last)


def read_preparation(folder: Path, side: Any) -> Preparation:
    """Read what a model that transformers saved says of its images.

    Parameters
    ----------
    folder : Path
        May hold preprocessor_config.json.
    side : int, list or None
        The model's own `image_size`, for where the file does not say.

    Raises
    ------
    InputError
        The file cannot be read, or asks for images that are not square or not of three channels.
    """
    place = folder / "preprocessor_config.json"
    try:
        found = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
        return _preparation(found, side)
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        raise InputError(
            f"{place}: not what an image processor saves ({str(error).splitlines()[0]}); take the "
            "file that belongs to the model"
        ) from error


def _preparation(found: dict[str, Any], own: Any) -> Preparation:
    size = found.get("size") if found.get("do_resize", True) else None
    side = _side(own if size is None else size)
    cropped = None
    if found.get("do_center_crop") and found.get("crop_size") is not None:
        cropped = _side(found["crop_size"])
    elif found.get("crop_pct") and side is not None and side < CROPPED_BELOW:
        side, cropped = int(side / found["crop_pct"]), side
    if side is not None and not 1 <= side <= LARGEST_SIDE:
        raise InputError(
            f"images are to be resized to {side} pixels, and 1 to {LARGEST_SIDE} can be; take the "
            "file that belongs to the model"
        )
    mean = _channels(found.get("image_mean"), IMAGENET_MEAN)
    deviation = _channels(found.get("image_std"), IMAGENET_DEVIATION)
    if not found.get("do_normalize", True):
        mean, deviation = (0.0,) * 3, (1.0,) * 3
    factor = found.get("rescale_factor") or 1 / 255
    return Preparation(
        resized=side,
        cropped=cropped,
        mean=mean,
        deviation=deviation,
        divisor=1 / factor if found.get("do_rescale", True) else 1.0,
        reversed=bool(found.get("do_flip_channel_order")),
        resample=int(found.get("resample", 2)),
    )


def _side(size: Any) -> int | None:
    """Read the side of a square from a number, a pair, or a mapping as processors save it."""
    if isinstance(size, dict):
        sides = [size[key] for key in ("height", "width", "shortest_edge") if size.get(key)]
    else:
        sides = list(size) if isinstance(size, (list, tuple)) else [size] * (size is not None)
    if len(set(sides)) > 1:
        raise ValueError(f"images of {' by '.join(map(str, sides))} pixels; only square ones do")
    return int(sides[0]) if sides else None


def _channels(given: Any, otherwise: tuple[float, ...]) -> tuple[float, ...]:
    if given is None:
        return otherwise
    values = tuple(given) if isinstance(given, (list, tuple)) else (given,) * 3
    if len(values) != 3:
        raise ValueError(f"{len(values)} channels in place of 3")
    return tuple(float(value) for value in values)
