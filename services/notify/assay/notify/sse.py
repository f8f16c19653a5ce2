"""The HTTP answer of a stream: plain ASGI, since thousands of them stay open.

`text/event-stream` as the HTML standard defines it, "Server-sent events". A block that has an `id` and no `data` moves
a browser's last event id and dispatches nothing: so a quiet stream's position does not age.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from starlette.background import BackgroundTask
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from assay.notify.reader import End
from assay.notify.stream import Stream

MEDIA_TYPE = "text/event-stream"
ABORT = "assay_abort"
# A client that takes nothing any more may hold up a shutdown so long.
LAST_WORDS_S = 1.0


class AbortableProtocol(H11Protocol):
    """uvicorn's HTTP protocol, where an answer may drop its connection: who does not read cannot be told to go."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, ABORT: transport.abort}


class EventStream(Response):
    """Sends a stream's chunks until it ends or the client goes."""

    media_type = MEDIA_TYPE

    def __init__(self, stream: Stream, closed: Callable[[Stream], None]) -> None:
        """closed: called at the end, whatever the end is."""
        self.status_code = 200
        self.background: BackgroundTask | None = None
        self.body = b""
        headers = MutableHeaders()
        headers["content-type"] = MEDIA_TYPE
        headers["cache-control"] = "no-store"
        headers["x-accel-buffering"] = "no"
        self.raw_headers = headers.raw
        self._stream = stream
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reader = self._stream.reader
        abort: Callable[[], None] = scope.get("state", {}).get(ABORT, _nothing)
        loop = asyncio.get_running_loop()
        last_words: asyncio.TimerHandle | None = None

        def on_end(end: End) -> None:
            nonlocal last_words
            if end is End.SLOW:
                abort()
            elif end is not End.GONE:
                last_words = loop.call_later(LAST_WORDS_S, abort)

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            reader.close(End.GONE)

        watching = asyncio.create_task(watch())
        try:
            if reader.end is not None:
                on_end(reader.end)
            reader.on_end = on_end
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with aclosing(self._stream.chunks()) as chunks:
                async for chunk in chunks:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                    if reader.end in (End.GONE, End.SLOW):
                        return
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            watching.cancel()
            if last_words is not None:
                last_words.cancel()
            reader.on_end = None
            self._closed(self._stream)


def _nothing() -> None:
    """A server that cannot drop a connection."""
