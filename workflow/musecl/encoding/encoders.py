"""Vision encoders: a frozen trunk, whose output is kept on disk, and a top that can be trained."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from musecl.encoding.preparation import Preparation, read_preparation
from musecl.runtime.errors import InputError, first_line

AS_IMAGENET = Preparation()
# After this many blocks of EfficientNet-Lite0 the features still are edges and textures.
LOW_LEVEL_BLOCKS = 5


class Encoder(nn.Module, ABC):
    """A pretrained vision model, cut in two.

    It always is in evaluation mode, so that the statistics of its batch normalisation stay those
    of the pretrained model, in training too: an image's embedding never depends on its batch.

    Attributes
    ----------
    size : int
        D, the length of the features that `top` gives.
    """

    size: int

    @abstractmethod
    def trunk(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Run the frozen part.

        Parameters
        ----------
        images : Tensor of uint8, shape (B, H, W, 3)
            RGB.

        Returns
        -------
        hidden : Tensor of shape (B, C, h, w)
            What `top` goes on from.
        low : Tensor of shape (B, L)
            Low-level features; L is 0 for a model of which none are known.
        """

    @abstractmethod
    def top(self, hidden: Tensor) -> Tensor:
        """Run the part that can be trained: (B, C, h, w) of any float type to (B, D)."""

    def for_inference(self) -> "Encoder":
        """Prepare for nothing but running, faster where the model allows it; in place."""
        return self

    def trained(self) -> list[nn.Parameter]:
        """Collect the parameters of `top` that training changes."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def train(self, mode: bool = True) -> "Encoder":
        """Stay in evaluation mode, whatever `mode` says."""
        return super().train(False)


class EfficientNetLite(Encoder):
    """EfficientNet-Lite0 (Tan and Le 2019) with ImageNet weights.

    Parameters
    ----------
    network : EfficientNet
        With its weights loaded.
    trainable_blocks : int
        The last blocks, of 16, that are trained, together with the layer after them.
    """

    def __init__(self, network: EfficientNet, trainable_blocks: int) -> None:
        super().__init__()
        # Twice as fast on CPU as the default layout.
        self.network = network.to(memory_format=torch.channels_last)
        self.size = network._conv_head.out_channels
        self.folded = False
        self.frozen_blocks = max(len(network._blocks) - trainable_blocks, 0)
        first = f"_blocks.{self.frozen_blocks}." if trainable_blocks else None
        _train_from(network, first, unused=("_fc.",))
        self.train()

    def trunk(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Run the stem and the frozen blocks; low-level features are means and deviations."""
        pixels = AS_IMAGENET(images)
        outputs = [functional.relu6(self.network._bn0(self.network._conv_stem(pixels)))]
        for block in self.network._blocks[: max(self.frozen_blocks, LOW_LEVEL_BLOCKS)]:
            outputs.append(block(outputs[-1]))
        textures = outputs[LOW_LEVEL_BLOCKS]
        low = torch.cat([textures.mean((2, 3)), textures.std((2, 3))], dim=1)
        return outputs[self.frozen_blocks], low

    def top(self, hidden: Tensor) -> Tensor:
        """Run the last blocks and the head; average over space."""
        features = hidden.float().contiguous(memory_format=torch.channels_last)
        for block in self.network._blocks[self.frozen_blocks :]:
            features = block(features)
        head = self.network._bn1(self.network._conv_head(features))
        return functional.relu6(head).mean((2, 3))

    def for_inference(self) -> "EfficientNetLite":
        """Fold normalisation into the convolutions and overwrite activations: 1.4 times as fast.

        A network that is trained is slower so: the folded convolutions' biases need a gradient.
        """
        if not self.folded:
            _fold_normalisation(self.network)
            self.folded = True
        return self


