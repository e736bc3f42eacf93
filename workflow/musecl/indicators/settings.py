"""`indicators`: what is to be predicted."""

from pydantic import Field

from musecl.step.section import Section


class IndicatorSettings(Section):
    """Which regions have labels that can be trusted."""

    minimum_population: int = Field(
        ge=0, description="regions with fewer people have no value of a share or a median"
    )
