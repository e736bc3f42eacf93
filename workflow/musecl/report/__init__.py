"""The page of a city's results: a map, the scores, the regions beside each other, the sources."""
