"""`encoders` and `pretrain_*`: pretrained weights and the contrastive training that follows."""

from typing import Literal

from pydantic import Field

from musecl.step.section import Section


class VisionEncoderSettings(Section):
    """A pretrained vision model."""

    weights: str = Field(
        description="package:NAME of the sample, a folder, or a transformers model by name",
    )
    trainable_blocks: int = Field(
        ge=0, le=100, description="last blocks that pretraining changes; the others stay frozen"
    )


class TextEncoderSettings(Section):
    """A pretrained text model."""

    weights: str = Field(
        description="package:NAME of the sample, a folder, or a transformers model by name",
    )


class EncoderSettings(Section):
    """An encoder per modality."""

    remote_view: VisionEncoderSettings
    street_view: VisionEncoderSettings
    text: TextEncoderSettings


class PretrainSettings(Section):
    """Contrastive training of a vision encoder."""

    loss: Literal["infonce", "triplet"] = Field(description="the paper: triplet")
    temperature: float = Field(gt=0, description="of InfoNCE")
    margin: float = Field(gt=0, description="of the triplet loss, on Euclidean distance")
    embedding_size: int = Field(ge=2, le=4096)
    batch: int = Field(ge=2, description="anchors per step")
    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
