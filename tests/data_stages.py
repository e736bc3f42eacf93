"""The stages from a city's providers to its tables and images, in an order in which they run."""

from musecl.stages import (
    fetch_boundary,
    fetch_indicators,
    fetch_mobility,
    fetch_pois,
    fetch_roads,
    fetch_satellite,
    fetch_street_view,
    indicators,
    mobility,
    pois,
    regions,
    satellite,
    street_view,
)

DATA_STAGES = (
    *(fetch_boundary, fetch_roads, regions, fetch_pois, fetch_mobility, fetch_satellite),
    *(fetch_street_view, fetch_indicators, pois, mobility, indicators, satellite, street_view),
)
