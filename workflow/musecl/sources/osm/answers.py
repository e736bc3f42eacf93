"""Answers of the Overpass API (JSON), put into an OpenStreetMap file, which `extract` reads."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import osmium
from osmium.osm import mutable

ORDER = ("node", "way", "relation")


def write_file(answers: Iterable[Path], path: Path) -> None:
    """Write what answers hold as one file; what stands in several of them is there once.

    Parameters
    ----------
    answers : iterable of Path
        JSON, as the API gives it for `out body`: members by their numbers.
    path : Path
        `.osm.pbf`.
    """
    elements: dict[tuple[int, int], dict[str, Any]] = {}
    for answer in sorted(answers):
        for element in json.loads(answer.read_bytes())["elements"]:
            if element["type"] in ORDER:
                key = ORDER.index(element["type"]), element["id"]
                elements[key] = {**elements.get(key, {}), **element}
    with osmium.SimpleWriter(path) as writer:
        for (kind, _), element in sorted(elements.items(), key=lambda item: item[0]):
            writer.add((_node, _way, _relation)[kind](element))


def _node(element: dict[str, Any]) -> mutable.Node:
    # A node that has been deleted has no position.
    location = (element["lon"], element["lat"]) if "lat" in element else None
    return mutable.Node(id=element["id"], location=location, tags=element.get("tags", {}))


def _way(element: dict[str, Any]) -> mutable.Way:
    return mutable.Way(
        id=element["id"], nodes=element.get("nodes", []), tags=element.get("tags", {})
    )


def _relation(element: dict[str, Any]) -> mutable.Relation:
    members = [
        (member["type"][0], member["ref"], member["role"]) for member in element.get("members", [])
    ]
    return mutable.Relation(id=element["id"], members=members, tags=element.get("tags", {}))
