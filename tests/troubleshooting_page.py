"""docs/troubleshooting.md, its list read off the code; `python tests/troubleshooting_page.py`."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "workflow" / "musecl"
PAGE = ROOT / "docs" / "troubleshooting.md"
START = "## Every message\n"
# A message that says itself what to do.
ADVICE = re.compile(
    r"\b(add|build|check|choose|exchange|give|install|leave|mend|name|put|rename|run|set|take|try"
    r"|unpack|use|write)\b"
)
# By kind of message: what it means. An error of another kind has the meaning of its base.
MEANS = {
    "ParameterError": "a setting is wrong",
    "ValueError": "the setting or the file named before it is wrong",
    "InputError": "an input is missing or wrong",
    "DeclarationError": "code and dvc.yaml differ",
    "EngineError": "the run cannot go on; what was built stays",
    "DvcException": "DVC cannot go on",
    "CheckoutError": "DVC cannot go on",
    "ObjectFormatError": "a file of the cache or a remote is not what was recorded",
    "ConnectionError": "a remote cannot be asked",
    "MarkedYAMLError": "the file cannot be read as YAML",
    "DecompressionBombError": "a photograph is too large to be one",
    "AgainError": "a server was asked in vain",
    "Exception": "a server was asked in vain",
    "AttributeError": "the package has no such name",
    "ImportError": "a package is not installed",
    "SystemExit": "it cannot begin",
    "note": "no error: the run goes on",
    "musecl": "a command ended, or it waits",
    "problem": "wrong: the layer would not be built",
    "doubt": "doubt: it would run, and may be of little use",
    "finding fail": "fail: something would not run",
    "finding note": "note: it runs, but know this",
    "reason": "why, within another message",
}
LATER = "try again later"
# What to do by kind, where neither a message nor its part of the package knows better.
BY_KIND = {"AgainError": LATER, "Exception": LATER, "note": "nothing"}
SETTINGS = "look at the settings and files that it names"
KEYS = "docs/params.md lists every key"
# The parts whose ValueErrors are about a key of params.yaml.
OF_SETTINGS = {"config", "fusion", "runtime", "sources"}
# By part of the package: what its messages are about, and what to do where one does not say.
PARTS = {
    "__init__": ("`import musecl`", "docs/api.md lists what there is"),
    "__main__": ("The start of a command", "`source .venv/bin/activate`"),
    "analysis": ("Results in Python", "docs/api.md says what each function takes"),
    "cities": ("`musecl city`", "mend the file, or name another one"),
    "cli": ("The command line", "run the same command again"),
    "commands": ("`musecl embed`", "install what it names"),
    "completion": ("`musecl completion`", "name the other shell"),
    "config": ("Cities and transfers in params.yaml", KEYS),
    "doctor": ("`musecl doctor`", "nothing, as long as a run goes well"),
    "encoding": ("Models of images", "name another model under `encoders` in params.yaml"),
    "engines": ("Snakemake and DVC", "run it again; docs/engines.md has what is known"),
    "evaluation": ("Scores and predictions", SETTINGS),
    "fusion": ("The fusion", SETTINGS),
    "geography": ("Regions", "mend the city's boundary, or choose another grid"),
    "imagery": ("Images", SETTINGS),
    "indicators": ("Indicators", "mend the file that it names, or its settings"),
    "model": ("A trained model, and what it is given", "mend the file that it names"),
    "pair_mining": ("Pairs", SETTINGS),
    "presets": ("Presets", "mend the preset; docs/params.md lists every key"),
    "region_texts": ("Texts of regions", "run the stage `pois` again"),
    "report": ("The report", "build again the file that it names"),
    "runtime": ("What a stage reads and writes", SETTINGS),
    "sources": ("The user's files, and what is fetched", "mend the file, or name another one"),
    "stages": ("Stages", SETTINGS),
    "text": ("Models of texts", "name another model as `encoders.text.weights` in params.yaml"),
    "tools": ("`make environment`", "run `make environment` again"),
    "training": ("Training", SETTINGS),
}
# Calls that show what they are given, and what others are shown as.
SHOWING = {"first_line", "int", "list", "map", "max", "min", "one_line", "repr", "round", "sorted"}
SHOWING |= {"set", "str", "type", "without_secrets"}
COUNTING = {"len", "nunique", "sum"}
SHOWN = {"instead_of": "did you mean NEAREST?", "strerror": "REASON"}
PLACES = {"iloc", "loc"}


class Message(NamedTuple):
    """What kind a message is of, a key of MEANS, and what it says, what is filled in as NAMES."""

    kind: str
    text: str


class Scope(NamedTuple):
    """What names stand for: constants of the module, and texts that a function builds."""

    known: Mapping[str, Any]
    built: Mapping[str, list[ast.expr]]


def page() -> str:
    """Write the page: what stands there by hand, and every message below it."""
    written = PAGE.read_text(encoding="utf-8").partition(START)[0]
    parts = [
        f"{written}{START}",
        "What is filled in stands in CAPITALS. What a message says after a semicolon stands in the "
        "last column.",
        "",
    ]
    for part in sorted({part_of(path) for path in modules() if any(messages(path))}):
        about, otherwise = PARTS[part]
        parts += [f"### {about}", "", "| where | message | what it means | what to do |"]
        parts.append("|---|---|---|---|")
        for path in modules():
            if part_of(path) == part:
                where = f"`{name_of(path)}`"
                for kind, text in sorted(set(messages(path)), key=lambda one: one[::-1]):
                    said, _, to_do = text.partition("; ")
                    if not re.search("[a-z]", to_do):
                        instead = BY_KIND.get(kind, otherwise)
                        if kind == "ValueError" and part in OF_SETTINGS:
                            instead = KEYS
                        to_do = "as it says" if ADVICE.search(said) else instead
                    cells = [where, said, MEANS[kind], to_do]
                    row = " | ".join(cell.replace("|", r"\|") for cell in cells)
                    parts.append(f"| {row} |")
        parts.append("")
    return "\n".join(parts)


def modules() -> list[Path]:
    """List the package's modules, and the tools that a user runs."""
    found = [*PACKAGE.rglob("*.py"), *(ROOT / "tools").glob("*.py")]
    return sorted(path for path in found if path.name[0] != ".")


