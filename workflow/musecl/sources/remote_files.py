"""Files behind a URL: what is there before it is read, and the whole of it where it is small.

A URL may hold a signature: messages and records name it without its query and its user.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from musecl.sources.addresses import without_secrets
from musecl.step.errors import InputError

AGENT = "musecl (region embeddings of cities)"
TIMEOUT_S = 60
CHUNK = 1 << 20
RETRIES = 3
WAIT_S = 1.0
FIRST = 64
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True)
class Found:
    """What lies behind a URL: its bytes (None where nobody says), and whether parts can be read."""

    size: int | None
    ranges: bool


def look_at_tiff(url: str) -> Found:
    """Ask for the first bytes of a file, and see that it is a TIFF.

    A part is asked for and not a HEAD: signed addresses refuse that, and what servers then say of
    ranges is not always so.

    Raises
    ------
    InputError
        There is no such file, it is something else, or the server does not answer.
    """
    with _asked(url, {"Range": f"bytes=0-{FIRST - 1}"}) as part:
        if part.status_code == requests.codes.partial_content:
            total = part.headers.get("Content-Range", "").rpartition("/")[2]
            found = Found(int(total) if total.isdigit() else None, ranges=True)
            start = _start(part)
        elif part.ok:
            found = Found(_length(part), ranges=False)
            start = _start(part)
        else:
            found, start = None, b""
    if found is None:
        # Some servers refuse parts alone; that they lack the file is told by asking for all of it.
        with _asked(url, {}) as whole:
            if not whole.ok:
                raise InputError(
                    f"{without_secrets(url)}: the server says {whole.status_code} {whole.reason}; "
                    "check the address in params.yaml"
                )
            found, start = Found(_length(whole), ranges=False), _start(whole)
    if not start.startswith(TIFF):
        said = " ".join(start.decode("utf-8", "replace").split())
        raise InputError(
            f"{without_secrets(url)}: is no GeoTIFF, it begins with {said!r}; give the address of "
            "the file itself"
        )
    return found


def download(url: str, path: Path, at_most: int) -> None:
    """Stream a file to disk.

    Raises
    ------
    InputError
        It has more bytes than `at_most`, fewer than it was said to have, or the server fails.
    """
    with _asked(url, {}) as whole:
        if not whole.ok:
            raise InputError(
                f"{without_secrets(url)}: the server says {whole.status_code} {whole.reason}; try "
                "again later"
            )
        expected, written = _length(whole), 0
        with path.open("wb") as file:
            for chunk in whole.iter_content(CHUNK):
                written += len(chunk)
                if written > at_most:
                    raise InputError(
                        f"{without_secrets(url)}: has more than {at_most >> 20} MiB, and its "
                        "server gives no parts of it; download it and cut it down yourself"
                    )
                file.write(chunk)
    if expected is not None and written != expected:
        raise InputError(
            f"{without_secrets(url)}: {written} of {expected} bytes came; try again later"
        )


@contextmanager
def _asked(url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
    # A body that is packed for the way has another length and hash than the file.
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity", **headers}
    busy = Retry(
        RETRIES,
        backoff_factor=WAIT_S,
        status_forcelist=[429, 500, 502, 503, 504],
        raise_on_status=False,
    )
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=busy))
        try:
            with session.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
                yield response
        except requests.RequestException as error:
            # The text of the error would show the whole address.
            raise InputError(
                f"{without_secrets(url)}: the server does not answer as it should "
                f"({type(error).__name__}); check the address, or try again later"
            ) from None


def _start(response: requests.Response) -> bytes:
    return next(response.iter_content(FIRST), b"")


def _length(response: requests.Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None
