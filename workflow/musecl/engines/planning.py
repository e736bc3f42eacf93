"""Which stages are stale, asked of DVC for Snakemake: dvc.lock is the one truth of what was built.

A rule's inputs pass through `Recorded`, so that Snakemake plans the jobs that `dvc repro` would
run. docs/engines.md tells why each of Snakemake's own ways would break the agreement.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import Any

from musecl.engines.environment import inherit_this_interpreter, untested_versions
from musecl.engines.markers import mark_stale
from musecl.runtime.errors import EngineError, MuseclError
from musecl.runtime.pipeline import Declaration, check_target, declared_in, makers, read_stages
from musecl.runtime.plain_yaml import read_yaml


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
        self.root = Path(workflow.basedir).resolve()
        inherit_this_interpreter()
        look_past_modes_and_times()
        self._written = read_stages(self.root)
        self._stages: Mapping[str, Any] = {}
        self._known: list[str] = []
        self._maker_of: dict[str, str] = {}
        self._repo: Any = None
        self._stale: dict[str, bool] = {}
        # Of what is on the disk: each path is read once for all stages of the plan.
        self._hashes: dict[tuple[str, str], Any] = {}
        self._parameters: dict[str, dict[str, Any]] = {}

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
            if self.workflow.remote_exec:
                # What is absent on a node was left out of the plan too, and the job pulls it.
                named = {key: path for key, path in named.items() if (self.root / path).exists()}
            if not self.workflow.is_main_process:  # a job runs what was planned, and asks nothing
                return {**named, "code": self._code(name)}
            with one_line_errors():
                stale = self.stale(name)
                inputs: dict[str, Any] = {
                    key: path if self._made_by_stale(path) else self.ancient(path)
                    for key, path in named.items()
                    if not self._can_be_pulled(path)
                }
                inputs["code"] = [self.ancient(path) for path in self._code(name)]
                if stale:
                    inputs["stale"] = mark_stale(self.root, name, self._declaration(name).outputs)
                return inputs

        return for_wildcards

    def stale(self, name: str) -> bool:
        """Tell whether DVC would run a stage: it or one above it changed, or an output is lost."""
        if name not in self._stale:
            self._open()
            self._check_name(name)
            above = [self.stale(maker) for maker in self._makers(name)]
            self._stale[name] = any(above) or self._changed(name)
        return self._stale[name]

    def _open(self) -> None:
        """Open DVC's view, once; not before a rule asks, for most commands need none of it.

        Snakemake's settings are checked here, since they do not exist while the Snakefile is read.
        A stage is loaded when it is asked for: planning one city reads nothing of the others.
        """
        if self._repo is not None:
            return
        check_settings(self.workflow, self.config)
        if untested := untested_versions():
            print(f"note: not the engines that were tried: {', '.join(untested)}", file=sys.stderr)
        from musecl.engines.asked import known_tables
        from musecl.engines.repository import commands_to_verify, open_repository, stages_of

        self._repo = open_repository(self.root)
        for command in commands_to_verify(self._repo):
            print(f"note: what comes is hashed; for `dvc pull`, too: `{command}`", file=sys.stderr)
        with self._repo.lock:
            self._stages = stages_of(self._repo)
        self._stage = cache(self._stages.__getitem__)
        self._known = [*self._stages, *known_tables(self.root)]
        self._maker_of = makers(self._written, self._known)

    def _check_name(self, name: str) -> None:
        """Refuse a target of a city or a transfer that params.yaml does not name."""
        if name not in self._known:
            stage, _, city = name.partition("@")
            check_target(read_yaml(self.root / "params.yaml"), self._written, stage, city or None)

    def _declaration(self, name: str) -> Declaration:
        stage, _, city = name.partition("@")
        return declared_in(self._written, stage, city or None)

    def _makers(self, name: str) -> list[str]:
        """Name the stages whose outputs a stage reads."""
        inputs = self._declaration(name).inputs
        return sorted({self._maker_of[path] for path in inputs if path in self._maker_of})

    def _made_by_stale(self, path: str) -> bool:
        return path in self._maker_of and self.stale(self._maker_of[path])

    def _can_be_pulled(self, path: str) -> bool:
        absent = not (self.root / path).exists()
        return absent and path in self._maker_of and not self.stale(self._maker_of[path])

    def _changed(self, name: str) -> bool:
        """Ask DVC as `dvc repro --allow-missing` does, and then whether an absent output is kept.

        `Stage.changed` itself would take DVC's per-path locks, and wait for a stage that runs;
        the repository's lock, held here, is enough to read.
        """
        if name not in self._stages:  # a table that nobody asked for
            return True
        with self._repo.lock:
            stage = self._stage(name)
            if stage.changed_stage() or stage.is_callback or stage.always_changed:
                return True
            made_above = {
                out.fs_path: out for maker in self._makers(name) for out in self._stage(maker).outs
            }
            if any(self._dependency_changed(dep, made_above) for dep in stage.deps):
                return True
            return any(self._output_changed(out) for out in stage.outs)

    def _dependency_changed(self, dependency: Any, made_above: dict[str, Any]) -> bool:
        from dvc.dependency import ParamsDependency

        if isinstance(dependency, ParamsDependency):
            # Its own would read the file anew for every stage, and search all of it for every key.
            dependency.read_params = lambda: self._values(dependency)
            return bool(dependency.status())
        if dependency.exists:
            return not dependency.hash_info or dependency.hash_info != self._hash(dependency)
        above = made_above.get(dependency.fs_path)
        return above is None or above.hash_info != dependency.hash_info

    def _output_changed(self, out: Any) -> bool:
        if not out.hash_info:
            return True
        if out.exists:
            if out.hash_info == self._hash(out):
                return False
            print(f"note: {out} is not as it was built; a run replaces it", file=sys.stderr)
            return True
        return not self._kept_somewhere(out)

    def _hash(self, out: Any) -> Any:
        """Hash what lies at the path of an output or a dependency, or ask DVC's record of it."""
        key = out.fs_path, out.hash_name
        if key not in self._hashes:
            self._hashes[key] = out.get_hash()
        return self._hashes[key]

    def _values(self, dependency: Any) -> dict[str, Any]:
        """Look up the parameters that a stage names; those that are absent are left out."""
        from dvc.utils.serialize import load_path

        path = dependency.fs_path
        if path not in self._parameters:
            self._parameters[path] = load_path(path, self._repo.fs)
        values = {}
        for key in dependency.params:
            with suppress(KeyError, TypeError):  # absent, or below a value that holds nothing
                values[key] = reduce(getitem, key.split("."), self._parameters[path])
        return values

    def _kept_somewhere(self, out: Any) -> bool:
        if not out.changed_cache():
            return True
        from musecl.engines.repository import kept_in_remote

        return kept_in_remote(self._repo, out.hash_info.value)

    def _code(self, name: str) -> list[str]:
        return [path for path in self._declaration(name).inputs if path.startswith("workflow/")]


