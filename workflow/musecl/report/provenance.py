"""Where the results come from: sources and licences, weights, changed settings, time."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml

from musecl.report.data import title_of
from musecl.runtime.errors import InputError
from musecl.runtime.job import Job
from musecl.timing import read_timings

LAYERS = (
    *("boundary", "roads", "pois", "mobility", "satellite", "street_view"),
    "indicators",
)
ROLES = ("satellite", "street_view", "text")
SHIPPED = Path(__file__).with_name("shipped.yaml")


class Source(NamedTuple):
    """Who provided a layer; all but `layer` are empty where the city lacks it."""

    layer: str
    provider: str
    licence: str
    attribution: str
    files: list[str]


class Weights(NamedTuple):
    """Pretrained weights: what for, their name in params.yaml, licence, largest file."""

    role: str
    name: str
    licence: str
    file: str
    megabytes: float
    sha256: str


class Change(NamedTuple):
    """A parameter that is not as shipped; None where one of the two has no such parameter."""

    key: str
    shipped: str | None
    here: str | None


def read_sources(job: Job) -> list[Source]:
    """Read `provenance.json` of every layer; a layer of several providers has several.

    Raises
    ------
    InputError
        A file is damaged.
    """
    found = []
    for layer in LAYERS:
        for path in sorted(job.input(f"raw/{layer}").rglob("provenance.json")):
            try:
                said = json.loads(path.read_text(encoding="utf-8"))
                files = [str(file["file"]) for file in said.get("files", ())]
                provider, licence = said["provider"] or "", said.get("licence", "")
            except (OSError, ValueError, LookupError, TypeError) as error:
                raise InputError(f"{path}: not readable ({error}); build it again") from error
            attribution = said.get("attribution", "")
            found.append(Source(title_of(layer), provider, licence, attribution, files))
    return found


def read_weights(job: Job) -> list[Weights]:
    """Name the weights of every encoder, with the licence that their own README states."""
    found = []
    for role in ROLES:
        folder = job.input(f"models/{role}")
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        largest = max(files, key=lambda path: path.stat().st_size)
        with largest.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        name = str(job.value("encoders")[role]["weights"])
        megabytes = largest.stat().st_size / 1e6
        licence = _licence_in(folder / "README.md")
        found.append(Weights(title_of(role), name, licence, largest.name, megabytes, digest))
    return found


def _licence_in(readme: Path) -> str:
    """Read `license` out of the front matter of a model's README; "" where there is none."""
    if not readme.exists():
        return ""
    _, _, rest = readme.read_text(encoding="utf-8", errors="replace").partition("---\n")
    lines = rest.partition("\n---")[0].splitlines()
    stated = [line.partition(":")[2].strip() for line in lines if line.startswith("license:")]
    return stated[0] if stated else ""


def changed_parameters(job: Job) -> list[Change]:
    """Compare the parameters that this job declares with the shipped ones.

    Of a city that is not shipped, every parameter was added.
    """
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    changes = []
    for key in job.declared.parameters:
        here = dict(_flat(key, job.value(key)))
        before = dict(_flat(key, _at(shipped, key)))
        changes += [
            Change(name, before.get(name), here.get(name))
            for name in {**before, **here}
            if before.get(name) != here.get(name)
        ]
    return changes


def _at(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return {} if values is None else values


def _flat(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _flat(f"{key}.{name}", part)
    else:
        yield key, json.dumps(value, ensure_ascii=False)


def stage_times(logs: Path, city: str) -> pd.DataFrame:
    """Read seconds and peak memory of a city's stages, and of those for all cities.

    Snakemake measures them; DVC does not. They are of the run that built the stage on this machine.
    """
    times = read_timings(logs)
    stage = times["rule"].astype(str).str.removesuffix(f"@{city}")
    return times.assign(stage=stage)[~stage.str.contains("@").astype(bool)]
