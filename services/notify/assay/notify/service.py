"""Opens streams: state first, then the log; or the log alone, from where a client was.

Positions decide, not moments. Whatever a snapshot or an id does not cover is in the ring, or is read from Kafka. One
step looks what the ring has no longer, takes what it has and attaches the reader to what comes; so nothing falls
between and nothing comes twice. Kafka is read after that step, while later events wait in the reader. It happens once
the snapshot is there: while results answers, nothing has to wait.
"""

import asyncio
from typing import Any
from uuid import UUID

from assay.notify import metrics
from assay.notify.domain import Audience, AwaitedRun, LoggedEvent
from assay.notify.errors import ForeignPositionError, ReplayRefusedError, StreamNotReadyError
from assay.notify.fanout import Fanout
from assay.notify.position import Cursor, Positions, View
from assay.notify.reader import End, Reader
from assay.notify.replay import Replay
from assay.notify.ring import Ring
from assay.notify.settings import ReaderSettings
from assay.notify.snapshots import Snapshot, Snapshots
from assay.notify.stream import Stream
from assay.notify.tailer import Tailer
from assay.shared.auth import Principal
from assay.shared.problems import UnknownFileError

# How often, and with which pause, the ring is looked at before Kafka is asked whether an id is of the future.
AHEAD_LOOKS = 10
AHEAD_PAUSE_S = 0.02


