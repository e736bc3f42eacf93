"""Stops a process, or fills its disk, before the Nth time that it changes a file of the checkout.

On PYTHONPATH with MUSECL_FAULT="kind:N:part of the command line". Kinds: `kill` ends the process
as kill -9 would; `full` refuses this change and all that follow but deletions, as a full disk
does; `edit` puts the file `edited.yaml` in the place of params.yaml; `wait` holds the pipe
`started` open until something is written to the pipe `go`; `count` writes to the file `changes`
how many there were. These files lie beside the checkout.
"""

import atexit
import errno
import os
import signal
import sys
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
GROWING = {"open", "os.mkdir", "os.rename", "os.link", "os.symlink"}
CHANGING = GROWING | {"os.remove", "os.rmdir", "os.truncate", "os.chmod"}


class Fault:
    """An audit hook: Python calls it before each change of a file."""

    def __init__(self, kind: str, number: int) -> None:
        self.kind = kind
        self.number = number
        self.root = Path.cwd()
        self.beside = self.root.parent
        self.changes = 0
        if kind == "count":
            atexit.register(lambda: (self.beside / "changes").write_text(str(self.changes)))

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in CHANGING or not isinstance(arguments[0], (str, bytes, os.PathLike)):
            return
        if event == "open" and not int(arguments[2]) & WRITING:
            return
        path = self.root / os.fsdecode(arguments[0])
        if self.root not in path.parents or "__pycache__" in path.parts:
            return
        self.changes += 1
        if self.changes == self.number and self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.changes == self.number and self.kind == "edit":
            (self.root / "params.yaml").write_bytes((self.beside / "edited.yaml").read_bytes())
        if self.changes == self.number and self.kind == "wait":
            with (self.beside / "started").open("w"):
                (self.beside / "go").read_text()
        if self.changes >= self.number and self.kind == "full" and event in GROWING:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


if "MUSECL_FAULT" in os.environ:
    fault, point, command = os.environ["MUSECL_FAULT"].split(":")
    if command in " ".join(sys.orig_argv):
        sys.addaudithook(Fault(fault, int(point)))
