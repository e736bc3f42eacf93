"""Monaco read twice: by us, and by OSMnx out of the same objects written as OSM XML.

OSMnx parses the XML and builds outlines and streets by its own code. It refuses an extract that
cuts through streets and outlines, as that of Helsinki does: test_osm_extract.py reads that one.
"""

from pathlib import Path
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import osmium
import osmnx
import pandas as pd
import pytest
import shapely
from pyproj import Geod

from musecl.sources.osm.collectors import Boundaries, Pois, Roads
from musecl.sources.osm.extract import scan
from musecl.sources.osm.tags import POIS, ROADS, asked_pois, describe
from shared_data import shared

EARTH = Geod(ellps="WGS84")
LETTERS = {"node": "N", "way": "W", "relation": "R"}


class Read(NamedTuple):
    """A file, what we read of it, and the same file as XML."""

    pois: gpd.GeoDataFrame
    roads: gpd.GeoDataFrame
    districts: gpd.GeoDataFrame
    xml: Path


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    folder = tmp_path_factory.mktemp("extract")
    path = shared("open_samples", "osm", "monaco-latest.osm.pbf")
    collectors = Pois(), Roads(), Boundaries(admin_level=10)
    scan(path, *collectors)
    xml = folder / "whole.osm"
    with osmium.SimpleWriter(xml) as writer:
        for thing in osmium.FileProcessor(path):
            writer.add(thing)
    return Read(*(collector.table() for collector in collectors), xml)


def named(features: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Objects of OSMnx by the number that OpenStreetMap gives them, as ours are."""
    numbers = [f"{LETTERS[kind]}{number}" for kind, number in features.index]
    return features.set_index(pd.Index(numbers))


def tags_of(row: pd.Series) -> dict[str, str]:
    return {key: value for key, value in row.items() if isinstance(value, str)}


def test_pois_are_those_of_osmnx(read: Read) -> None:
    features = named(osmnx.features.features_from_xml(read.xml, tags=asked_pois()))
    attributes = features.drop(columns="geometry")[[*POIS, "name"]]
    said = {number: describe(tags_of(row)) for number, row in attributes.iterrows()}
    shapes = features.geometry
    theirs = {
        number: place
        for number, place in said.items()
        # Of a place that is drawn as a line nobody knows what it covers: we leave it out.
        if place is not None and shapes[number].geom_type != "LineString"
    }
    ours = {row[0]: tuple(row[1:4]) for row in read.pois.drop(columns="geometry").to_numpy()}
    assert ours == theirs
    assert len(ours) > 800
    for number, shape in read.pois.set_index("osm_id").geometry.items():
        assert shape.symmetric_difference(shapes[number]).area < 1e-12, number


def test_roads_are_those_of_osmnx(read: Read) -> None:
    graph = osmnx.graph.graph_from_xml(read.xml, simplify=False, retain_all=True)
    edges = osmnx.convert.graph_to_gdfs(graph, nodes=False).reset_index()
    edges = edges[edges["highway"].isin(ROADS) & (edges.get("area", "no") != "yes")]
    # Both directions of a street are edges there, and one way here.
    ends = np.sort(edges[["u", "v"]].to_numpy(), axis=1)
    edges = edges.assign(a=ends[:, 0], b=ends[:, 1]).drop_duplicates(["osmid", "a", "b"])
    edges = edges.assign(metres=[EARTH.geometry_length(shape) for shape in edges.geometry])
    theirs = edges.groupby("osmid")["metres"].sum()
    ours = read.roads.set_index(read.roads["osm_id"].str[1:].astype(int))
    assert set(ours.index) == set(theirs.index)
    assert (ours["length_m"] - theirs).abs().max() < 1e-3
    assert (edges.groupby("osmid")["highway"].first() == ours["kind"]).all()


def test_districts_are_those_of_osmnx(read: Read) -> None:
    tags: dict[str, bool | str | list[str]] = {"admin_level": "10"}
    try:
        features = named(osmnx.features.features_from_xml(read.xml, tags=tags))
    except osmnx._errors.InsufficientResponseError:
        features = gpd.GeoDataFrame(geometry=[], crs=4326)
    areas = features[features.geom_type.isin(["Polygon", "MultiPolygon"])]
    ours = read.districts.set_index("osm_id")
    assert set(ours.index) == set(areas.index)
    for number, row in ours.iterrows():
        assert row["name"] == areas.loc[number, "name"]
        assert shapely.symmetric_difference(row.geometry, areas.geometry[number]).area < 1e-12
