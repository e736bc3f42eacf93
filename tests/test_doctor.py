"""`musecl doctor`: each check sees what is broken, and says what to do."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

from closure import ROOT
from musecl.doctor import command, environment, places
from musecl.doctor.finding import Finding


def test_packages_are_compared_with_the_lock(tmp_path):
    lock = tmp_path / "requirements.lock"
    own = environment.installed("numpy")
    lock.write_text(
        f"numpy=={own} \\\n    --hash=sha256:0\n"
        "colorama==0.4 ; sys_platform == 'win32' \\\n    --hash=sha256:0\n",
        encoding="utf-8",
    )
    assert environment.check_packages(lock) == ("ok", "1 packages as requirements.lock pins them")
    lock.write_text("numpy==0.1 \\\n    --hash=sha256:0\nno-such-thing==2\n", encoding="utf-8")
    state, text = environment.check_packages(lock)
    assert state == "fail"
    assert f"numpy {own}, not 0.1, no-such-thing absent, not 2; run `make environment`" in text
    assert environment.check_packages(tmp_path / "none").state == "note"


def test_the_lock_of_the_project_is_understood():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    found = environment.PINNED.findall(text)
    assert len(found) == text.count("==") - text.count("'==") - text.count(" == ")
    assert any(name == "numpy" for name, *_ in found)


def test_an_old_python_and_an_absent_engine_fail(monkeypatch):
    assert environment.check_python().state == "ok"
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    assert environment.check_python() == ("fail", "Python 3.9.1; install 3.11 or later")
    monkeypatch.setattr(environment, "ENGINES", ("no-such-engine",))
    (found,) = environment.check_engines()
    assert found == ("fail", "no-such-engine is not installed; run `make environment`")


def test_a_full_disk_fails(monkeypatch, tmp_path):
    assert places.check_disk(tmp_path).state == "ok"
    monkeypatch.setattr(places, "NEEDED_GB", 10**9)
    assert places.check_disk(tmp_path).state == "fail"


def test_a_disk_without_links_is_told(monkeypatch, tmp_path):
    assert places.check_links(tmp_path / "cache", tmp_path / "data").state == "ok"

    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    state, text = places.check_links(tmp_path / "cache", tmp_path / "data")
    assert (state, "Invalid cross-device link" in text) == ("note", True)
    assert not list((tmp_path / "data").iterdir())


def test_a_registry_that_does_not_answer_fails(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = http://127.0.0.1:9/simple\nextra-index-url =\nfind-links =\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("HOME", str(tmp_path))
    state, text = places.check_registry()
    assert state == "fail"
    assert "see `pip config list`" in text


def dvc(root: Path, *lines: str) -> None:
    (root / ".dvc").mkdir(exist_ok=True)
    (root / ".dvc/config").write_text("\n".join(["[core]", "no_scm = true", *lines]) + "\n")


def test_the_remote_is_asked(tmp_path):
    dvc(tmp_path)
    assert places.check_remote(tmp_path).state == "note"
    dvc(tmp_path, "remote = store", "['remote \"store\"']", f"url = {tmp_path}/store")
    assert places.check_remote(tmp_path).state == "fail"
    (tmp_path / "store/files/md5").mkdir(parents=True)
    assert places.check_remote(tmp_path) == ("ok", "the DVC remote 'store' answers")
    dvc(tmp_path, "[cache]", f"dir = {tmp_path}/elsewhere")
    assert str(places.cache_of(tmp_path)).startswith(f"{tmp_path}/elsewhere")


def test_params_are_checked(tmp_path):
    assert places.check_params(ROOT).text.startswith("params.yaml: ")
    assert places.check_params(tmp_path).state == "fail"


@pytest.mark.parametrize(("states", "ready"), [(["ok", "note"], True), (["ok", "fail"], False)])
def test_what_fails_decides(monkeypatch, capsys, states, ready):
    found = [Finding(state, f"about {state}") for state in states]
    monkeypatch.setattr(command, "examine", lambda root: iter(found))
    assert command.run_doctor(Path(tempfile.gettempdir())) is ready
    assert capsys.readouterr().out.splitlines()[:2] == [
        f"{state:4}  about {state}" for state in states
    ]
