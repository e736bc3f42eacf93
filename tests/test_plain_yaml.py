"""params.yaml is read as DVC reads it: what is run is what dvc.lock records."""

import tempfile
from pathlib import Path

import pytest
from dvc.utils.serialize import load_yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bare_pipeline import REPOSITORY
from musecl.runtime.errors import ParameterError
from musecl.runtime.plain_yaml import read_yaml

WORDS = (
    st.text("0123456789", min_size=1, max_size=4)
    | st.text("0123456789+-._eEoxb:", min_size=1, max_size=6)
    | st.text("infNaAyYtTrueolsO.~ ", min_size=1, max_size=5)
    | st.sampled_from(["yes", "no", "on", "OFF", "null", "True", "FALSE", ".inf", "-.INF", ".NaN"])
)


@settings(max_examples=1500, deadline=None)
@given(WORDS)
def test_any_word_is_read_as_dvc_reads_it(word: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "params.yaml"
        path.write_text(f"a: {word}\n", encoding="utf-8")
        try:
            expected = load_yaml(str(path))
        except Exception:  # a structure that is none, or a number that DVC itself stumbles over
            return
        assert repr(read_yaml(path)) == repr(expected)


@pytest.mark.parametrize(
    "name",
    ["params.yaml", "dvc.yaml", "tables/dvc.yaml", "tables/asked.yaml", "presets/paper.yaml"],
)
def test_the_projects_own_files_are_read_as_dvc_reads_them(name: str) -> None:
    assert read_yaml(REPOSITORY / name) == load_yaml(str(REPOSITORY / name))


@pytest.mark.parametrize(
    "text",
    [
        *("a: 040", "a: 0o17", "a: 1_000", "a: 12:30:45", "a: yes", "a: off", "no: 1", "a: 1e-3"),
        *("a: .5", "a: 2024-01-02", "a: ~", "a: 0x1F", "a: +7", "a: .inf", "a: '040'"),
        "a: &x {b: 1}\nc: {<<: *x, d: 2}",
    ],
)
def test_a_file_is_read_as_dvc_reads_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    found = read_yaml(tmp_path / "params.yaml")
    assert found == load_yaml(str(tmp_path / "params.yaml"))
    assert str(found) == str(load_yaml(str(tmp_path / "params.yaml")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "the key c stands there twice; keep one of them in line 4"),
        ("a: 1\na: 1\n", "the key a stands there twice; keep one of them in line 2"),
        ("cities:\n  1: {}\n", "the key 1 is no text; put it in quotes in line 2"),
        ("a: 1\nb: {true: 1}\n", "the key true is no text; put it in quotes in line 2"),
        ("~: 1\n", "the key ~ is no text; put it in quotes in line 1"),
        ("? [1, 2]\n: 3\n", "the key that stands there is no text; put it in quotes in line 1"),
        ("a: 1\nb: !x 2\n", "not readable as YAML in line 2"),
        ("a: 1\nb: [2\nc: 3\n", "not readable as YAML in line 3"),
        ("a: *b\n", "not readable as YAML in line 1"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ParameterError) as caught:
        read_yaml(path)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize("text", ["a: !!bool maybe", "a: !!timestamp today", "a: !!int x"])
def test_a_word_that_is_not_what_its_tag_says_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ParameterError, match="not readable as YAML") as caught:
        read_yaml(path)
    assert "\n" not in str(caught.value)
