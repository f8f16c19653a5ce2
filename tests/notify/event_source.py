"""A client of server-sent events that follows the HTML standard, "Interpreting an event stream", step by step."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx

LIMIT_S = 30.0


@dataclass(frozen=True)
class Message:
    """What a browser dispatches."""

    event: str
    id: str
    data: Any

    @property
    def name(self) -> tuple[str, str]:
        """File and type, for comparisons."""
        return str(self.data.get("file_id")), self.event


class EventSource:
    """One connection. `last_id` and `retry_ms` are kept as a browser keeps them; `blocks` counts blank lines."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.last_id = ""
        self.retry_ms: int | None = None
        self.comments = 0
        self._id = ""
        self._event = ""
        self._data: list[str] = []
        self._lines = response.aiter_lines()

    async def steps(self) -> AsyncIterator[Message | None]:
        """One item for each block: the message that it dispatches, None for a block without data."""
        async for line in self._lines:
            if line == "":
                yield self._dispatch()
                continue
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "":
                self.comments += 1
            elif name == "event":
                self._event = value
            elif name == "data":
                self._data.append(value)
            elif name == "id" and "\0" not in value:
                self._id = value
            elif name == "retry" and value.isascii() and value.isdigit():
                self.retry_ms = int(value)

    def _dispatch(self) -> Message | None:
        self.last_id = self._id
        data, event = self._data, self._event or "message"
        self._data, self._event = [], ""
        return Message(event, self.last_id, json.loads("\n".join(data))) if data else None

    async def __aiter__(self) -> AsyncIterator[Message]:
        async for message in self.steps():
            if message is not None:
                yield message

    async def next(self) -> Message:
        """The next message, waited for."""
        async with asyncio.timeout(LIMIT_S):
            async for message in self.steps():
                if message is not None:
                    return message
        raise EOFError("the stream ended")

    async def take(self, count: int) -> list[Message]:
        """So many messages."""
        return [await self.next() for _ in range(count)]

    async def until(self, event: str) -> list[Message]:
        """Everything up to the first message of this type."""
        seen = [await self.next()]
        while seen[-1].event != event:
            seen.append(await self.next())
        return seen

    async def rest(self) -> list[Message]:
        """Everything up to the end of the stream."""
        async with asyncio.timeout(LIMIT_S):
            return [message async for message in self]

    async def block(self) -> Message | None:
        """The next block, whether it dispatches anything or not."""
        async with asyncio.timeout(LIMIT_S):
            async for step in self.steps():
                return step
        raise EOFError("the stream ended")


@asynccontextmanager
async def listening(
    url: str, path: str, token: str, *, last_id: str | None = None, status: int = 200
) -> AsyncIterator[EventSource]:
    """An open connection that was answered with this status."""
    headers = {"Authorization": f"Bearer {token}"} | ({"Last-Event-ID": last_id} if last_id is not None else {})
    async with (
        httpx.AsyncClient(base_url=url, timeout=LIMIT_S) as client,
        client.stream("GET", path, headers=headers) as response,
    ):
        if response.status_code != status:
            raise AssertionError(f"{response.status_code}: {(await response.aread()).decode()}")
        with suppress(httpx.RemoteProtocolError):
            yield EventSource(response)
