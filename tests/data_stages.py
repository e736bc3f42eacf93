"""The stages from a city's providers to its tables and images, in an order in which they run."""

from musecl.stages import (
    fetch_boundary,
    fetch_indicators,
    fetch_mobility,
    fetch_places,
    fetch_remote_view,
    fetch_roads,
    fetch_street_view,
    indicators,
    mobility,
    places,
    regions,
    remote_view,
    street_view,
)

DATA_STAGES = (
    *(fetch_boundary, fetch_roads, regions, fetch_places, fetch_mobility, fetch_remote_view),
    *(fetch_street_view, fetch_indicators, places, mobility, indicators, remote_view, street_view),
)
