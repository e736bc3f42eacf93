"""Which of the long tables were asked for: tables/asked.yaml names them, and DVC knows no other.

`dvc pull` ends in an error where a dvc.yaml names an output that nobody ever built. So a stage of
tables/dvc.yaml comes into being when it is asked for: by a job, or by hand.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dvc.utils.serialize import dumps_yaml, parse_yaml_for_update

from musecl.runtime.errors import ParameterError
from musecl.runtime.pipeline import declared_in, makers, read_tables
from musecl.runtime.plain_yaml import read_yaml

ASKED = "tables/asked.yaml"


def known_tables(root: Path) -> list[str]:
    """Name each table that can be asked for (`baselines@nyc`), and check those that were.

    Raises
    ------
    ParameterError
        tables/asked.yaml names what is no table, city or transfer, or a table without one above it.
    """
    tables, params = read_tables(root), read_yaml(root / "params.yaml")
    known = [f"{stage}@{name}" for stage, entry in tables.items() for name in _among(params, entry)]
    if tables:
        _check(read_yaml(root / ASKED), tables, params, known)
    return known


def ask(repo: Any, name: str) -> None:
    """Name a table in tables/asked.yaml, with the tables above it; a stage that is none is not.

    Parameters
    ----------
    repo : dvc.repo.Repo
        As `open_repository` gives it; its lock keeps apart the jobs that ask at the same time.
    name : str
        A stage of either pipeline: `baselines@nyc`.

    Raises
    ------
    ParameterError
        As `known_tables`.
    """
    root = Path(repo.root_dir)
    tables = read_tables(root)
    if name.partition("@")[0] not in tables:
        return
    with repo.lock:
        known, params = known_tables(root), read_yaml(root / "params.yaml")
        if name not in known:
            return  # DVC says it
        asked = parse_yaml_for_update((root / ASKED).read_text(encoding="utf-8"), ASKED)
        maker_of = makers(tables, known)
        wanted = [name]
        for table in wanted:  # it grows by the tables above
            wanted += _read_by(table, tables, maker_of)
        changed = [_add(asked, tables, table, params) for table in wanted]
        if any(changed):
            partial = Path(repo.tmp_dir) / "asked.yaml.partial"
            partial.write_text(dumps_yaml(asked), encoding="utf-8")
            partial.replace(root / ASKED)


def _read_by(table: str, tables: dict[str, Any], maker_of: dict[str, str]) -> list[str]:
    """Name the tables whose outputs a table reads."""
    stage, _, name = table.partition("@")
    inputs = declared_in(tables, stage, name).inputs
    return sorted({maker_of[path] for path in inputs if path in maker_of})


def _add(asked: Any, tables: dict[str, Any], table: str, params: Any) -> bool:
    """Put a table into its list, in the order of params.yaml; tell whether it was not there."""
    stage, _, name = table.partition("@")
    section, _, key = _place(tables[stage]).partition(".")
    named, among = asked[section][key], list(_among(params, tables[stage]))
    if name in named:
        return False
    if not named:
        named.fa.set_block_style()  # `[]`: a line for each is what git can merge
    position = sum(among.index(other) < among.index(name) for other in named)
    named.insert(position, name, *([params[section][name]] if isinstance(named, dict) else []))
    return True


def _check(asked: Any, tables: dict[str, Any], params: Any, known: list[str]) -> None:
    stage_at = {_place(entry): stage for stage, entry in tables.items()}
    given = dict(_flat(asked))
    for place in [*stage_at, *given]:
        if place not in given:
            raise ParameterError(f"{ASKED}: {place}: missing; add it, or `git checkout {ASKED}`")
        if place not in stage_at:
            raise ParameterError(f"{ASKED}: {place}: unknown key; there is {', '.join(stage_at)}")
        _check_names(place, given[place], tables[stage_at[place]], params)
    found = {f"{stage}@{name}" for place, stage in stage_at.items() for name in given[place]}
    maker_of = makers(tables, known)
    for table in sorted(found):
        for needed in _read_by(table, tables, maker_of):
            if needed not in found:
                stage, _, name = needed.partition("@")
                raise ParameterError(
                    f"{ASKED}: {table} reads what {needed} makes: add {name} at "
                    f"{_place(tables[stage])}, too"
                )


def _check_names(place: str, named: Any, entry: dict[str, Any], params: Any) -> None:
    # As DVC has it: ${key} is of a mapping, ${item} of a list.
    none: Any = {} if "${key}" in entry["do"]["cmd"] else []
    if not isinstance(named, type(none)):
        raise ParameterError(f"{ASKED}: {place}: {named!r} cannot be; for none, write {none}")
    among = _among(params, entry)
    for name in named:
        if name not in list(among):
            raise ParameterError(
                f"{ASKED}: {place}: {name!r} is none of the {place.partition('.')[0]} in "
                f"params.yaml ({', '.join(among)}); take it out of {ASKED}"
            )
        if isinstance(named, dict) and named[name] != among[name]:
            raise ParameterError(f"{ASKED}: {place}.{name}: write it as params.yaml has it")


def _flat(asked: Any) -> Iterator[tuple[str, Any]]:
    for section, stages in asked.items() if isinstance(asked, dict) else ():
        if isinstance(stages, dict) and stages:
            yield from ((f"{section}.{stage}", named) for stage, named in stages.items())
        else:
            yield str(section), stages


def _place(entry: dict[str, Any]) -> str:
    """Tell where asked.yaml lists a stage: below the section of params.yaml with the names."""
    foreach: str = entry["foreach"]
    return foreach.strip("${}")


def _among(params: Any, entry: dict[str, Any]) -> Any:
    """Give what a stage can be asked for: a section of params.yaml."""
    section = _place(entry).partition(".")[0]
    return (params.get(section) if isinstance(params, dict) else None) or {}
