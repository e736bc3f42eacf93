"""Which OpenStreetMap objects are POIs or roads, and what a POI is called.

A POI is somewhere that people go to, so its keys are those of
https://wiki.openstreetmap.org/wiki/Map_features that name a purpose: amenity to sport in `POIS`.
Stations are POIs, while the tracks, platforms and stop positions under the same two keys are
parts of one. Street furniture is left out: a bench or a waste basket tells how eagerly a street was
mapped, and in a well-mapped centre there are more of them than of everything else. So are objects
that say themselves that nothing is there (`no`, `vacant`). Buildings, land use and natural things
describe the ground, not what people do there.
"""

from collections.abc import Mapping

# Where an object carries several of them, the first is its category.
POIS = (
    *("amenity", "shop", "tourism", "leisure", "healthcare", "office", "craft", "historic"),
    *("railway", "public_transport", "sport"),
)
# Of these keys, only these values are POIs.
STATIONS = {
    "railway": ("station", "halt", "tram_stop", "subway_entrance"),
    "public_transport": ("station",),
}
FURNITURE = {
    "amenity": {
        *("bench", "waste_basket", "waste_disposal", "recycling", "vending_machine", "post_box"),
        *("telephone", "clock", "drinking_water", "parking_space", "parking_entrance"),
        *("bicycle_parking", "motorcycle_parking", "loading_dock", "grit_bin", "lounger"),
    },
    "leisure": {"picnic_table"},
    "tourism": {"information"},
}
# Categories that are ground, told by how much of a region they cover. Of any other POI it is
# chance whether it is mapped as a node or as an outline: it counts once, wherever it is.
GROUND = {"park", "garden", "nature reserve", "golf course", "common", "recreation ground"}
NOTHING = {"no", "vacant", "none"}

# Ways that a car may use, and streets where people walk; no footpath, cycle path, steps or track.
ROADS = (
    *("motorway", "trunk", "primary", "secondary", "tertiary", "unclassified", "residential"),
    *("motorway_link", "trunk_link", "primary_link", "secondary_link", "tertiary_link"),
    *("living_street", "pedestrian", "service", "road"),
)


def asked_pois() -> dict[str, bool | list[str]]:
    """Say which tags a query must ask for, by key: any value, or a list of them."""
    return {key: list(STATIONS[key]) if key in STATIONS else True for key in POIS}


def describe(tags: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Say what a POI is called.

    Parameters
    ----------
    tags : mapping of str to str
        Of a node or an area.

    Returns
    -------
    tuple of (str, str, str) or None
        Name, category and phrase, such as `Da Mario`, `restaurant`, `Restaurant Da Mario`. Without
        a name the category stands for it; a name that holds its category is a phrase already. None
        where the tags are those of no POI.
    """
    carried = (_category(key, tags[key]) for key in POIS if key in tags)
    category = next(filter(None, carried), None)
    if category is None:
        return None
    title = category[:1].upper() + category[1:]
    name = " ".join(tags.get("name", "").split())
    if not name:
        return category, category, title
    return name, category, name if category in name.casefold() else f"{title} {name}"


def _category(key: str, value: str) -> str | None:
    """Put a tag into words; None where it is that of no POI."""
    # Of several values, as in `bakery;cafe`, the first is the main one.
    first = value.split(";")[0].strip()
    if not first or first in NOTHING or first in FURNITURE.get(key, ()):
        return None
    if key in STATIONS and first not in STATIONS[key]:
        return None
    return key if first == "yes" else " ".join(first.replace("_", " ").split())
