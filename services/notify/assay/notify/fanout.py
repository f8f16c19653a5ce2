"""From the log to the readers: each event is looked at once and offered to those who may hear it."""

from opentelemetry.trace import SpanKind

from assay.notify import metrics
from assay.notify.domain import Audience, LoggedEvent
from assay.notify.reader import End, Reader
from assay.notify.ring import Ring
from assay.shared import tracing


class Fanout:
    """The open readers, by audience."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._readers: dict[Audience, set[Reader]] = {}
        self._closing = False

    def attach(self, reader: Reader) -> None:
        """From now on, offer the reader every event that the ring takes."""
        metrics.READERS.labels(stream=reader.audience.kind).inc()
        self._readers.setdefault(reader.audience, set()).add(reader)
        if self._closing:
            reader.close(End.SHUTDOWN)

    def detach(self, reader: Reader) -> None:
        """Forget a reader."""
        readers = self._readers[reader.audience]
        readers.remove(reader)
        metrics.READERS.labels(stream=reader.audience.kind).dec()
        if not readers:
            del self._readers[reader.audience]

    def publish(self, event: LoggedEvent) -> None:
        """Put an event into the ring and offer it. One span for an event, however many hear it; none if nobody does."""
        entry = self._ring.append(event)
        if entry is None:
            return
        readers = [
            reader
            for audience in Audience.of(event)
            for reader in self._readers.get(audience, ())
            if event.slot in reader.view.slots
        ]
        if not readers:
            return
        context = tracing.context_of(event.trace)
        with tracing.span(f"deliver {event.type}", kind=SpanKind.CONSUMER, context=context, readers=len(readers)):
            for reader in readers:
                reader.offer(entry)

    def end_all(self, end: End) -> None:
        """End every stream; after a shutdown also those that come."""
        self._closing = self._closing or end is End.SHUTDOWN
        for readers in self._readers.values():
            for reader in readers:
                reader.close(end)
