"""params.yaml as one checked whole, read when the Snakefile is read and by the tests.

Stages never import this module: a stage sees the sections that dvc.yaml declares for it (`job`).
"""

import re
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from musecl.encoding.settings import (
    EmbedTextSettings,
    EmbedViewSettings,
    EncoderSettings,
    PretrainSettings,
)
from musecl.evaluation.settings import EvaluateSettings
from musecl.fusion.settings import FuseSettings
from musecl.geography.settings import RegionSettings
from musecl.imagery.settings import SatelliteSettings, StreetViewSettings
from musecl.pair_mining.settings import PairSettings
from musecl.runtime.errors import ParameterError
from musecl.runtime.pipeline import BETWEEN
from musecl.runtime.plain_yaml import read_yaml
from musecl.runtime.section import Section, explain
from musecl.sources.providers import LAYERS
from musecl.sources.settings import City, Transfer
from musecl.sources.synth.settings import Generated

CITY_NAME = r"[a-z][a-z0-9_]*"
# DVC's run cache takes no account of parameters named size or nfiles; data/models is the encoders'.
TAKEN_NAMES = {"size", "nfiles", "models"}


class Params(Section):
    """Every section of params.yaml."""

    # PyTorch holds it in 64 bits.
    seed: int = Field(strict=True, ge=0, lt=2**63, description="of every random draw")
    cities: dict[str, City] = Field(min_length=1)
    upper_bounds: list[str] = Field(
        description="generated cities whose scores are compared with the best reachable ones"
    )
    transfers: dict[str, Transfer] = Field(
        description="by the name of its folder in results: the cities with -to- between them"
    )
    regions: RegionSettings
    satellite: SatelliteSettings
    street_view: StreetViewSettings
    pairs: PairSettings
    encoders: EncoderSettings
    pretrain_satellite: PretrainSettings
    pretrain_street_view: PretrainSettings
    embed_satellite: EmbedViewSettings
    embed_street_view: EmbedViewSettings
    embed_text: EmbedTextSettings
    fuse: FuseSettings
    evaluate: EvaluateSettings

    @field_validator("cities")
    @classmethod
    def _names_of_cities(cls, cities: dict[str, City]) -> dict[str, City]:
        for name in cities:
            if not re.fullmatch(CITY_NAME, name):
                raise ValueError(f"{name!r} is no name of a city: use a-z, 0-9 and _")
            if name in TAKEN_NAMES:
                raise ValueError(f"a city cannot be named {name!r}: choose another name")
        return cities

    @field_validator("upper_bounds")
    @classmethod
    def _generated_cities(cls, names: list[str], info: ValidationInfo) -> list[str]:
        cities = info.data.get("cities", {})
        for name in names:
            if "cities" in info.data and not is_generated(cities.get(name)):
                raise ValueError(f"{name!r} is no city whose every layer is generated, and alike")
        if len(set(names)) < len(names):
            raise ValueError("a city is named twice")
        return names

    @field_validator("transfers")
    @classmethod
    def _between_two_cities(
        cls, transfers: dict[str, Transfer], info: ValidationInfo
    ) -> dict[str, Transfer]:
        cities = info.data.get("cities", {})
        for name, transfer in transfers.items():
            if name != f"{transfer.train}{BETWEEN}{transfer.predict}":
                raise ValueError(f"{name!r} must be named FROM{BETWEEN}TO, after its cities")
            for city in (transfer.train, transfer.predict):
                if "cities" in info.data and city not in cities:
                    raise ValueError(f"{name!r}: {city!r} is no city")
            if transfer.train == transfer.predict:
                raise ValueError(f"{name!r} is from a city to itself")
        return transfers


# Each indicator has a provider; and no road is generated.
OWN = {"indicators", "roads"}


def is_generated(city: City | None) -> bool:
    """Whether every layer of a city is generated from the same settings."""
    if city is None:
        return False
    layers = [getattr(city, layer) for layer in LAYERS if layer not in OWN]
    sources = [indicator.source for indicator in city.indicators.values()]
    given = [dict(layer or {}) for layer in layers] + [
        {key: value for key, value in source.items() if key != "measure"} for source in sources
    ]
    first = Generated.model_validate(given[0]) if given[0].get("provider") == "synth" else None
    return first is not None and all(
        entry.get("provider") == "synth" and Generated.model_validate(entry) == first
        for entry in given
    )


def load_params(path: Path) -> Params:
    """Read and check params.yaml.

    Parameters
    ----------
    path : Path
        The file to read.

    Returns
    -------
    Params
        Every section, checked.

    Raises
    ------
    ParameterError
        The file is absent, is no YAML, or a key in it is unknown, missing or wrong; the message
        names the key.
    """
    return check_params(read_yaml(path), path)


def check_params(values: Any, path: Path) -> Params:
    """Check values read from params.yaml; see `load_params`."""
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise ParameterError(f"{path}: {explain(error, Params)}") from error
