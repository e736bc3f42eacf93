"""Vision encoders: the two parts together against the whole model, run in one piece."""

import json

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch.nn import functional
from transformers import (
    CLIPConfig,
    CLIPModel,
    ResNetConfig,
    ResNetForImageClassification,
    ResNetModel,
    ViTConfig,
    ViTForImageClassification,
    ViTModel,
)

from musecl.encoding.encoders import load_encoder
from musecl.runtime.errors import InputError

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
VIT = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "image_size": 32,
    "patch_size": 8,
}


def images(count=3, pixels=32, seed=0):
    generator = np.random.default_rng(seed)
    shape = (count, pixels, pixels, 3)
    return torch.from_numpy(generator.integers(0, 256, shape, dtype=np.uint8))


def normalised(pixels):
    return (pixels.permute(0, 3, 1, 2) / 255 - MEAN) / DEVIATION


def resnet(**settings):
    torch.manual_seed(0)
    config = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 24], depths=[1, 2, 1], layer_type="basic"
    )
    model = ResNetModel(config).eval()
    # Statistics as after training, so that the mode of batch normalisation shows.
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_()
    return model


def vit():
    torch.manual_seed(0)
    return ViTModel(ViTConfig(**VIT)).eval()


def save(model, folder):
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def efficientnet(tmp_path_factory):
    torch.manual_seed(0)
    network = EfficientNet.from_name("efficientnet-lite0").eval()
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.1)
    folder = tmp_path_factory.mktemp("efficientnet")
    torch.save(network.state_dict(), folder / "efficientnet-lite0-0.pth")
    return network, folder


@pytest.mark.parametrize("trainable_blocks", [0, 1, 5, 11, 14, 16, 40])
def test_efficientnet_in_two_parts_equals_the_whole(efficientnet, trainable_blocks):
    network, folder = efficientnet
    encoder = load_encoder(folder, trainable_blocks)
    with torch.no_grad():
        hidden, low = encoder.trunk(images())
        features = encoder.top(hidden)
        expected = network.extract_features(normalised(images())).mean((2, 3))
    assert features.shape == (3, encoder.size) == (3, 1280)
    torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-4)
    assert low.shape == (3, 80)


def test_low_level_features_are_statistics_of_the_fifth_block(efficientnet):
    network, folder = efficientnet
    seen = []
    handle = network._blocks[4].register_forward_hook(lambda *call: seen.append(call[2]))
    with torch.no_grad():
        network.extract_features(normalised(images()))
        _, low = load_encoder(folder, 5).trunk(images())
    handle.remove()
    for image in range(3):
        for channel in range(40):
            values = seen[0][image, channel].flatten()
            assert float(low[image, channel]) == pytest.approx(float(values.mean()), abs=1e-3)
            assert float(low[image, 40 + channel]) == pytest.approx(float(values.std()), abs=1e-3)


@pytest.mark.parametrize(
    ("trainable_blocks", "first"), [(0, None), (1, "_blocks.15."), (16, "_blocks.0.")]
)
def test_efficientnet_trains_its_last_blocks_and_the_head(efficientnet, trainable_blocks, first):
    encoder = load_encoder(efficientnet[1], trainable_blocks)
    trained = [name for name, value in encoder.named_parameters() if value.requires_grad]
    if first is None:
        assert trained == []
        return
    assert trained[0].startswith(f"network.{first}")
    assert any("_conv_head" in name for name in trained)
    assert not any("_fc" in name for name in trained)


def test_hidden_of_half_precision_changes_little(efficientnet):
    encoder = load_encoder(efficientnet[1], 5)
    with torch.no_grad():
        hidden, _ = encoder.trunk(images())
        full, half = encoder.top(hidden), encoder.top(hidden.half())
    similarity = functional.cosine_similarity(full, half)
    assert float(similarity.min()) > 0.999


@pytest.mark.parametrize("mode", [True, False])
def test_features_do_not_depend_on_the_batch(efficientnet, tmp_path, mode):
    for folder in (efficientnet[1], save(resnet(), tmp_path)):
        encoder = load_encoder(folder, 2).train(mode)
        with torch.no_grad():
            together = encoder.top(encoder.trunk(images())[0])
            alone = torch.cat([encoder.top(encoder.trunk(image[None])[0]) for image in images()])
        torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("build", [resnet, vit])
def test_a_transformers_model_gives_its_pooled_output(tmp_path, build):
    model = build()
    encoder = load_encoder(save(model, tmp_path), 1)
    with torch.no_grad():
        hidden, low = encoder.trunk(images())
        features = encoder.top(hidden)
        expected = model(pixel_values=normalised(images())).pooler_output.flatten(1)
    torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-4)
    assert encoder.size == features.shape[1]
    assert low.shape == (3, 0)


