"""The consumer that every service uses: bounded work in flight, order where it matters, explicit offsets.

Records are taken from FastStream one by one and handled in parallel. A failure is tried again with backoff and jitter
without holding up other keys; what fails for good goes to `assay.dead-letters`, then is committed. An offset is never
committed for unfinished work. Redelivery happens, so handlers are idempotent.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    ConsumerStoppedError,
    IllegalStateError,
    KafkaError,
    MessageSizeTooLargeError,
)
from aiokafka.structs import OffsetAndMetadata
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import FAKE_CONSUMER, KafkaMessage
from opentelemetry.trace import SpanKind

from assay.contracts import DeadLetter, Event, MalformedEventError, decode, event_type
from assay.contracts.cloudevents import header
from assay.contracts.dead_letters import REDRIVE_GROUP_HEADER
from assay.contracts.topics import DEAD_LETTERS
from assay.shared import metrics, tracing
from assay.shared.clock import now
from assay.shared.kafka import Publisher
from assay.shared.offsets import OffsetTracker

log = structlog.get_logger(__name__)

COMMIT_INTERVAL_S = 0.1
FIRST_BACKOFF_S = 0.2
LONGEST_BACKOFF_S = 30.0

Headers = tuple[tuple[str, bytes | None], ...]


COMMIT_TIMEOUT_S = 5.0


class PermanentError(Exception):
    """Raised by a handler: trying again cannot help, the record becomes a dead letter now."""


class TransientError(Exception):
    """Raised by a handler: a part that it needs is away. Tried again for as long as that lasts, never given up."""


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

    def event(self) -> Event | None:
        """The event in it; None for a tombstone or a type that we do not know. Raises MalformedEventError."""
        return decode(self.value, self.headers)


Handler = Callable[[Delivery], Awaitable[None]]
GaveUp = Callable[[Delivery, BaseException], Awaitable[None]]
Assigned = Callable[[set[TopicPartition]], Awaitable[dict[TopicPartition, int]]]


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    def __init__(self, consumer: "ParallelConsumer") -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._consumer.on_revoked()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._consumer.on_assigned(assigned)


async def _parse(record: ConsumerRecord) -> KafkaMessage:
    # FastStream's own parser drops records with odd headers before a handler sees them; this one cannot fail.
    return KafkaMessage(record, b"", consumer=FAKE_CONSUMER)


async def _raw(message: KafkaMessage) -> object:
    return message.raw_message


class ParallelConsumer:
    """Subscribes one group to topics and runs `handler` for each record, at least once."""

    def __init__(
        self,
        broker: KafkaBroker,
        *,
        topics: tuple[str, ...],
        group: str,
        handler: Handler,
        publisher: Publisher,
        instance_id: str | None = None,
        window: int = 32,
        ordering: Ordering = Ordering.KEY,
        max_attempts: int = 5,
        gave_up: GaveUp | None = None,
        starts_at: Assigned | None = None,
        waits_out: Callable[[BaseException], bool] = is_outage,
    ) -> None:
        """
        window: records in work at once; beyond it, intake waits.
        instance_id: static membership, so that a restart does not move partitions.
        gave_up: called before a record becomes a dead letter, to say its end to whoever waits for it.
        starts_at: where to begin on partitions just assigned, where that is not the committed offset. Asked again until
            it answers; nothing is taken before.
        waits_out: errors that are no fault of the record: it is tried again without limit and never given up.
        """
        self._broker = broker
        self._group = group
        self._handler = handler
        self._publisher = publisher
        self._ordering = ordering
        self._max_attempts = max_attempts
        self._gave_up = gave_up
        self._starts_at = starts_at
        self._waits_out = waits_out
        self._window = asyncio.Semaphore(window)
        self._trackers: dict[TopicPartition, OffsetTracker] = {}
        self._tasks: dict[tuple[TopicPartition, int], asyncio.Task[None]] = {}
        self._tails: dict[Hashable, asyncio.Task[None]] = {}
        self._committer: asyncio.Task[None] | None = None
        self._moved_at = time.monotonic()
        self._draining = False
        self._generation = 0
        self.assigned = asyncio.Event()
        self._subscriber = broker.subscriber(
            *topics,
            group_id=group,
            group_instance_id=instance_id,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            partition_assignment_strategy=(StickyPartitionAssignor,),
            listener=_Rebalance(self),
            parser=_parse,
            decoder=_raw,
            session_timeout_ms=15_000,
            rebalance_timeout_ms=30_000,
            max_poll_interval_ms=600_000,
            fetch_max_wait_ms=200,
        )
        self._subscriber(self._take)

    async def start(self) -> None:
        """Begin to commit. The records come once the broker is started."""
        self._committer = asyncio.create_task(self._commit_for_ever(), name=f"commit {self._group}")

    async def stop(self, timeout_s: float = 10.0) -> None:
        """Take no more, finish what is in work within the time, cancel the rest, commit. Stop the broker after this."""
        self._draining = True
        consumer = self._subscriber.consumer
        if consumer is not None and consumer.assignment():
            consumer.pause(*consumer.assignment())
        if self._tasks:
            _, late = await asyncio.wait(self._tasks.values(), timeout=timeout_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._committer is not None:
            self._committer.cancel()
            with suppress(asyncio.CancelledError):
                await self._committer
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                await self.commit()
        except TimeoutError:
            log.warning("last_commit_failed", group=self._group)

    def seconds_stalled(self) -> float:
        """How long nothing moved although there is work; 0 where there is none. For `/healthz`."""
        return time.monotonic() - self._moved_at if self._tasks else 0.0

    async def check(self) -> None:
        """Raise where this member has joined no group yet; for `/readyz`."""
        if not self.assigned.is_set():
            raise KafkaError(f"group {self._group}: no partitions assigned yet")

    # Intake: FastStream calls this for one record after the other.
    async def _take(self, record: ConsumerRecord) -> None:
        generation = self._generation
        await self._window.acquire()
        partition = TopicPartition(record.topic, record.partition)
        # While this waited for room, the partition may have gone to another member, and even come back: noted now, the
        # record would make those before it look done. After a rebalance it is delivered again.
        is_stale = generation != self._generation
        if self._draining or is_stale or not self._note(partition, record.offset):
            self._window.release()
            return
        if not self._tasks:
            self._moved_at = time.monotonic()  # it did not stall while there was nothing to do
        key: Hashable = {
            Ordering.KEY: (partition, record.key),
            Ordering.PARTITION: partition,
            Ordering.NONE: (partition, record.offset),
        }[self._ordering]
        task = asyncio.create_task(self._run(record, partition, self._tails.get(key)))
        self._tasks[partition, record.offset] = task
        self._tails[key] = task
        metrics.IN_FLIGHT.labels(group=self._group).inc()
        task.add_done_callback(lambda done: self._ended(done, key, partition, record.offset))

    def _note(self, partition: TopicPartition, offset: int) -> bool:
        """Note that a record was taken; False where it is in work or done."""
        return self._trackers.setdefault(partition, OffsetTracker(offset)).take(offset)

    def _ended(self, task: "asyncio.Task[None]", key: Hashable, partition: TopicPartition, offset: int) -> None:
        self._window.release()
        self._moved_at = time.monotonic()
        metrics.IN_FLIGHT.labels(group=self._group).dec()
        if self._tasks.get((partition, offset)) is task:
            del self._tasks[partition, offset]
        if self._tails.get(key) is task:
            del self._tails[key]
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            # A bug of this class: handlers' errors are all settled. The offset stays open until a restart.
            log.error("record_not_settled", group=self._group, topic=partition.topic, offset=offset, exc_info=error)
            return
        tracker = self._trackers.get(partition)
        if tracker is not None:
            tracker.finish(offset)

    async def _run(
        self, record: ConsumerRecord, partition: TopicPartition, before: "asyncio.Task[None] | None"
    ) -> None:
        if before is not None and not before.done():
            await asyncio.wait([before])
        if header(record.headers, REDRIVE_GROUP_HEADER) not in (None, self._group):
            return
        started = time.perf_counter()
        outcome = await self._until_settled(record, partition)
        metrics.CONSUMED.labels(group=self._group, topic=record.topic, outcome=outcome).inc()
        metrics.HANDLER_SECONDS.labels(group=self._group).observe(time.perf_counter() - started)

    async def _until_settled(self, record: ConsumerRecord, partition: TopicPartition) -> str:
        attempt = failures = 0
        while True:
            attempt += 1
            delivery = Delivery(
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                key=record.key or b"",
                value=record.value,
                headers=tuple(record.headers),
                attempt=attempt,
            )
            context = tracing.context_of(delivery.headers)
            with tracing.span(
                f"consume {record.topic}", kind=SpanKind.CONSUMER, context=context, group=self._group, attempt=attempt
            ):
                try:
                    await self._handler(delivery)
                    return "done"
                except (PermanentError, MalformedEventError) as error:
                    await self._give_up_for_sure(delivery, error)
                    return "dead_letter"
                except Exception as error:
                    failures += not self._waits_out(error)
                    if failures >= self._max_attempts:
                        await self._give_up_for_sure(delivery, error)
                        return "dead_letter"
                    log.warning(
                        "handler_failed",
                        group=self._group,
                        topic=record.topic,
                        partition=record.partition,
                        offset=record.offset,
                        attempt=attempt,
                        exc_info=error,
                    )
            await self._back_off(attempt)

    async def _back_off(self, attempt: int) -> None:
        self._moved_at = time.monotonic()
        longest = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(attempt, 10))
        await asyncio.sleep(random.uniform(longest / 2, longest))

    async def _give_up_for_sure(self, delivery: Delivery, error: BaseException) -> None:
        """Until the dead letter is stored, the record is not done with: whatever was lost here would be lost."""
        attempt = 0
        while True:
            attempt += 1
            try:
                await self._give_up(delivery, error)
                return
            except Exception as failure:
                log.warning("dead_letter_postponed", group=self._group, topic=delivery.topic, exc_info=failure)
            await self._back_off(attempt)

    async def _give_up(self, delivery: Delivery, error: BaseException) -> None:
        log.error(
            "record_given_up",
            group=self._group,
            topic=delivery.topic,
            partition=delivery.partition,
            offset=delivery.offset,
            ce_type=event_type(delivery.headers),
            exc_info=error,
        )
        if self._gave_up is not None:
            try:
                await self._gave_up(delivery, error)
            except Exception as failure:
                if self._waits_out(failure):
                    raise
                log.error("end_not_said", group=self._group, topic=delivery.topic, exc_info=failure)
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
        metrics.DEAD_LETTERS.labels(group=self._group, topic=delivery.topic).inc()

    # Offsets.
    async def _commit_for_ever(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_INTERVAL_S)
            await self.commit()

    async def commit(self) -> None:
        """Commit what is finished. A rebalance in between is no loss: the next commit says it again."""
        consumer = self._subscriber.consumer
        if consumer is None:
            return
        ahead = {
            partition: position
            for partition, tracker in list(self._trackers.items())
            if (position := tracker.uncommitted) is not None and partition in consumer.assignment()
        }
        if not ahead:
            return
        try:
            await consumer.commit({partition: OffsetAndMetadata(at, "") for partition, at in ahead.items()})
        except (CommitFailedError, IllegalStateError) as error:
            log.info("commit_postponed", group=self._group, reason=str(error))
            return
        except (KafkaError, ConsumerStoppedError) as error:
            log.warning("commit_failed", group=self._group, reason=str(error) or type(error).__name__)
            return
        for partition, at in ahead.items():
            if partition in self._trackers:
                self._trackers[partition].committed(at)

    async def on_revoked(self) -> None:
        """Before a rebalance. The trackers stay: most partitions come back, and their work goes on meanwhile."""
        await self.commit()

    async def on_assigned(self, assigned: set[TopicPartition]) -> None:
        """After a rebalance: work on partitions that went to another member is cancelled and settles nothing."""
        consumer = self._subscriber.consumer
        assert consumer is not None
        self._generation += 1
        # Nothing may come before it is known where to begin; aiokafka fetches while this listener runs.
        consumer.pause(*assigned)
        for (partition, _), task in list(self._tasks.items()):
            if partition not in assigned:
                task.cancel()
        for partition in set(self._trackers) - assigned:
            del self._trackers[partition]
        await self._commit_beginnings(assigned)
        if self._starts_at is not None:
            for partition, offset in (await self._ask_start(self._starts_at, assigned)).items():
                consumer.seek(partition, offset)
        if not self._draining:
            consumer.resume(*assigned)
        self.assigned.set()

    async def _ask_start(self, starts_at: Assigned, assigned: set[TopicPartition]) -> dict[TopicPartition, int]:
        # An error must not reach aiokafka: it would log it and begin at the committed offsets.
        attempt = 0
        while True:
            attempt += 1
            try:
                return await starts_at(assigned)
            except Exception as error:
                log.warning("start_postponed", group=self._group, exc_info=error)
            await self._back_off(attempt)

    async def _commit_beginnings(self, assigned: set[TopicPartition]) -> None:
        """Commit where a new group begins, so that it has an offset in every partition: its lag can be told from then.

        A failure is no loss: without a committed offset the group begins at the same place again.
        """
        consumer = self._subscriber.consumer
        assert consumer is not None
        try:
            new = [each for each in assigned if await consumer.committed(each) is None]
            if new:
                beginnings = await consumer.beginning_offsets(new)
                await consumer.commit({each: OffsetAndMetadata(at, "") for each, at in beginnings.items()})
        except KafkaError as error:
            log.warning("first_commit_failed", group=self._group, reason=str(error) or type(error).__name__)
