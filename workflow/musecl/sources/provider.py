"""What a provider of a layer is: settings, a function that fetches, and one that reads.

`fetch` alone reaches out, to a network or to the user's files below `inputs/`; it writes the bytes
as they are provided, and `provenance.json` beside them. `read` turns that folder into what the
layer's stage takes, whoever provided it; the tables it may give are in `contract`.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import shapely
from shapely.geometry.base import BaseGeometry

from musecl.runtime.errors import InputError
from musecl.runtime.leftovers import without_leftovers
from musecl.runtime.section import Section
from musecl.sources.addresses import without_secrets

PROVENANCE = "provenance.json"
Imagery = Literal["rendered", "photographic"]


@dataclass
class Request:
    """What a fetch is asked for.

    Attributes
    ----------
    settings : Section
        Of the provider.
    inputs : Path
        Folder of the user's own files of this layer, `inputs/{city}/{layer}`; it may be absent.
    regions : GeoDataFrame or None
        The region table (EPSG:4326), or the land where roads are asked for; None where the boundary
        itself is.
    folder : Path
        Existing; what is provided goes there, and what lies there already is not fetched again.
    held : Path or None
        Folder that outlives a fetch that fails, for downloads that can go on; `folder` if None.
    records : list of dict
        What is known of each file that was written; see `record`.
    """

    settings: Any
    inputs: Path
    regions: gpd.GeoDataFrame | None
    folder: Path
    held: Path | None = None
    records: list[dict[str, Any]] = field(default_factory=list)

    @cached_property
    def area(self) -> BaseGeometry | None:
        """Outline of all regions (EPSG:4326), which `extent` may have cut down to a part of a city.

        None where the boundary itself is asked for.
        """
        return None if self.regions is None else shapely.union_all(self.regions.geometry.to_numpy())

    def find(self, pattern: str) -> list[Path]:
        """Find the user's files that a name or pattern stands for, sorted.

        Raises
        ------
        InputError
            There is no such file, or it lies outside the folder of inputs.
        """
        inside = pattern and ".." not in Path(pattern).parts and not Path(pattern).is_absolute()
        named = without_leftovers(self.inputs.glob(pattern), self.inputs) if inside else []
        found = sorted(path for path in named if path.is_file())
        if not found:
            raise InputError(
                f"{self.inputs / pattern}: no such file; put it there, or name another one in "
                "params.yaml"
            )
        return found

    def take(self, pattern: str) -> list[Path]:
        """Copy the user's files that a name or pattern stands for, and record them.

        What belongs to a file by its stem (the parts of a shapefile, a world file) comes along.

        Returns
        -------
        list of Path
            The copies of the files named, sorted.

        Raises
        ------
        InputError
            There is no such file, or it lies outside the folder of inputs.
        """
        found = self.find(pattern)
        beside = {folder: _by_stem(folder) for folder in {path.parent for path in found}}
        copies = []
        for path in found:
            for part in sorted({path, *beside[path.parent].get(path.stem, [])}):
                copy = self.folder / part.relative_to(self.inputs)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(part, copy)
                self.record(copy, source=part.name)
            copies.append(self.folder / path.relative_to(self.inputs))
        return copies

    def record(self, path: Path, **about: Any) -> None:
        """Add a file of the folder to what `provenance.json` will say: hash, bytes, more."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        name = str(path.relative_to(self.folder))
        record = {"file": name, "sha256": digest, "bytes": path.stat().st_size, **about}
        if record not in self.records:
            self.records.append(record)


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    """List the files of a folder by all that may be their stem: `a.b.tif` belongs to a and a.b."""
    found: dict[str, list[Path]] = {}
    for path in without_leftovers(folder.iterdir(), folder):
        if path.is_file():
            parts = path.name.split(".")
            for number in range(1, len(parts)):
                found.setdefault(".".join(parts[:number]), []).append(path)
    return found


@dataclass(frozen=True)
class Provider:
    """One way to get a layer.

    Attributes
    ----------
    name, layer : str
        As in params.yaml: `cities.{city}.{layer}.provider`.
    settings : type of Section
        Its settings; their field `provider` is the name.
    fetch : callable
        From a Request; fills its folder.
    read : callable
        From the folder and the settings to a table of `contract`.
    says : str
        What it is, in a line, for docs/sources.md.
    licence, attribution : str
        Of what it provides; "the user's own" for files.
    imagery : str, optional
        What its images are, where it provides some.
    """

    name: str
    layer: str
    settings: type[Section]
    fetch: Callable[[Request], None]
    read: Callable[[Path, Any], Any]
    says: str
    licence: str = "the user's own"
    attribution: str = "the user's own"
    imagery: Imagery | None = None


def write_provenance(folder: Path, provider: Provider, requests: Sequence[Request]) -> None:
    """Write `provenance.json`: who provided what, its licence, whom to name, what images are.

    Parameters
    ----------
    folder : Path
        That the requests filled.
    provider : Provider
        That filled it.
    requests : sequence of Request
        One, or one per indicator.
    """
    records = {json.dumps(record, sort_keys=True): record for r in requests for record in r.records}
    content = {
        "provider": provider.name,
        "settings": [_shown(request.settings.model_dump(mode="json")) for request in requests],
        "licence": provider.licence,
        "attribution": provider.attribution,
        "files": [records[key] for key in sorted(records)],
        **({"imagery": provider.imagery} if provider.imagery else {}),
    }
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / PROVENANCE).write_text(text + "\n", encoding="utf-8")


def _shown(value: Any) -> Any:
    """Leave out of settings what URLs in them may hold of secrets."""
    if isinstance(value, dict):
        return {key: _shown(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shown(one) for one in value]
    return without_secrets(value) if isinstance(value, str) and "://" in value else value
