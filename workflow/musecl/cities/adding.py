"""`musecl city add`: files of the user's into `inputs/`, and an entry for them in params.yaml."""

import glob
import os
import re
import shutil
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

import geopandas as gpd

from musecl.cities.entry import Entry, indent_of_cities, insert_city, write_city
from musecl.cities.guessing import guess_boundary, guess_indicator, guess_pois, guess_trips
from musecl.cities.looking import RASTER
from musecl.cities.openstreetmap import fill_from_openstreetmap
from musecl.cities.pictures import (
    guess_raster_indicator,
    guess_satellite,
    guess_street_view,
)
from musecl.config import CITY_NAME, TAKEN_NAMES, check_params
from musecl.runtime.errors import InputError, ParameterError
from musecl.runtime.leftovers import without_leftovers
from musecl.runtime.plain_yaml import read_yaml
from musecl.sources.providers import LAYERS

# Files that belong to another of the same stem: the parts of a shapefile, a raster's world file.
PARTS = {".shx", ".dbf", ".prj", ".cpg", ".qix", ".sbn", ".sbx", ".tfw", ".tifw", ".wld"}
# Files that belong to another and add to its whole name.
ADDED = (".aux.xml", ".ovr", ".msk")


@dataclass(frozen=True)
class Given:
    """What the user names: a file or pattern a layer, as written on the command line.

    Attributes
    ----------
    boundary, place : str or None
        One of them: a file, or a place that OpenStreetMap knows.
    pois, trips, satellite, street_view : str or None
        None where the city lacks the layer.
    indicators : dict of str
        By name: a file, with `:COLUMN` behind it where it has several. Where a place is named and
        there is none, OpenStreetMap's streets stand in.
    """

    boundary: str | None = None
    place: str | None = None
    pois: str | None = None
    trips: str | None = None
    satellite: str | None = None
    street_view: str | None = None
    indicators: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """Files that a name or pattern stands for.

    Attributes
    ----------
    paths : list of Path
        Sorted.
    root : Path
        Folder below which they keep their place.
    pattern : str
        That stands for them below `root`, as params.yaml has it.
    """

    paths: list[Path]
    root: Path
    pattern: str


def add_city(root: Path, name: str, given: Given, link: bool = False) -> list[str]:
    """Add a city: its files to `inputs/{name}`, its entry to params.yaml.

    All or nothing: the files lie beside their place until the new params.yaml has been checked.

    Parameters
    ----------
    root : Path
        The folder that holds params.yaml.
    name : str
        Of the city: a-z, 0-9 and _.
    given : Given
        The user's files.
    link : bool
        Link the files instead of copying them; they must lie on the same disk.

    Returns
    -------
    list of str
        What was done and what is left to fill in, a line each.

    Raises
    ------
    ParameterError
        The name is taken or none, or params.yaml would not load with the entry.
    InputError
        A file is absent or cannot be read, or `inputs/{name}` is there already.
    """
    place, inputs = root / "params.yaml", root / "inputs" / name
    params = read_yaml(place)
    check_params(params, place)
    if not re.fullmatch(CITY_NAME, name) or name in TAKEN_NAMES:
        raise ParameterError(f"{name!r} is no name of a city: use a-z, 0-9 and _, a letter first")
    if name in params["cities"]:
        raise ParameterError(f"there is a city {name!r} already; choose another name")
    if inputs.exists():
        raise InputError(f"{inputs}: is there already; move it away, or choose another name")
    if not given.indicators and given.place is None:
        raise InputError("what is to be predicted? give --indicator NAME=FILE[:COLUMN]")
    layers, indicators, files = _guess(given)
    stand_in = [] if given.place is None else fill_from_openstreetmap(layers, indicators)
    text = place.read_bytes().decode("utf-8")
    lines = write_city(name, layers, indicators, indent_of_cities(text))
    here = f".partial-{os.getpid()}-{name}"
    beside, filled = root / f"{here}.yaml", root / "inputs" / here
    try:
        beside.write_bytes(insert_city(text, lines).encode("utf-8"))
        check_params(read_yaml(beside), place)
        _fill(filled, files, link)
        filled.rename(inputs)
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)
        shutil.rmtree(filled, ignore_errors=True)
    entries = {**layers, **{f"indicators.{key}": value for key, value in indicators.items()}}
    return [
        f"params.yaml: {name} is added; {inputs.relative_to(root)} holds {len(files)} files",
        *stand_in,
        *(
            f"fill in {key}: {entry.missing}"
            for key, entry in entries.items()
            if entry is not None and entry.missing is not None
        ),
        f"next: python workflow/musecl city check {name}",
    ]


