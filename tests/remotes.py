"""Remotes on loopback: S3, SSH and HTTP servers, each stopped when its block ends."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import asyncssh
import boto3
from moto.server import ThreadedMotoServer

USER = "toy_pipeline"
BUCKET = "toy-bucket"


class ReadOnly(SimpleHTTPRequestHandler):
    """Sends a folder's files and refuses to write: what http.server does, without its log."""

    def log_message(self, *arguments: object) -> None:
        """Stay silent: pytest shows what a test prints, and this is none of it."""


class Failing(ReadOnly):
    """Answers everything with 503, as a proxy does before a server that is down."""

    def do_GET(self) -> None:
        self.send_error(503)

    def do_HEAD(self) -> None:
        self.send_error(503)


class RefusingS3(ReadOnly):
    """An S3 server with no object in it that refuses every new one, for the reason in `refusal`."""

    protocol_version = "HTTP/1.1"  # a client waits to be told to send the body
    refusal: tuple[int, str, str]

    def do_GET(self) -> None:
        self._answer(200, "<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>")

    def do_HEAD(self) -> None:
        self._answer(404, "")

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, code, message = self.refusal
        self._answer(status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>")

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


class FullS3(RefusingS3):
    refusal = (507, "InsufficientStorage", "no space left")


class ReadOnlyS3(RefusingS3):
    refusal = (403, "AccessDenied", "this bucket is read-only")


@contextmanager
def http(folder: Path, handler: type[ReadOnly] = ReadOnly) -> Iterator[int]:
    """Answer HTTP over a folder; yields the port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def s3() -> Iterator[int]:
    """Serve S3 with one empty bucket, BUCKET; yields the port."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id=USER,
            aws_secret_access_key=USER,
        )
        client.create_bucket(Bucket=BUCKET)
        yield port
    finally:
        server.stop()


class FullDisk(asyncssh.SFTPServer):
    full = True

    def write(self, file_obj: Any, offset: int, data: bytes) -> int:
        if self.full:
            raise asyncssh.SFTPFailure("No space left on device")
        return super().write(file_obj, offset, data)


class ReadOnlyDisk(asyncssh.SFTPServer):
    def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
        if pflags & asyncssh.FXF_WRITE:
            raise asyncssh.SFTPPermissionDenied("Read-only file system")
        return super().open(path, pflags, attrs)


@contextmanager
def sftp(key: Path, files: type[asyncssh.SFTPServer] = asyncssh.SFTPServer) -> Iterator[int]:
    """Serve this machine's files over SSH to whoever has the key that this writes; the port."""
    private = asyncssh.generate_private_key("ssh-ed25519")
    private.write_private_key(str(key))
    public = asyncssh.import_authorized_keys(private.export_public_key().decode())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def listen() -> Any:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            authorized_client_keys=public,
            sftp_factory=files,
        )

    async def close() -> None:
        server.close()
        await server.wait_closed()

    try:
        server = asyncio.run_coroutine_threadsafe(listen(), loop).result()
        yield server.get_port()
        asyncio.run_coroutine_threadsafe(close(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
