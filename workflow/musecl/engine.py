"""The agreement of Snakemake and DVC: dvc.lock is the one truth of what was built from what.

Snakemake decides order, parallelism and where a job runs; whether a stage is stale, it learns
from DVC (`Recorded`). A job runs its stage through DVC (`reproduce`), which skips it, restores it
from the cache, pulls what it needs or runs it, and records it in dvc.lock as it ends.
docs/engines.md tells why each of Snakemake's own ways would break the agreement.
"""

import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from musecl.errors import EngineError, MuseclError
from musecl.pipeline import declaration

MARKERS = Path(".snakemake/stale")


class Recorded:
    """What dvc.lock records about every stage, looked up when Snakemake first asks.

    Parameters
    ----------
    workflow, config
        Snakemake's own, as the Snakefile sees them.
    ancient : callable
        Snakemake's `ancient`: marks an input whose modification time decides nothing.
    """

    def __init__(
        self, workflow: Any, config: dict[str, Any], ancient: Callable[[str], str]
    ) -> None:
        self.workflow = workflow
        self.config = config
        self.ancient = ancient
        self.root = Path(workflow.basedir)
        self._stale: dict[str, bool] = {}
        self._code_of: dict[str, list[str]] = {}
        self._repo: Any = None

    def inputs(self, stage: str, **paths: str) -> Callable[[Any], dict[str, Any]]:
        """Name the inputs of a rule, for Snakemake's `unpack`.

        Parameters
        ----------
        stage : str
            The rule's stage, as DVC addresses it, with wildcards: `fuse@{city}`.
        **paths : str
            Data that the stage reads, by name, with wildcards; its code is added from dvc.yaml.

        Returns
        -------
        callable
            From wildcards to the named inputs. An input that a stale stage makes stays plain, so
            that Snakemake runs what lies below it; any other is `ancient`, for DVC decides by
            content; one that is absent but recorded is left out, for the job pulls it; and a stale
            stage gets a marker newer than every output.
        """

        def for_wildcards(wildcards: Any) -> dict[str, Any]:
            values = dict(wildcards.items())
            name = stage.format(**values)
            named = {key: path.format(**values) for key, path in paths.items()}
            if not self.workflow.is_main_process:  # a job runs what was planned, and asks nothing
                return {**named, "code": self._code(name)}
            stale = self.stale(name)
            inputs: dict[str, Any] = {
                key: path if self._made_by_stale(path) else self.ancient(path)
                for key, path in named.items()
                if not (stale and self._can_be_pulled(path))
            }
            inputs["code"] = [self.ancient(path) for path in self._code(name)]
            if stale:
                inputs["stale"] = self._marker(name)
            return inputs

        return for_wildcards

    def stale(self, name: str) -> bool:
        """Tell whether DVC would run a stage: it or one above it changed, or an output is lost."""
        if name not in self._stale:
            self._open()
            stage = self._by_name[name]
            above = [self.stale(maker.addressing) for maker in self._makers(stage)]
            self._stale[name] = any(above) or self._changed(stage)
        return self._stale[name]

    def _open(self) -> None:
        """Read every stage through DVC, once; not before a rule asks, for most commands need none.

        Snakemake's settings are checked here, since they do not exist while the Snakefile is read.
        """
        if self._repo is not None:
            return
        from dvc.repo import Repo

        with one_line_errors():
            check_settings(self.workflow, self.config)
        self._repo = Repo(str(self.root), _wait_for_lock=True)
        with self._repo.lock:
            self._by_name = {stage.addressing: stage for stage in self._repo.index.stages}
        self._maker_of = {
            out.fs_path: stage for stage in self._by_name.values() for out in stage.outs
        }

    def _code(self, name: str) -> list[str]:
        """List a stage's code: the same for every city, so dvc.yaml is read once per stage."""
        stage, _, city = name.partition("@")
        if stage not in self._code_of:
            declared = declaration(self.root, stage, city or None)
            self._code_of[stage] = [p for p in declared.inputs if p.startswith("workflow/")]
        return self._code_of[stage]

    def _maker(self, path: str) -> Any:
        self._open()
        return self._maker_of.get(str((self.root / path).resolve()))

    def _makers(self, stage: Any) -> list[Any]:
        found = {self._maker_of[dep.fs_path] for dep in stage.deps if dep.fs_path in self._maker_of}
        return sorted(found, key=lambda maker: str(maker.addressing))

    def _made_by_stale(self, path: str) -> bool:
        maker = self._maker(path)
        return maker is not None and self.stale(maker.addressing)

    def _can_be_pulled(self, path: str) -> bool:
        maker = self._maker(path)
        present = (self.root / path).exists()
        return maker is not None and not present and not self.stale(maker.addressing)

    def _changed(self, stage: Any) -> bool:
        """Ask DVC as `dvc repro --allow-missing` does, and then whether an absent output is kept.

        `Stage.changed` itself would take DVC's per-path locks, and wait for a stage that runs;
        the repository's lock, held here, is enough to read.
        """
        with self._repo.lock:
            if stage.changed_stage() or stage.is_callback or stage.always_changed:
                return True
            made_above = {out.fs_path: out for maker in self._makers(stage) for out in maker.outs}
            if any(self._dependency_changed(dep, made_above) for dep in stage.deps):
                return True
            return any(self._output_changed(out) for out in stage.outs)

    @staticmethod
    def _dependency_changed(dependency: Any, made_above: dict[str, Any]) -> bool:
        status = dependency.status()
        if not status:
            return False
        above = made_above.get(getattr(dependency, "fs_path", None) or "")
        absent = status.get(str(dependency)) == "deleted"
        return not (absent and above is not None and above.hash_info == dependency.hash_info)

    def _output_changed(self, out: Any) -> bool:
        if not out.hash_info:
            return True
        if out.exists:
            return bool(out.changed_checksum())
        return not self._kept_somewhere(out)

    def _kept_somewhere(self, out: Any) -> bool:
        if not out.changed_cache():
            return True
        from dvc.exceptions import DvcException

        try:
            remote = self._repo.cloud.get_remote_odb(hash_name=out.hash_info.name)
            return bool(remote.exists(out.hash_info.value))
        except (DvcException, OSError):
            return False

    @staticmethod
    def _marker(name: str) -> str:
        # A folder each: Snakemake lists a folder once, and would miss a marker written later.
        marker = MARKERS / name / "changed"
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.write_text(str(uuid.uuid4()))
        return str(marker)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Show an error that is meant for the user as one line, not as a trace of the Snakefile."""
    try:
        yield
    except MuseclError as error:
        print(f"musecl: {error}", file=sys.stderr)
        # Snakemake would print a traceback for SystemExit's relatives, and hold nothing open yet.
        os._exit(1)


def check_settings(workflow: Any, overrides: dict[str, Any]) -> None:
    """Refuse settings of Snakemake under which the two engines would not agree.

    Raises
    ------
    EngineError
        Names the setting and the way back.
    """
    if overrides:
        raise EngineError(
            f"--config {' '.join(overrides)}: DVC would not see it; edit params.yaml instead"
        )
    if {str(trigger).lower() for trigger in workflow.rerun_triggers} != {"mtime"}:
        raise EngineError(
            "Snakemake must ask DVC what is stale: run in the folder of the Snakefile, where "
            "profiles/default is found, or pass --rerun-triggers mtime"
        )
    if workflow.dag_settings.max_checksum_file_size != 0:
        raise EngineError(
            "Snakemake must not skip by its own checksums: pass --max-checksum-file-size 0, or run "
            "in the folder of the Snakefile, where profiles/default is found"
        )


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
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo

    with _dependencies_hashed_before_the_run():
        while True:
            with Repo(str(root), _wait_for_lock=True) as repo:
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
    from dvc.exceptions import DvcException

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
    from dvc.exceptions import DvcException
    from dvc.stage import Stage

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
