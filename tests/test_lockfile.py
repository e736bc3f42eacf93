"""dvc.lock by entry: the same text as DVC's own, whole after a kill, refused after a merge."""

import os
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from dvc.lock import Lock, LockError
from dvc.utils.serialize import dumps_yaml

from musecl.engines.lockfile import HEADER, Entries
from musecl.runtime.errors import EngineError
from test_engines import assert_agreement
from toy_checkout import ToyPipeline, assert_one_line


def entry(number: int) -> dict[str, Any]:
    """What DVC records of a stage, with the kinds of value that YAML may write in its own way."""
    return OrderedDict(
        cmd="exec python workflow/musecl evaluate " + "a_city_with_a_long_name_" * number,
        deps=[OrderedDict(path=f"data/{number}/tiles", hash="md5", md5="0e1" * 10, size=number)],
        params={
            "params.yaml": {"rate": 3e-05, "on": True, "text": "yes", "none": None, "id": "01"}
        },
        outs=[OrderedDict(path="résultats", hash="md5", md5="1e5", size=10**12)],
    )


NAMES = ["fetch@nyc", "fetch@bos", "fetch_models", "evaluate@nyc"]


def test_the_text_is_dvcs_own() -> None:
    entries = Entries("")
    everything: dict[str, Any] = {}
    for number, name in enumerate([*NAMES, *reversed(NAMES)]):
        entries.replace(name, entry(number))
        everything[name] = entry(number)
        assert entries.text() == dumps_yaml({"schema": "2.0", "stages": everything})
        entries = Entries(entries.text())
        assert {name: entries[name] for name in entries} == everything


def test_a_cut_at_any_byte_leaves_the_entries_before_it_and_can_be_healed() -> None:
    whole = Entries("")
    for number, name in enumerate(NAMES):
        whole.replace(name, entry(number))
    text = whole.text()
    known = {name: whole[name] for name in NAMES}  # parsed once
    for end in range(0, len(text), 7):
        cut = Entries(text[:end])
        found = {name: cut.get(name, {}) for name in cut}
        for name in list(found)[:-1]:
            assert found[name] == known[name]
        assert all(found[name].keys() <= known[name].keys() for name in found)
        for name in NAMES:
            cut.replace(name, known[name])
        assert cut.text() == text


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}<<<<<<< HEAD\n  fetch:\n    cmd: x\n",
        f"{HEADER}  fetch:\n    cmd: x\n=======\n  fuse:\n    cmd: y\n",
        "stages: {}\n",
        "schema: '3.0'\nstages:\n",
        f"{HEADER}    cmd: x\n",
    ],
)
def test_a_file_that_dvc_did_not_write_is_refused(text: str) -> None:
    with pytest.raises(EngineError, match=r"git checkout dvc\.lock"):
        Entries(text)


def test_a_lock_is_waited_for_or_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from musecl.engines import repository

    held, patient, hasty = (Lock(str(tmp_path / "lock"), wait=wait) for wait in (0, 1, 0))
    held.lock()
    monkeypatch.setattr(repository, "DEFAULT_TIMEOUT", -1)
    with pytest.raises(LockError):
        hasty.lock()
    monkeypatch.setattr(repository.time, "sleep", lambda _: held.unlock())
    patient.lock()
    assert patient.is_locked
    patient.unlock()


def test_which_file_is_refused_is_said() -> None:
    with pytest.raises(EngineError, match=r"^tables/dvc\.lock: .* `git checkout tables/dvc\.lock`"):
        Entries("stages: {}\n", "tables/dvc.lock")


@pytest.fixture(scope="module")
def toy(built_city: ToyPipeline, tmp_path_factory: pytest.TempPathFactory) -> ToyPipeline:
    return built_city.copy(tmp_path_factory.mktemp("lockfile") / "toy_pipeline")


def test_jobs_and_dvc_write_the_same_file(toy: ToyPipeline) -> None:
    by_jobs = (toy.folder / "dvc.lock").read_text()
    (toy.folder / "dvc.lock").unlink()
    toy.run("dvc", "repro")
    by_dvc = (toy.folder / "dvc.lock").read_text()
    assert yaml.safe_load(by_jobs) == yaml.safe_load(by_dvc)
    assert sorted(by_jobs.splitlines()) == sorted(by_dvc.splitlines())


def test_a_lock_cut_by_a_kill_is_healed_by_the_next_run(toy: ToyPipeline) -> None:
    lock = toy.folder / "dvc.lock"
    whole = lock.read_text()
    job = toy.folder / "workflow/musecl/runtime/job.py"
    job.write_text("raise RuntimeError('computed again')\n")
    for end in (0, len(whole) // 2):
        lock.write_text(whole[:end])
        toy.snakemake()
        assert yaml.safe_load(lock.read_text()) == yaml.safe_load(whole)
        assert_agreement(toy, set())


def test_a_lock_with_the_marks_of_a_merge_is_one_line(toy: ToyPipeline) -> None:
    lock = toy.folder / "dvc.lock"
    whole = lock.read_text()
    marked = whole.replace(HEADER, f"{HEADER}<<<<<<< HEAD\n")
    lock.write_text(marked)
    text = toy.snakemake(check=False)
    assert_one_line(text, "git checkout dvc.lock")
    assert lock.read_text() == marked
    lock.write_text(whole)


def test_what_cannot_be_written_leaves_the_earlier_lock(
    toy: ToyPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    from musecl.engines import lockfile

    lock = toy.folder / "dvc.lock"
    before = lock.read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(lockfile.serialize, "to_lockfile", lambda stage: {stage.name: entry(1)})
    monkeypatch.setattr(Path, "write_text", full)
    repo = SimpleNamespace(tmp_dir=str(toy.folder / ".dvc/tmp"), fs=None, root_dir="")
    file = lockfile.LockfileByEntry.__new__(lockfile.LockfileByEntry)
    file.repo, file.path = repo, str(lock)
    with pytest.raises(OSError, match="No space left"):
        file.dump_stages([SimpleNamespace(name="fetch@nyc")])
    assert lock.read_bytes() == before
