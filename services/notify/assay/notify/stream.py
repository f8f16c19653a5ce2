"""What one client gets: the opening, what it has missed, then what happens, each with the id to go on from."""

import json
import random
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from typing import Any

from assay.notify import metrics
from assay.notify.domain import AwaitedRun, LoggedEvent
from assay.notify.position import Positions, later
from assay.notify.reader import End, Reader
from assay.notify.ring import Ring, RingEntry

RETRY_MS = 2000
# After a restart not everybody should come back at once.
RETRY_JITTER_MS = (500, 3000)
CHUNK_BYTES = 64 * 1024

Entries = Iterable[RingEntry]
# Bytes to send, and whether the stream ends after them.
Chunks = Iterator[tuple[bytes, bool]]


class Stream:
    """The chunks of one answer. `reader` was attached when `missed` was taken from the ring."""

    def __init__(
        self,
        reader: Reader,
        ring: Ring,
        *,
        floor: Positions,
        snapshot: Any | None,
        replayed: Sequence[LoggedEvent],
        reached: Positions,
        missed: Sequence[RingEntry],
        awaited: AwaitedRun | None,
        heartbeat_s: float,
    ) -> None:
        """
        floor: everything before it the client knows, by the snapshot or from earlier.
        snapshot: the data of the first event; None where the client goes on from an id.
        replayed: events from Kafka between `floor` and `reached`.
        awaited: end the stream with this run.
        """
        self.reader = reader
        self._ring = ring
        self._view = reader.view
        self._floor = floor
        self._snapshot = snapshot
        self._replayed = replayed
        self._reached = reached
        self._missed = missed
        self._awaited = awaited
        self._heartbeat_s = heartbeat_s
        self._passed = False

    @property
    def rest(self) -> Iterable[LoggedEvent]:
        """What the client has missed."""
        return (*self._replayed, *(entry.event for entry in self._missed if entry.event is not None))

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Bytes to send, in order. Ends with the awaited run or the file, or when the reader was closed."""
        is_over = self._awaited is not None and self._awaited.is_complete and self._snapshot is not None
        yield self._opening() + (self._end_mark(self._floor) if is_over else b"")
        if is_over:
            return
        for part in (self._of_replayed(), self._of_ring(self._missed)):
            for chunk, is_last in part:
                yield chunk
                if is_last:
                    return
        # From here on nothing but the reader holds events for this client.
        self._replayed = self._missed = ()
        self._snapshot = None
        while self.reader.end is None:
            for chunk, is_last in self._of_ring(iter(self.reader.pop, None)):
                yield chunk
                if is_last:
                    return
            if not await self.reader.wait(self._heartbeat_s):
                yield b": heartbeat\nid: %s\n\n" % self._view.encode(later(self._floor, self._ring.high)).encode()
        if self.reader.end in (End.SHUTDOWN, End.RESET):
            yield b"retry: %d\n\n" % random.randint(*RETRY_JITTER_MS)

    def _opening(self) -> bytes:
        start = b"retry: %d\nid: %s\n" % (RETRY_MS, self._view.encode(self._floor).encode())
        if self._snapshot is None:
            return start + b"\n"
        data = json.dumps(self._snapshot, ensure_ascii=False, separators=(",", ":"))
        return start + b"event: snapshot\ndata: %s\n\n" % data.encode()

    def _of_replayed(self) -> Chunks:
        positions = list(self._floor)
        for event in self._replayed:
            positions[event.slot] = event.offset + 1
            yield self._frame(event, self._view.encode(positions)), False
            if self._ends_with(event):
                yield self._end_mark(positions), True
        self._floor = later(self._floor, self._reached)

    def _of_ring(self, entries: Entries) -> Chunks:
        chunk = bytearray()
        for entry in entries:
            event = entry.event
            # Erased, or results was ahead of the ring and the snapshot has it.
            if event is None or entry.offset < self._floor[entry.slot]:
                continue
            chunk += self._frame(event, self._id_after(entry))
            if self._ends_with(event):
                yield bytes(chunk) + self._end_mark(later(self._floor, entry.positions)), True
                return
            if len(chunk) >= CHUNK_BYTES:
                yield bytes(chunk), False
                chunk.clear()
        if chunk:
            yield bytes(chunk), False

    @staticmethod
    def _frame(event: LoggedEvent, position: str) -> bytes:
        metrics.DELIVERED.inc()
        return b"id: %s\n%s" % (position.encode(), event.block)

    def _end_mark(self, positions: Sequence[int]) -> bytes:
        """A last id that dispatches nothing: whoever comes back with it has seen the end and gets 204."""
        return b"id: %s\n\n" % self._view.encode(positions, finished=True).encode()

    def _ends_with(self, event: LoggedEvent) -> bool:
        if event.deletes and self.reader.audience.file_id is not None:
            return True
        return self._awaited is not None and self._awaited.ends_with(event)

    def _id_after(self, entry: RingEntry) -> str:
        """Where the client is after an event: as far as the ring was, or further where it knew more from the start."""
        if self._passed:
            return entry.id_in(self._view)
        positions = later(self._floor, entry.positions)
        self._passed = all(positions[slot] == entry.positions[slot] for slot in self._view.slots)
        return self._view.encode(positions)
