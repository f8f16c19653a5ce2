"""What a consumer hands to its handler, and what the handler's errors mean."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from aiokafka.errors import KafkaError

from assay.contracts import Event, decode

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

    def event(self) -> Event | None:
        """The event in it; None for a tombstone or a type that we do not know. Raises MalformedEventError."""
        return decode(self.value, self.headers)


Handler = Callable[[Delivery], Awaitable[None]]
GaveUp = Callable[[Delivery, BaseException], Awaitable[None]]
WaitsOut = Callable[[BaseException], bool]
