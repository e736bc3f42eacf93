"""dvc.lock as text: one stage's entry is read or replaced without reading those of all others.

DVC reads and rewrites the whole file for every stage that it records, about 20 s a job at 100
cities, and writes it in place, so that a kill leaves half of it. The text that results here is
DVC's own to the byte; what replaces the file is written beside it and renamed.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dvc import dvcfile
from dvc.schema import COMPILED_LOCK_FILE_STAGE_SCHEMA
from dvc.stage import serialize
from dvc.utils.serialize import dumps_yaml, loads_yaml
from ruamel.yaml.error import YAMLError
from voluptuous import Invalid

from musecl.runtime.errors import EngineError

HEADER = "schema: '2.0'\nstages:\n"


class Entries(Mapping[str, Any]):
    """The stages of dvc.lock by name, each parsed when it is asked for.

    Parameters
    ----------
    text : str
        The file's content. A kill may have cut it anywhere: an entry that is not whole is as
        good as absent, and the run cache answers for its stage.
    name : str
        The file's own, for errors.

    Raises
    ------
    EngineError
        It is not as DVC writes it: say, with the marks of a merge in it.
    """

    def __init__(self, text: str, name: str = "dvc.lock") -> None:
        lines = text[: text.rfind("\n") + 1]
        if HEADER.startswith(lines):
            lines = HEADER
        # Looked for by "\n" and not by "^", which takes five times as long.
        stages = "\n" + lines.removeprefix(HEADER)
        first, *blocks = re.split(r"\n  (?=\S)", stages.removesuffix("\n"))
        if not lines.startswith(HEADER) or first or re.search(r"\n[^ \n]", stages):
            raise EngineError(
                f"{name}: not as DVC writes it (the marks of a merge?); `git checkout {name}` "
                "gives the last one, and what was built since comes back from the cache"
            )
        whole = [f"{block}\n" for block in blocks]
        self._blocks = {block.partition(":\n")[0]: block for block in whole}

    def __getitem__(self, name: str) -> Any:
        try:
            return COMPILED_LOCK_FILE_STAGE_SCHEMA(loads_yaml(self._blocks[name])[name])
        except (YAMLError, Invalid) as error:
            raise KeyError(name) from error

    def __contains__(self, name: object) -> bool:
        return name in self._blocks

    def __iter__(self) -> Iterator[str]:
        return iter(self._blocks)

    def __len__(self) -> int:
        return len(self._blocks)

    def replace(self, name: str, entry: dict[str, Any]) -> None:
        """Put a stage's entry in the place of its earlier one, or at the end."""
        written = dumps_yaml({"stages": {name: entry}})
        self._blocks[name] = written.removeprefix("stages:\n  ")

    def text(self) -> str:
        """Write the whole file as DVC would."""
        return HEADER + "".join(f"  {block}" for block in self._blocks.values())


class LockfileByEntry(dvcfile.Lockfile):  # type: ignore[misc]
    """DVC's view of dvc.lock in the processes of musecl."""

    def load(self, **_: Any) -> dict[str, Any]:
        """Read the file; the caller holds the repository's lock."""
        path = Path(self.path)
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return {"schema": "2.0", "stages": Entries(text, self.relpath)}

    def dump_stages(self, stages: Iterable[Any], **options: Any) -> None:
        """Record stages; the caller holds the repository's lock."""
        entries = self.load()["stages"]
        for stage in stages:
            for name, entry in serialize.to_lockfile(stage, **options).items():
                entries.replace(name, entry)
        partial = Path(self.repo.tmp_dir) / "dvc.lock.partial"
        partial.write_text(entries.text(), encoding="utf-8")
        partial.replace(self.path)
        self.repo.scm_context.track_file(self.relpath)


dvcfile.Lockfile = LockfileByEntry
