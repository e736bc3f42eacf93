"""Progress in a log: a line now and then, never a carriage return."""

import io
import sys

import pytest
from tqdm import tqdm

from musecl.runtime import progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_each_half_minute_and_one_at_the_end(clock, capsys):
    for _ in progress.progress("chips", list(range(10))):
        clock[0] += 12
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "chips: 3 of 10 (30%) after 36 s, about 84 s left",
        "chips: 6 of 10 (60%) after 72 s, about 48 s left",
        "chips: 9 of 10 (90%) after 108 s, about 12 s left",
        "chips: 10 of 10 (100%) after 120 s",
    ]


def test_a_thousand_quick_steps_are_one_line(clock, capsys):
    with progress.progress("steps", total=1000, done=400) as shown:
        for _ in range(600):
            shown.update()
    assert capsys.readouterr().err == "steps: 1000 of 1000 (100%) after 0 s\n"


def test_what_is_left_counts_this_run_alone(clock, capsys):
    with progress.progress("steps", total=100, done=50) as shown:
        clock[0] = 40
        shown.update(10)
    assert "steps: 60 of 100 (60%) after 40 s, about 160 s left\n" in capsys.readouterr().err


def test_items_are_passed_on_and_an_error_too(capsys):
    assert list(progress.progress("texts", iter("abc"))) == ["a", "b", "c"]
    assert capsys.readouterr().err.startswith("texts: 3 after")
    with pytest.raises(ValueError, match="broken"):
        for item in progress.progress("texts", iter("abc")):
            if item == "b":
                raise ValueError("broken")


def test_a_terminal_gets_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    shown = progress.progress("chips", [1, 2, 3])
    assert isinstance(shown, tqdm)
    assert list(shown) == [1, 2, 3]
