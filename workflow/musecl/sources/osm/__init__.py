"""OpenStreetMap, online or out of an extract (.osm.pbf): boundaries, places and roads."""