def _guess(
    given: Given,
) -> tuple[dict[str, Entry | None], dict[str, Entry], dict[Path, Path]]:
    """Look at all files: the layers, the indicators, and where each file goes below the inputs."""
    files: dict[Path, Path] = {}
    layers: dict[str, Entry | None] = dict.fromkeys(LAYERS[:-1])
    land: gpd.GeoDataFrame | None = None
    if given.boundary is not None:
        found = _find_one(given.boundary)
        layers["boundary"], land = guess_boundary(found.paths[0])
        _place(files, "boundary", found)
    else:
        layers["boundary"] = Entry({"provider": "osm", "place": given.place})
    for layer, name, guess in (
        ("pois", given.pois, guess_pois),
        ("mobility", given.trips, guess_trips),
    ):
        if name is not None:
            found = _find_one(name)
            layers[layer] = guess(found.paths[0], land)
            _place(files, layer, found)
    if given.satellite is not None:
        found = _find(given.satellite)
        layers["satellite"] = guess_satellite(found.paths, found.pattern)
        _place(files, "satellite", found)
    if given.street_view is not None:
        found = _find(given.street_view)
        layers["street_view"], tables = guess_street_view(found.paths, found.pattern, found.root)
        _place(files, "street_view", found)
        _place(files, "street_view", Found(tables, found.root, ""))
    indicators: dict[str, Entry] = {}
    for name, text in given.indicators.items():
        file, column = _split(text)
        found = _find(file)
        if found.paths[0].suffix.lower() in RASTER:
            indicators[name] = guess_raster_indicator(found.paths, found.pattern)
        else:
            indicators[name] = guess_indicator(_find_one(file).paths[0], column, land)
        _place(files, "indicators", found)
    return layers, indicators, files


def _split(text: str) -> tuple[str, str | None]:
    """Split FILE:COLUMN; a colon may also be part of the file's name."""
    file, _, column = text.rpartition(":")
    return (file, column) if not Path(text).is_file() and Path(file).is_file() else (text, None)


def _find(text: str) -> Found:
    """Find the files that a name or pattern stands for.

    Raises
    ------
    InputError
        There is none.
    """
    path = Path(text)
    if path.is_file():
        return Found([path], path.parent, glob.escape(path.name))
    fixed = list(takewhile(lambda part: not glob.has_magic(part), path.parts))
    root, pattern = Path(*fixed), str(Path(*path.parts[len(fixed) :]))
    named = [] if pattern == "." else without_leftovers(root.glob(pattern), root)
    paths = sorted(one for one in named if one.is_file())
    if not paths:
        raise InputError(f"{text}: no such file")
    return Found(paths, root, pattern)


def _find_one(text: str) -> Found:
    found = _find(text)
    if len(found.paths) > 1:
        raise InputError(f"{text}: stands for {len(found.paths)} files; name one")
    return found


def _place(files: dict[Path, Path], layer: str, found: Found) -> None:
    """Say where files, and what belongs to them, go below the folder of inputs.

    Raises
    ------
    InputError
        Two files would have the same name there.
    """
    for path in found.paths:
        beside = [
            other
            for other in path.parent.glob(f"{glob.escape(path.stem)}.*")
            if other.suffix.lower() in PARTS
            or other.name in {path.name + ending for ending in ADDED}
        ]
        for part in [path, *sorted(beside)]:
            to = Path(layer) / part.relative_to(found.root)
            if not files.setdefault(to, part).samefile(part):
                raise InputError(f"{part}: {files[to]} has the same name; rename one of them")


def _fill(folder: Path, files: dict[Path, Path], link: bool) -> None:
    """Make the folders of all layers, and copy or link the files into them.

    Raises
    ------
    InputError
        A file cannot be linked.
    """
    for layer in LAYERS:
        (folder / layer).mkdir(parents=True)
        (folder / layer / ".gitkeep").touch()
    for to, path in files.items():
        (folder / to).parent.mkdir(parents=True, exist_ok=True)
        if link:
            try:
                os.link(path, folder / to)
            except OSError as error:
                raise InputError(
                    f"{path}: cannot be linked ({error.strerror}); leave out --link to copy it"
                ) from error
        else:
            shutil.copyfile(path, folder / to)
