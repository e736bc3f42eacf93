"""`evaluate`: splits, seeds and predictors."""

from typing import Literal

from pydantic import Field

from musecl.settings.base import Section


class MlpSettings(Section):
    """The paper's predictor: 512-256-128-64 with ReLU, Adam 5e-4, early stop after 50 epochs."""

    hidden: list[int] = Field(min_length=1)
    learning_rate: float = Field(gt=0)
    batch: int = Field(ge=1)
    epochs: int = Field(ge=1)
    patience: int = Field(ge=1)


class EvaluateSettings(Section):
    """How the representations are judged."""

    seeds: int = Field(ge=1, description="random splits, and predictor starts, per figure")
    folds: int = Field(ge=2)
    splits: list[Literal["random", "spatial"]] = Field(min_length=1)
    mlp: MlpSettings
