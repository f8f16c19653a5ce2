"""What a consumer hands to its handler, and what the handler's errors mean."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from enum import Enum

from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError
from opentelemetry.context import Context

from assay.contracts import Event, decode
from assay.shared import tracing

Headers = tuple[tuple[str, bytes | None], ...]


class PermanentError(Exception):
    """Raised by a handler: trying again cannot help, the record becomes a dead letter now."""


class TransientError(Exception):
    """Raised by a handler: a part that it needs is away. Tried again for as long as that lasts, never given up."""


class WorkerCrashedError(PermanentError):
    """The process died each time that this record ran alone in it. What a handler's owner is told; never raised."""


def is_outage(error: BaseException) -> bool:
    """True for what says that another part is away, not that a record is bad."""
    if isinstance(error, KafkaError):
        return bool(error.retriable)
    return isinstance(error, TransientError | ConnectionError)


class Ordering(Enum):
    """What is handled one after the other; everything else runs in parallel."""

    NONE = "none"
    KEY = "key"
    PARTITION = "partition"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One record, as it came from Kafka. `value` is None for a tombstone."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes | None
    headers: Headers
    attempt: int
    """1, 2, 3 …; each time that the process died of this record counts as one."""
    trace: Context | None = None
    """Where this record of a batch has a span: that span's context."""

    def in_trace(self) -> AbstractContextManager[None]:
        """Run a block in this record's trace. For handlers of batches; others run in it anyway."""
        if self.trace is not None:
            return tracing.continued(self.trace)
        if tracing.current_trace_id() is not None:
            return nullcontext()
        return tracing.continued(tracing.context_of(self.headers))

    def within(self, trace: Context) -> "Delivery":
        """The same record with this trace."""
        return replace(self, trace=trace)

    def event(self) -> Event | None:
        """The event in it; None for a tombstone or a type that we do not know. Raises MalformedEventError."""
        return decode(self.value, self.headers)


def delivery_of(record: ConsumerRecord, attempt: int) -> Delivery:
    """What a handler gets of a record."""
    return Delivery(
        record.topic,
        record.partition,
        record.offset,
        record.key or b"",
        record.value,
        tuple(record.headers),
        attempt,
    )


Handler = Callable[[Delivery], Awaitable[None]]
BatchHandler = Callable[[Sequence[Delivery]], Awaitable[None]]
GaveUp = Callable[[Delivery, BaseException], Awaitable[None]]
WaitsOut = Callable[[BaseException], bool]
