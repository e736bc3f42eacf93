"""What a running stage may read, write and be set by: exactly what dvc.yaml declares for it.

A parameter or a file that is missing in dvc.yaml cannot be used, so it cannot be forgotten there.
Outputs are written beside their place and renamed into it together, when the stage has succeeded.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from musecl.runtime.errors import DeclarationError, InputError, ParameterError
from musecl.runtime.leftovers import without_leftovers
from musecl.runtime.pipeline import Declaration
from musecl.runtime.plain_yaml import read_yaml
from musecl.runtime.section import Section, explain

SectionType = TypeVar("SectionType", bound=Section)


class Job:
    """One run of one stage.

    Parameters
    ----------
    declared : Declaration
        The stage's entry in dvc.yaml.
    root : Path
        The folder that holds dvc.yaml and params.yaml.
    """

    def __init__(self, declared: Declaration, root: Path) -> None:
        self.declared = declared
        self.root = root
        self._values = self._declared_values()
        # Here and not when the stage starts: its libraries take seconds to import, in which
        # somebody may edit.
        self._at_start = self._fingerprint(self._values)
        self._partial: dict[str, Path] = {}

    @property
    def city(self) -> str:
        """Name of the city that this job works on.

        Raises
        ------
        DeclarationError
            The stage runs once for all cities.
        """
        if self.declared.city is None:
            raise DeclarationError(f"{self.declared.name} runs without a city")
        return self.declared.city

    def input(self, name: str) -> Path:
        """Path of a declared input, found by the end of its path (`regions.parquet`).

        Raises
        ------
        DeclarationError
            dvc.yaml declares no such input for this stage, or more than one.
        InputError
            The file is absent.
        """
        path = self.root / self._find(name, self.declared.inputs, "input")
        if not path.exists():
            raise InputError(
                f"{path.relative_to(self.root)}: absent; run `dvc repro` or `dvc pull`"
            )
        return path

    def output(self, name: str) -> Path:
        """Path beside a declared output, to write to; `publish` renames it into place.

        Raises
        ------
        DeclarationError
            dvc.yaml declares no such output for this stage, or more than one.
        """
        declared = self._find(name, self.declared.outputs, "output")
        place = self.root / declared
        place.parent.mkdir(parents=True, exist_ok=True)
        # The ending stays, since writers choose a format by it.
        partial = place.with_name(f".partial-{os.getpid()}-{place.name}")
        self._partial[declared] = partial
        return partial

    def settings(self, key: str, section: type[SectionType]) -> SectionType:
        """Read a declared section of params.yaml.

        Parameters
        ----------
        key : str
            Dotted key, as dvc.yaml lists it under `params`; `{city}` stands for the city.
        section : type
            The model that checks it.

        Raises
        ------
        DeclarationError
            dvc.yaml does not declare the key for this stage.
        ParameterError
            The section is not what the model asks for.
        """
        try:
            return section.model_validate(self.value(key))
        except ValidationError as error:
            raise ParameterError(f"params.yaml: {explain(error, section, key)}") from error

    def value(self, key: str) -> Any:
        """Read a single declared value of params.yaml; `{city}` in the key stands for the city.

        Raises
        ------
        DeclarationError
            dvc.yaml does not declare the key for this stage.
        """
        key = key.replace("{city}", self.declared.city or "")
        if key not in self._values:
            raise DeclarationError(
                f"{self.declared.name} reads parameter {key!r}, which dvc.yaml does not declare "
                f"for it; it declares {', '.join(self._values) or 'none'}"
            )
        return self._values[key]

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Lend a folder that outlives a killed run and is removed when the block succeeds.

        Its name holds a fingerprint of the code, the parameters and the data that the job reads:
        a checkpoint of other settings is never found. It lies outside `data/` and `results/`, for
        it is nobody's result.
        """
        home = self.root / ".musecl" / "scratch" / self.declared.name
        folder = home / _digest(self._at_start)
        for other in home.glob("*"):
            if other != folder:
                shutil.rmtree(other)
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        shutil.rmtree(home)

    def changed(self) -> list[str]:
        """List the parameters and inputs that are not as they were when the job was made."""
        now = self._fingerprint(self._declared_values())
        return [key for key in self._at_start | now if self._at_start.get(key) != now.get(key)]

    def _fingerprint(self, values: dict[str, Any]) -> dict[str, Any]:
        """Collect what decides the outputs: parameters and code by content, data by size, time."""
        state: dict[str, Any] = {"command": self.declared.command, **values}
        for declared in self.declared.inputs:
            path = self.root / declared
            files = [p for p in self._found(path) if p.is_file()]
            state[declared] = [
                (str(file.relative_to(self.root)), self._mark(file)) for file in sorted(files)
            ]
        return state

    def _found(self, path: Path) -> Iterator[Path]:
        """Find a file, or what a folder holds: as DVC does, without what others leave there."""
        yield path
        for found in without_leftovers(path.rglob("*"), path):
            if found.is_symlink() and not found.exists():
                raise InputError(
                    f"{found.relative_to(self.root)}: a link to {found.readlink()}, where nothing "
                    "is; mount what it points to, or remove it"
                )
            yield found

    @staticmethod
    def _mark(file: Path) -> Any:
        """Tell the state of a file: code by its content, data by its size and time."""
        if file.suffix in {".py", ".txt"}:
            return hashlib.sha256(file.read_bytes()).hexdigest()[:16]
        return file.stat().st_size, file.stat().st_mtime_ns

    def publish(self) -> None:
        """Rename every output into place.

        Raises
        ------
        DeclarationError
            A declared output was not written.
        """
        for declared in self.declared.outputs:
            if declared not in self._partial or not self._partial[declared].exists():
                raise DeclarationError(
                    f"{self.declared.name} did not write {declared}, which dvc.yaml declares"
                )
        for declared, partial in self._partial.items():
            place = self.root / declared
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            elif partial.is_dir():
                place.unlink(missing_ok=True)
            partial.replace(place)

    def discard(self) -> None:
        """Remove what was written beside the outputs, by this run or by one that was killed."""
        for declared in self.declared.outputs:
            place = self.root / declared
            for partial in place.parent.glob(f".partial-*-{place.name}"):
                if partial.is_dir():
                    shutil.rmtree(partial)
                else:
                    partial.unlink()

    def _find(self, name: str, declared: tuple[str, ...], kind: str) -> str:
        found = [path for path in declared if f"/{path}".endswith(f"/{name}")]
        if len(found) != 1:
            raise DeclarationError(
                f"{self.declared.name} asks for the {kind} {name!r}; dvc.yaml declares "
                f"{', '.join(found or declared)}"
            )
        return found[0]

    def _declared_values(self) -> dict[str, Any]:
        params = read_yaml(self.root / "params.yaml")
        values: dict[str, Any] = {}
        for key in self.declared.parameters:
            value = params
            for part in key.split("."):
                if not isinstance(value, dict) or part not in value:
                    raise ParameterError(f"params.yaml: {key}: missing; add it")
                value = value[part]
            values[key] = value
        return values


def _digest(state: Any) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:16]


def run_job(job: Job, stage: Any) -> None:
    """Run a stage's `run(job)` and publish its outputs, or leave every earlier file as it was.

    Raises
    ------
    InputError
        A parameter, an input or the code changed since the job was made: what it wrote belongs to
        neither state, so nothing is published.
    """
    job.discard()
    try:
        stage.run(job)
        if changed := job.changed():
            raise InputError(
                f"{job.declared.name}: {', '.join(changed)} changed while it ran; nothing was "
                "recorded, run the same command again"
            )
        job.publish()
    finally:
        job.discard()
