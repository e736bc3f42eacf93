"""Files behind a URL: what is there before it is read, and the whole of it where it is small.

A URL may hold a signature: messages and records name it without its query and its user.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import requests

from musecl.runtime.errors import InputError
from musecl.sources.addresses import without_secrets
from musecl.sources.patience import BUSY, Patience, wish_of

AGENT = "musecl (region embeddings of cities)"
TIMEOUT_S = 60.0  # that nothing may come over the line
DEADLINE_S = 1800.0  # that a server may be busy, since it last sent a byte
PAUSE_S = 1.0  # before it is asked again, doubled each time; its own wish is more
# So often in a row a server is asked that cannot be reached, or that is too busy for parts alone.
TRIES = 3
CHUNK = 1 << 20
FIRST_BYTES = 64
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Found:
    """What lies behind a URL: its bytes (None where nobody says), and whether parts can be read."""

    size: int | None
    ranges: bool


@dataclass(frozen=True)
class Version:
    """Which state of a file its server sends.

    Attributes
    ----------
    name : str or None
        Its strong ETag, else when it was last changed; None where nobody says.
    size : int or None
        Its bytes, where known.
    """

    name: str | None
    size: int | None


class AgainError(InputError):
    """A server did not send what it has; asked again after `wish` seconds it may.

    `reached` is False where nobody answered, or the line broke.
    """

    def __init__(self, url: str, why: str, wish: float = 0.0, reached: bool = True) -> None:
        super().__init__(f"{without_secrets(url)}: {why}")
        self.wish, self.reached = wish, reached


def look_at_tiff(url: str) -> Found:
    """Ask for the first bytes of a file, and see that it is a TIFF.

    A part is asked for and not a HEAD: signed addresses refuse that, and what servers then say of
    ranges is not always so.

    Raises
    ------
    InputError
        There is no such file, it is something else, or the server does not answer.
    """

    def look(headers: dict[str, str]) -> Found | None:
        with _asked(url, headers) as answer:
            if not answer.ok:
                if headers:
                    return None
                raise _refused(url, answer, "check the address in params.yaml")
            size, parts = _length(answer), answer.status_code == requests.codes.partial_content
            if parts:
                size = _total(answer)
            _require_tiff(url, next(answer.iter_content(FIRST_BYTES), b""))
            return Found(size, parts)

    try:
        part = {"Range": f"bytes=0-{FIRST_BYTES - 1}"}
        found = _patiently(lambda _: look(part), tries=TRIES)
    except AgainError:
        found = None
    # Some servers refuse parts alone; that they lack the file is told by asking for all of it.
    whole = found or _patiently(lambda _: look({}))
    assert whole is not None
    return whole


def download(url: str, path: Path, at_most: int) -> None:
    """Stream a TIFF to disk; where an earlier download of it broke off, it goes on.

    What came so far lies at `path`, and beside it, in a file `.json`, which version it is of. It
    goes on where the server still has that version and gives parts, and starts again elsewhere.

    Raises
    ------
    InputError
        It is no TIFF, has more bytes than `at_most`, or the server fails for too long.
    """
    _patiently(lambda patience: _go_on(url, path, at_most, patience))


def release(held: Path, path: Path) -> None:
    """Move a file that came as a whole to its place, and forget which version it is."""
    shutil.move(held, path)
    _record(held).unlink()


def _go_on(url: str, path: Path, at_most: int, patience: Patience) -> None:
    written, begun = _begun(path)
    part = {"Range": f"bytes={written}-", "If-Range": str(begun.name)} if written else {}
    with _asked(url, part) as answer:
        beyond = answer.status_code == requests.codes.requested_range_not_satisfiable
        partial = answer.status_code == requests.codes.partial_content
        if (beyond and _total(answer) != written) or (partial and _is_other(answer, begun)):
            path.unlink()
            raise AgainError(url, "has changed since its download began")
        if beyond:
            return
        if not answer.ok:
            raise _refused(url, answer, "try again later")
        if partial:
            if not answer.headers.get("Content-Range", "").startswith(f"bytes {written}-"):
                path.unlink()
                raise AgainError(url, "the server sent another part than it was asked for")
            size = _total(answer)
        else:
            written, size = 0, _length(answer)
            begun = Version(_version(answer), size)
            # First: where this is killed, no bytes of another version lie beside its name.
            path.unlink(missing_ok=True)
            _record(path).write_text(json.dumps(asdict(begun)), encoding="utf-8")
        with path.open("ab" if written else "wb") as file:
            for chunk in answer.iter_content(CHUNK):
                if not written:
                    _require_tiff(url, chunk)
                written += len(chunk)
                if max(written, size or 0) > at_most:
                    raise InputError(
                        f"{without_secrets(url)}: has more than {at_most >> 20} MiB, and its "
                        "server gives no parts of it; download it and cut it down yourself"
                    )
                file.write(chunk)
                patience.renew(written)
    if size is not None and written != size:
        raise AgainError(url, f"{written} of {size} bytes came")


def _begun(path: Path) -> tuple[int, Version]:
    """Say how many bytes of which version lie there; none where nobody knows the version."""
    try:
        version = Version(**json.loads(_record(path).read_text(encoding="utf-8")))
        return (path.stat().st_size if version.name else 0), version
    except (OSError, ValueError, TypeError):
        return 0, Version(None, None)


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _patiently(attempt: Callable[[Patience], Answer], tries: int | None = None) -> Answer:
    """Try until it succeeds, the deadline is reached, or nobody has answered `TRIES` times.

    Raises
    ------
    AgainError
        The server has been busy `tries` times, where that is given.
    InputError
        It is busy for too long, or nobody answers.
    """
    patience = Patience(DEADLINE_S, PAUSE_S, "try again later")
    while True:
        try:
            return attempt(patience)
        except AgainError as error:
            if not error.reached and patience.failed >= TRIES:
                raise InputError(f"{error}; check the address, or try again later") from None
            if error.reached and tries is not None and patience.failed >= tries:
                raise
            patience.wait(str(error), error.wish)


@contextmanager
def _asked(url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
    """Ask once; AgainError where the server is busy, or the line breaks while it is read."""
    # A body that is packed for the way has another length and hash than the file.
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity", **headers}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
            if answer.status_code in BUSY:
                wish = wish_of(answer.headers.get("Retry-After", ""))
                raise AgainError(url, f"the server is busy (HTTP {answer.status_code})", wish)
            yield answer
    except requests.RequestException as error:
        # The text of the error would show the whole address.
        why = f"the server does not answer as it should ({type(error).__name__})"
        raise AgainError(url, why, reached=False) from None


def _refused(url: str, answer: requests.Response, advice: str) -> InputError:
    return InputError(
        f"{without_secrets(url)}: the server says {answer.status_code} {answer.reason}; {advice}"
    )


def _require_tiff(url: str, start: bytes) -> None:
    if not start.startswith(TIFF):
        said = " ".join(start[:FIRST_BYTES].decode("utf-8", "replace").split())
        raise InputError(
            f"{without_secrets(url)}: is no GeoTIFF, it begins with {said!r}; give the address of "
            "the file itself"
        )


def _version(answer: requests.Response) -> str | None:
    """Name the version of a file; a weak ETag names files that differ in their bytes."""
    if _packed(answer):
        return None
    name: str | None = answer.headers.get("ETag")
    if name and not name.startswith("W/"):
        return name
    changed: str | None = answer.headers.get("Last-Modified")
    return changed


def _is_other(answer: requests.Response, begun: Version) -> bool:
    """Whether a part is of another version: some servers pass over `If-Range`."""
    size = _total(answer)
    if None not in (size, begun.size) and size != begun.size:
        return True
    header = "ETag" if str(begun.name).startswith('"') else "Last-Modified"
    return answer.headers.get(header, begun.name) != begun.name


def _length(answer: requests.Response) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdigit() and not _packed(answer) else None


def _total(answer: requests.Response) -> int | None:
    total = answer.headers.get("Content-Range", "").rpartition("/")[2]
    return int(total) if total.isdigit() else None


def _packed(answer: requests.Response) -> bool:
    return answer.headers.get("Content-Encoding", "identity") != "identity"
