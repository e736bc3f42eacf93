"""A job of Snakemake: bring one stage up to date through DVC, and record it in dvc.lock.

DVC skips the stage, restores it from the cache, pulls what it needs or runs it, and records it as
it ends. What it would do otherwise than the bridge needs is changed here, in this process alone.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.stage import Stage

from musecl.bridge.repository import open_repository
from musecl.errors import EngineError


def reproduce(root: Path, name: str) -> None:
    """Bring one stage up to date through DVC, its inputs pulled where they are absent.

    Parameters
    ----------
    root : Path
        The folder of dvc.yaml.
    name : str
        The stage as DVC addresses it: `fuse@nyc`.

    Raises
    ------
    EngineError
        DVC could not; one line with its reason.
    """
    with _dependencies_hashed_before_the_run():
        while True:
            with open_repository(root) as repo:
                _pull_only_what_is_absent(repo)
                try:
                    repo.reproduce(name, single_item=True, pull=True)
                    return
                except DvcException as error:
                    reasons = list(_causes(error))
                    if not any(isinstance(reason, LockError) for reason in reasons):
                        _restore_outputs(repo, name)
                        raise EngineError(f"{name}: {reasons[-1]}") from error
            # Another process runs a stage that reads or writes the same paths: look again later.
            time.sleep(1)


def _pull_only_what_is_absent(repo: Any) -> None:
    """Keep a job that has all it needs from asking a remote, which may be down or not exist.

    With `pull`, DVC would fetch the run cache of the whole remote for every job, and then every
    output that its local run cache names.
    """
    restore = repo.stage_cache.restore
    repo.stage_cache.restore = lambda stage, pull=False, **options: restore(stage, **options)
    repo.stage_cache.pull = lambda *_, **__: []


def _restore_outputs(repo: Any, name: str) -> None:
    """Put back the earlier outputs of a failed stage: both engines delete them before a run."""
    try:
        repo.checkout(targets=[name], force=True, allow_missing=True)
    except DvcException as error:
        print(f"musecl: the earlier outputs of {name} stay in the cache: {error}", file=sys.stderr)


@contextmanager
def _dependencies_hashed_before_the_run() -> Iterator[None]:
    """Refuse to record a run whose dependencies changed in the middle.

    DVC hashes dependencies after the command, and so records new code or parameters beside an
    output of the old ones.
    """
    original = Stage.save_deps
    first: dict[str, dict[str, Any]] = {}

    def save_deps(stage: Any, **options: Any) -> None:
        original(stage, **options)
        now = {str(dependency): dependency.hash_info for dependency in stage.deps}
        if first.setdefault(stage.addressing, now) != now:
            changed = ", ".join(key for key in now if first[stage.addressing].get(key) != now[key])
            raise DvcException(
                f"{changed} changed while it ran; nothing was recorded, run it again"
            )

    Stage.save_deps = save_deps
    try:
        yield
    finally:
        Stage.save_deps = original


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