class TransformersEncoder(Encoder):
    """Any vision model of the transformers library; its trunk does no more than prepare pixels.

    Parameters
    ----------
    model : PreTrainedModel
        Takes `pixel_values`.
    trainable_blocks : int
        The last layers that are trained, of the model's longest list of layers, together with what
        comes after them.
    prepare : Preparation
        What becomes of images before the model sees them.
    pooled : bool
        Take the pooled output where the model has one; else its last hidden state is averaged
        over space.
    """

    def __init__(
        self, model: Any, trainable_blocks: int, prepare: Preparation, pooled: bool
    ) -> None:
        super().__init__()
        self.model = model.to(memory_format=torch.channels_last)
        self.prepare = prepare
        self.pooled = pooled
        _train_from(model, _first_trained_layer(model, trainable_blocks))
        self.train()
        with torch.no_grad():
            side = prepare.side or 64
            self.size = self.top(torch.zeros(1, 3, side, side)).shape[1]

    def trunk(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Prepare the pixels as the model asks for; no low-level features."""
        hidden = self.prepare(images)
        return hidden, hidden.new_zeros(len(images), 0)

    def top(self, hidden: Tensor) -> Tensor:
        """Run the whole model."""
        output = self.model(pixel_values=hidden.float())
        if self.pooled and output.get("pooler_output") is not None:
            pooled: Tensor = output.pooler_output
            return pooled.flatten(1)
        state: Tensor = output.last_hidden_state
        return state.mean((2, 3)) if state.ndim == 4 else state.mean(1)


def fastest_device() -> torch.device:
    """Choose the GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_encoder(folder: Path, trainable_blocks: int) -> Encoder:
    """Load a pretrained vision model from disk.

    Parameters
    ----------
    folder : Path
        Holds efficientnet-lite0*.pth, or config.json and *.safetensors as transformers saves them.
    trainable_blocks : int
        The last blocks that stay trainable; everything before them is frozen.

    Raises
    ------
    InputError
        The folder holds neither, or weights that do not fit the model.
    """
    checkpoints = sorted(folder.glob("efficientnet-lite0*.pth"))
    if checkpoints:
        return EfficientNetLite(_load_efficientnet(checkpoints[0]), trainable_blocks)
    if (folder / "config.json").exists():
        return _load_transformers(folder, trainable_blocks)
    raise InputError(
        f"{folder}: holds neither efficientnet-lite0*.pth nor config.json; set "
        "encoders.*.weights in params.yaml to a vision model and run `dvc repro fetch_models`"
    )


def _load_efficientnet(path: Path) -> EfficientNet:
    network = EfficientNet.from_name("efficientnet-lite0")
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:
        raise InputError(
            f"{path}: no weights of EfficientNet-Lite0 ({first_line(error)}); fetch them again"
        ) from error
    return network


def _load_transformers(folder: Path, trainable_blocks: int) -> TransformersEncoder:
    # Here, for it takes more than a second and most models are none of its.
    from transformers import AutoModel
    from transformers.utils import logging

    # Its report on unused weights of a classifier would read like a fault.
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        model, report = AutoModel.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            # Else it would ask at the terminal.
            trust_remote_code=False,
            output_loading_info=True,
            # What is kept in half precision is computed in full, beside layers of ours.
            dtype=torch.float32,
        )
    except Exception as error:  # transformers raises errors of many libraries
        raise InputError(
            f"{folder}: not readable as a transformers model with safetensors "
            f"({first_line(error)}); fetch it again"
        ) from error
    # CLIP and its kin hold a text model beside the vision model.
    vision = getattr(model, "vision_model", model)
    own = {id(parameter) for parameter in vision.parameters()}
    missing = sorted(
        name
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if name in report["missing_keys"] and id(parameter) in own
    )
    absent = [name for name in missing if "pooler" not in name]
    if absent:
        raise InputError(f"{folder}: holds no weights of {absent[0]}; take a complete model")
    prepare = read_preparation(folder, getattr(vision.config, "image_size", None))
    try:
        # A pooler without pretrained weights would hand out random features.
        return TransformersEncoder(vision, trainable_blocks, prepare, pooled=not missing)
    except Exception as error:  # a model raises whatever it likes
        raise InputError(
            f"{folder}: no model that takes images of three colours ({first_line(error)}); set "
            "encoders.*.weights in params.yaml to a vision model and run `dvc repro fetch_models`"
        ) from error


def _fold_normalisation(network: EfficientNet) -> None:
    """Put batch normalisation, whose statistics never change, and padding into the convolutions.

    Each would be one more pass over all activations.
    """
    pairs = [(network, "_conv_stem", "_bn0"), (network, "_conv_head", "_bn1")]
    for block in network._blocks:
        block._swish = nn.ReLU6(inplace=True)
        if hasattr(block, "_expand_conv"):
            pairs.append((block, "_expand_conv", "_bn0"))
        pairs += [(block, "_depthwise_conv", "_bn1"), (block, "_project_conv", "_bn2")]
    for module, convolution, normalisation in pairs:
        folded = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, normalisation))
        left, right, top, bottom = getattr(folded.static_padding, "padding", (0, 0, 0, 0))
        if left == right and top == bottom:
            folded.padding, folded.static_padding = (top, left), nn.Identity()
        setattr(module, convolution, folded)
        setattr(module, normalisation, nn.Identity())


def _first_trained_layer(model: nn.Module, trainable_blocks: int) -> str | None:
    lists = [
        (name, part) for name, part in model.named_modules() if isinstance(part, nn.ModuleList)
    ]
    if not trainable_blocks or not lists:
        return None
    name, layers = max(lists, key=lambda item: len(item[1]))
    return f"{name}.{max(len(layers) - trainable_blocks, 0)}."


def _train_from(model: nn.Module, first: str | None, unused: tuple[str, ...] = ()) -> None:
    """Freeze every parameter before the first whose name starts with `first` (all where None)."""
    trained = False
    for name, parameter in model.named_parameters():
        trained = trained or (first is not None and name.startswith(first))
        parameter.requires_grad_(trained and not name.startswith(unused))
