"""What one client gets: the opening, what it has missed, then what happens, each with the id to go on from."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from assay.notify import metrics
from assay.notify.domain import AwaitedRun, LoggedEvent
from assay.notify.position import Positions, later
from assay.notify.reader import Reader
from assay.notify.ring import Ring, RingEntry

# How long a client waits that lost its connection. Where a process was killed nobody could tell its clients to come
# back one after the other, so each has been told a time of its own from the start.
RETRY_MS = (1000, 3000)
CHUNK_BYTES = 64 * 1024


class Stream:
    """The bytes of one answer. `reader` was attached when `missed` was taken from the ring."""

    __slots__ = ("_awaited", "_floor", "_is_of_file", "_missed", "_reached", "_replayed", "_retry_ms", "_ring",
                 "_snapshot", "_types", "is_over", "reader")  # fmt: skip

    def __init__(
        self,
        reader: Reader,
        ring: Ring,
        *,
        floor: Positions,
        replayed: Sequence[LoggedEvent],
        reached: Positions,
        missed: Sequence[RingEntry],
        awaited: AwaitedRun | None,
        types: frozenset[str] | None,
        retry_ms: Callable[[], int],
    ) -> None:
        """
        floor: everything before it the client knows, by the snapshot or from earlier.
        replayed: events from Kafka between `floor` and `reached`.
        awaited: end the stream with this run.
        types: the events to send; None: all.
        retry_ms: when to come back after a shutdown.
        """
        self.reader = reader
        # True once the client has heard the end of what it waited for.
        self.is_over = False
        self._ring = ring
        self._is_of_file = reader.audience.file_id is not None
        # None once the ring has passed it.
        self._floor: Positions | None = floor
        self._snapshot: Any | None = None
        self._replayed = replayed
        self._reached = reached
        self._missed = missed
        self._awaited = awaited
        self._types = types
        self._retry_ms = retry_ms

    def begin_with(self, snapshot: Any) -> None:
        """The data of the first event, for a client that does not go on from an id."""
        self._snapshot = snapshot

    @property
    def rest(self) -> Sequence[LoggedEvent]:
        """What the client has missed."""
        return (*self._replayed, *(entry.event for entry in self._missed if entry.event is not None))

    def opening(self) -> Iterator[bytes]:
        """Bytes to send, in order, until the client has all there is, or the stream is over, or was closed.

        What happens while they are sent waits in the reader, and is sent as well. When this ends, nothing waits.
        """
        yield self._head()
        if self.is_over:
            return
        for part in (self._of_replayed(), self._of_ring(iter(self._missed))):
            for chunk in part:
                yield chunk
                if self.is_over:
                    return
        # From here on nothing but the reader holds events for this client.
        self._replayed = self._missed = ()
        self._snapshot = None
        while self.reader.is_behind and not self.is_over:
            yield from self._of_ring(iter(self.reader.pop, None))
        self._settle(self._ring.high)

    def shared_frame(self, entry: RingEntry) -> bytes | None:
        """The block of a live event as a chunk, the same bytes for all readers of a view; None: ask for `frame`."""
        event = entry.event
        if (
            event is None
            or self._floor is not None
            or self._awaited is not None
            or (self._is_of_file and event.deletes)
            or (self._types is not None and event.type not in self._types)
        ):
            return None
        return entry.chunk_in(self.reader.view)

    def frame(self, entry: RingEntry) -> bytes:
        """The block of an event in the ring, and the mark of the end where it is one; empty if it is not to be sent."""
        event, floor = entry.event, self._floor
        # Erased, or results was ahead of the ring and the snapshot has it.
        if event is None or (floor is not None and entry.offset < floor[entry.slot]):
            return b""
        view = self.reader.view
        # As far as the ring was, or further where the client knew more from the start.
        positions = entry.positions if floor is None else later(floor, entry.positions)
        block = b""
        if self._types is None or event.type in self._types:
            block = b"id: %s\n%s" % (
                (entry.id_in(view) if floor is None else view.encode(positions)).encode(),
                event.block,
            )
        self._settle(entry.positions)
        if self._ends_with(event):
            block += self._end_mark(positions)
        return block

    def heartbeat(self, high: Positions) -> bytes | None:
        """A heartbeat of its own for a client that knew more than the ring from the start; None: the common one."""
        self._settle(high)
        if self._floor is None:
            return None
        return b": heartbeat\nid: %s\n\n" % self.reader.view.encode(later(self._floor, high)).encode()

    def last_words(self) -> bytes:
        """What a client hears that has to come back."""
        return b"retry: %d\n\n" % self._retry_ms()

    def _head(self) -> bytes:
        assert self._floor is not None
        start = b"retry: %d\nid: %s\n" % (random.randint(*RETRY_MS), self.reader.view.encode(self._floor).encode())
        if self._snapshot is None:
            return start + b"\n"
        data = json.dumps(self._snapshot, ensure_ascii=False, separators=(",", ":"))
        head = start + b"event: snapshot\ndata: %s\n\n" % data.encode()
        return head + self._end_mark(self._floor) if self._awaited is not None and self._awaited.is_complete else head

    def _of_replayed(self) -> Iterator[bytes]:
        assert self._floor is not None
        view = self.reader.view
        positions = list(self._floor)
        for event in self._replayed:
            positions[event.slot] = event.offset + 1
            block = b""
            if self._types is None or event.type in self._types:
                block = b"id: %s\n%s" % (view.encode(positions).encode(), event.block)
            if self._ends_with(event):
                block += self._end_mark(positions)
            if block:
                metrics.DELIVERED.inc()
                yield block
        self._floor = later(self._floor, self._reached)

    def _of_ring(self, entries: Iterator[RingEntry]) -> Iterator[bytes]:
        chunk = bytearray()
        for entry in entries:
            block = self.frame(entry)
            if block:
                metrics.DELIVERED.inc()
                chunk += block
            if self.is_over:
                break
            if len(chunk) >= CHUNK_BYTES:
                yield bytes(chunk)
                chunk.clear()
        if chunk:
            yield bytes(chunk)

    def _settle(self, high: Positions) -> None:
        """Forget where the client began, once the ring has been everywhere that it had been."""
        floor = self._floor
        if floor is not None and all(high[slot] >= floor[slot] for slot in self.reader.view.slots):
            self._floor = None

    def _end_mark(self, positions: Sequence[int]) -> bytes:
        """A last id that dispatches nothing: whoever comes back with it has seen the end and gets 204."""
        self.is_over = True
        return b"id: %s\n\n" % self.reader.view.encode(positions, finished=True).encode()

    def _ends_with(self, event: LoggedEvent) -> bool:
        if event.deletes and self._is_of_file:
            return True
        return self._awaited is not None and self._awaited.ends_with(event)


def as_chunk(data: bytes) -> bytes:
    """Framed for HTTP/1.1's chunked transfer coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)
