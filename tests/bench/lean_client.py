"""An HTTP client that costs next to nothing: what it takes is not to be taken for the product's time.

It uploads a picture and follows the file's stream, as its 202 says, over connections that are kept. Raw asyncio
streams; of an answer's head only the status and the length are read.
"""

import asyncio
import json
import time
from typing import Any
from urllib.parse import urlsplit

BOUNDARY = "bench-boundary"
COMPLETED = b"assay.run.completed.v1"
ENDED = ("analyzed", "partially_analyzed", "failed")


class Connection:
    """A kept connection to the gateway."""

    def __init__(self, url: str, token: str) -> None:
        self._address = urlsplit(url)
        self._token = token
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(self._address.hostname, self._address.port)

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def post_form(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer to a form."""
        self._send("POST", path, f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n", body)
        status, length = await self._head()
        assert length is not None
        return status, await self._reader.readexactly(length)

    async def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of the answer."""
        self._send("GET", path, "", b"")
        status, length = await self._head()
        assert length is not None
        return status, await self._reader.readexactly(length)

    async def stream(self, path: str) -> "Lines":
        """The stream at this path. Raises RuntimeError where it is none."""
        self._send("GET", path, "Accept: text/event-stream\r\n", b"")
        status, length = await self._head()
        if status != 200 or length is not None:
            raise RuntimeError(f"GET {path}: {status}")
        return Lines(self._reader)

    def _send(self, method: str, path: str, headers: str, body: bytes) -> None:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._address.netloc}\r\nAuthorization: Bearer {self._token}\r\n"
            f"{headers}Content-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)

    async def _head(self) -> tuple[int, int | None]:
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split(b" ", 2)[1])
        if b"\r\ncontent-length:" in head:
            return status, int(head.split(b"\r\ncontent-length:", 1)[1].split(b"\r\n", 1)[0])
        return status, None


class Lines:
    """The events of a chunked answer."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._text = b""

    async def until_completed(self) -> float:
        """The moment, by `perf_counter`, at which the report was there. Reads the answer to its end."""
        at = 0.0
        while size := int(await self._reader.readline(), 16):
            self._text += await self._reader.readexactly(size)
            await self._reader.readexactly(2)
            *blocks, self._text = self._text.split(b"\n\n")
            if not at and any(_has_report(block) for block in blocks):
                at = time.perf_counter()
        await self._reader.readline()
        if not at:
            raise RuntimeError("the stream ended without a report")
        return at


def _has_report(block: bytes) -> bool:
    """True for `run.completed`, and for a snapshot of a run that has its end already."""
    if COMPLETED in block.split(b"data:", 1)[0]:
        return True
    if b"event: snapshot" not in block:
        return False
    file: dict[str, Any] = json.loads(block.split(b"data:", 1)[1])
    return file["status"] in ENDED


class LeanClient:
    """Uploads, and waits for the report."""

    def __init__(self, url: str, token: str) -> None:
        self._posting = Connection(url, token)
        self._streaming = Connection(url, token)

    async def open(self) -> None:
        await self._posting.open()
        await self._streaming.open()

    async def close(self) -> None:
        await self._posting.close()
        await self._streaming.close()

    async def upload(self, content: bytes) -> float:
        """Seconds from the 202 in hand to the report in hand. Raises RuntimeError for another answer."""
        body = form(content)
        status, answer = await self._posting.post_form("/api/v1/files", body)
        accepted_at = time.perf_counter()
        if status != 202:
            raise RuntimeError(f"the upload was answered with {status}: {answer[:300]!r}")
        file_id = json.loads(answer)["file_id"]
        stream = await self._streaming.stream(f"/api/v1/files/{file_id}/events?until=completed")
        return await stream.until_completed() - accepted_at


def form(content: bytes) -> bytes:
    """A form with one file."""
    head, tail = form_around()
    return head + content + tail


def form_around() -> tuple[bytes, bytes]:
    """What stands before and behind the file in such a form."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="bench.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return head.encode(), f"\r\n--{BOUNDARY}--\r\n".encode()
