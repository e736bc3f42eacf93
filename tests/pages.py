"""The pages of the docs, taken apart: their commands, code, words, links and headings."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

from params_page import ROOT

# What a line must start with to be a command that a test can take apart.
PROGRAMS = ("make", "snakemake", "dvc", "musecl", "python", "pytest")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Pages that lie outside docs/.
FIRST = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "config/README.md")
# What stands before a command in a shell: `SEEDS=3 time make test`.
BEFORE = re.compile(r"^(?:[A-Z_]+=\S+ |time )+")


class Page(NamedTuple):
    """A page: its path in the repository, and its text."""

    name: str
    text: str

    @property
    def prose(self) -> str:
        """The text without its blocks of code."""
        return FENCE.sub("", self.text)

    def blocks(self, *languages: str) -> list[str]:
        """List the blocks of code of these languages; "" is a block that names none."""
        return [body for language, body in FENCE.findall(self.text) if language in languages]

    def codes(self) -> list[str]:
        """List what stands in backticks in the prose, on one line each."""
        return [" ".join(code.split()) for code in CODE.findall(self.prose)]

    def commands(self) -> list["Command"]:
        """List every command, those of blocks first."""
        lines = "\n".join(self.blocks("", "sh", "bash")).replace("\\\n", " ").splitlines()
        return [
            *(one for line in lines for one in commands_of(self.name, line, quoted=False)),
            *(one for code in self.codes() for one in commands_of(self.name, code, quoted=True)),
        ]

    def anchors(self) -> set[str]:
        """Name the headings as a link does: `#on-disk`."""
        headings = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
        return {heading.strip().replace(" ", "-") for heading in plain}

    def links(self) -> list[str]:
        """List where its links lead, those to other sites left out."""
        return [link for link in LINK.findall(self.prose) if not link.startswith("http")]


class Command(NamedTuple):
    """A command of a page: its words, and whether it stands in a sentence.

    A sentence may name a command without its arguments (`dvc remote modify`); a block may not.
    """

    page: str
    words: tuple[str, ...]
    quoted: bool

    def __str__(self) -> str:
        """Name it, for a test to be found by."""
        return f"{self.page}: {' '.join(self.words)}"


def pages() -> list[Page]:
    """Read every page, those that stand outside docs/ first."""
    paths = [*(ROOT / name for name in FIRST), *sorted((ROOT / "docs").glob("*.md"))]
    return [
        Page(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths
    ]


def commands_of(page: str, line: str, quoted: bool) -> Iterator[Command]:
    """Split a line into its commands; none where it starts with no program."""
    inner = re.fullmatch(r"source <\((.+)\)", line)
    for part in (inner[1] if inner else line).split("&&"):
        text = BEFORE.sub("", part.strip())
        if text.split(" ")[0].removeprefix(".venv/bin/") not in PROGRAMS:
            continue
        try:
            words = shlex.split(text, comments=True)
        except ValueError as error:
            raise ValueError(f"{page}: {line}") from error
        yield Command(page, (words[0].removeprefix(".venv/bin/"), *words[1:]), quoted)


def tracked() -> list[str]:
    """List the files of the repository: those that git tracks, or would."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    return subprocess.run(
        listed, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
