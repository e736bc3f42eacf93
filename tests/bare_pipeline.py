"""A root with both dvc.yaml and params.yaml alone, for stages that need no more of this one."""

from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from miniature import lay_tables
from musecl.runtime.job import Job, run_job
from musecl.runtime.pipeline import TABLES, declaration

REPOSITORY = Path(__file__).parents[1]


def lay_pipeline(root: Path, **changes: Any) -> Path:
    """Write this repository's dvc.yaml, less the code, and its params.yaml with other sections."""
    lay_tables(root)
    for name in ("dvc.yaml", TABLES):
        document = yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))
        for entry in document["stages"].values():
            body = entry.get("do", entry)
            body["deps"] = [dep for dep in body["deps"] if not dep.startswith("workflow/")]
        (root / name).write_text(yaml.safe_dump(document), encoding="utf-8")
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    (root / "params.yaml").write_text(yaml.safe_dump(params | changes), encoding="utf-8")
    return root


def run(root: Path, stage: ModuleType, city: str | None = "nyc") -> None:
    """Run a stage as the command line does."""
    run_job(Job(declaration(root, stage.__name__.rpartition(".")[2], city), root), stage)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, partial ones included."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
