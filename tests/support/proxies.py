"""A TCP proxy that stops at a chosen moment of what goes through it, so that a process can be killed right there."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

CHUNK = 64 * 1024
# Said before the server has the body; no answer.
GO_ON = b"HTTP/1.1 100 "


class StoppingProxy:
    """Passes bytes on until a client has said certain things, in order, on one connection.

    Then it stops on all connections: before the last of them reaches the server, or, with `after`, once the server has
    acted upon it and answered, but before the client hears of it.
    """

    def __init__(self, server: str, said: Sequence[bytes], *, after: bool) -> None:
        """server: host:port, or an address with them. said: nothing means that it never stops."""
        address = urlsplit(server if "//" in server else f"//{server}")
        self._host, self._server_port = address.hostname, address.port
        self._said = tuple(said)
        self._after = after
        self._stopped = asyncio.Event()
        self._never = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def until_stopped(self) -> None:
        """Wait for the moment."""
        await self._stopped.wait()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["StoppingProxy"]:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield self
        finally:
            self._server.close()
            await self.cut()

    async def cut(self) -> None:
        """Close all connections, as the system does when the process at one end dies."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            server_reader, server_writer = await asyncio.open_connection(self._host, self._server_port)
        except OSError:
            writer.close()
            return
        heard = _Heard(self._said)
        try:
            with suppress(ConnectionError):
                await asyncio.gather(
                    self._ask(reader, server_writer, heard), self._answer(server_reader, writer, heard)
                )
        finally:
            writer.close()
            server_writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: "_Heard") -> None:
        while data := await reader.read(CHUNK):
            if heard.has_all_with(data) and not self._after:
                self._stopped.set()
            if self._stopped.is_set():
                await self._never.wait()
            writer.write(data)
            await writer.drain()
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: "_Heard") -> None:
        while data := await reader.read(CHUNK):
            if heard.has_all and self._after and not data.startswith(GO_ON):
                self._stopped.set()
            if self._stopped.is_set():
                await self._never.wait()
            writer.write(data)
            await writer.drain()
        writer.close()


class _Heard:
    """How much of a sequence was said on a connection. What is said may be spread over several reads."""

    def __init__(self, said: Sequence[bytes]) -> None:
        self._left = list(said)
        self._wants_any = bool(said)
        self._tail = b""

    @property
    def has_all(self) -> bool:
        return self._wants_any and not self._left

    def has_all_with(self, data: bytes) -> bool:
        """True where these bytes end the sequence, or come after it."""
        self._tail += data
        while self._left and self._left[0] in self._tail:
            self._tail = self._tail.partition(self._left.pop(0))[2]
        self._tail = self._tail[-256:]
        return self.has_all