class StreamService:
    """Opens and closes streams."""

    def __init__(
        self,
        *,
        ring: Ring,
        fanout: Fanout,
        tailer: Tailer,
        replay: Replay,
        snapshots: Snapshots,
        reader: ReaderSettings,
    ) -> None:
        self._ring = ring
        self._fanout = fanout
        self._tailer = tailer
        self._replay = replay
        self._snapshots = snapshots
        self._reader = reader

    async def open(
        self,
        principal: Principal,
        audience: Audience,
        *,
        last_event_id: str | None,
        until_completed: bool,
        types: frozenset[str] | None = None,
    ) -> Stream | None:
        """A stream for an audience; None where the client has seen the end of what it waited for.

        last_event_id: where the client was. One that says nothing to us begins with a new snapshot.
        types: which events to send; None: all.
        Raises UnknownFileError for a file that is not the caller's, StreamNotReadyError or UnavailableError where the
        stream cannot start now. Every stream must be closed.
        """
        await self._tailer.caught_up()
        view = self._view(audience)
        cursor = self._cursor(view, last_event_id)
        is_gone = audience.file_id is not None and self._ring.is_deleted(audience)
        if cursor is not None and cursor.finished and (until_completed or is_gone):
            return None
        if is_gone:
            raise UnknownFileError
        snapshot: Snapshot | None = None
        if cursor is None or (audience.file_id is not None and (until_completed or not self._ring.knows(audience))):
            # Also who goes on from an id must own the file, and may wait for its current run. An event in the ring
            # says as well whose file it is: after a restart, not everybody has to ask results.
            snapshot = await self._snapshot(audience, principal)
        awaited = AwaitedRun(snapshot.files[0]) if snapshot is not None and until_completed else None
        if cursor is not None:
            if awaited is not None and self._has_seen_end(audience, cursor, awaited):
                return None
            stream = await self._continue(audience, view, cursor, awaited, types)
            if stream is not None:
                metrics.STREAMS.labels(stream=audience.kind, begun="continued").inc()
                return stream
        stream = await self._begin(audience, snapshot or await self._snapshot(audience, principal), awaited, types)
        metrics.STREAMS.labels(stream=audience.kind, begun="snapshot").inc()
        return stream

    def close(self, stream: Stream) -> None:
        """Forget a stream's reader."""
        self._fanout.detach(stream.reader)

    def _view(self, audience: Audience) -> View:
        layout = self._ring.layout
        return layout.everything if audience.file_id is None else layout.of_file(audience.file_id)

    def _cursor(self, view: View, last_event_id: str | None) -> Cursor | None:
        if not last_event_id:
            return None
        try:
            return view.decode(last_event_id)
        except ForeignPositionError:
            return None

    async def _snapshot(self, audience: Audience, principal: Principal) -> Snapshot:
        snapshot = await self._snapshots.of(audience, principal)
        if snapshot.layout != self._ring.layout:
            # A topic was made anew and one of the two services has not noticed.
            self._tailer.doubt()
            raise StreamNotReadyError("The topics were made anew. Try again in a few seconds.")
        return snapshot

    async def _begin(
        self, audience: Audience, snapshot: Snapshot, awaited: AwaitedRun | None, types: frozenset[str] | None
    ) -> Stream:
        """Snapshot, then everything later."""
        try:
            stream = await self._join(audience, self._view(audience), snapshot.positions, awaited, types, clamp=True)
        except ReplayRefusedError as error:
            raise StreamNotReadyError(f"What is known of the files lags behind the log ({error}).") from error
        # The ring, or the log, may have told of a deletion before results.
        files = [each for each in snapshot.files if not self._ring.is_deleted(_audience_of(audience, each))]
        if audience.file_id is not None and not files:
            self.close(stream)
            raise UnknownFileError
        stream.begin_with(files[0] if audience.file_id is not None else {"files": files})
        return stream

    async def _continue(
        self,
        audience: Audience,
        view: View,
        cursor: Cursor,
        awaited: AwaitedRun | None,
        types: frozenset[str] | None,
    ) -> Stream | None:
        """Everything after a position; None where a new snapshot is needed."""
        try:
            if await self._is_ahead_of_kafka(view, cursor):
                return None
            stream = await self._join(audience, view, cursor.positions, awaited, types, clamp=False)
        except ReplayRefusedError:
            return None
        if awaited is not None and awaited.is_complete and not any(map(awaited.is_end, stream.rest)):
            # Its end lies before what the ring knows, or is not in Kafka yet. The state says it in either case.
            self.close(stream)
            return None
        return stream

    def _has_seen_end(self, audience: Audience, cursor: Cursor, awaited: AwaitedRun) -> bool:
        """True if the ring knows the end of the current run, and that it lies before the client's position."""
        ends = [
            entry
            for entry in self._ring.since(audience, (0,) * len(cursor.positions))
            if entry.event is not None and awaited.is_end(entry.event)
        ]
        return awaited.is_complete and any(entry.offset < cursor.positions[entry.slot] for entry in ends)

    async def _is_ahead_of_kafka(self, view: View, cursor: Cursor) -> bool:
        """True for an id with offsets that do not exist. One a little ahead of the ring comes from another replica."""
        ahead = self._ahead(view, cursor)
        for _ in range(AHEAD_LOOKS):
            if not ahead:
                return False
            # Mostly this ring is there as well before Kafka would have answered; a storm of readers asks nobody then.
            await asyncio.sleep(AHEAD_PAUSE_S)
            ahead = self._ahead(view, cursor)
        ends = await self._replay.ends(self._ring.layout, ahead)
        return any(cursor.positions[slot] > ends[slot] for slot in ahead)

    def _ahead(self, view: View, cursor: Cursor) -> list[int]:
        high = self._ring.high
        return [slot for slot in view.slots if cursor.positions[slot] > high[slot]]

    async def _join(
        self,
        audience: Audience,
        view: View,
        floor: Positions,
        awaited: AwaitedRun | None,
        types: frozenset[str] | None,
        *,
        clamp: bool,
    ) -> Stream:
        """Bring together what Kafka, the ring and the future have after `floor`."""
        if view is not self._view(audience):
            raise ReplayRefusedError("the ring began anew meanwhile")
        reader = Reader(audience, view, max_events=self._reader.max_events, max_bytes=self._reader.max_bytes)
        # One step, no await in it: what the ring lacks, what it has, and from here on all that comes.
        missing = self._ring.missing(view, floor)
        reached = tuple(missing.get(slot, (0, position))[1] for slot, position in enumerate(floor))
        missed = self._ring.since(audience, reached)
        self._fanout.attach(reader)
        try:
            replayed: list[LoggedEvent] = []
            if missing:
                replayed = await self._replay.read(self._ring.layout, missing, audience, clamp=clamp)
            if reader.end in (End.SLOW, End.RESET):
                raise ReplayRefusedError("too much happened while Kafka was read")
        except BaseException:
            self._fanout.detach(reader)
            raise
        return Stream(
            reader,
            self._ring,
            floor=floor,
            replayed=self._without_deleted(replayed),
            reached=reached,
            missed=missed,
            awaited=awaited,
            types=types,
            retry_ms=self._fanout.retry_ms,
        )

    def _without_deleted(self, events: list[LoggedEvent]) -> list[LoggedEvent]:
        """Kafka keeps what a deleted file once said; a stream does not repeat it.

        The ring is told of deletions that it had not reached: nothing of these files may come later either.
        """
        last = {event.file_id: event for event in events if event.deletes}
        for event in last.values():
            self._ring.learn_deleted(Audience.of(event)[0])
        return [
            event
            for event in events
            if (event is last[event.file_id] if event.file_id in last else not self._is_gone(event))
        ]

    def _is_gone(self, event: LoggedEvent) -> bool:
        return self._ring.is_deleted(Audience.of(event)[0])


def _audience_of(audience: Audience, file: dict[str, Any]) -> Audience:
    return Audience(audience.owner_id, UUID(file["file_id"]))
