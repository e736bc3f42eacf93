"""A job of Snakemake: bring one stage up to date through DVC, and record it in dvc.lock.

DVC skips the stage, restores it from the cache, pulls what it needs or runs it, and records it as
it ends. What it would do otherwise than is needed is changed here, in this process alone.
"""

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dvc.exceptions import CheckoutError, CollectCacheError, DvcException
from dvc.lock import LockError
from dvc.rwlock import RWLockFileCorruptedError
from dvc.stage import Stage
from dvc.stage import run as dvc_run
from dvc.stage.decorators import rwlocked
from dvc.stage.exceptions import StageCmdFailedError
from dvc_data.hashfile import checkout
from dvc_data.hashfile.hash import file_md5
from dvc_data.hashfile.meta import Meta
from dvc_objects.errors import ObjectFormatError

from musecl.engines.asked import ask
from musecl.engines.environment import inherit_this_interpreter
from musecl.engines.locks import locks_renamed_into_place
from musecl.engines.logs import Logs
from musecl.engines.repository import kept_in_remote, one_line, open_repository, stages_of
from musecl.runtime.errors import EngineError, MuseclError
from musecl.runtime.lifetime import INTERRUPTED
from musecl.runtime.pipeline import TABLES, asked_for, makers, read_stages, read_tables


def reproduce(root: Path, name: str) -> None:
    """Bring one stage up to date through DVC, its inputs pulled where they are absent.

    A long table counts as asked for from then on.

    Parameters
    ----------
    root : Path
        The folder of dvc.yaml.
    name : str
        The stage: `fuse@nyc`, or `baselines@nyc` for that of tables/dvc.yaml.

    Raises
    ------
    EngineError
        DVC could not, or a full disk cut its file of locks; one line with the reason.
    KeyboardInterrupt, SystemExit
        Ctrl-C reached the step; the second where that has said so.
    ParameterError
        What was asked for before cannot be.
    """
    inherit_this_interpreter()
    stage, _, city = name.partition("@")
    place = root.resolve() / "logs" / city / stage
    waited_for = ""
    glue = _stages_as_the_engine_glue_needs_them
    with Logs(place) as logs, glue(logs.begin), locks_renamed_into_place():
        asked_for(root, stage, city or None)
        address = f"{TABLES}:{name}" if stage in read_tables(root) else name
        while True:
            with open_repository(root) as repo:
                _check_cache(repo, name)
                _hash_what_the_cache_gives(repo)
                _pull_only_what_is_absent(repo)
                _leave_no_empty_run(repo)
                ask(repo, name)
                try:
                    repo.reproduce(address, single_item=True, pull=True)
                    if not logs.computed:
                        print(
                            f"note: {name}: not computed, but as it was built before; "
                            f"`dvc repro -f -s {address}` computes it again",
                            file=sys.stderr,
                        )
                    return
                except DvcException as error:
                    reason = _reason(error)
                    if isinstance(reason, RWLockFileCorruptedError):
                        raise EngineError(
                            f"{name}: {one_line(reason)}; once no other run is going on, remove it "
                            "and run the same command again"
                        ) from error
                    if not isinstance(reason, LockError):
                        _restore_outputs(repo, name)
                        _pass_an_interruption_on(reason)
                        raise EngineError(f"{name}: {one_line(reason)}") from error
            # Another process runs a stage that reads or writes the same paths: look again later.
            if waited_for != (waited_for := one_line(reason)):
                print(f"musecl: {name} waits: {waited_for}", file=sys.stderr, flush=True)
            time.sleep(1)


def _pass_an_interruption_on(reason: BaseException) -> None:
    """End as the step did where Ctrl-C ended it, which DVC lets pass this process by."""
    if isinstance(reason, StageCmdFailedError):
        if str(reason).endswith(f" {INTERRUPTED}"):
            sys.exit(INTERRUPTED)
        if str(reason).endswith(f" -{signal.SIGINT:d}"):  # it had not come to its first line
            raise KeyboardInterrupt


