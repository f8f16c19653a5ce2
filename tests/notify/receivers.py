"""Receivers of webhooks: real HTTP servers, whose answers a test decides."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

LIMIT_S = 30.0
REASONS = {200: "OK", 204: "No Content", 302: "Found", 410: "Gone", 429: "Too Many Requests", 500: "Error"}


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded

    @property
    def type(self) -> str:
        return str(self.json["type"])


@dataclass(frozen=True)
class Answer:
    """What is answered."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    has_length: bool = True


Answers = Callable[[Received], Answer | Awaitable[Answer]]


class Receiver:
    """Notes every request."""

    def __init__(self, scheme: str, host: str) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self.answers: Answers = lambda _: Answer()
        self.scheme = scheme
        self.host = host
        self.port = 0
        self._news = asyncio.Condition()

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}/hook"

    async def wait_for(self, count: int, limit_s: float = LIMIT_S) -> list[Received]:
        """Wait until so many requests have come."""
        async with self._news:
            try:
                async with asyncio.timeout(limit_s):
                    await self._news.wait_for(lambda: len(self.received) >= count)
            except TimeoutError:
                raise AssertionError(f"{len(self.received)} of {count} requests: {self.received}") from None
        return list(self.received)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await _head(reader):
                first, *lines = head.decode("latin-1").split("\r\n")
                headers = {name.strip().lower(): value.strip() for name, value in (x.split(":", 1) for x in lines if x)}
                body = await reader.readexactly(int(headers["content-length"]))
                request = Received(first.split()[1], headers, body, asyncio.get_running_loop().time())
                async with self._news:
                    self.received.append(request)
                    self._news.notify_all()
                answer = self.answers(request)
                if not isinstance(answer, Answer):
                    answer = await answer
                writer.write(_encoded(answer))
                await writer.drain()
                if not answer.has_length:
                    break
        writer.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return (await reader.readuntil(b"\r\n\r\n"))[:-4]
    except asyncio.IncompleteReadError:
        return b""


def _encoded(answer: Answer) -> bytes:
    headers = [*answer.headers]
    if answer.has_length:
        headers.append(("Content-Length", str(len(answer.body))))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'X')}\r\n{lines}\r\n".encode() + answer.body


@asynccontextmanager
async def receiving(
    *, address: str = "127.0.0.1", name: str | None = None, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[Receiver]:
    """A receiver that listens. name: how its URL calls it."""
    receiver = Receiver("https" if tls else "http", name or address)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(receiver.serve(reader, writer)))

    server = await asyncio.start_server(connected, address, port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
