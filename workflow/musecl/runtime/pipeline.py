"""dvc.yaml as musecl sees it: which stages there are, and what each reads, writes and is set by.

The long tables are a pipeline of their own, tables/dvc.yaml: plain `dvc repro` does not build them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musecl.runtime.errors import DeclarationError, ParameterError, instead_of
from musecl.runtime.plain_yaml import read_yaml

# Between the two cities in the name of a transfer: `nyc-to-synth`.
BETWEEN = "-to-"
TABLES = "tables/dvc.yaml"


@dataclass(frozen=True)
class Declaration:
    """One stage of dvc.yaml, for one city where it runs per city.

    Attributes
    ----------
    stage, city : str
        As in `regions@nyc`; `city` is None for a stage that runs once for all cities.
    command : str
        What DVC runs.
    inputs, outputs : tuple of str
        Paths relative to the root of the pipeline; code is among the inputs.
    parameters : tuple of str
        Keys of params.yaml, dotted.
    """

    stage: str
    city: str | None
    command: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: tuple[str, ...]

    @property
    def name(self) -> str:
        """`stage@city`, as DVC addresses it."""
        return self.stage if self.city is None else f"{self.stage}@{self.city}"


def read_stages(root: Path) -> dict[str, Any]:
    """Read the stages of both pipelines as they are written, templates unresolved.

    Raises
    ------
    DeclarationError
        A file holds none.
    """
    return _stages_of(root, "dvc.yaml") | read_tables(root)


def read_tables(root: Path) -> dict[str, Any]:
    """Read the stages of the long tables alone, where there are any; see `read_stages`."""
    return _stages_of(root, TABLES) if (root / TABLES).exists() else {}


def _stages_of(root: Path, file: str) -> dict[str, Any]:
    document = read_yaml(root / file)
    if not isinstance(document, dict) or not isinstance(document.get("stages"), dict):
        raise DeclarationError(f"{file}: no stages; `git checkout {file}` gives the last one")
    stages: dict[str, Any] = document["stages"]
    return stages


def declaration(root: Path, stage: str, city: str | None = None) -> Declaration:
    """Look up what dvc.yaml in `root` declares for a stage; see `declared_in`."""
    return declared_in(read_stages(root), stage, city)


def asked_for(root: Path, stage: str, city: str | None) -> Declaration:
    """Look up a stage that somebody asks for by name, once the names in params.yaml are checked.

    Raises
    ------
    DeclarationError
        As `declared_in`.
    ParameterError
        As `check_target` and `check_sections`.
    """
    stages = read_stages(root)
    found = declared_in(stages, stage, city)
    params = read_yaml(root / "params.yaml")
    check_target(params, stages, stage, city)
    check_sections(params, stages)
    return found


def declared_in(stages: dict[str, Any], stage: str, city: str | None) -> Declaration:
    """Look up what a stage of dvc.yaml declares.

    Parameters
    ----------
    stages : dict
        The stages as they are written; see `read_stages`.
    stage : str
        Name of the stage, without the city.
    city : str or None
        The city, for a stage that runs per city.

    Raises
    ------
    DeclarationError
        There is no such stage, or it needs a city, or it takes none.
    """
    if stage not in stages:
        raise DeclarationError(f"dvc.yaml has no stage {stage!r}; it has {', '.join(stages)}")
    entry = stages[stage]
    per_city = "foreach" in entry
    if per_city != (city is not None):
        raise DeclarationError(f"{stage}: {'name a city' if per_city else 'runs without a city'}")
    body = entry["do"] if per_city else entry
    return Declaration(
        stage=stage,
        city=city,
        command=_resolve(body["cmd"], city),
        inputs=tuple(_resolve(dep, city) for dep in body.get("deps", ())),
        outputs=tuple(_resolve(out, city) for out in _outputs(body)),
        parameters=tuple(_resolve(key, city) for key in body.get("params", ())),
    )


def _outputs(body: dict[str, Any]) -> list[str]:
    """Name what a stage writes, templates unresolved; an output with options is a mapping."""
    written = [out for kind in ("outs", "metrics", "plots") for out in body.get(kind, ())]
    return [out if isinstance(out, str) else next(iter(out)) for out in written]


def _resolve(text: str, city: str | None) -> str:
    # ${item} is what DVC calls an entry of a list, ${key} one of a mapping; a transfer's entry
    # names its two cities, which its key does too.
    source, _, target = (city or "").partition(BETWEEN)
    values = {"key": city, "item": city, "item.train": source, "item.predict": target}
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value or "")
    return text


def check_target(params: Any, stages: dict[str, Any], stage: str, city: str | None) -> None:
    """Refuse a stage for a city, an upper bound or a transfer that params.yaml does not name.

    Parameters
    ----------
    params
        params.yaml as it was read.
    stages, stage, city
        As in `declared_in`, which refuses what is wrong about the stage itself.

    Raises
    ------
    ParameterError
        Says what there is, and how to add what is not.
    """
    section = section_of(stages.get(stage, {}))
    if section is None or city is None:
        return
    named = list((params.get(section) if isinstance(params, dict) else None) or ())
    if city in named:
        return
    said = f"params.yaml: {section} has no {city!r}; {instead_of(city, named)}"
    source, between, target = city.partition(BETWEEN)
    if section == "transfers" and between and source != target:
        said += f". To add it: `{city}: {{train: {source}, predict: {target}}}`"
    raise ParameterError(said)


def check_sections(params: Any, stages: dict[str, Any]) -> None:
    """Refuse a section of params.yaml that no stage reads: DVC would pass over a misspelt one.

    Raises
    ------
    ParameterError
        Names it, and the nearest that there is.
    """
    bodies = [entry.get("do", entry) for entry in stages.values()]
    read = [key.partition(".")[0] for body in bodies for key in body.get("params", ())]
    named = [section_of(entry) for entry in stages.values()]
    known = list(dict.fromkeys(section for section in [*read, *named] if section))
    for section in params if isinstance(params, dict) else ():
        if section not in known:
            raise ParameterError(
                f"params.yaml: {section}: unknown key; {instead_of(section, known)}"
            )


def section_of(entry: dict[str, Any]) -> str | None:
    """Name the section of params.yaml that lists what a stage runs for; None where it runs once."""
    foreach: str = entry.get("foreach", "")
    return foreach.strip("${}").partition(".")[0] or None


def makers(stages: dict[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Name the stage that makes each output.

    Parameters
    ----------
    stages : dict
        The stages as they are written; see `read_stages`.
    names : iterable of str
        Every stage as DVC addresses it: `fuse@nyc`.

    Returns
    -------
    dict of str to str
        From paths to names.

    Raises
    ------
    DeclarationError
        A stage is not among those that were read: dvc.yaml was edited since.
    """
    written = {stage: _outputs(entry.get("do", entry)) for stage, entry in stages.items()}
    made = {}
    for name in names:
        stage, _, city = name.partition("@")
        if stage not in written:
            raise DeclarationError(f"dvc.yaml: {stage!r} came while it was read; run it again")
        made.update({_resolve(out, city or None): name for out in written[stage]})
    return made