def _check_cache(repo: Any, name: str) -> None:
    """Refuse a cache that cannot be written, before the step computes what could not be kept.

    DVC writes into it to restore, too: it tries there which links the disk has.
    """
    folder = Path(repo.cache.local.path)
    there = next(path for path in [folder, *folder.parents] if path.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise EngineError(
            f"{name}: the cache {folder} cannot be written; get leave to, or take another: "
            "`dvc cache dir --local PATH`; plain `dvc checkout` only reads it"
        )


def _hash_what_the_cache_gives(repo: Any) -> None:
    """Throw away a damaged object of the cache where DVC would use it.

    DVC trusts an object that is write-protected, and its record of hashes by inode and time; a
    disk that errs changes neither.
    """
    cache = repo.cache.local
    sound = set()

    def check(value: str, check_hash: bool = True, _info: Any = None) -> Meta:
        path = cache.oid_to_path(value)
        meta = Meta.from_info(cache.fs.info(path))
        state = Path(path).stat()
        seen = (value, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        if check_hash and seen not in sound:
            if file_md5(path, cache.fs) != value.partition(".")[0]:
                cache.fs.remove(path)
                raise ObjectFormatError(f"{path} is damaged")
            sound.add(seen)
        return meta

    cache.check = check


def _pull_only_what_is_absent(repo: Any) -> None:
    """Keep a job that has all it needs from asking a remote, which may be down or not exist.

    With `pull`, DVC would fetch the run cache of the whole remote for every job, and then every
    output that its local run cache names; and it would connect for what the cache holds.
    """
    restore = repo.stage_cache.restore
    repo.stage_cache.restore = lambda stage, pull=False, **options: restore(stage, **options)
    repo.stage_cache.pull = lambda *_, **__: []

    def pull(target: str, **_: Any) -> None:
        stages, maker_of = _stages(repo)
        target = target.removeprefix(f"{TABLES}:")
        if target not in maker_of and target not in stages:
            raise DvcException(f"{target}: absent, and no stage makes it")
        for out in stages[maker_of.get(target, target)].outs:
            if out.def_path == target or target in stages:
                _pull_output(repo, out)

    repo.pull = pull


def _leave_no_empty_run(repo: Any) -> None:
    """Rename a run's folder into the run cache with its entry in it, and pass over an empty one.

    DVC makes the folder before the entry; a kill in between leaves one at which it always fails.
    """
    cache = repo.stage_cache
    folder_of, save = cache._get_cache_dir, cache.save

    def folder_not_empty(key: str) -> str:
        folder: str = folder_of(key)
        with suppress(OSError):  # it holds an entry, or is not there
            Path(folder).rmdir()
        return folder

    def save_whole(stage: Any) -> None:
        runs = cache.cache_dir
        repo.cache.legacy.makedirs(runs)
        with TemporaryDirectory(prefix="runs.partial-", dir=Path(runs).parent) as partial:
            cache.cache_dir = partial
            try:
                save(stage)
            finally:
                cache.cache_dir = runs
            for entry in Path(partial).glob("*/*/*"):
                kept = Path(runs, *entry.parts[-3:])
                repo.cache.legacy.makedirs(str(kept.parent.parent))
                try:
                    entry.parent.rename(kept.parent)
                except OSError as error:
                    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                        raise
                    if not kept.exists():  # the same inputs gave another output before
                        entry.rename(kept)

    cache._get_cache_dir, cache.save = folder_not_empty, save_whole


def _pull_output(repo: Any, out: Any) -> None:
    # Asked first, for DVC does not say of every kind of remote that it is down.
    if not _in_cache(out) and out.hash_info and kept_in_remote(repo, out.hash_info.value):
        with suppress(CollectCacheError):  # the list of a folder came damaged
            for objects in out.get_used_objs().values():
                repo.cloud.pull(objects)
        if not _in_cache(out):
            raise _LostError(out)
    if not _in_cache(out):
        raise CheckoutError([str(out)], {})
    out.checkout()


class _LostError(CheckoutError):  # type: ignore[misc]
    """What a remote sent was thrown away; DVC builds the output of the stage itself anew."""

    def __init__(self, out: Any) -> None:
        DvcException.__init__(
            self,
            f"{out}: damaged or incomplete in the remote ({out.hash_info.value}); "
            f"`snakemake --cores 1 {out}` builds it, and `dvc push` replaces it there once it is "
            "deleted there",
        )


def _in_cache(out: Any) -> bool:
    """Tell whether an output can be taken from the cache; what is damaged in it is gone then."""
    if not out.hash_info:
        return False
    try:
        # First, since DVC does not look at the hash of a folder's list that it cannot read.
        out.cache.check(out.hash_info.value)
    except (FileNotFoundError, ObjectFormatError):
        return False
    return not out.changed_cache()


def _restore_outputs(repo: Any, name: str) -> None:
    """Put back the earlier outputs of a failed stage: both engines delete them before a run."""
    try:
        with repo.lock:
            stages = _stages(repo)[0]
            if name in stages:
                _take_from_cache(stages[name])
    except (DvcException, OSError) as error:
        print(
            f"musecl: the earlier outputs of {name} stay in the cache: {one_line(error)}",
            file=sys.stderr,
        )


@rwlocked(write=["outs"])  # type: ignore[untyped-decorator]
def _take_from_cache(stage: Any) -> None:
    for out in stage.outs:
        if _in_cache(out):
            out.checkout(force=True)


@lru_cache(maxsize=1)
def _stages(repo: Any) -> tuple[Mapping[str, Any], dict[str, str]]:
    """Give the stages by name, loaded one by one, and the name of each path's maker.

    Read once for an opened repository: DVC asks several times whether the stage changed.
    """
    stages = stages_of(repo)
    return stages, makers(read_stages(Path(repo.root_dir)), stages)


@contextmanager
def _stages_as_the_engine_glue_needs_them(begin: Callable[[], None]) -> Iterator[None]:
    """Change what DVC does with a stage while one is brought up to date.

    `cmd_run` tells that a step begins, and nothing is restored.
    `save_deps` refuses to record a run whose dependencies changed in the middle: DVC hashes them
    after the command, and so records new code or parameters beside an output of the old ones.
    `changed_deps` compares an absent dependency with what the stage above recorded: for a single
    stage DVC takes it as unchanged, and gives back an output of an earlier state.
    `needs_relink` links a new output to its object where DVC takes the copy for a reflink, and so
    keeps a folder's files twice.
    """
    save, changed, relink = Stage.save_deps, Stage.changed_deps, checkout._needs_relink
    run_step = dvc_run.cmd_run
    first: dict[str, dict[str, Any]] = {}

    def cmd_run(*arguments: Any, **options: Any) -> None:
        begin()
        run_step(*arguments, **options)

    def save_deps(stage: Any, **options: Any) -> None:
        save(stage, **options)
        now = {str(dependency): dependency.hash_info for dependency in stage.deps}
        if first.setdefault(stage.addressing, now) != now:
            edited = ", ".join(key for key in now if first[stage.addressing].get(key) != now[key])
            raise DvcException(f"{edited} changed while it ran; nothing was recorded, run it again")

    def changed_deps(stage: Any, allow_missing: bool = False, upstream: Any = None) -> bool:
        stages, maker_of = _stages(stage.repo)
        above = {maker_of[dep.def_path] for dep in stage.deps if dep.def_path in maker_of}
        return bool(changed(stage, allow_missing, [stages[name] for name in sorted(above)]))

    def needs_relink(path: str, cache: Any, meta: Any, cache_meta: Any, oid: str | None) -> bool:
        copied = not meta.is_link and meta.nlink == 1 and cache.cache_types[0] != "copy"
        return copied or relink(path, cache, meta, cache_meta, oid)

    Stage.save_deps, Stage.changed_deps = save_deps, changed_deps
    checkout._needs_relink, dvc_run.cmd_run = needs_relink, cmd_run
    try:
        yield
    finally:
        Stage.save_deps, Stage.changed_deps = save, changed
        checkout._needs_relink, dvc_run.cmd_run = relink, run_step


def _reason(error: BaseException) -> BaseException:
    """Find what to tell: the deepest cause that is written for a reader, if there is one."""
    causes = []
    while error.__cause__ is not None:
        error = error.__cause__
        causes.append(error)
    told = [cause for cause in causes if isinstance(cause, (DvcException, MuseclError))]
    return (told or causes or [error])[-1]
