"""A package registry on loopback, as PEP 503 says, and tiny wheels to put into it."""

import base64
import hashlib
import html
import os
import re
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def build_wheel(folder: Path, name: str, version: str, members: Mapping[str, bytes]) -> Path:
    """Write a valid wheel that holds these files by their path in it, and no code."""
    stem = f"{re.sub('[-_.]+', '_', name)}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    wheel = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {
        **members,
        f"{stem}.dist-info/METADATA": metadata.encode(),
        f"{stem}.dist-info/WHEEL": wheel.encode(),
    }
    record = [f"{path},sha256={_record_digest(data)},{len(data)}" for path, data in files.items()]
    files[f"{stem}.dist-info/RECORD"] = "\n".join(
        [*record, f"{stem}.dist-info/RECORD,,", ""]
    ).encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in files.items():
            archive.writestr(member, data)
    return path


def pin(wheel: Path) -> str:
    """The line of a requirements file that pins a wheel, as it is now."""
    name, version = wheel.name.split("-")[:2]
    return f"{normalised(name)}=={version} --hash=sha256:{digest(wheel)}"


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def normalised(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


@contextmanager
def serve(folder: Path, cut: int = 0) -> Iterator[str]:
    """Serve the wheels in a folder on a free port of loopback; yields the address of the index.

    Each file ends `cut` bytes before the length that was announced, as a lost connection does.
    """
    handler = partial(_Handler, folder=folder, cut=cut)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/simple"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def only(index: str) -> Iterator[None]:
    """Let pip use this index and nothing else, whatever the machine has configured."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PIP_") and name.lower() not in PROXIES
    }
    pip = {
        "PIP_INDEX_URL": index,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_CACHE_DIR": "1",
        "PIP_RETRIES": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "NO_PROXY": "*",
    }
    with mock.patch.dict(os.environ, kept | pip, clear=True):
        yield


class _Handler(BaseHTTPRequestHandler):
    """Answers `/simple/NAME/` with links to the wheels of that name, and sends the wheels."""

    def __init__(self, *arguments: object, folder: Path, cut: int) -> None:
        self.folder, self.cut = folder, cut
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        match self.path.strip("/").split("/"):
            case ["simple", name]:
                wheels = [w for w in sorted(self.folder.glob("*.whl")) if _name(w) == name]
                links = "".join(
                    f'<a href="/wheels/{w.name}#sha256={digest(w)}">{html.escape(w.name)}</a>\n'
                    for w in wheels
                )
                page = f"<!DOCTYPE html><html><body>\n{links}</body></html>\n".encode()
                self._send(200 if wheels else 404, "text/html", page)
            case ["wheels", name] if (self.folder / name).is_file():
                data = (self.folder / name).read_bytes()
                self._send(200, "application/zip", data, self.cut)
            case _:
                self._send(404, "text/plain", b"no such page\n")

    def _send(self, status: int, kind: str, data: bytes, cut: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) - cut])

    def log_message(self, *arguments: object) -> None:
        """Stay silent: pytest shows what a test prints, and this is none of it."""


def _name(wheel: Path) -> str:
    return normalised(wheel.name.split("-")[0])


def _record_digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
