"""`evaluate`: splits, seeds and predictors."""

from typing import Annotated, Literal

from pydantic import Field

from musecl.runtime.section import LARGEST, Count, Distinct, Rate, Section

Split = Literal["random", "spatial", "spatial_wide", "district", "paper"]
Width = Annotated[int, Field(ge=1, le=8192)]


class MlpSettings(Section):
    """The paper's predictor: layers of 512, 256, 128 and 64 with ReLU, fitted by Adam at 5e-4."""

    methods: Distinct[
        list[
            Literal[
                "satellite_pretrained",
                "street_view_pretrained",
                "satellite",
                "street_view",
                "text",
                "concat",
                "musecl",
            ]
        ]
    ] = Field(description="which representations it predicts from, beside ridge; may be none")
    seeds: Count = Field(description="of the repetitions of `evaluate.seeds`, the first so many")
    components: Count = Field(
        description="principal components of the inputs, fitted in the training fold"
    )
    hidden: list[Width] = Field(
        min_length=1, max_length=16, description="width of each hidden layer"
    )
    learning_rate: Rate = Field(description="of Adam")
    batch: Count = Field(description="regions per step (the paper's code: 32)")
    epochs: Count = Field(description="at most so many (the paper's code: 200)")
    patience: Count = Field(
        description="epochs without gain in validation before it stops (the paper's code: 50)"
    )


class EvaluateSettings(Section):
    """How the representations are judged."""

    seeds: Count = Field(description="repetitions: other folds, other starts of a predictor")
    folds: int = Field(ge=2, le=LARGEST, description="parts that the regions are divided into")
    splits: Distinct[list[Split]] = Field(
        min_length=1,
        description="regions at random, or held out whole: cells two and three resolutions up, "
        "districts one after the other; `paper`: the single 60/20/20 of its published code",
    )
    mlp: MlpSettings
