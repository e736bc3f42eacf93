"""`fuse`: the cross-modality attention and what it is aligned to."""

from typing import Literal

from pydantic import Field

from musecl.step.section import Section


class FuseSettings(Section):
    """Fusion of the two views and the text."""

    embedding_size: int = Field(ge=8, le=2048)
    heads: int = Field(ge=1)
    alignment: Literal["infonce", "mse"] = Field(
        description="the paper: contrastive; its published code: mse"
    )
    temperature: float = Field(gt=0)
    text_weight: float = Field(ge=0, description="alignment of the fused vector to the text")
    views_weight: float = Field(ge=0, description="alignment of the two views to each other")
    places_weight: float = Field(ge=0, description="alignment of regions with alike places")
    batch: int = Field(ge=2)
    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
