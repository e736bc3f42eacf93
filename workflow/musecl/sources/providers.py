"""The table of providers: which there are for each layer, and where each stands.

Adding a provider is its module and a line here. A module is imported when params.yaml names it.
"""

import importlib
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from musecl.runtime.errors import ParameterError
from musecl.runtime.section import Section, explain
from musecl.sources.addresses import hide_secrets
from musecl.sources.provider import Provider

LAYERS = ("boundary", "roads", "pois", "mobility", "satellite", "street_view", "indicators")
PROVIDERS: dict[str, dict[str, str]] = {
    "boundary": {
        "file": "boundary_file:PROVIDER",
        "osm": "osm.boundary:ONLINE",
        "osm_extract": "osm.boundary:EXTRACT",
        "sample": "sample.boundary:PROVIDER",
        "synth": "synth.layers:BOUNDARY",
    },
    "roads": {
        "file": "roads_file:PROVIDER",
        "osm": "osm.roads:ONLINE",
        "osm_extract": "osm.roads:EXTRACT",
    },
    "pois": {
        "table": "pois_table:PROVIDER",
        "osm": "osm.pois:ONLINE",
        "osm_extract": "osm.pois:EXTRACT",
        "sample": "sample.pois:PROVIDER",
        "synth": "synth.layers:POIS",
    },
    "mobility": {
        "trips": "mobility_trips:PROVIDER",
        "flows": "mobility_flows:PROVIDER",
        "sample": "sample.mobility:PROVIDER",
        "synth": "synth.layers:MOBILITY",
    },
    "satellite": {
        "raster": "satellite_raster:PROVIDER",
        "sample": "sample.satellite:PROVIDER",
        "synth": "synth.layers:SATELLITE",
    },
    "street_view": {
        "folder": "street_view_folder:PROVIDER",
        "sample": "sample.street_view:PROVIDER",
        "synth": "synth.layers:STREET_VIEW",
    },
    "indicators": {
        "points": "indicator_points:PROVIDER",
        "polygons": "indicator_polygons:PROVIDER",
        "raster": "indicator_raster:PROVIDER",
        "table": "indicator_table:PROVIDER",
        "osm_streets": "osm.streets:PROVIDER",
        "sample": "sample.indicators:PROVIDER",
        "synth": "synth.layers:INDICATORS",
    },
}


def provider_of(layer: str, name: Any) -> Provider:
    """Look a provider up.

    Raises
    ------
    ParameterError
        There is none of this name for the layer.
    """
    if not isinstance(name, str) or name not in PROVIDERS[layer]:
        raise ParameterError(
            f"no provider {name!r} for {layer}; there is {', '.join(PROVIDERS[layer])}"
        )
    module, _, constant = PROVIDERS[layer][name].partition(":")
    found: Provider = getattr(importlib.import_module(f"musecl.sources.{module}"), constant)
    return found


def chosen(
    layer: str, given: dict[str, Any], beside: Sequence[str] = ()
) -> tuple[Provider, Section]:
    """Read what params.yaml says of a layer: the provider, and its settings.

    Parameters
    ----------
    layer : str
        One of `LAYERS`.
    given : dict
        `provider`, and the settings of that provider.
    beside : sequence of str
        What else may stand beside these settings; a misspelt key may have meant it.

    Raises
    ------
    ParameterError
        There is no such provider, or a setting is missing, unknown or wrong.
    """
    provider = provider_of(layer, given.get("provider"))
    try:
        return provider, provider.settings.model_validate(given)
    except ValidationError as error:
        reason = hide_secrets(explain(error, provider.settings, beside=beside))
        raise ParameterError(f"{layer}: {provider.name}: {reason}") from error
