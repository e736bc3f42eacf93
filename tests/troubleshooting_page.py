"""docs/troubleshooting.md, its list read off the code; `python tests/troubleshooting_page.py`."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "workflow" / "musecl"
PAGE = ROOT / "docs" / "troubleshooting.md"
KINDS = {"InputError", "ParameterError", "DeclarationError", "EngineError"}
START = "## Every message\n"
# A message that says itself what to do.
ADVICE = re.compile(r"\b(add|build|choose|give|leave|name|run|set|take|use|write)\b")
# By part of the package: what its messages are about, and what to do where one does not say.
PARTS = {
    "engines": (
        "Snakemake and DVC",
        "run it again; docs/engines.md has what is known",
    ),
    "cities": ("`musecl city`", "mend the file, or name another one"),
    "config": ("params.yaml", "docs/params.md lists every key"),
    "encoding": ("Models of images", "name another model under `encoders` in params.yaml"),
    "evaluation": ("Scores and predictions", "look at the settings and files that it names"),
    "fusion": ("The fusion", "look at the settings and files that it names"),
    "geography": ("Regions", "mend the city's boundary, or choose another grid"),
    "imagery": ("Images", "look at the settings and files that it names"),
    "indicators": ("Indicators", "mend the file that it names, or its settings"),
    "training": ("Training", "look at the settings and files that it names"),
    "pair_mining": ("Pairs", "look at the settings and files that it names"),
    "presets": ("Presets", "docs/params.md lists every key"),
    "sources": ("The user's files, and what is fetched", "mend the file, or name another one"),
    "stages": ("Stages", "look at the settings and files that it names"),
    "runtime": (
        "What a stage reads and writes",
        "look at the settings and files that it names",
    ),
    "text": ("Models of texts", "name another model as `encoders.text.weights` in params.yaml"),
}


def page() -> str:
    """Write the page: what stands there by hand, and every message below it."""
    written = PAGE.read_text(encoding="utf-8").partition(START)[0]
    parts = [written + START]
    for part in sorted({part_of(path) for path in modules() if any(messages(path))}):
        about, otherwise = PARTS.get(part, (f"`{part}`", "docs/params.md lists every key"))
        parts += [f"### {about}", "", "| where | message | what to do |", "|---|---|---|"]
        for path in modules():
            if part_of(path) == part:
                where = str(path.relative_to(PACKAGE).with_suffix(""))
                for message in sorted(set(messages(path))):
                    said, _, to_do = message.partition("; ")
                    to_do = to_do or ("as it says" if ADVICE.search(said) else otherwise)
                    row = " | ".join(
                        (f"`{where}`", *(cell.replace("|", r"\|") for cell in (said, to_do)))
                    )
                    parts.append(f"| {row} |")
        parts.append("")
    return "\n".join(parts)


def modules() -> list[Path]:
    """List the package's modules."""
    return sorted(path for path in PACKAGE.rglob("*.py") if path.name[0] != ".")


def part_of(path: Path) -> str:
    """Name the part of the package that a module is in."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def messages(path: Path) -> Iterator[str]:
    """Yield what the errors of a module say, in words, what is filled in as NAMES.

    A message that is put together elsewhere, or passed on, is none of the module's own.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    known = {
        node.targets[0].id: str(node.value.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) in KINDS and node.args:
            said = words(node.args[0], known).strip()
            if any(letter.islower() for letter in said):
                yield said


def words(node: ast.expr, known: Mapping[str, str]) -> str:
    """Write an expression as a reader sees it: words and constants; what varies, in capitals."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(words(part, known) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return words(node.value, known)
    if isinstance(node, ast.BinOp):
        return words(node.left, known) + words(node.right, known)
    if isinstance(node, ast.IfExp):
        return f"{words(node.body, known)} or {words(node.orelse, known)}"
    if isinstance(node, ast.Name) and node.id in known:
        return known[node.id]
    names = [part for part in ast.walk(node) if isinstance(part, ast.Name | ast.Attribute)]
    first = names[0] if names else None
    name = getattr(first, "attr", None) or getattr(first, "id", None) or "..."
    return name.strip("_").upper().replace("_", " ")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
