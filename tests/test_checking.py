"""A vision model that transformers saves gives the right vectors, or one line before any image."""

import json
from pathlib import Path

import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    ConvNextConfig,
    ConvNextModel,
    DeiTConfig,
    DeiTModel,
    ViTConfig,
    ViTMAEConfig,
    ViTMAEModel,
    ViTModel,
)

from musecl.encoding.checking import check_vision_model
from musecl.encoding.encoders import load_encoder
from musecl.runtime.errors import InputError
from test_encoders import VIT, images, resnet, save, vit

NORMALISED = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.25, 0.5, 1.0]}


def describe(folder: Path, **settings: object) -> Path:
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("build", [vit, resnet])
def test_a_model_kept_in_half_precision_is_computed_in_full(tmp_path, build, precision) -> None:
    full = load_encoder(save(build(), tmp_path / "full"), 1)
    half = load_encoder(save(build().to(precision), tmp_path / "half"), 1)
    with torch.no_grad():
        expected, found = (one.top(one.trunk(images())[0]) for one in (full, half))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.05)
    check_vision_model(tmp_path / "half", "w")


@pytest.mark.parametrize("resample", [2, 3])
def test_images_are_prepared_as_by_the_models_own_processor(tmp_path, resample: int) -> None:
    """DeiT's: resized to more than the model sees, and the middle kept."""
    from transformers import AutoImageProcessor

    torch.manual_seed(0)
    folder = save(DeiTModel(DeiTConfig(**VIT)).eval(), tmp_path)
    describe(
        folder,
        image_processor_type="DeiTImageProcessor",
        size={"height": 40, "width": 40},
        crop_size={"height": 32, "width": 32},
        do_center_crop=True,
        resample=resample,
        **NORMALISED,
    )
    pictures = torch.nn.functional.interpolate(
        torch.rand(2, 3, 6, 6), (120, 120), mode="bilinear"
    ).mul(255)
    pictures = pictures.to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    prepared, _ = load_encoder(folder, 0).trunk(pictures)
    processor = AutoImageProcessor.from_pretrained(folder)
    expected = processor(list(pictures.numpy()), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(prepared, expected, rtol=0, atol=0.05)
    check_vision_model(folder, "w")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"do_normalize": False}, lambda x: x / 255),
        ({"do_normalize": False, "do_rescale": False}, lambda x: x),
        ({"do_normalize": False, "rescale_factor": 1 / 127.5}, lambda x: x / 127.5),
        (
            {"do_normalize": False, "do_flip_channel_order": True},
            lambda x: (x / 255)[..., [2, 1, 0]],
        ),
        ({"image_mean": 0.5, "image_std": 0.5}, lambda x: (x / 255 - 0.5) / 0.5),
        ({"do_normalize": False, "size": 32}, lambda x: x / 255),
        (
            {"do_normalize": False, "do_center_crop": True, "crop_size": 16, "do_resize": False},
            lambda x: (x / 255)[:, 8:24, 8:24],
        ),
    ],
)
def test_what_the_model_says_of_its_images_is_heeded(tmp_path, settings, expected) -> None:
    folder = describe(save(resnet(), tmp_path), **settings)
    prepared, _ = load_encoder(folder, 0).trunk(images())
    torch.testing.assert_close(prepared.permute(0, 2, 3, 1), expected(images().float()))


