"""Snakemake and DVC forked from a process that imported them: the tests start them by the hundred.

Their import takes most of the time of a command that has little to do. What runs is the programs'
own entry point. What this cannot see, a program that fails as it imports, `Relay.start` and
tests/test_world.py do, which start them anew.
"""

import atexit
import multiprocessing
import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path

ENTRY_POINTS = {"snakemake": "snakemake.cli", "dvc": "dvc.cli"}

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(
    [
        *("snakemake.cli", "snakemake_executor_plugin_slurm", "smart_open", "docutils.core"),
        *("dvc.cli.parser", "dvc.repo.reproduce", "dvc.cachemgr", "dvc.data_cloud", "dvc.rwlock"),
        *("dvc.scm", "dvc.stage.loader", "dvc_render", "networkx", "pyparsing", "ruamel.yaml"),
    ]
)


def run(
    command: tuple[str, ...], folder: Path, environment: dict[str, str], timeout: float
) -> tuple[int, str]:
    """Run one of the programs in a folder; its exit status, and both of its streams as they came.

    Raises
    ------
    TimeoutError
        It did not end, and was killed; with what it had said.
    """
    with tempfile.NamedTemporaryFile() as stream:
        process = _server.Process(target=_enter, args=(command, folder, environment, stream.name))
        process.start()
        try:
            process.join(timeout)
            status = process.exitcode
        finally:
            process.kill()
            process.join()
            process.close()
        text = Path(stream.name).read_text(encoding="utf-8")
    if status is None:
        raise TimeoutError(f"{' '.join(command)} had not ended after {timeout:.0f} s:\n{text}")
    return status, text


def _enter(
    command: tuple[str, ...], folder: Path, environment: dict[str, str], stream: str
) -> None:
    """Be the program: its arguments, folder, environment, streams and path of modules."""
    multiprocessing.set_start_method(None, force=True)  # its own workers are started as ever
    file = os.open(stream, os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    program, *arguments = command
    binary = Path(sys.executable).parent / program
    sys.argv = [str(binary), *arguments]
    # Without what the tests import from: a checkout's own code is imported from the checkout.
    installed = [path for path in sys.path if path.startswith((sys.prefix, sys.base_prefix))]
    sys.path[:] = [str(binary.parent), *installed]
    try:
        sys.exit(import_module(ENTRY_POINTS[program]).main())
    finally:
        # A forked process ends without them: Snakemake would leave a folder in the user's cache.
        atexit._run_exitfuncs()