def look_past_modes_and_times() -> None:
    """Keep Snakemake from refusing a job for what says nothing here.

    An output that is write-protected is so by DVC, which protects what it links; Snakemake would
    refuse to replace it, for everyone but root. An output that is older than an input is none of
    an older state: DVC has hashed both, and a file may come from a machine whose clock is fast.
    """
    from snakemake.dag import DAG
    from snakemake.io import _IOFile

    async def protected(_: Any) -> bool:
        return False

    async def check_output_mtime(*_: Any) -> None:
        return None

    _IOFile.protected, DAG.check_output_mtime = protected, check_output_mtime


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Show an error that is meant for the user as one line, not as a trace of the Snakefile."""
    try:
        yield
    except Exception as error:
        print(f"musecl: {_line_of(error)}", file=sys.stderr)
        # Snakemake would print a traceback for SystemExit's relatives, and hold nothing open yet.
        os._exit(1)


def _line_of(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and not (error.name or "musecl").startswith("musecl"):
        return (
            f"{sys.executable}, which runs Snakemake, lacks {error.name}; `source "
            ".venv/bin/activate`, which `make environment` makes, and run the same command again"
        )
    from dvc.exceptions import DvcException

    from musecl.engines.repository import one_line

    if not isinstance(error, (MuseclError, DvcException, OSError)):
        raise error
    return one_line(error)


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
    if workflow.resource_settings.cores == 0:
        raise EngineError("--cores 0: nothing could run, and Snakemake would wait for ever; give 1")
    if Path.cwd().resolve() != Path(workflow.basedir).resolve():
        raise EngineError(
            f"run Snakemake in {workflow.basedir}, where its dvc.lock is, and not here"
        )
    if workflow.workflow_settings.consider_ancient:
        raise EngineError("--consider-ancient: DVC would not see it; leave it out")
    by_times = {str(trigger).lower() for trigger in workflow.rerun_triggers} == {"mtime"}
    if not by_times or workflow.dag_settings.max_checksum_file_size != 0:
        raise EngineError(
            "Snakemake must ask DVC what is stale, by `rerun-triggers: [mtime]` and "
            "`max-checksum-file-size: 0`: leave profiles/default to be found, or begin your own "
            "profile with its lines"
        )
