"""On PYTHONPATH, this refuses every connection that leaves the machine, and says so in a file."""

import os
import socket
from pathlib import Path
from typing import Any

_connect = socket.socket.connect


def connect(self: socket.socket, address: Any) -> None:
    host = address[0] if isinstance(address, tuple) else "local"
    if host not in ("127.0.0.1", "::1", "localhost", "local"):
        with Path(os.environ["MUSECL_REFUSED"]).open("a", encoding="utf-8") as file:
            file.write(f"{host}\n")
        raise OSError(f"no network in this test: {host}")
    _connect(self, address)


socket.socket.connect = connect  # type: ignore[method-assign]
