"""Whether a vision model gives images vectors: tried on two of them, before all are encoded."""

from pathlib import Path

import torch
from torch import Tensor

from musecl.encoding.encoders import Encoder, load_encoder
from musecl.encoding.preparation import Preparation
from musecl.runtime.errors import InputError, first_line

PIXELS = 160
# Of a channel's deviation, on average over an image: Pillow rounds each pixel to one of 256 values.
MAXIMUM_DIFFERENCE = 0.1


def check_vision_model(folder: Path, said: str) -> None:
    """Refuse a vision model whose vectors are no use, by what it does with two images.

    Parameters
    ----------
    folder : Path
        As `load_encoder` takes it.
    said : str
        What chose the model, for the message.

    Raises
    ------
    InputError
        The model cannot be loaded; or it fails, or gives one image two vectors, two images the
        same, an image another one beside others, or numbers that are none; or it prepares images
        in a way that is not known here.
    """
    encoder, images = load_encoder(folder, 0), _two_images()
    try:
        first, again = _vectors(encoder, images), _vectors(encoder, images)
        alone = torch.cat([_vectors(encoder, image[None]) for image in images])
    except Exception as error:  # a model raises whatever it likes
        raise InputError(
            f"{said}: does not take images of three colours ({first_line(error)}); choose another"
        ) from error
    faults = {
        "gives numbers that are not finite": not first.isfinite().all(),
        "gives one image another vector each time": not torch.allclose(first, again, 1e-3, 1e-4),
        "gives two images the same vector": torch.allclose(first[0], first[1], 1e-4, 1e-6),
        "gives an image another vector beside others": not torch.allclose(first, alone, 1e-2, 1e-3),
    }
    for fault, found in faults.items():
        if found:
            raise InputError(f"{said}: {fault}; choose another model")
    if isinstance(prepare := getattr(encoder, "prepare", None), Preparation):
        _check_preparation(folder, prepare, images, said)


def _check_preparation(folder: Path, prepare: Preparation, images: Tensor, said: str) -> None:
    """Compare the preparation with that of the model's own processor, where it brought one."""
    if not (folder / "preprocessor_config.json").exists():
        return
    from transformers import AutoImageProcessor

    try:
        processor = AutoImageProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        expected = processor(list(images.numpy()), return_tensors="pt")["pixel_values"]
    except Exception:  # it names none that this version of transformers has
        return
    prepared = prepare(images)
    alike = prepared.shape == expected.shape
    if not alike or float((prepared - expected).abs().mean()) > MAXIMUM_DIFFERENCE:
        raise InputError(
            f"{said}: its preprocessor_config.json prepares images in a way that is not known here "
            f"({type(processor).__name__}); choose another model"
        )


def _two_images() -> Tensor:
    """Draw two images of large spots, each of other colours: uint8 of shape (2, H, H, 3)."""
    generator = torch.Generator().manual_seed(0)
    spots = torch.rand(2, 3, 8, 8, generator=generator)
    images = torch.nn.functional.interpolate(spots, (PIXELS, PIXELS), mode="bilinear")
    return images.mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _vectors(encoder: Encoder, images: Tensor) -> Tensor:
    with torch.inference_mode():
        return encoder.top(encoder.trunk(images)[0])
