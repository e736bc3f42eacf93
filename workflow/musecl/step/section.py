"""What every section of params.yaml has in common: unknown keys are refused, values are frozen."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section of params.yaml; a key that it does not name is an error, not a surprise."""

    model_config = ConfigDict(extra="forbid", frozen=True)
