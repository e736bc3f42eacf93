"""dvc.yaml as musecl sees it: which stages there are, and what each reads, writes and is set by.

The long tables are a pipeline of their own, tables/dvc.yaml: plain `dvc repro` does not build them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from musecl.step.errors import DeclarationError, ParameterError

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


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises
    ------
    ParameterError
        The file is absent or is no YAML; one line says where.
    """
    try:
        # libyaml's: every process reads dvc.yaml, and in Python that takes eight times as long.
        return yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    except FileNotFoundError as error:
        raise ParameterError(f"{path}: no such file; run from the folder that holds it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path}: not readable ({error})") from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where else ""
        raise ParameterError(f"{path}: not readable as YAML{line}") from error


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