def name_of(path: Path) -> str:
    """Name a module as the page does: `sources/times`, `tools/install`."""
    inside = path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else ROOT)
    return str(inside.with_suffix(""))


def part_of(path: Path) -> str:
    """Name the part of the package that a module is in."""
    return name_of(path).partition("/")[0]


def messages(path: Path) -> Iterator[Message]:
    """Yield the messages of a module."""
    yield from messages_of(path.read_text(encoding="utf-8"))


def messages_of(source: str) -> Iterator[Message]:
    """Yield every message in the text of a module.

    Messages are the text of an error, whichever its kind; a line on stderr that begins with
    `note: ` or `musecl: `; what `city check` has as a problem or a doubt, `doctor` as no ok; and
    what a function returns that a message is put together of.
    """
    tree = ast.parse(source)
    for function, scope in scopes(tree):
        for node in inside(function):
            if isinstance(node, ast.Call):
                for kind, given in site(node):
                    yield from said(kind, given, scope)
            elif isinstance(node, ast.Return) and getattr(function, "name", None) in telling():
                returned = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
                for one in returned:
                    for message in said("reason", [one] if one else [], scope):
                        if "; " in message.text or ": " in message.text:
                            yield message


def site(call: ast.Call) -> Iterator[tuple[str, list[ast.expr]]]:
    """Yield the kind of each message that a call makes, and the expressions that it is made of."""
    name = called(call)
    given = [*call.args, *(word.value for word in call.keywords)]
    if name.endswith(("Error", "Exception", "Exit")):
        yield name, given
    elif name == "exit":
        yield "SystemExit", given
    elif name == "__init__" and isinstance(call.func, ast.Attribute):
        yield "Exception" if isinstance(call.func.value, ast.Call) else "DvcException", given
    elif name == "Finding" and ast.unparse(given[0]) != "'ok'":
        yield f"finding {ast.literal_eval(given[0])}", given[1:]
    elif name == "Report":
        for word in call.keywords:
            if word.arg in ("problems", "doubts") and isinstance(word.value, ast.List):
                yield from ((word.arg[:-1], [one]) for one in word.value.elts)
    elif name == "append" and isinstance(call.func, ast.Attribute):
        of = getattr(call.func.value, "attr", "")
        if of in ("problems", "doubts"):
            yield of[:-1], given
    elif name == "print" and any(ast.unparse(word.value) == "sys.stderr" for word in call.keywords):
        yield "print", given[:1]


