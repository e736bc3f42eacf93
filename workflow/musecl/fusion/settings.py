"""`fuse`: how the modalities become one vector, and what it is aligned to."""

from typing import Literal

from pydantic import Field, model_validator

from musecl.runtime.section import LARGEST, Count, NotNegative, Rate, Section


class FuseSettings(Section):
    """Fusion of the two views and the text."""

    mode: Literal["cross_attention", "scalar_attention", "add", "concat"] = Field(
        description="tokens of each modality look at the others'; one weight per modality (the "
        "paper's published code); the sum; a linear layer over them side by side"
    )
    text_as_input: bool = Field(
        description="whether the text is fused, too, and not only aligned to (the paper: false)"
    )
    residual: bool = Field(
        description="whether `embedding` holds what went in beside the fused vector (the paper: "
        "false, the fused vector alone)"
    )
    k_rings: int = Field(
        ge=0,
        le=3,
        description="rings of neighbours whose mean vectors stand in `embedding`, too (the paper: "
        "0)",
    )
    embedding_size: int = Field(ge=8, le=2048, description="numbers of the fused vector")
    heads: Count = Field(description="of cross_attention; they divide embedding_size")
    alignment: Literal["infonce", "mse"] = Field(
        description="the paper: contrastive; its published code: mse"
    )
    temperature: float = Field(ge=0.001, le=100, description="of InfoNCE")
    text_weight: NotNegative = Field(description="alignment of the fused vector to the text")
    views_weight: NotNegative = Field(description="alignment of the two views to each other")
    pois_weight: NotNegative = Field(description="alignment of regions with alike POIs")
    batch: int = Field(
        ge=2, le=LARGEST, description="regions per step; the others of a batch are the negatives"
    )
    steps: Count = Field(description="batches that training sees, a fixed number")
    learning_rate: Rate = Field(description="of AdamW, constant")

    @model_validator(mode="after")
    def _heads_divide(self) -> "FuseSettings":
        if self.mode == "cross_attention" and self.embedding_size % self.heads:
            raise ValueError(
                f"{self.heads} heads do not divide an embedding_size of {self.embedding_size}"
            )
        return self