def test_the_middle_is_kept_where_a_share_says_so(tmp_path) -> None:
    """ConvNeXT's."""
    torch.manual_seed(0)
    config = ConvNextConfig(hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1])
    folder = save(ConvNextModel(config).eval(), tmp_path)
    about = {"image_processor_type": "ConvNextImageProcessor", "crop_pct": 0.875, "resample": 3}
    describe(folder, size={"shortest_edge": 56}, **about, **NORMALISED)
    prepared, _ = load_encoder(folder, 0).trunk(images(pixels=64))
    assert prepared.shape == (3, 3, 56, 56)
    check_vision_model(folder, "w")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not what an image processor saves"),
        ("[]", "not what an image processor saves"),
        ('{"image_mean": [0.5]}', "1 channels in place of 3"),
        ('{"size": {"height": 32, "width": 64}}', "images of 32 by 64 pixels"),
        ('{"size": "large"}', "not what an image processor saves"),
        ('{"size": {"shortest_edge": 32}, "crop_pct": 1e-6}', "resized to 32000000 pixels"),
    ],
)
def test_a_preparation_that_cannot_be_is_one_line(tmp_path, text: str, reason: str) -> None:
    folder = save(vit(), tmp_path)
    (folder / "preprocessor_config.json").write_text(text)
    with pytest.raises(InputError, match=reason) as caught:
        check_vision_model(folder, "w")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        None,
        {"hidden_act": "none"},
        {"num_attention_heads": 0},
        {"hidden_size": "large"},
        {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}},
        {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}},
    ],
    ids=["null", "act", "heads", "size", "quantized", "own code"],
)
def test_a_configuration_that_cannot_be_is_one_line(
    tmp_path, monkeypatch, changes: dict | None
) -> None:
    place = save(vit(), tmp_path) / "config.json"
    place.write_text(json.dumps(changes and json.loads(place.read_text()) | changes))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("somebody was asked"))
    with pytest.raises(InputError, match="not readable as a transformers model") as caught:
        check_vision_model(tmp_path, "w")
    assert "\n" not in str(caught.value)


def test_a_mean_that_is_null_is_that_of_imagenet(tmp_path) -> None:
    folder = describe(save(vit(), tmp_path), image_mean=None, image_std=None)
    check_vision_model(folder, "w")


def six_channels() -> ViTModel:
    return ViTModel(ViTConfig(**VIT, num_channels=6)).eval()


def text_model() -> BertModel:
    config = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    return BertModel(config).eval()


@pytest.mark.parametrize("build", [six_channels, text_model])
def test_a_model_that_takes_no_images_of_three_colours_is_one_line(tmp_path, build) -> None:
    with pytest.raises(InputError, match="no model that takes images of three") as caught:
        check_vision_model(save(build(), tmp_path), "w")
    assert "\n" not in str(caught.value)


def test_a_model_that_answers_one_image_twice_differently_is_refused(tmp_path) -> None:
    torch.manual_seed(0)
    masked = ViTMAEModel(ViTMAEConfig(**VIT, decoder_num_hidden_layers=1, mask_ratio=0.75)).eval()
    with pytest.raises(InputError, match=r"^w: gives one image another vector each time; choose"):
        check_vision_model(save(masked, tmp_path), "w")


def test_a_model_that_gives_all_images_the_same_vector_is_refused(tmp_path) -> None:
    blind = vit()
    torch.nn.init.zeros_(blind.embeddings.patch_embeddings.projection.weight)
    with pytest.raises(InputError, match=r"^w: gives two images the same vector; choose"):
        check_vision_model(save(blind, tmp_path), "w")


def test_a_model_of_numbers_that_are_none_is_refused(tmp_path) -> None:
    broken = vit()
    torch.nn.init.constant_(broken.layernorm.weight, float("nan"))
    with pytest.raises(InputError, match=r"^w: gives numbers that are not finite; choose"):
        check_vision_model(save(broken, tmp_path), "w")


def test_a_preparation_that_is_not_known_here_is_refused(tmp_path) -> None:
    """Padded to a square, as by the processor of another kind."""
    folder = describe(
        save(vit(), tmp_path),
        image_processor_type="ViTImageProcessor",
        size={"height": 32, "width": 32},
        **NORMALISED,
    )
    check_vision_model(folder, "w")
    described = json.loads((folder / "preprocessor_config.json").read_text())
    described |= {"image_processor_type": "EfficientNetImageProcessor", "rescale_offset": True}
    described |= {"rescale_factor": 1 / 127.5, "include_top": False}
    (folder / "preprocessor_config.json").write_text(json.dumps(described))
    with pytest.raises(
        InputError, match=r"^w: its preprocessor_config.json prepares images in a way"
    ):
        check_vision_model(folder, "w")
