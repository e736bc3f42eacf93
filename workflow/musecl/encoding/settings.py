"""`encoders`, `pretrain_*` and `embed_*`: pretrained weights, training, and what leaves them."""

from typing import Literal

from pydantic import Field

from musecl.runtime.section import LARGEST, Count, Positive, Rate, Section

WEIGHTS = (
    "package:NAME of the sample; `inputs` for the model in inputs/models; NAME@REVISION of a hub"
)
Pooling = Literal["mean", "attention"]
Output = Literal["features", "projection"]


class VisionEncoderSettings(Section):
    """A pretrained vision model."""

    weights: str = Field(
        min_length=1,
        description=WEIGHTS,
    )
    trainable_blocks: int = Field(
        ge=0,
        le=100,
        description="last blocks that pretraining changes, the others stay frozen: 0 trains the "
        "projection alone, 100 every block (the paper)",
    )


class TextEncoderSettings(Section):
    """A pretrained text model."""

    weights: str = Field(
        min_length=1,
        description=WEIGHTS,
    )


class EncoderSettings(Section):
    """An encoder per modality."""

    satellite: VisionEncoderSettings
    street_view: VisionEncoderSettings
    text: TextEncoderSettings


class PretrainSettings(Section):
    """Contrastive training of a vision encoder."""

    loss: Literal["infonce", "triplet"] = Field(
        description="negatives from the batch (ours), or those of the pairs (the paper: triplet)"
    )
    temperature: float = Field(ge=0.001, le=100, description="of InfoNCE")
    margin: Positive = Field(
        description="of the triplet loss, on Euclidean distance; the published code: 5"
    )
    pooling: Pooling = Field(
        description="of a viewpoint's images: their mean, or a softmax that is learned over them "
        "(ours; street view only, whose images are headings)"
    )
    embedding_size: int = Field(ge=2, le=4096, description="of the projection; the paper: 128")
    batch: int = Field(ge=2, le=LARGEST, description="anchors per step")
    steps: Count = Field(description="batches that training sees, a fixed number")
    learning_rate: Rate = Field(description="of AdamW, constant")


class EmbedViewSettings(Section):
    """The vectors that leave a trained vision encoder."""

    output: Output = Field(
        description="the pooled features (ours), or their projection into the space of the loss "
        "(the paper's embedding)"
    )


class EmbedTextSettings(Section):
    """The vectors of POIs' texts."""

    method: Literal["transformer", "word_average"] = Field(
        description="whole passages through the text model (the paper: a pre-trained text "
        "encoder), or the mean of its input vectors of single words (the published code: word2vec)"
    )
