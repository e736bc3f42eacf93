"""The settings of tables and geographic files, as far as they can be read off the file."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import h3
import numpy as np

from musecl.cities.entry import Entry
from musecl.cities.looking import FileSample, axes, column_like, look, words_of
from musecl.cities.positions import fit_positions
from musecl.runtime.errors import InputError

NAMES = ("name", "names.primary", "title", "label")
CATEGORIES = (
    *("category", "categories.primary", "basic_category", "taxonomy.primary", "fclass"),
    *("amenity", "class", "type", "kind", "fsq_category_labels"),
)
ORIGINS = {"origin", "start", "started", "pickup", "from", "o", "departure"}
DESTINATIONS = {"destination", "end", "ended", "dropoff", "to", "d", "dest", "arrival", "return"}
COUNTS = ("count", "trips", "flow", "n")
TIMES = ("started", "datetime", "timestamp", "time", "date")
EXTENSIVE = {"count", "counts", "population", "pop", "people", "residents", "number", "total"}
ISO = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}"
EPOCH = r"^\d{9,10}$"
ZONED = r"(Z|[+-]\d{2}:?\d{2})$"
# Values whose largest is so many times the median are skewed, and better told by their logarithm.
SKEWED = 10.0
PERCENT, HUNDRED = {"percent", "percentage", "pct"}, 100


def guess_boundary(path: Path) -> tuple[Entry, gpd.GeoDataFrame | None]:
    """Look at the file of a boundary: the entry, and its shapes where they can be placed.

    Raises
    ------
    InputError
        It is not readable, holds no polygons, or names no CRS.
    """
    seen = look(path)
    if seen.kind != "Polygon":
        raise InputError(f"{path}: holds {seen.kind or 'no shapes'}; give a file of polygons")
    if seen.crs is None:
        raise InputError(
            f"{path}: names no CRS; write one into it, as by `ogr2ogr -a_srs EPSG:4326 NEW OLD`"
        )
    options = {key: value for key, value in seen.options.items() if key == "layer"}
    settings = {"provider": "file", "path": path.name, **options}
    read = gpd.read_parquet if path.suffix.endswith("parquet") else gpd.read_file
    land = read(path, **options)
    return Entry(settings, seen.about), land[land.geometry.notna()]


def guess_pois(path: Path, land: gpd.GeoDataFrame | None) -> Entry:
    """Look at a file of POIs."""
    seen = look(path)
    settings: dict[str, Any] = {"provider": "table", "path": path.name, **seen.options}
    missing, notes = _position(seen, land, settings)
    name, category = column_like(seen.columns, *NAMES), column_like(seen.columns, *CATEGORIES)
    if name is not None:
        settings["name"] = name
    if category is not None:
        settings["category"] = category
    else:
        settings["one_category"] = "place"
        notes["one_category"] = "of all rows; or category: a column"
    return Entry(settings, seen.about, notes, missing=missing)


def guess_trips(path: Path, land: gpd.GeoDataFrame | None) -> Entry:
    """Look at a file of trips: positions of both ends, or region ids."""
    seen = look(path)
    settings: dict[str, Any] = {"provider": "trips", "path": path.name, **seen.options}
    missing: str | None = None
    notes: dict[str, str] = {}
    pairs = {"origin": axes(seen, ORIGINS), "destination": axes(seen, DESTINATIONS)}
    ends = {"origin": _regions(seen, ORIGINS), "destination": _regions(seen, DESTINATIONS)}
    if None not in pairs.values():
        for end, pair in pairs.items():
            assert pair is not None
            pair, note, wrong = _oriented(seen, pair, land)
            settings[end] = dict(zip(("longitude", "latitude"), pair, strict=True))
            notes |= {end: note} if note else {}
            missing = missing or wrong
    elif None not in ends.values():
        settings |= {"provider": "flows", **ends}
    else:
        columns = "{longitude: , latitude: }"
        settings |= {"origin": None, "destination": None}
        notes |= dict.fromkeys(("origin", "destination"), f"{columns}, or {{station: }}")
        missing = "which columns say where a trip starts and ends"
    count = column_like(seen.columns, *COUNTS)
    if count is not None and seen.is_number(count):
        settings["count"] = count
    start, choice = _start(seen)
    if start is not None:
        settings["start"] = start
    return Entry(settings, seen.about, notes, {"start": choice} if choice else {}, missing)


def guess_indicator(path: Path, column: str | None, land: gpd.GeoDataFrame | None) -> Entry:
    """Look at a table or geographic file that an indicator is made of.

    Raises
    ------
    InputError
        It is not readable, lacks the column, or several columns could be meant.
    """
    seen = look(path)
    if column is not None and column not in seen.columns:
        raise InputError(f"{path}: no column {column!r}; it has {', '.join(seen.columns)}")
    settings: dict[str, Any] = {"path": path.name, **seen.options}
    missing: str | None = None
    notes: dict[str, str] = {}
    value = column
    regions = _regions(seen, None)
    if seen.kind == "Polygon":
        counted = value = column or _only_number(seen, path)
        extensive = bool(words_of(counted) & EXTENSIVE)
        settings |= {"value": value, "kind": "extensive" if extensive else "intensive"}
        notes["kind"] = "extensive: counts, shared out; intensive: shares and means, averaged"
        settings = {"provider": "polygons", **settings}
    elif seen.kind is None and regions is not None:
        value = column or _only_number(seen, path)
        settings = {"provider": "table", **settings, "region_id": regions, "value": value}
    else:
        settings = {"provider": "points", **settings}
        missing, notes = _position(seen, land, settings)
        settings |= {"statistic": "count"} if value is None else _mean(value)
        notes["statistic"] = "count, distinct, sum, mean or median"
    return _described(Entry(settings, seen.about, notes, missing=missing), seen, value)


def _mean(value: str) -> dict[str, Any]:
    return {"statistic": "mean", "value": value}


def _described(entry: Entry, seen: FileSample, value: str | None) -> Entry:
    """Add what params.yaml says of every indicator."""
    counted = value is None or entry.settings.get("kind") == "extensive"
    known = np.zeros(0) if value is None else seen.numbers(value)
    known = known[np.isfinite(known)]
    skewed = counted or (
        len(known) > 0 and known.min() >= 0 and known.max() > SKEWED * np.median(known)
    )
    named = bool(words_of(value or "") & PERCENT)
    percent = named and len(known) > 0 and 0 <= known.min() <= known.max() <= HUNDRED
    bounds = (0 if skewed or percent else None, HUNDRED if percent else None)
    unit = "percent" if percent else "unknown"
    return described(entry, "ln(1+x)" if skewed else "identity", unit, bounds)


def described(
    entry: Entry,
    transform: str,
    unit: str = "unknown",
    bounds: tuple[int | None, int | None] = (None, None),
    **known: Any,
) -> Entry:
    """Add to an indicator's provider what params.yaml says of every indicator.

    Parameters
    ----------
    entry : Entry
        The provider, and its settings.
    transform, unit : str
        As params.yaml has them.
    bounds : pair of int or None
        What is possible, in the unit.
    **known
        What else is known: `year`, `label_provenance`.
    """
    about = {
        "unit": unit,
        "year": 0,
        "transform": transform,
        "minimum_value": bounds[0],
        "maximum_value": bounds[1],
        "primary": True,
        "label_provenance": [],
        **known,
    }
    notes = {
        "unit": "fill in, such as people per km2",
        "year": "fill in; 0 where none is known",
        "transform": "ln(1+x) for what is never below 0 and skewed, else identity",
        "minimum_value": "what no value can be below, in the unit, such as 0; or null",
        "maximum_value": "what no value can be above, such as 100 of percent; or null",
        "primary": "whether it counts in the mean that is told first",
        "label_provenance": "of POIs, mobility, satellite, street_view, text, pairs",
    }
    to_fill_in = {key: note for key, note in notes.items() if key not in known}
    return Entry(
        {**entry.settings, **about},
        entry.about,
        {**entry.notes, **to_fill_in},
        entry.choices,
        entry.missing,
    )


def _only_number(seen: FileSample, path: Path) -> str:
    numbers = [name for name in seen.columns if seen.is_number(name)]
    if len(numbers) != 1:
        raise InputError(
            f"{path}: which column is the indicator? write NAME={path}:COLUMN with one of "
            f"{', '.join(numbers or seen.columns)}"
        )
    return numbers[0]


def _position(
    seen: FileSample, land: gpd.GeoDataFrame | None, settings: dict[str, Any]
) -> tuple[str | None, dict[str, str]]:
    """Put into settings where rows lie; what is missing for that, and notes."""
    if seen.kind is not None:
        return (None if seen.crs is not None else "crs, which the file does not name"), {}
    pair = axes(seen)
    if pair is None:
        settings |= {"longitude": None, "latitude": None}
        return "which columns are longitude and latitude", {}
    pair, note, missing = _oriented(seen, pair, land, settings)
    settings |= dict(zip(("longitude", "latitude"), pair, strict=True))
    return missing, {"longitude": note} if note else {}


def _oriented(
    seen: FileSample,
    pair: tuple[str, str],
    land: gpd.GeoDataFrame | None,
    settings: dict[str, Any] | None = None,
) -> tuple[tuple[str, str], str, str | None]:
    """Turn a pair of columns as they lie in the city: the pair, a note, and what is missing.

    The CRS goes into the settings, where these can have one and need it.
    """
    if land is None:
        return pair, "", None
    fit = fit_positions(seen.numbers(pair[0]), seen.numbers(pair[1]), land)
    if fit is None:
        return pair, "", f"{pair[0]} and {pair[1]} lie outside the boundary: crs or other columns"
    if fit.crs != "EPSG:4326":
        if settings is None:
            return pair, "", f"{pair[0]} and {pair[1]} are in {fit.crs}: bring them to degrees"
        settings["crs"] = fit.crs
    if fit.swapped:
        return pair[::-1], "the file has them the wrong way round", None
    return pair, "", None


def _regions(seen: FileSample, of: set[str] | None) -> str | None:
    """Find the column that names H3 cells, or regions by `region_id`."""
    named = [name for name in seen.columns if of is None or words_of(name) & of]
    for name in named:
        cells = seen.rows[name].drop_nulls()
        if len(cells) and all(h3.is_valid_cell(cell) for cell in cells):
            return name
    return "region_id" if of is None and "region_id" in seen.columns else None


def _start(seen: FileSample) -> tuple[dict[str, Any] | None, str]:
    """Find when trips start: the setting, or what to show where it takes more than a column."""
    starts = [name for name in seen.columns if words_of(name) & ORIGINS]
    for names in (starts, seen.columns):
        column = column_like(names, *TIMES)
        if column is None:
            continue
        times = seen.rows[column].drop_nulls()
        if len(times) and times.str.contains(ISO).all():
            if times.str.contains(ZONED).any():
                return None, f"{{column: {column}, time_zone: }}"
            return {"column": column}, ""
        if len(times) and times.str.contains(EPOCH).all():
            return None, f"{{column: {column}, format: epoch, time_zone: }}"
        return None, f"{{column: {column}, format: }}"
    return None, ""
