"""docs/troubleshooting.md has a line for each message of the code."""

import ast
import re

import troubleshooting_page as page
from musecl.runtime import errors


def test_the_page_has_every_message() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.page(), "run `make declare`"


def test_every_kind_of_error_is_looked_for() -> None:
    defined = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.MuseclError)
    }
    assert defined - {"MuseclError"} == page.KINDS


def test_messages_are_found_wherever_they_are_raised() -> None:
    found = {said for path in page.modules() for said in page.messages(path)}
    assert len(found) > 200
    assert "--cores 0: nothing could run, and Snakemake would wait for ever; give 1" in found
    named = re.compile(r"^PATH: no such file; run from the folder that holds it$")
    assert any(named.match(said) for said in found)


def test_a_message_is_written_as_a_reader_sees_it() -> None:
    expression = ast.parse("f'{path}: {len(rows)} rows, {a.first!r}' + 'x'", mode="eval").body
    assert page.words(expression, {}) == "PATH: LEN rows, FIRSTx"


def test_every_message_says_what_to_do() -> None:
    text = page.PAGE.read_text(encoding="utf-8").partition(page.START)[2]
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) > 200
    assert all(re.split(r"(?<!\\)\|", row)[3].strip() for row in rows)
