"""Many readers of server-sent events in one process, at next to no cost: `python -m bench.listeners`, with tests/ on
the path. Reads orders, one JSON object a line, and answers each with one.

    {"do": "open", "count": 1000, ...}   opens connections and waits until each has its opening; see `Opening`
    {"do": "expect", "events": 500}      answered when every open one has got so many marks since
    {"do": "close"}                      closes all
    {"do": "churn", "count": 10000, ...} opens and closes so many, at most `at_once` at a time

A mark is `@`, nanoseconds since 1970 in 19 digits, `@`, anywhere in an event. Events are counted and timed by them.
"""

import asyncio
import json
import re
import resource
import sys
import time
from array import array
from dataclasses import dataclass, fields
from typing import Any

import uvloop

from assay.shared.auth import mint_token

MARK = re.compile(rb"@(\d{19})@")
MARK_BYTES = 21
# A port can be taken once for each pair of addresses: connections that were closed block theirs for a minute.
ADDRESSES = 20


def mark() -> str:
    """A mark of this moment."""
    return f"@{time.time_ns():019d}@"


@dataclass(frozen=True, slots=True)
class Opening:
    """What to open."""

    count: int
    port: int
    path: str
    secret: str = ""
    """Signs a token for each reader; empty: none is sent."""
    owner: str = "bench"
    """Whose token; `{}` in it becomes the reader's number."""
    headers: str = ""
    """Further lines of the request, each with its line break."""
    opened_by: str = "\n\n"
    """What the answer must have said before a reader counts as open."""
    at_once: int = 100
    timed: bool = False
    """Note how old each mark is when it comes."""

    @classmethod
    def of(cls, order: dict[str, Any]) -> "Opening":
        return cls(**{field.name: order[field.name] for field in fields(cls) if field.name in order})


class Listener(asyncio.Protocol):
    """One reader."""

    def __init__(self, hall: "Hall", request: bytes, opening: Opening) -> None:
        self.open: asyncio.Future[None] = hall.loop.create_future()
        self.lost: asyncio.Future[None] = hall.loop.create_future()
        self.events = 0
        self._hall = hall
        self._request = request
        self._opened_by = opening.opened_by.encode()
        self._timed = opening.timed
        self._head: bytes | None = b""
        self._tail = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            self._head += data
            head, _, body = self._head.partition(b"\r\n\r\n")
            if b" 200 " not in head.split(b"\r\n", 1)[0] + b" ":
                if b"\r\n\r\n" in self._head:
                    self.open.set_exception(RuntimeError(self._head[:500].decode()))
            elif self._opened_by in body:
                self._head = None
                self.open.set_result(None)
            return
        data = self._tail + data
        found = MARK.findall(data)
        if found:
            self._tail = data[data.rindex(b"@") + 1 :][-MARK_BYTES:]
            self.events += len(found)
            self._hall.heard(self, found if self._timed else ())
        else:
            self._tail = data[-MARK_BYTES:]

    def connection_lost(self, exc: Exception | None) -> None:
        for future in (self.open, self.lost):
            if not future.done():
                future.set_exception(exc or ConnectionError("closed by the server")) if future is self.open else None
        if not self.lost.done():
            self.lost.set_result(None)
        self._hall.left(self)


class Hall:
    """All readers of this process."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.listeners: set[Listener] = set()
        self._opened = 0
        self._wanted = 0
        self._behind = 0
        self._lost = 0
        self._first_at = 0.0
        self._delays = array("d")
        self._all_heard: asyncio.Future[None] | None = None

    async def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """Carry out one order."""
        match order["do"]:
            case "open":
                opening = Opening.of(order)
                began = time.perf_counter()
                await self._at_once(opening, self._open)
                return {"open": len(self.listeners), "seconds": time.perf_counter() - began}
            case "churn":
                opening = Opening.of(order)
                began = time.perf_counter()
                await self._at_once(opening, self._open_and_close)
                return {"seconds": time.perf_counter() - began}
            case "expect":
                return await self._expect(int(order["events"]))
            case "close":
                await self._close(list(self.listeners))
                return {"open": len(self.listeners)}
        raise ValueError(order)

    def heard(self, listener: Listener, marks: "list[bytes] | tuple[()]") -> None:
        """Called with what a reader got."""
        if self._first_at == 0.0:
            self._first_at = time.perf_counter()
        if marks:
            now = time.time_ns()
            self._delays.extend((now - int(each)) / 1e6 for each in marks)
        if listener.events == self._wanted:
            self._behind -= 1
            if self._behind == 0 and self._all_heard is not None:
                self._all_heard.set_result(None)

    def left(self, listener: Listener) -> None:
        """Called when a connection is gone."""
        self.listeners.discard(listener)
        if self._all_heard is not None and not self._all_heard.done():
            self._all_heard.set_exception(ConnectionError("a reader was cut off"))

    async def _expect(self, events: int) -> dict[str, Any]:
        for each in self.listeners:
            each.events = 0
        self._wanted, self._behind, self._first_at = events, len(self.listeners), 0.0
        self._delays = array("d")
        self._all_heard = self.loop.create_future()
        print(json.dumps({"waiting": True}), flush=True)
        await self._all_heard
        seconds = time.perf_counter() - self._first_at
        self._all_heard = None
        delays = sorted(self._delays)
        at = {f"p{share}": delays[min(len(delays) - 1, len(delays) * share // 100)] for share in (50, 99) if delays}
        return {"seconds": seconds, "events": events * len(self.listeners), **at}

    async def _at_once(self, opening: Opening, one: Any) -> None:
        limit = asyncio.Semaphore(opening.at_once)

        async def limited(number: int) -> None:
            async with limit:
                await one(opening, number)

        async with asyncio.TaskGroup() as group:
            for number in range(opening.count):
                group.create_task(limited(number))

    async def _open(self, opening: Opening, _: int) -> Listener:
        self._opened += 1
        number = self._opened
        token = ""
        if opening.secret:
            owner = opening.owner.format(number)
            token = f"Authorization: Bearer {mint_token(opening.secret, owner, ['user'])}\r\n"
        request = f"GET {opening.path} HTTP/1.1\r\nHost: bench\r\n{token}{opening.headers}\r\n".encode()
        listener = Listener(self, request, opening)
        await self.loop.create_connection(
            lambda: listener, "127.0.0.1", opening.port, local_addr=(f"127.0.0.{2 + number % ADDRESSES}", 0)
        )
        await listener.open
        self.listeners.add(listener)
        return listener

    async def _open_and_close(self, opening: Opening, number: int) -> None:
        await self._close([await self._open(opening, number)])

    async def _close(self, listeners: list[Listener]) -> None:
        for each in listeners:
            each.transport.close()
        for each in listeners:
            await each.lost


async def _main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    hall = Hall()
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await hall.obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    uvloop.run(_main())
