"""Programs forked from a process that has imported their libraries: the tests start thousands.

The import takes most of the time of a program that has little to do. `programs` is a folder to put
first on PATH. Its `python`, `snakemake` and `dvc` (tests/shim.py) send their arguments, environment
and streams to one process, which forks and becomes the program: the programs' own entry points,
and the code of the checkout that they are started in. What this cannot see is a program that fails
as it imports: that do the tests that start one anew (test_miniature.py, those with `anew`).
"""

import ast
import atexit
import fcntl
import gc
import importlib
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NoReturn

ENTRY_POINTS = {"snakemake": "snakemake.cli", "dvc": "dvc.cli"}
# What both engines, a job and a step import, and nothing of musecl: a checkout runs its own.
LIBRARIES = (
    *("snakemake.cli", "snakemake.storage", "snakemake_executor_plugin_slurm", "smart_open"),
    *("docutils.core", "graphlib", "dvc.cli.parser", "dvc.cachemgr", "dvc.data_cloud"),
    *("dvc.dirs", "dvc.rwlock", "dvc.scm", "dvc.stage.loader", "dvc.utils.strictyaml"),
    *(f"dvc.repo.{name}" for name in ("artifacts", "brancher", "datasets", "index", "metrics")),
    *(f"dvc.repo.{name}" for name in ("params", "plots", "reproduce", "stage", "worktree")),
    *("dvc_data.hashfile._progress", "dvc_data.hashfile.db.local", "dvc_data.hashfile.status"),
    *("dvc_data.index.checkout", "dvc_data.index.fetch", "dvc_data.index.push", "dvc_render"),
    *("configobj", "dulwich.porcelain", "fsspec.implementations.memory", "networkx"),
    *("pyparsing", "ruamel.yaml", "concurrent.futures.thread", "ctypes", "pydantic", "yaml"),
)


@cache
def programs() -> Path:
    """Start the process that forks, once; the folder of the programs that ask it."""
    folder = tempfile.TemporaryDirectory(prefix="fork-server-")
    address = f"{folder.name}/socket"
    text = Path(__file__).with_name("shim.py").read_text(encoding="utf-8")
    known = f"ADDRESS, INTERPRETER = {address!r}, {sys.executable!r}"
    text = text.replace('ADDRESS, INTERPRETER = "", ""', known)
    shims = Path(folder.name) / "bin"
    shims.mkdir()
    for name in ("python", *ENTRY_POINTS):
        (shims / name).write_text(f"#!{sys.executable} -IS\n{text}", encoding="utf-8")
        (shims / name).chmod(0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen(128)
        server = subprocess.Popen(
            [sys.executable, __file__, str(listener.fileno())],
            stdin=subprocess.PIPE,  # ends when this process does, and the server with it
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )

    @atexit.register
    def close() -> None:
        assert server.stdin
        server.stdin.close()
        server.wait()
        folder.cleanup()

    return shims


def serve(listener: socket.socket) -> None:
    """Fork a process for everyone who asks, until the standard input ends."""
    for name in LIBRARIES:
        importlib.import_module(name)
    # Snakemake looks for its plugins, and both import more, as they make these.
    importlib.import_module("snakemake.cli").get_argument_parser()
    importlib.import_module("dvc.cli.parser").get_main_parser()
    gc.freeze()
    signal.signal(signal.SIGCHLD, bury)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            become(connection)
        connection.close()


def bury(*_: object) -> None:
    """Wait for those that have ended: until then, DVC would take a killed one for alive."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def become(connection: socket.socket) -> NoReturn:
    """Be the program that was asked for, and tell at the end with which status it ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # End with the shim: the kernel sends this signal when it closes its end.
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(connection, fcntl.F_SETSIG, signal.SIGKILL)
    flags = fcntl.fcntl(connection, fcntl.F_GETFL)
    asked, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    fcntl.fcntl(connection, fcntl.F_SETFL, flags | os.O_ASYNC)
    if select.select([connection], [], [], 0)[0]:  # it is gone already
        os._exit(1)
    (program, *arguments), folder, environment = ast.literal_eval(asked.decode())
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.dont_write_bytecode = bool(environment.get("PYTHONDONTWRITEBYTECODE"))
    status = 1
    try:
        enter(program, arguments)
        status = 0
    except SystemExit as error:
        code = error.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
        status = code if isinstance(code, int) else int(code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        # As the interpreter ends: a forked process would do neither by itself.
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        connection.send(bytes([status & 255]))
        os._exit(status & 255)


def enter(program: str, arguments: list[str]) -> None:
    """Run a program with its arguments and path of modules."""
    binaries = Path(sys.executable).parent
    if program == "python":
        sys.argv = arguments
        first = []
    else:
        sys.argv = [str(binaries / program), *arguments]
        first = [str(binaries)]
    # What starts others by its own interpreter has them forked, too.
    sys.executable = shutil.which("python") or sys.executable
    sys.orig_argv = [sys.executable, *sys.argv]
    named = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [*first, *named, *sys.path[1:]]
    if any(Path(path, "sitecustomize.py").exists() for path in named):
        sys.modules.pop("sitecustomize", None)
        importlib.import_module("sitecustomize")
    if program == "python":
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        sys.exit(importlib.import_module(ENTRY_POINTS[program]).main())


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
