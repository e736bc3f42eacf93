"""Stands for a program on PATH: has it forked from the process of tests/fork_server.py, and waits.

It imports next to nothing, since the tests start it by the thousand.
"""

import _socket as socket
import os
import sys

ADDRESS, INTERPRETER = "", ""  # written here when it is laid
KILL = 9  # signal.SIGKILL, whose module takes a third of the time

program = sys.argv[0].rpartition("/")[2]
arguments = sys.argv[1:]
if program == "python" and arguments[:1] != ["workflow/musecl"]:
    os.execv(INTERPRETER, [INTERPRETER, *arguments])
if "MUSECL_FAULT" in os.environ:
    # Who started this may be killed: it then ends with them, as a program of musecl does.
    import ctypes

    ctypes.CDLL(None).prctl(1, KILL)
folder = os.getcwd()  # noqa: PTH109  (pathlib takes as long as all the rest)
asked = repr(([program, *arguments], folder, dict(os.environ))).encode()
streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
connection.connect(ADDRESS)
connection.sendmsg([asked], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
status = connection.recv(1)
if not status:
    os.kill(os.getpid(), KILL)  # as the program was
os._exit(status[0])
