"""A layer of a job's city: fetched by its provider, and read as the layer's contract says."""

from pathlib import Path
from typing import Any

import geopandas as gpd

from musecl.runtime.errors import ParameterError
from musecl.runtime.job import Job
from musecl.runtime.section import Section
from musecl.runtime.tables import read_geotable
from musecl.sources.provider import PROVENANCE, Provider, Request, write_provenance
from musecl.sources.providers import chosen
from musecl.sources.settings import Indicator, check_names


def fetch_layer(job: Job, layer: str) -> None:
    """Let the provider of a layer fill `raw/{layer}`, and write its `provenance.json`.

    Of a layer that the city lacks, that file says so.

    Raises
    ------
    InputError
        As the provider.
    """
    folder = job.output(f"raw/{layer}")
    folder.mkdir(parents=True)
    given = job.value(f"cities.{{city}}.{layer}")
    if given is None:
        (folder / PROVENANCE).write_text('{"provider": null}\n', encoding="utf-8")
        return
    provider, settings = chosen(layer, given)
    fill(job, layer, folder, provider, [settings])


def fetch_indicators(job: Job) -> None:
    """Let the provider of each indicator fill `raw/indicators/{provider}`.

    Indicators of one provider share a folder: what two of them are made of is fetched once.

    Raises
    ------
    InputError
        As the providers.
    ParameterError
        As `check_names`.
    """
    folder = job.output("raw/indicators")
    folder.mkdir(parents=True)
    together: dict[str, tuple[Provider, list[Section]]] = {}
    indicators = job.value("cities.{city}.indicators")
    try:
        check_names(indicators)
    except ValueError as error:
        raise ParameterError(f"params.yaml: cities.{job.city}.indicators: {error}") from error
    for given in indicators.values():
        provider, settings = chosen("indicators", Indicator.model_validate(given).source)
        together.setdefault(provider.name, (provider, []))[1].append(settings)
    for name, (provider, asked) in together.items():
        (folder / name).mkdir()
        fill(job, "indicators", folder / name, provider, asked)


def fill(job: Job, layer: str, folder: Path, provider: Provider, asked: list[Section]) -> None:
    """Let a provider fill an existing folder with what several settings ask of it."""
    inputs = job.root / "inputs" / job.city / layer
    where = ground(job, layer)
    with job.scratch() as held:
        requests = [Request(settings, inputs, where, folder, held) for settings in asked]
        for request in requests:
            provider.fetch(request)
    write_provenance(folder, provider, requests)


def ground(job: Job, layer: str) -> gpd.GeoDataFrame | None:
    """Read the ground that a fetch is asked for, EPSG:4326.

    The regions; for roads, which may divide the land into them, the land; nothing for the boundary.
    """
    if layer == "boundary":
        return None
    if layer == "roads":
        land: gpd.GeoDataFrame = read_layer(job, "boundary").to_crs(4326)
        return land
    return read_geotable(job.input("regions.parquet"))


def read_layer(job: Job, layer: str) -> Any:
    """Read a layer as `contract` says; None where the city lacks it."""
    given = job.value(f"cities.{{city}}.{layer}")
    if given is None:
        return None
    provider, settings = chosen(layer, given)
    return provider.read(job.input(f"raw/{layer}"), settings)


def read_indicator(job: Job, source: dict[str, Any]) -> tuple[Any, str]:
    """Read an indicator as `contract` says, and whom to name for it."""
    provider, settings = chosen("indicators", source)
    folder = job.input("raw/indicators") / provider.name
    return provider.read(folder, settings), provider.attribution


def imagery_of(job: Job, layer: str) -> str | None:
    """Say what the images of a view are, `rendered` or `photographic`; None where it has none."""
    given = job.value(f"cities.{{city}}.{layer}")
    return None if given is None else chosen(layer, given)[0].imagery
