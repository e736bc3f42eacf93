"""Snakemake and DVC forked from a process that imported them: the tests start them by the hundred.

Their import takes most of the time of a command that has little to do. What runs is the programs'
own entry point; `Relay.start`, and so whatever is killed or edited in mid-run, starts them anew.
"""

import multiprocessing
import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path

ENTRY_POINTS = {"snakemake": "snakemake.cli", "dvc": "dvc.cli"}
ROOT = Path(__file__).resolve().parents[1]
# A checkout's own code is imported from the checkout, and is no one else's.
OURS = {str(ROOT / "tests"), str(ROOT / "workflow")}

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
        It did not end, and was killed.
    """
    with tempfile.TemporaryFile() as stream:
        path = f"/proc/{os.getpid()}/fd/{stream.fileno()}"
        process = _server.Process(target=_enter, args=(command, folder, environment, path))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"{' '.join(command)} had not ended after {timeout:.0f} s")
        stream.seek(0)
        return process.exitcode, stream.read().decode()


def _enter(
    command: tuple[str, ...], folder: Path, environment: dict[str, str], stream: str
) -> None:
    """Be the program: its arguments, folder, environment, streams and path of modules."""
    file = os.open(stream, os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    program, *arguments = command
    binary = Path(sys.executable).parent / program
    sys.argv = [str(binary), *arguments]
    sys.path[:] = [str(binary.parent), *(path for path in sys.path if path not in OURS)]
    sys.exit(import_module(ENTRY_POINTS[program]).main())
