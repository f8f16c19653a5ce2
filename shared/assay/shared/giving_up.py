"""Dead letters: what a consumer gives up on, and when it gives up on giving up."""

import time
from collections import deque

import structlog
from aiokafka.errors import MessageSizeTooLargeError

from assay.contracts import DeadLetter, event_type
from assay.contracts.topics import DEAD_LETTERS
from assay.shared import metrics
from assay.shared.clock import now
from assay.shared.delivery import Delivery, GaveUp, WaitsOut
from assay.shared.kafka import Publisher
from assay.shared.tracebacks import Tracebacks

log = structlog.get_logger(__name__)


class TooManyDeadLettersError(Exception):
    """More records fail than can be the records' fault: the consumer has stopped."""


class GivingUp:
    """Says a record's end to whoever waits for it, then stores it as a dead letter."""

    def __init__(
        self,
        *,
        group: str,
        publisher: Publisher,
        gave_up: GaveUp | None,
        waits_out: WaitsOut,
        at_most: int,
        within_s: float,
    ) -> None:
        """at_most, within_s: dead letters beyond so many within so many seconds are not written."""
        self._group = group
        self._publisher = publisher
        self._gave_up = gave_up
        self._waits_out = waits_out
        self._at_most = at_most
        self._within_s = within_s
        self._tracebacks = Tracebacks()
        self._times: deque[float] = deque()
        self.has_stopped = False

    def admit(self) -> bool:
        """Count one more dead letter. False where it is one too many: from then on nothing is given up."""
        if self.has_stopped:
            return False
        at = time.monotonic()
        while self._times and self._times[0] < at - self._within_s:
            self._times.popleft()
        if len(self._times) >= self._at_most:
            self.has_stopped = True
            log.error("too_many_dead_letters", group=self._group, reason=self.reason)
            return False
        self._times.append(at)
        return True

    @property
    def reason(self) -> str:
        """What happened and what to do, for people."""
        return (
            f"group {self._group} stopped: {self._at_most} records became dead letters within {self._within_s:.0f} s, "
            "so the fault is hardly theirs. Nothing more is taken or lost. See `assay dead-letters list` for the "
            "error, mend its cause, restart this service, then replay the dead letters"
        )

    async def give_up(self, delivery: Delivery, error: BaseException) -> None:
        """Raises where the dead letter is not known to be stored: the record is not done with then."""
        log.error(
            "record_given_up",
            group=self._group,
            topic=delivery.topic,
            partition=delivery.partition,
            offset=delivery.offset,
            ce_type=event_type(delivery.headers),
            **self._tracebacks.of(error),
        )
        if self._gave_up is not None:
            try:
                await self._gave_up(delivery, error)
            except Exception as failure:
                if self._waits_out(failure):
                    raise
                log.error("end_not_said", group=self._group, topic=delivery.topic, **self._tracebacks.of(failure))
        await self._store(delivery, error)
        metrics.DEAD_LETTERS.labels(group=self._group, topic=delivery.topic).inc()

    async def _store(self, delivery: Delivery, error: BaseException) -> None:
        letter = DeadLetter(
            occurred_at=now(),
            group=self._group,
            error=f"{type(error).__name__}: {error}".splitlines()[0][:500],
            attempts=delivery.attempt,
            topic=delivery.topic,
            partition=delivery.partition,
            offset=delivery.offset,
        )
        headers = [*delivery.headers, *letter.headers()]
        try:
            await self._publisher.send(DEAD_LETTERS.name, delivery.key, delivery.value, headers)
        except MessageSizeTooLargeError:
            # With what is said about it, the record no longer fits; its origin's topic still has it.
            await self._publisher.send(DEAD_LETTERS.name, delivery.key, b"", headers)
