"""DVC's repository as every process of musecl opens it: its stages, and what its remote holds."""

import time
from collections import ChainMap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dvc.config import NoRemoteError
from dvc.dvcfile import load_file
from dvc.exceptions import DvcException
from dvc.lock import DEFAULT_TIMEOUT, Lock, LockError
from dvc.repo import Repo

import musecl.bridge.lockfile  # noqa: F401  (DVC's repository then reads dvc.lock by entry)
from musecl.step.errors import EngineError
from musecl.step.pipeline import TABLES

FOLDERS = ("local", "ssh")
LOOKS = 20  # a second, for a lock


def _lock(self: Any) -> None:
    """Wait for a lock as long as DVC would, which looks twice a second.

    Jobs that run side by side take it in turns, and would wait for longer than they hold it.
    """
    until = float("inf") if self._wait else time.monotonic() + DEFAULT_TIMEOUT
    while True:
        try:
            self._do_lock()
            return
        except LockError:
            if time.monotonic() > until:
                raise
            time.sleep(1 / LOOKS)


Lock.lock = _lock


def open_repository(root: Path) -> Repo:
    """Open the repository in `root`; whoever takes its lock waits for it.

    Raises
    ------
    EngineError
        DVC cannot read its settings, or would take what a remote sends without hashing it.
    """
    try:
        repo = Repo(str(root), _wait_for_lock=True)
    except DvcException as error:
        raise EngineError(one_line(error)) from error
    for name, settings in repo.config["remote"].items():
        if not settings.get("verify"):
            shared = name in repo.config.load_config_to_level("local").get("remote", {})
            raise EngineError(
                f"remote {name!r}: DVC would use a damaged object of it; have it hash what it "
                f"downloads: `dvc remote modify {'' if shared else '--local '}{name} verify true`"
            )
    return repo


def stages_of(repo: Repo) -> Mapping[str, Any]:
    """Give the stages of both pipelines by name (`fuse@nyc`), each loaded when it is asked for."""
    files = [file for file in ("dvc.yaml", TABLES) if Path(repo.root_dir, file).exists()]
    return ChainMap(*(load_file(repo, file).stages for file in files))


def kept_in_remote(repo: Any, value: str) -> bool:
    """Tell whether the default remote holds an object; where there is no remote, none does.

    Parameters
    ----------
    repo : dvc.repo.Repo
        As `open_repository` gives it.
    value : str
        The object's hash, as dvc.lock records it.

    Raises
    ------
    EngineError
        The remote does not answer: nobody knows whether the object is lost.
    """
    try:
        remote = repo.cloud.get_remote()
    except NoRemoteError:
        return False
    files, objects = remote.fs, remote.odb
    try:
        # A folder that is not mounted looks like one that holds nothing.
        if files.protocol in FOLDERS and not files.isdir(remote.path):
            raise ConnectionError(f"no folder {remote.path}")
        # `exists` would say no for any failure over HTTP.
        files.info(objects.oid_to_path(value))
        return True
    except FileNotFoundError as error:
        if _answered(error):
            return False
        reason: BaseException = error.__cause__ or error
    except Exception as error:  # each kind of remote has errors of its own, with no common base
        reason = error
    raise EngineError(
        f"remote {remote.name!r} does not answer ({one_line(reason)}); try again, or build anew "
        "without it: `dvc remote default --unset`"
    ) from reason


def one_line(error: BaseException) -> str:
    """Give an error's reason without its line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


def _answered(error: FileNotFoundError) -> bool:
    """Tell an object that is absent from a server that could not be asked: HTTP raises alike."""
    cause = error.__cause__
    if cause is None or not type(cause).__module__.startswith("aiohttp"):
        return True
    return getattr(cause, "status", None) in (404, 410)
