"""From the log to the readers: each event is looked at once and offered to those who may hear it."""

import random
from collections.abc import Iterable

import structlog
from opentelemetry.trace import SpanKind

from assay.notify import metrics
from assay.notify.domain import Audience, LoggedEvent
from assay.notify.reader import End, Reader
from assay.notify.ring import Ring, RingEntry
from assay.shared import tracing

log = structlog.get_logger(__name__)

# After a restart not everybody should come back at once: the more there are, the longer it may take.
RETRY_MS = (500, 3000)
RETRY_MS_PER_READER = 2


class Fanout:
    """The open readers, by audience."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._readers: dict[Audience, set[Reader]] = {}
        self._count = 0
        self._closing = False

    def attach(self, reader: Reader) -> None:
        """From now on, offer the reader every event that the ring takes."""
        metrics.READERS.labels(stream=reader.audience.kind).inc()
        self._count += 1
        self._readers.setdefault(reader.audience, set()).add(reader)
        if self._closing:
            reader.close(End.SHUTDOWN)

    def detach(self, reader: Reader) -> None:
        """Forget a reader."""
        readers = self._readers[reader.audience]
        readers.remove(reader)
        self._count -= 1
        metrics.READERS.labels(stream=reader.audience.kind).dec()
        if not readers:
            del self._readers[reader.audience]

    def publish(self, event: LoggedEvent) -> int:
        """Put an event into the ring and offer it to those who may hear it; returns how many they are.

        One span for an event, however many hear it; none if nobody does.
        """
        entry = self._ring.append(event)
        if entry is None:
            return 0
        readers = [
            reader
            for audience in entry.audiences
            for reader in self._readers.get(audience, ())
            if event.slot in reader.view.sees
        ]
        if not readers:
            return 0
        metrics.DELIVERED.inc(len(readers))
        if tracing.is_recording():
            context = tracing.context_of(event.trace)
            with tracing.span(f"deliver {event.type}", kind=SpanKind.CONSUMER, context=context, readers=len(readers)):
                self._offer(readers, entry)
        else:
            self._offer(readers, entry)
        return len(readers)

    @staticmethod
    def _offer(readers: Iterable[Reader], entry: RingEntry) -> None:
        for reader in readers:
            try:
                reader.offer(entry)
            except Exception as error:  # whatever is wrong with one connection, all others hear the event
                log.error("reader_failed", exc_info=error)
                # It goes on by id: nothing is missed.
                reader.close(End.SLOW)
        entry.forget_chunks()

    def retry_ms(self) -> int:
        """When one of those that are open now should come back."""
        first, last = RETRY_MS
        return random.randint(first, max(last, RETRY_MS_PER_READER * self._count))

    def end_all(self, end: End) -> None:
        """End every stream; after a shutdown also those that come."""
        self._closing = self._closing or end is End.SHUTDOWN
        for readers in self._readers.values():
            for reader in readers:
                reader.close(end)
