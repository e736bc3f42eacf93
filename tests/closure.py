"""The code of a stage, read off its imports; `python tests/closure.py` declares it.

It writes the code of every stage into dvc.yaml and tables/dvc.yaml.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = ROOT / "workflow"
PACKAGE = WORKFLOW / "musecl"
PROVIDERS = "musecl.sources.providers"


def module_file(name: str) -> Path | None:
    """File of a module of the package, None for a name that is none."""
    base = WORKFLOW.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.exists():
            return path
    return None


def imported_modules(path: Path) -> set[str]:
    """Names of the package's modules that a file imports, wherever in the file it does so."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "musecl" and module_file(name)}


def holds_code(path: Path) -> bool:
    """Whether a file holds more than a docstring."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return any(not isinstance(getattr(node, "value", None), ast.Constant) for node in body)


def code_of(stage: str) -> list[str]:
    """Files that decide what a stage does: its module and what that imports within the package."""
    seen: set[str] = set()
    waiting = [f"musecl.stages.{stage}"]
    while waiting:
        name = waiting.pop()
        path = module_file(name)
        # The package itself names what notebooks use, and imports it when asked: no stage's affair.
        if name in seen or path is None or name == "musecl":
            continue
        seen.add(name)
        waiting += imported_modules(path)
        if name == PROVIDERS:
            # The table names modules that it imports when they are asked for.
            folder = path.parent
            waiting += [
                ".".join(("musecl", *file.relative_to(PACKAGE).with_suffix("").parts))
                for file in folder.rglob("*.py")
            ]
        if "." in name:
            waiting.append(name.rpartition(".")[0])
    files = {module_file(name) for name in seen}
    return sorted({declared(path) for path in files if path and holds_code(path)})


def declared(path: Path) -> str:
    """What dvc.yaml names for a file: the part of the package that it is in, one record each.

    A stage's own module stands for itself.
    """
    part = PACKAGE / path.relative_to(PACKAGE).parts[0]
    return str((path if part.name == "stages" else part).relative_to(ROOT))


def declare(file: Path) -> None:
    """Replace the code of every stage in a dvc.yaml by what its imports say."""
    lines = file.read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if not re.fullmatch(r" +- workflow/musecl/\S+", line)]
    written = []
    stage = ""
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        named = re.fullmatch(r"  (\w+):", line)
        stage = named[1] if named else stage
        written.append(line)
        indent = len(line) - len(line.lstrip())
        in_deps = line.strip() == "deps:" or written_in_deps(written)
        if in_deps and not after.strip().startswith("- "):
            step = indent + 2 if line.strip() == "deps:" else indent
            written += [f"{' ' * step}- {path}" for path in code_of(stage)]
    file.write_text("\n".join(written) + "\n", encoding="utf-8")


def written_in_deps(written: list[str]) -> bool:
    """Whether the last line written is an item of a stage's `deps`."""
    for line in reversed(written):
        if not line.strip().startswith("- "):
            return line.strip() == "deps:"
    return False


if __name__ == "__main__":
    for name in ("dvc.yaml", "tables/dvc.yaml"):
        declare(ROOT / name)