def test_a_pooler_without_weights_is_not_used(tmp_path):
    torch.manual_seed(0)
    classifier = ViTForImageClassification(ViTConfig(**VIT)).eval()
    encoder = load_encoder(save(classifier, tmp_path), 1)
    with torch.no_grad():
        features = encoder.top(encoder.trunk(images())[0])
        expected = classifier.vit(pixel_values=normalised(images())).last_hidden_state.mean(1)
    torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-4)


def test_of_a_model_of_images_and_text_the_vision_part_is_taken(tmp_path):
    torch.manual_seed(0)
    config = CLIPConfig(
        vision_config=VIT,
        text_config={
            "hidden_size": 8,
            "num_hidden_layers": 5,
            "num_attention_heads": 2,
            "intermediate_size": 8,
            "vocab_size": 10,
        },
    )
    model = CLIPModel(config).eval()
    encoder = load_encoder(save(model, tmp_path), 1)
    with torch.no_grad():
        features = encoder.top(encoder.trunk(images())[0])
        expected = model.vision_model(pixel_values=normalised(images())).pooler_output
    torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("build", "trainable_blocks", "first"),
    [
        (vit, 0, None),
        (vit, 1, "layers.2."),
        (vit, 3, "layers.0."),
        (vit, 9, "layers.0."),
        (resnet, 1, "encoder.stages.2."),
    ],
)
def test_a_transformers_model_is_frozen_below_its_last_layers(
    tmp_path, build, trainable_blocks, first
):
    encoder = load_encoder(save(build(), tmp_path), trainable_blocks)
    trained = [name for name, value in encoder.named_parameters() if value.requires_grad]
    assert (trained[0] if trained else None) == (
        None if first is None else next(name for name in trained if f"model.{first}" in name)
    )
    frozen = [name for name, value in encoder.named_parameters() if not value.requires_grad]
    assert frozen
    assert not any(first is not None and first in name for name in frozen)


def test_the_preparation_is_the_one_the_model_came_with(tmp_path):
    folder = save(vit(), tmp_path)
    settings = {
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.25, 0.5, 1.0],
        "size": {"height": 32},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    hidden, _ = load_encoder(folder, 1).trunk(images())
    expected = (images().numpy() / 255 - 0.5) / [0.25, 0.5, 1.0]
    np.testing.assert_allclose(hidden.permute(0, 2, 3, 1), expected, atol=1e-5)


@pytest.mark.parametrize("pixels", [16, 50])
def test_images_are_resized_where_the_model_needs_it(tmp_path, pixels):
    encoder = load_encoder(save(vit(), tmp_path), 1)
    grey = torch.full((2, pixels, pixels, 3), 128, dtype=torch.uint8)
    hidden, _ = encoder.trunk(grey)
    expected = normalised(torch.full((2, 32, 32, 3), 128, dtype=torch.uint8))
    torch.testing.assert_close(hidden, expected)


def test_a_folder_without_a_model_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"neither efficientnet-lite0\*\.pth nor config\.json"):
        load_encoder(tmp_path, 1)


@pytest.mark.parametrize("content", [b"", b"damaged", b"PK\x03\x04"])
def test_damaged_weights_are_an_error(tmp_path, content):
    (tmp_path / "efficientnet-lite0-0.pth").write_bytes(content)
    with pytest.raises(InputError, match="no weights of EfficientNet-Lite0"):
        load_encoder(tmp_path, 1)


def test_weights_of_another_model_are_an_error(tmp_path):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "efficientnet-lite0-0.pth")
    with pytest.raises(InputError, match="no weights of EfficientNet-Lite0"):
        load_encoder(tmp_path, 1)


def test_pickled_code_is_not_run(tmp_path):
    torch.save({"weight": print}, tmp_path / "efficientnet-lite0-0.pth")
    with pytest.raises(InputError, match="no weights of EfficientNet-Lite0"):
        load_encoder(tmp_path, 1)


@pytest.mark.parametrize("content", [None, b"damaged"])
def test_a_transformers_model_without_weights_is_an_error(tmp_path, content):
    folder = save(vit(), tmp_path)
    (folder / "model.safetensors").unlink()
    if content is not None:
        (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="not readable as a transformers model"):
        load_encoder(folder, 1)


def test_a_transformers_model_of_half_the_weights_is_an_error(tmp_path):
    folder = save(ResNetForImageClassification(ResNetConfig(depths=[1, 1])), tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "depths": [1, 2]}))
    with pytest.raises(InputError, match="holds no weights of"):
        load_encoder(folder, 1)
