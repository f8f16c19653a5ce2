"""The HTTP answer of a stream: plain ASGI until the client has all there is, then a live connection.

`text/event-stream` as the HTML standard defines it, "Server-sent events". A block that has an `id` and no `data` moves
a browser's last event id and dispatches nothing: so a quiet stream's position does not age.
"""

import asyncio
from collections.abc import Callable

from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from assay.notify.connection import CONNECTION, LAST_WORDS_S, LiveConnection, StreamingProtocol
from assay.notify.heartbeats import Heartbeats
from assay.notify.reader import End
from assay.notify.stream import Stream

MEDIA_TYPE = "text/event-stream"
HEADERS = (
    (b"content-type", MEDIA_TYPE.encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    # A stream is the last that its connection carries.
    (b"connection", b"close"),
)


class EventStream(Response):
    """Sends a stream's opening, and hands the connection over. Served by `StreamingProtocol` only."""

    media_type = MEDIA_TYPE

    def __init__(self, stream: Stream, heartbeats: Heartbeats, closed: Callable[[Stream], None]) -> None:
        """closed: called at the end, whatever the end is."""
        self.status_code = 200
        self.background: BackgroundTask | None = None
        self.body = b""
        self.raw_headers = list(HEADERS)
        self._stream = stream
        self._heartbeats = heartbeats
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection: StreamingProtocol = scope["state"][CONNECTION]
        reader = self._stream.reader
        handed_over = False
        last_words: asyncio.TimerHandle | None = None

        def on_end(end: End) -> None:
            # A send may wait for a client that takes nothing.
            nonlocal last_words
            if end is End.SLOW:
                connection.abort()
            elif end in (End.SHUTDOWN, End.RESET):
                last_words = asyncio.get_running_loop().call_later(LAST_WORDS_S, connection.abort)

        try:
            if reader.end is not None:
                on_end(reader.end)
            reader.on_end = on_end
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            for chunk in self._stream.opening():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                if connection.is_lost:
                    return
            if self._stream.is_over or reader.end is not None:
                rest = b"" if self._stream.is_over else self._stream.last_words()
                await send({"type": "http.response.body", "body": rest, "more_body": False})
                return
            # No await since nothing waited any more: the next event goes to the live connection.
            handed_over = True
            chunked = scope["http_version"] == "1.1"
            live = LiveConnection(self._stream, self._heartbeats, self._closed, chunked=chunked)
            connection.hand_over(live)
        finally:
            if last_words is not None:
                last_words.cancel()
            if not handed_over:
                reader.on_end = None
                self._closed(self._stream)