def said(kind: str, given: list[ast.expr], scope: Scope) -> Iterator[Message]:
    """Yield what a message of some expressions says, as often as it may be put together."""
    shown = [words(one, scope) for one in given]
    last = max((place for place, one in enumerate(shown) if is_text(one)), default=-1)
    for parts in product(*shown[: last + 1]):
        text = " ".join(": ".join(part for part in parts if part != "SELF").split())
        begin, _, rest = text.partition(": ")
        if kind == "print" and begin not in ("note", "musecl"):
            continue
        if kind == "print" or begin == "musecl":
            kind, text = (begin if kind == "print" else kind), rest
        if is_text([text]):
            yield Message(base_of(kind), text)


def is_text(texts: list[str]) -> bool:
    """Tell words from what is only filled in."""
    return any(re.search("[a-z]{2}", text) and " " in text for text in texts)


def scopes(tree: ast.Module) -> Iterator[tuple[ast.AST, Scope]]:
    """Yield a module and each of its functions, with what the names in it stand for."""
    known = constants(tree)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    yield tree, Scope(known, {})
    for function in functions:
        built: dict[str, list[ast.expr]] = {}
        for node in inside(function):
            text = isinstance(
                getattr(node, "value", None), ast.JoinedStr | ast.Constant | ast.IfExp
            )
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and text:
                either = isinstance(node.value, ast.IfExp)
                texts = [node.value.body, node.value.orelse] if either else [node.value]
                built.setdefault(node.targets[0].id, []).extend(texts)
        plain = Scope(known, {})
        told = {
            name: texts
            for name, texts in built.items()
            if any(is_text(words(text, plain)) for text in texts)
        }
        yield function, Scope(known, told)


