"""A stream that has caught up: no task, no timer, no parser, only the transport and what the next event needs.

The request was answered by ASGI as any other. Once the client has all there is, its connection is handed over to a
`LiveConnection`, as a WebSocket's is after the handshake: what belonged to the request goes, and events are written
from the fan-out straight into the transport. Its buffer is bounded by the transport's high-water mark; above it events
wait in the reader, whose bounds end the stream.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from assay.notify.heartbeats import Heartbeats
from assay.notify.position import Positions
from assay.notify.reader import End
from assay.notify.ring import RingEntry
from assay.notify.stream import Stream, as_chunk

CONNECTION = "assay_connection"
# A client that takes nothing any more may hold up a shutdown so long.
LAST_WORDS_S = 1.0
# One that has heard its report on a slow line may take what is on the way.
REPORT_S = 60.0
LAST_CHUNK = b"0\r\n\r\n"


class LiveConnection(asyncio.Protocol):
    """Writes a stream's events as they come, until it ends or the client goes."""

    __slots__ = ("_chunked", "_closed", "_connections", "_heartbeats", "_is_full", "_stream", "_transport",
                 "due_at", "spoke_at", "view")  # fmt: skip

    def __init__(
        self, stream: Stream, heartbeats: Heartbeats, closed: Callable[[Stream], None], *, chunked: bool
    ) -> None:
        """
        closed: called when the connection is gone.
        chunked: frame the body for HTTP/1.1.
        """
        self.view = stream.reader.view
        self.spoke_at = self.due_at = 0
        self._stream = stream
        self._heartbeats = heartbeats
        self._closed = closed
        self._chunked = chunked
        self._is_full = False
        self._transport: asyncio.Transport
        self._connections: set[Any]

    def take_over(self, transport: asyncio.Transport, connections: set[Any], *, is_full: bool) -> None:
        """Begin. connections: what the server waits for when it stops. is_full: the transport takes nothing now."""
        self._transport = transport
        self._connections = connections
        self._is_full = is_full
        connections.add(self)
        transport.set_protocol(self)
        self._heartbeats.add(self)
        reader = self._stream.reader
        reader.on_end = self._end
        reader.go_live(self._take)

    def beat(self, high: Positions, line: bytes) -> None:
        """A heartbeat, unless there is something to read anyway."""
        reader = self._stream.reader
        if self._is_full or reader.is_behind or reader.end is not None:
            return
        own = self._stream.heartbeat(high)
        self._write(line if own is None else own)

    def shutdown(self) -> None:
        """The server stops."""
        if self._stream.reader.end is None:
            self._stream.reader.close(End.SHUTDOWN)
        else:
            self._abort_in(LAST_WORDS_S)

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        """A second request on this connection: the answer to the first one says that none will be taken."""

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._stream.reader.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._heartbeats.forget(self)
        reader = self._stream.reader
        reader.close(End.GONE)
        reader.on_end = None
        self._closed(self._stream)

    def _take(self, entry: RingEntry) -> bool:
        if self._is_full:
            return False
        # The bytes are the same for all readers of a view, made once.
        frame = self._stream.shared_frame(entry) if self._chunked else None
        if frame is not None:
            self._transport.write(frame)
            self.spoke_at = self._heartbeats.now
            return True
        frame = self._stream.frame(entry)
        if frame:
            self._write(frame)
            self.spoke_at = self._heartbeats.now
        if self._stream.is_over:
            self._stream.reader.close(End.COMPLETED)
        return True

    def _write(self, frame: bytes) -> None:
        self._transport.write(as_chunk(frame) if self._chunked else frame)

    def _end(self, end: End) -> None:
        """Called by the reader, once."""
        if end is End.GONE:
            return
        if end is End.SLOW:
            self._transport.abort()
            return
        if end is not End.COMPLETED:
            self._write(self._stream.last_words())
        if self._chunked:
            self._transport.write(LAST_CHUNK)
        self._transport.close()
        self._abort_in(REPORT_S if end is End.COMPLETED else LAST_WORDS_S)

    def _abort_in(self, seconds: float) -> None:
        """Drop the connection if the client has not taken everything by then."""
        if self._transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(seconds, self._transport.abort)


class StreamingProtocol(H11Protocol):
    """uvicorn's HTTP protocol, where an answer may drop its connection or hand it over to a `LiveConnection`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, CONNECTION: self}

    def abort(self) -> None:
        """Drop the connection: who does not read cannot be told to go."""
        self.transport.abort()

    @property
    def is_lost(self) -> bool:
        """True if the client has gone."""
        return self.transport.is_closing()

    def hand_over(self, live: LiveConnection) -> None:
        """The answer has begun; from now on all that is written to the client comes from elsewhere."""
        self._unset_keepalive_if_required()
        self.connections.discard(self)
        # As it is after a client has left: uvicorn looks no further when the application returns.
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        self.flow.resume_reading()
        live.take_over(self.transport, self.connections, is_full=self.flow.write_paused)
        # Nothing of the request may live as long as the stream does.
        self.app_state = {}
        self.scope = self.cycle = None  # type: ignore[assignment]
