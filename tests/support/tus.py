"""A client of tus 1.0.0 that sends what it is told to, right or wrong."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx

from support.uploads import Owner, pieces

CHUNK = "application/offset+octet-stream"
VERSION = {"Tus-Resumable": "1.0.0"}


def metadata(**values: str) -> str:
    """The header `Upload-Metadata`."""
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())


def checksum(content: bytes, algorithm: str = "sha1") -> dict[str, str]:
    """The header `Upload-Checksum`."""
    digest = hashlib.new(algorithm, content).digest()
    return {"Upload-Checksum": f"{algorithm} {base64.b64encode(digest).decode()}"}


class Tus:
    """Somebody's client."""

    def __init__(self, owner: Owner, url: str) -> None:
        self.owner = owner
        self.url = url

    def at(self, url: str) -> "Tus":
        """The same person, who asks another replica."""
        return Tus(self.owner, url)

    async def request(
        self, method: str, path: str = "", *, content: Any = None, headers: dict[str, str | None] | None = None
    ) -> httpx.Response:
        """path: of an upload, as its id. A header that is None is left out."""
        wanted = {**VERSION, **self.owner.headers, **(headers or {})}
        async with httpx.AsyncClient(timeout=60) as client:
            return await client.request(
                method,
                f"{self.url}/api/v1/uploads{'/' if path else ''}{path}",
                content=content,
                headers={name: value for name, value in wanted.items() if value is not None},
            )

    async def create(self, length: int | str, *, content: bytes = b"", headers: Any = None, **described: str) -> str:
        """Begin an upload; returns its id."""
        answer = await self.post(length, content=content, headers=headers, **described)
        assert answer.status_code == 201, answer.text
        return answer.headers["location"].rpartition("/")[2]

    async def post(
        self, length: int | str, *, content: bytes = b"", headers: Any = None, **described: str
    ) -> httpx.Response:
        wanted = {"Upload-Length": str(length), "Upload-Metadata": metadata(**described), **(headers or {})}
        if content:
            wanted.setdefault("Content-Type", CHUNK)
        return await self.request("POST", content=content or None, headers=wanted)

    async def patch(
        self, upload: str, offset: int, content: bytes | Iterable[bytes], headers: Any = None
    ) -> httpx.Response:
        """Send bytes from this offset on."""
        body = content if isinstance(content, bytes) else pieces(content)
        wanted = {"Upload-Offset": str(offset), "Content-Type": CHUNK, **(headers or {})}
        return await self.request("PATCH", upload, content=body, headers=wanted)

    async def offset(self, upload: str) -> int:
        answer = await self.request("HEAD", upload)
        assert answer.status_code == 200, answer.headers
        return int(answer.headers["upload-offset"])

    async def settled(self, upload: str) -> int:
        """The offset once no request is at the upload any more."""
        async with asyncio.timeout(20):
            while True:
                offset = await self.offset(upload)
                if (await self.patch(upload, offset, b"")).status_code == 204:
                    return offset

    async def state(self, upload: str) -> dict[str, Any]:
        answer = await self.request("GET", upload)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    @asynccontextmanager
    async def sending(
        self, upload: str, offset: int, content: bytes, length: int
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A PATCH that announces `length` bytes and sends fewer; the client goes away at the end of the block."""
        address = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        head = (
            f"PATCH /api/v1/uploads/{upload} HTTP/1.1\r\nHost: {address.netloc}\r\nTus-Resumable: 1.0.0\r\n"
            f"Authorization: Bearer {self.owner.token}\r\nContent-Type: {CHUNK}\r\nUpload-Offset: {offset}\r\n"
            f"Content-Length: {length}\r\n\r\n"
        )
        try:
            writer.write(head.encode() + content)
            await writer.drain()
            yield reader, writer
        finally:
            writer.close()