def inside(node: ast.AST) -> Iterator[ast.AST]:
    """Walk what is in a module or a function, and in none of the functions within it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef):
            yield child
            yield from inside(child)


@cache
def telling() -> set[str]:
    """Name the functions whose text goes into a message."""
    found = set()
    for path in modules():
        for function, _ in scopes(ast.parse(path.read_text(encoding="utf-8"))):
            calls = [node for node in inside(function) if isinstance(node, ast.Call)]
            within = [part for call in calls for _, given in site(call) for part in given]
            used = {n.id for part in within for n in ast.walk(part) if isinstance(n, ast.Name)}
            for node in inside(function):
                if isinstance(node, ast.Assign):
                    names = {n.id for to in node.targets for n in ast.walk(to) if hasattr(n, "id")}
                    within += [node.value] * bool(names & used)
            found |= {
                called(node)
                for part in within
                for node in ast.walk(part)
                if isinstance(node, ast.Call)
            }
    return found - SHOWN.keys()


@cache
def bases() -> dict[str, str]:
    """Name the base of each class of the package."""
    return {
        node.name: ast.unparse(node.bases[0]).rpartition(".")[2]
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and node.bases
    }


def base_of(kind: str) -> str:
    """Follow a kind of error to one that MEANS has."""
    while kind not in MEANS and kind in bases():
        kind = bases()[kind]
    return kind


def called(call: ast.Call) -> str:
    """Name what is called."""
    return getattr(call.func, "id", None) or getattr(call.func, "attr", "")


def constants(tree: ast.Module) -> dict[str, Any]:
    """Read the constants of a module, also those that it imports from another."""
    known: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("musecl."):
            path = PACKAGE.parent / f"{(node.module or '').replace('.', '/')}.py"
            if path.exists() and any(one.name.isupper() for one in node.names):
                there = constants(ast.parse(path.read_text(encoding="utf-8")))
                names = [one.name for one in node.names]
                known |= {name: there[name] for name in names if name in there}
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = worth(node.value, known)
            if value is not None:
                known[node.targets[0].id] = value
    return known


def worth(node: ast.expr, known: Mapping[str, Any]) -> str | int | float | None:
    """Compute an expression of constants; None where it is none."""
    if not isinstance(node, ast.Constant | ast.Name | ast.BinOp):
        return None
    try:
        value = eval(ast.unparse(node), {"__builtins__": {}}, dict(known))
    except (NameError, TypeError, ValueError):
        return None
    return value if isinstance(value, str | int | float) else None


def words(node: ast.expr, scope: Scope) -> list[str]:
    """Write an expression as a reader sees it, once for each text that a name in it may be."""
    value = worth(node, scope.known)
    if value is not None:
        return [str(value)]
    if isinstance(node, ast.JoinedStr):
        texts = [""]
        for part in node.values:
            filled = isinstance(part, ast.FormattedValue)
            # What is filled in right behind a word begins with a blank, or is nothing.
            texts = [
                f"{text} {read}" if filled and text[-1:].islower() else f"{text}{read}"
                for text, read in product(texts, words(part, scope))
            ]
        return texts
    if isinstance(node, ast.FormattedValue):
        return words(node.value, scope)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = words(node.left, scope), words(node.right, scope)
        if any(re.search("[a-z(]", one) for one in left + right):
            return ["".join(read) for read in product(left, right)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        parts = [words(part, scope) for part in (node.left, node.right)]
        return ["/".join(read) for read in product(*parts)]
    if isinstance(node, ast.IfExp):
        both = [words(node.body, scope), words(node.orelse, scope)]
        return [" or ".join(filter(None, read)) for read in product(*both)]
    if isinstance(node, ast.Name) and node.id in scope.built:
        rest = Scope(scope.known, {k: v for k, v in scope.built.items() if k != node.id})
        return [read for text in scope.built[node.id] for read in words(text, rest)]
    return [capitals(node)]


def capitals(node: ast.AST) -> str:
    """Name what is filled in."""
    if isinstance(node, ast.Call):
        name = called(node)
        if name in SHOWN:
            return SHOWN[name]
        if name in COUNTING:
            return "N"
        if name in SHOWING | {"join"} and node.args:
            return capitals(node.args[-1])
        if isinstance(node.func, ast.Attribute) and not name.startswith("_"):
            return capitals(node.func.value)
        return plain(name)
    if isinstance(node, ast.Attribute):
        hidden = node.attr.startswith("__") or node.attr in PLACES
        return capitals(node.value) if hidden else SHOWN.get(node.attr, plain(node.attr))
    if isinstance(node, ast.GeneratorExp | ast.ListComp | ast.SetComp):
        return capitals(node.generators[0].iter)
    if isinstance(node, ast.Name):
        return plain(node.id)
    if isinstance(node, ast.BinOp):
        return "N"
    if isinstance(node, ast.BoolOp):
        return capitals(node.values[0])
    for field in ("value", "left", "operand", "elt"):
        if isinstance(getattr(node, field, None), ast.AST):
            return capitals(getattr(node, field))
    return "..."


def plain(name: str) -> str:
    """Write a name of the code as words in capitals."""
    return name.strip("_").upper().replace("_", " ")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
