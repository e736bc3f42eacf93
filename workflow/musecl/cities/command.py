"""The arguments of `musecl city add` and `musecl city check`."""

import argparse
import sys
from pathlib import Path

from musecl.runtime.errors import InputError

EPILOG = """The files are copied to inputs/NAME, and an entry that names them is written to
params.yaml, with what could be read off the files and, in comments, what else can be set.
A place's name is enough: OpenStreetMap's POIs and streets then stand in for files."""


def run_city(root: Path, action: str, arguments: list[str]) -> None:
    """Add or check a city.

    Parameters
    ----------
    root : Path
        The folder that holds params.yaml.
    action : str
        `add` or `check`.
    arguments : list of str
        What stands behind it on the command line.

    Raises
    ------
    MuseclError
        As `add_city` and `check_city`.
    SystemExit
        The arguments are wrong or ask for help (2, 0), or something is missing (1).
    """
    if action == "check":
        _check(root, arguments)
    else:
        _add(root, arguments)


def _add(root: Path, arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="musecl city add",
        description="Add a city of your own files to params.yaml.",
        epilog=EPILOG,
    )
    parser.add_argument("name", metavar="NAME", help="of the city: a-z, 0-9 and _")
    land = parser.add_mutually_exclusive_group(required=True)
    land.add_argument("--boundary", metavar="FILE", help="polygons of the city's land")
    land.add_argument("--place", metavar="TEXT", help="take the boundary from OpenStreetMap")
    parser.add_argument("--pois", metavar="FILE", help="points of interest")
    parser.add_argument("--trips", metavar="FILE", help="a row a trip, or counts of trips")
    parser.add_argument("--satellite", metavar="FILE", help="GeoTIFF seen from above, or pattern")
    parser.add_argument("--street-view", metavar="PATTERN", help="photographs of streets")
    parser.add_argument(
        "--indicator",
        metavar="NAME=FILE[:COLUMN]",
        action="append",
        default=[],
        help="what is to be predicted; may be given again",
    )
    parser.add_argument("--link", action="store_true", help="link the files instead of copying")
    given = parser.parse_args(arguments)
    from musecl.cities.adding import Given, add_city

    files = Given(
        boundary=given.boundary,
        place=given.place,
        pois=given.pois,
        trips=given.trips,
        satellite=given.satellite,
        street_view=given.street_view,
        indicators=_named(given.indicator),
    )
    print("\n".join(add_city(root, given.name, files, given.link)))


def _check(root: Path, arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="musecl city check",
        description="Say of each layer of a city whether it can be read and how much of it lies in "
        "the area; nothing is fetched.",
    )
    parser.add_argument("name", metavar="NAME", help="of a city in params.yaml")
    given = parser.parse_args(arguments)
    from musecl.cities.checking import check_city

    complete = True
    for report in check_city(root, given.name):
        print(report, flush=True)
        complete &= report.complete
    if not complete:
        sys.exit(1)


def _named(given: list[str]) -> dict[str, str]:
    """Split NAME=FILE.

    Raises
    ------
    InputError
        There is no name or no file, or a name comes twice.
    """
    named: dict[str, str] = {}
    for text in given:
        name, _, file = text.partition("=")
        if not name or not file:
            raise InputError(f"--indicator {text}: write it as NAME=FILE or NAME=FILE:COLUMN")
        if name in named:
            raise InputError(f"--indicator {text}: there is another {name}; choose another name")
        named[name] = file
    return named
