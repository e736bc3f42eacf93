"""No process outlives the one that started it, and Ctrl-C ends each with one line."""

import ctypes
import signal
import sys
from typing import NoReturn

PR_SET_PDEATHSIG = 1
# The exit status of a program that Ctrl-C ended, after it has said so.
INTERRUPTED = 128 + signal.SIGINT


def end_with_parent() -> None:
    """Have Linux end this process with the one that started it, so that no orphan writes on."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def begin_worker() -> None:
    """Begin a forked process that works for this one: it ends with it, and by Ctrl-C in silence."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def end_interrupted() -> NoReturn:
    """End this process after Ctrl-C: one line says what was interrupted, and how to go on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # pressed again, it would cut the line
    command = " ".join(word for word in sys.argv[1:3] if not word.startswith("-"))
    print(
        f"musecl: {command}: interrupted; nothing of it was recorded, run the same command again",
        file=sys.stderr,
    )
    sys.exit(INTERRUPTED)
