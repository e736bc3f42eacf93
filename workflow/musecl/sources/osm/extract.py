"""Files of OpenStreetMap data (.osm.pbf, .osm), read once and streamed (osmium).

What is wanted of a file is told by collectors, each with the keys that an object must carry for it
to be shown at all: osmium sorts the rest out before Python sees an object.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import geopandas as gpd
import numpy as np
import osmium
import pandas as pd
import shapely
from numpy.typing import NDArray
from osmium.filter import IdFilter, KeyFilter
from osmium.osm import TagList
from osmium.osm import osm_entity_bits as bits
from shapely.geometry.base import BaseGeometry

from musecl.runtime.errors import InputError

# About 12 million nodes, whose places take 200 MB of memory; those of larger files lie on disk.
LARGE_BYTES = 100_000_000
BATCH = 20_000  # objects that wait to be looked at together
TYPES = {"n": bits.NODE, "w": bits.WAY, "r": bits.RELATION, "a": bits.AREA}
POLYGONS = {"multipolygon", "boundary"}
WKB = osmium.geom.WKBFactory()
SHAPE_OF: dict[str, Callable[[Any], str]] = {
    "n": WKB.create_point,
    "w": WKB.create_linestring,
    "a": WKB.create_multipolygon,
}

# Of a mapping it has `get`, `in` and `[]`; a dict of it costs more than all that is asked of it.
Tags: TypeAlias = TagList
Keys = Mapping[str, tuple[str, ...]]
# What osmium raises of an object whose nodes are not in the file, or are too few.
BROKEN = (RuntimeError, osmium.InvalidLocationError)


class Collector(Protocol):
    """Takes what it wants out of a file.

    Attributes
    ----------
    keys : mapping of str to tuple of str
        For nodes (`n`), ways (`w`) and areas (`a`: closed ways and multipolygons), the keys of
        which an object must carry one. A closed way is shown as a way and as an area.
    """

    keys: Keys

    def take(self, thing: Any, tags: Tags) -> None:
        """Look at an object, gone afterwards; one of `BROKEN` where its nodes are missing."""


@dataclass
class Scan:
    """What is to be known of a file besides what was collected.

    Attributes
    ----------
    timestamp : str
        As of when the data are, as the header tells; empty where it does not.
    skipped : int
        Objects left out, since a node of theirs is not in the file.
    incomplete : dict of int to str
        Number and name of each relation that would be an area, and whose ways are not all there.
    """

    timestamp: str = ""
    skipped: int = 0
    incomplete: dict[int, str] = field(default_factory=dict)


class Rows:
    """Objects that lie in an area: a row of attributes and a geometry each, memory bounded.

    Attributes
    ----------
    columns : tuple of str
        Names of the attributes; the first is `osm_id`, as in `N12`, `W34` and `R56`.
    area : geometry or None
        EPSG:4326; None for all.
    """

    def __init__(self, columns: tuple[str, ...], area: BaseGeometry | None) -> None:
        self.columns, self.area = ("osm_id", *columns), area
        self.waiting: list[tuple[Any, ...]] = []
        self.shapes: list[str] = []
        self.pieces: list[tuple[list[tuple[Any, ...]], NDArray[np.object_]]] = []
        if area is not None:
            shapely.prepare(area)

    def add(self, thing: Any, *values: Any) -> None:
        """Add an object; one of `BROKEN` where a node is not in the file."""
        self.shapes.append(SHAPE_OF[thing.type_str()](thing))
        self.waiting.append((osm_id(thing), *values))
        if len(self.shapes) >= BATCH:
            self._look()

    def _look(self) -> None:
        shapes = shapely.from_wkb(np.array(self.shapes, dtype=object))
        inside = slice(None) if self.area is None else shapely.intersects(self.area, shapes)
        kept = np.arange(len(shapes))[inside]
        self.pieces.append(([self.waiting[row] for row in kept], shapes[kept]))
        self.shapes, self.waiting = [], []

    def table(self) -> gpd.GeoDataFrame:
        """Make the table (EPSG:4326), sorted by type and number."""
        self._look()
        rows = [row for piece, _ in self.pieces for row in piece]
        shapes = np.concatenate([shapes for _, shapes in self.pieces])
        table = pd.DataFrame(rows, columns=list(self.columns))
        found = gpd.GeoDataFrame(table, geometry=shapes, crs=4326)
        key = found["osm_id"].str[0] + found["osm_id"].str[1:].str.zfill(20)
        return found.iloc[np.argsort(key.to_numpy(), kind="stable")].reset_index(drop=True)


def osm_id(thing: Any) -> str:
    """Name an object as OpenStreetMap does: `N12`, `W34`, `R56`; an area by what it is made of."""
    if not thing.is_area():
        return f"{thing.type_str().upper()}{thing.id}"
    return f"{'W' if thing.from_way() else 'R'}{thing.orig_id()}"


def scan(path: Path, *collectors: Collector) -> Scan:
    """Read a file once, and show its objects to the collectors.

    Parameters
    ----------
    path : Path
        `.osm.pbf`, `.osm` or what else osmium reads, sorted by type and number, as all extracts.
    *collectors : Collector
        At least one.

    Raises
    ------
    InputError
        The file is damaged, or no OSM file.
    """
    keys = {
        kind: sorted({key for collector in collectors for key in collector.keys.get(kind, ())})
        for kind in "nwa"
    }
    takers = {kind: [c for c in collectors if kind in c.keys] for kind in "nwa"}
    broken, found = set[int](), Scan()
    with readable(path), tempfile.TemporaryDirectory(prefix="musecl-") as folder:
        large = path.stat().st_size > LARGE_BYTES
        storage = f"sparse_file_array,{folder}/nodes" if large else "flex_mem"
        reader = osmium.FileProcessor(path).with_locations(storage)
        header = reader.header
        found.timestamp = header.get("osmosis_replication_timestamp") or header.get("timestamp")
        if keys["a"]:
            reader.with_areas(KeyFilter(*keys["a"]))
        # Of what would be areas, ways and relations are shown too, to count those that are none.
        shown = {**keys, "w": sorted({*keys["w"], *keys["a"]}), "r": keys["a"]}
        for kind, wanted in shown.items():
            selected = KeyFilter(*wanted) if wanted else IdFilter([])
            selected.enable_for(TYPES[kind])
            reader.with_filter(selected)
        for thing in reader:
            kind = thing.type_str()
            if kind == "r":
                if thing.tags.get("type") in POLYGONS:
                    found.incomplete[thing.id] = thing.tags.get("name", "")
                continue
            tags = thing.tags
            if kind == "w" and thing.is_closed() and any(key in tags for key in keys["a"]):
                broken.add(thing.id)
            if kind == "a":
                if thing.from_way():
                    broken.discard(thing.orig_id())
                else:
                    found.incomplete.pop(thing.orig_id(), None)
            for collector in takers[kind]:
                try:
                    collector.take(thing, tags)
                except BROKEN:
                    found.skipped += 1
    found.skipped += len(broken)
    return found


def cut(source: Path, destination: Path, ids: list[str]) -> None:
    """Write some objects of a file, and all that they are made of, to a file of their own.

    Parameters
    ----------
    source, destination : Path
        The file, and `.osm.pbf`.
    ids : list of str
        As `osm_id` names them. What is there only as a part of one of them loses its tags.

    Raises
    ------
    InputError
        The file is damaged, or no OSM file.
    """
    with readable(source):
        reader = osmium.FileProcessor(source)
        for kind in "nwr":
            numbers = [int(name[1:]) for name in ids if name[0].lower() == kind]
            selected = IdFilter(numbers)
            selected.enable_for(TYPES[kind])
            reader.with_filter(selected)
        with osmium.BackReferenceWriter(destination, ref_src=source) as writer:
            for thing in reader:
                writer.add(thing)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Say in one line what osmium cannot read."""
    try:
        yield
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: not readable as OpenStreetMap data ({reason}); fetch it again, as .osm.pbf"
        ) from error
