"""DVC's file of locks is whole at any moment, as far as a job writes it."""

import json
from pathlib import Path
from typing import Any

import pytest
from dvc import rwlock
from dvc.fs import localfs

from musecl.engines.locks import locks_renamed_into_place


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def lock(tmp_path: Path) -> Any:
    return lambda: rwlock.rwlock(str(tmp_path), localfs, "a command", [], ["data/x"], False)


def test_a_kill_while_the_locks_are_written_leaves_the_earlier_file(
    lock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_: object, file: Any) -> None:
        file.write("{")
        file.flush()
        raise KilledError

    with locks_renamed_into_place():
        with lock():
            before = json.loads((tmp_path / "rwlock").read_text())
            assert "data/x" in before["write"]
        assert "data/x" not in (tmp_path / "rwlock").read_text()
        with monkeypatch.context() as patch, pytest.raises(KilledError), lock():
            patch.setattr(rwlock.json, "dump", cut)
        assert json.loads((tmp_path / "rwlock").read_text()) == before
        with lock():
            pass


def test_dvc_s_own_way_is_back_afterwards() -> None:
    edit = rwlock._edit_rwlock
    with locks_renamed_into_place():
        assert rwlock._edit_rwlock is not edit
    assert rwlock._edit_rwlock is edit
