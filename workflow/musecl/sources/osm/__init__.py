"""OpenStreetMap, online or out of an extract (.osm.pbf): boundaries, POIs and roads."""
