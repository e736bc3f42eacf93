"""docs/api.md, read off the docstrings; `python tests/api_page.py` writes it."""

import inspect
import re
from typing import Any

from params_page import ROOT

PAGE = ROOT / "docs" / "api.md"
HEAD = """# In a notebook

What `import musecl` offers, read off the docstrings. `pip install .` in a checkout installs it with
what it takes to read, draw and judge results; `pip install '.[embed]'` adds PyTorch, for trained
models, and `pip install '.[pipeline]'` the engines.

[notebooks/tour.ipynb](../notebooks/tour.ipynb) shows all of it, and [output.md](output.md)
describes every column. An error that is meant for the user is a `MuseclError` of one line: what,
where, what to do.
"""
# The order of the page: as they are used.
ORDER = (
    *("load_results", "Results", "plot_map", "similar_regions", "evaluate_vectors"),
    *("load_model", "Model", "Embedded", "InputError", "MuseclError"),
)


def page() -> str:
    """Write the page: a section per public name."""
    import musecl

    parts = [HEAD]
    for name in ORDER:
        thing = getattr(musecl, name)
        parts += section(f"musecl.{name}", thing, "##")
        if inspect.isclass(thing):
            for method, value in vars(thing).items():
                if method.startswith("_") or not callable(value) or not value.__doc__:
                    continue
                parts += section(f"{name}.{method}", value, "###")
            for method, value in vars(thing).items():
                if isinstance(value, property):
                    text = inspect.getdoc(value)
                    parts += [f"### `{name}.{method}`", "", text or "", ""]
    return "\n".join(parts)


def section(title: str, thing: Any, heading: str) -> list[str]:
    """Lay out a heading, the signature and the docstring of a function or a class."""
    parts = [f"{heading} `{title}`", ""]
    if not inspect.isclass(thing):
        parts += ["```python", signature(title, thing), "```", ""]
    return [*parts, markdown(inspect.getdoc(thing) or ""), ""]


def signature(title: str, function: Any) -> str:
    """Write the signature of a function, a line per parameter where it is long."""
    found = inspect.signature(function)
    parameters = [str(one) for name, one in found.parameters.items() if name != "self"]
    shown = [re.sub(r"\b(?:[a-z_]+\.)+([A-Z]\w*)", r"\1", text) for text in parameters]
    line = f"{title}({', '.join(shown)})"
    if len(line) < 90:
        return line
    return "\n".join([f"{title}(", *(f"    {text}," for text in shown), ")"])


def markdown(docstring: str) -> str:
    """Turn a numpy docstring into Markdown: sections bold, entries a list, examples code."""
    written: list[str] = []
    lines = docstring.splitlines()
    inside, row = "", 0
    while row < len(lines):
        line = lines[row]
        after = lines[row + 1] if row + 1 < len(lines) else ""
        if line and after and set(after) == {"-"}:
            inside = line
            written += [f"**{line}**", ""]
            if inside == "Examples":
                written.append("```python")
            row += 2
            continue
        if inside == "Examples":
            written.append(re.sub(r"^(>>>|\.\.\.) ?", "", line))
        elif inside and line and not line.startswith(" "):
            name, colon, kind = line.partition(" : ")
            written.append(f"- `{name}`" + (f" ({kind})" if colon else ""))
        elif inside and line:
            written.append(f"  {line.strip()}")
        else:
            written.append(line)
        row += 1
    if inside == "Examples":
        written.append("```")
    return "\n".join(written)


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(ROOT / "workflow"))
    PAGE.write_text(page(), encoding="utf-8")
