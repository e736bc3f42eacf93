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

import musecl.engines.lockfile  # noqa: F401  (DVC's repository then reads dvc.lock by entry)
from musecl.runtime.errors import EngineError
from musecl.runtime.pipeline import TABLES

OUTPUTS = ("data", "results")
# What DVC says where it has nothing to work with, and what helps.
WAYS_OUT = {
    "is not a git repository": "; `git init`, or without git `dvc config --local core.no_scm true`",
    "not inside of a DVC repository": "; `git checkout .dvc` gives it back, or `dvc init`",
}
FOLDERS = ("local", "ssh")
POLLS_PER_SECOND = 20  # for a lock


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
            time.sleep(1 / POLLS_PER_SECOND)


Lock.lock = _lock


def open_repository(root: Path) -> Repo:
    """Open the repository in `root`; whoever takes its lock waits for it.

    Raises
    ------
    EngineError
        DVC cannot read its settings, or a link stands in the place of a folder of outputs.
    """
    _check_links(root)
    try:
        repo = Repo(str(root), _wait_for_lock=True)
    except DvcException as error:
        reason = one_line(error)
        advice = next((advice for said, advice in WAYS_OUT.items() if said in reason), "")
        raise EngineError(reason + advice) from error
    for settings in repo.config["remote"].values():
        # What comes is hashed: DVC would use a damaged object, and dvc.lock vouch for it.
        settings["verify"] = True
    return repo


def commands_to_verify(repo: Repo) -> list[str]:
    """Give the commands by which plain `dvc pull`, too, hashes what the remotes send."""
    shared = repo.config.load_config_to_level("local").get("remote", {})
    return [
        f"dvc remote modify {'' if name in shared else '--local '}{name} verify true"
        for name, settings in repo.config.load_config_to_level().get("remote", {}).items()
        if not settings.get("verify")
    ]


def _check_links(root: Path) -> None:
    """Refuse a link in the place of a folder of outputs: DVC records nothing behind one.

    Raises
    ------
    EngineError
        Says how the content can lie elsewhere.
    """
    for top in OUTPUTS:
        for folder in [root / top, *(root / top).glob("*")]:
            if folder.is_symlink() and not folder.is_file():
                raise EngineError(
                    f"{folder.relative_to(root)} is a link to {folder.readlink()}, behind which "
                    "DVC records nothing; make it a folder, and keep its content elsewhere by "
                    "`dvc config --local cache.dir PATH`, `dvc config --local cache.type symlink`"
                )


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
    """Give an error's reason without its line breaks; of a link that leads nowhere, say so."""
    named = getattr(error, "filename", None)
    link = Path(named) if isinstance(named, str) else Path()
    if link.is_symlink() and not link.exists():
        return f"{link} is a link to {link.readlink()}, where nothing is; mount that, or remove it"
    return " ".join(str(error).split()) or type(error).__name__


def _answered(error: FileNotFoundError) -> bool:
    """Tell an object that is absent from a server that could not be asked: HTTP raises alike."""
    cause = error.__cause__
    if cause is None or not type(cause).__module__.startswith("aiohttp"):
        return True
    return getattr(cause, "status", None) in (404, 410)
