"""A server on loopback of one file, with ranges as RFC 9110 has them; and its bad days, in turn."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Shelf:
    """A file, and how the next requests for it are answered.

    Attributes
    ----------
    content : bytes
    version : dict of str
        Headers that name it: `ETag` or `Last-Modified`, or nothing.
    days : list of dict
        One a request, then good ones: `status` and `headers`; `body` in the file's stead; `cut`,
        bytes after which the line breaks; `ranges` False; `shifted`, bytes that a part is beside
        what was asked for; `careless` where `If-Range` is passed over; `hang`, an Event that is
        waited for.
    asked : list of (Range, If-Range)
    sent : int
        Bytes of bodies.
    """

    def __init__(self, content: bytes) -> None:
        self.content, self.version = content, {"ETag": '"one"'}
        self.days: list[dict] = []
        self.asked: list[tuple[str | None, str | None]] = []
        self.sent, self.url = 0, ""


@contextmanager
def shelf(content: bytes) -> Iterator[Shelf]:
    """Serve on a free port until the block ends."""
    held = Shelf(content)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked, valid = self.headers.get("Range"), self.headers.get("If-Range")
            held.asked.append((asked, valid))
            day = held.days.pop(0) if held.days else {}
            if "hang" in day:
                day["hang"].wait()
                self.close_connection = True
                return
            if "status" in day or "body" in day:
                self._send(day.get("status", 200), day.get("headers", {}), day.get("body", b""))
                return
            same = valid is None or valid in held.version.values() or "careless" in day
            total = len(held.content)
            if asked is None or not same or not day.get("ranges", True):
                self._send(200, held.version, held.content, day.get("cut"))
                return
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end = int(first) + day.get("shifted", 0), int(last or total - 1)
            if start >= total:
                self._send(416, {"Content-Range": f"bytes */{total}"}, b"")
                return
            end = min(end, total - 1)
            part = {"Content-Range": f"bytes {start}-{end}/{total}", **held.version}
            self._send(206, part, held.content[start : end + 1], day.get("cut"))

        def _send(self, status: int, headers: dict, body: bytes, cut: int | None = None) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            # Before they are sent: whoever has them all may count at once.
            held.sent += len(body[:cut])
            with suppress(ConnectionError):
                self.wfile.write(body[:cut])
            self.close_connection = cut is not None

        def log_message(self, *arguments: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        held.url = f"http://127.0.0.1:{server.server_port}/a.tif?sig=SECRET"
        try:
            yield held
        finally:
            server.shutdown()
            thread.join()
