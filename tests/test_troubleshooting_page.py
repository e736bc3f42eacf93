"""docs/troubleshooting.md has a line for each message of the code."""

import ast
import re

import pytest

import troubleshooting_page as page
from musecl.runtime import errors


def test_the_page_has_every_message() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.page(), "run `make declare`"


def test_every_kind_of_error_has_a_meaning() -> None:
    defined = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.MuseclError)
    }
    assert defined - {"MuseclError"} <= set(page.MEANS)


@pytest.mark.parametrize(
    ("source", "kind", "text"),
    [
        ("raise InputError(f'{path}: no such file; name it')", "InputError", "PATH: no such file"),
        ("raise ValueError('give path or urls')", "ValueError", "give path or urls"),
        ("raise AgainError(f'{url}: the server is busy')", "AgainError", "URL: the server is busy"),
        ("sys.exit('musecl: it is too old')", "SystemExit", "it is too old"),
        ("print(f'note: {name}: restored', file=sys.stderr)", "note", "NAME: restored"),
        ("print(f'musecl: {name} waits', file=sys.stderr)", "musecl", "NAME waits"),
        ("report.problems.append('no region has a value')", "problem", "no region has a value"),
        ("Report(doubts=['fewer than 30 regions'])", "doubt", "fewer than 30 regions"),
        ("Finding('fail', f'{free} GB free')", "finding fail", "FREE GB free"),
        ("said = f'{a}: it is {b}'\n    raise InputError(said)", "InputError", "A: it is B"),
        ("raise InputError(f'{rows + 1} rows {MOST >> 20} MiB')", "InputError", "N rows 4 MiB"),
        ("raise InputError(f'the pinned one{which}')", "InputError", "the pinned one WHICH"),
        ("raise InputError(f'it has {\", \".join(names)}')", "InputError", "it has NAMES"),
    ],
)
def test_a_message_is_found_and_written_as_a_reader_sees_it(
    source: str, kind: str, text: str
) -> None:
    found = list(page.messages_of(f"MOST = 4 << 20\n\n\ndef f():\n    {source}\n"))
    assert [(one.kind, one.text.partition(";")[0]) for one in found] == [(kind, text)]


def test_what_goes_well_or_is_no_message_is_left_out() -> None:
    source = "print('3 of 4 images')\nFinding('ok', 'all is well')\nlog('a line of words')\n"
    assert not list(page.messages_of(source))


@pytest.mark.parametrize(
    "words",
    [
        "--cores 0: nothing could run, and Snakemake would wait for ever | ",
        "PATH: no such file | ",
        "KEY: was renamed | ",
        "is no text | the file cannot be read as YAML | put it in quotes",
        "OpenStreetMap knows no outline of PLACE | ",
        "damaged or incomplete in the remote",
        "fewer than 30 regions | doubt: ",
        "`tools/install` | requirements.lock: no PACKAGE",
    ],
)
def test_a_message_of_each_kind_is_on_the_page(words: str) -> None:
    assert words in page.PAGE.read_text(encoding="utf-8")


def test_every_message_says_what_to_do() -> None:
    text = page.PAGE.read_text(encoding="utf-8").partition(page.START)[2]
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) > 400
    for row in rows:
        cells = re.split(r"(?<!\\)\|", row)
        assert len(cells) == 6, row
        assert all(cell.strip() for cell in cells[1:5]), row


def test_a_text_of_the_code_is_no_part_of_a_word() -> None:
    expression = ast.parse("f'{path}: {len(rows)} rows, {a.first!r}' + 'x'", mode="eval").body
    assert page.words(expression, page.Scope({}, {})) == ["PATH: N rows, FIRSTx"]
