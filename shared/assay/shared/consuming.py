"""The consumer that every service uses: bounded work in flight, order where it matters, explicit offsets.

Records are taken from FastStream into a bounded buffer and handled in parallel, in the order that `scheduling` decides.
A failure is tried again with backoff and jitter without holding up anybody; what fails for good goes to
`assay.dead-letters`, then is committed. An offset is never committed for unfinished work; what is done above it rides
in the commit's metadata. After an unclean end of a process the records that may have killed it run alone. Redelivery
happens, so handlers are idempotent. docs/architecture.md tells the whole design.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from itertools import count
from typing import Any

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import FAKE_CONSUMER, KafkaMessage

from assay.shared import backoff
from assay.shared.batching import BatchHandling
from assay.shared.committing import Committer
from assay.shared.delivery import (
    BatchHandler,
    Delivery,
    GaveUp,
    Handler,
    Ordering,
    PermanentError,
    TransientError,
    WaitsOut,
    WorkerCrashedError,
    is_outage,
)
from assay.shared.giving_up import GivingUp, TooManyDeadLettersError
from assay.shared.giving_way import GivingWay
from assay.shared.handling import Handling
from assay.shared.holding import HeldPartition, Job
from assay.shared.isolation import Isolation
from assay.shared.kafka import Publisher
from assay.shared.scheduling import Lane, Schedule
from assay.shared.taking_over import TakingOver

__all__ = [
    "BatchHandler",
    "Delivery",
    "GivingWay",
    "Handler",
    "Isolation",
    "Lane",
    "Ordering",
    "ParallelConsumer",
    "PermanentError",
    "TooManyDeadLettersError",
    "TransientError",
    "WorkerCrashedError",
    "is_outage",
]

log = structlog.get_logger(__name__)

COMMIT_TIMEOUT_S = 5.0
RECORDS_AT_ONCE = 200
FETCH_BYTES = 256 * 1024
"""Of one partition in one fetch: what a partition may have in memory beyond its share of the buffer."""
PATIENT_FETCH_BYTES = 64 * 1024

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
    """Subscribes one group to topics and runs a handler for each record, or for several, at least once."""

    def __init__(
        self,
        broker: KafkaBroker,
        *,
        topics: tuple[str, ...],
        group: str,
        publisher: Publisher,
        handler: Handler | None = None,
        batch_handler: BatchHandler | None = None,
        max_batch: int = 200,
        instance_id: str | None = None,
        window: int = 32,
        buffer_records: int = 1000,
        buffer_bytes: int = 16 << 20,
        ordering: Ordering = Ordering.KEY,
        lanes: Mapping[str, Lane] | None = None,
        turn_of: Callable[[ConsumerRecord], Hashable] | None = None,
        urgent: Callable[[ConsumerRecord], bool] | None = None,
        isolation: Isolation | None = None,
        giving_way: GivingWay | None = None,
        max_attempts: int = 5,
        gave_up: GaveUp | None = None,
        max_dead_letters: int = 500,
        dead_letters_within_s: float = 600.0,
        starts_at: Assigned | None = None,
        waits_out: WaitsOut = is_outage,
        patient: bool = False,
        max_poll_interval_ms: int = 60_000,
    ) -> None:
        """
        batch_handler, max_batch: instead of `handler`, for records of one partition in their order: those that are
            there, at most so many. Needs Ordering.PARTITION. It fails and is tried again as a whole; where that is no
            use, its records come one by one. It runs in no trace, see `Delivery.in_trace`.
        window: records, or batches, in work at once.
        buffer_records, buffer_bytes: what is read ahead, shared evenly by the partitions; a partition that has used up
            its share is read on when half of it is free.
        lanes: how topics share the window.
        turn_of: whose a record is; owners of a lane are served in turn. Must be quick; an error means nobody's.
        urgent: records handled at once, outside window, turns and order. Must be quick.
        isolation: one for all consumers of a process, so that a suspect record runs alone in it.
        giving_way: likewise; holds back lanes that give way while a record that somebody waits for was just taken.
        instance_id: static membership, so that a restart does not move partitions.
        gave_up: called before a record becomes a dead letter, to say its end to whoever waits for it. The error is a
            WorkerCrashedError where the process died of the record.
        max_dead_letters, dead_letters_within_s: beyond so many within so long nothing more is taken; see `check`.
        starts_at: where to begin on partitions just assigned, where that is not the committed offset. Asked again until
            it answers; nothing is taken before. Commits carry no metadata then, and no record is ever suspect.
        waits_out: errors that are no fault of the record: it is tried again without limit and never given up.
        patient: nobody waits for what the records cause: they are fetched some at a time, at most 200 ms late.
        max_poll_interval_ms: for tests. Records are taken whatever the handlers do, so it is never reached.
        """
        self._group = group
        self._ordering = ordering
        self._turn_of = turn_of
        self._urgent = urgent
        self._buffer_records = buffer_records
        self._buffer_bytes = buffer_bytes
        self._share_records = buffer_records
        self._share_bytes = buffer_bytes
        self._held: dict[TopicPartition, HeldPartition] = {}
        self._numbers = count()
        self._is_draining = False
        self._preparing: asyncio.Task[None] | None = None
        self.assigned = asyncio.Event()
        self._giving_up = GivingUp(
            group=group,
            publisher=publisher,
            gave_up=gave_up,
            waits_out=waits_out,
            at_most=max_dead_letters,
            within_s=dead_letters_within_s,
        )
        self._committer = Committer(
            group, self._consumer, self._held, with_notes=starts_at is None, committed=self._regulate
        )
        handling: dict[str, Any] = {
            "group": group,
            "schedule": Schedule[Job](window, lanes or {}),
            "committer": self._committer,
            "giving_up": self._giving_up,
            "isolation": isolation or Isolation(),
            "max_attempts": max_attempts,
            "waits_out": waits_out,
            "has_room": self._regulate_one,
        }
        self._handling: Handling
        if handler is not None and batch_handler is None:
            self._handling = Handling(handler=handler, **handling)
        elif batch_handler is not None and handler is None and ordering is Ordering.PARTITION:
            self._handling = BatchHandling(batch_handler=batch_handler, max_batch=max_batch, **handling)
        else:
            raise ValueError("either a handler, or a batch_handler and Ordering.PARTITION")
        self._patient_topics = {name for name, lane in (lanes or {}).items() if lane.gives_way or not lane.waited_for}
        self._giving_way = giving_way
        if giving_way is not None:
            giving_way.follow(self._handling.bound)
        self._taking_over = TakingOver(broker, group, self._committer.author, starts_at)
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
            max_poll_interval_ms=max_poll_interval_ms,
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_min_bytes=PATIENT_FETCH_BYTES if patient else 1,
            fetch_max_wait_ms=200,
        )
        self._subscriber(self._take)

    def _consumer(self) -> Any:
        return self._subscriber.consumer

    async def start(self) -> None:
        """Begin to commit. The records come once the broker is started."""
        self._committer.start()

    async def stop(self, timeout_s: float = 10.0) -> None:
        """Take no more, finish what is in work within the time, cancel the rest, commit. Stop the broker after this."""
        self._is_draining = True
        self._regulate()
        await self._handling.drain(timeout_s)
        await self._prepare_no_more()
        await self._committer.stop()
        self._committer.is_clean = True
        await self._commit_in_time("last_commit_failed")

    async def _commit_in_time(self, otherwise: str) -> None:
        # With the brokers away, aiokafka would try for ever.
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                await self.commit()
        except TimeoutError:
            log.warning(otherwise, group=self._group)

    async def commit(self) -> None:
        """Commit what is finished. A rebalance in between is no loss: the next commit says it again."""
        await self._committer.commit()

    def seconds_stalled(self) -> float:
        """How long no handler ended, or said that it `moved`, although one runs; 0 where none runs. For `/healthz`.

        Who has handlers that may take minutes says so by subtracting what one may take.
        """
        return self._handling.seconds_stalled()

    def moved(self) -> None:
        """A handler got on with its work."""
        self._handling.moved()

    async def check(self) -> None:
        """Raise where this member has joined no group yet, or has stopped by itself; for `/readyz`."""
        if self._giving_up.has_stopped:
            raise TooManyDeadLettersError(self._giving_up.reason)
        if not self.assigned.is_set():
            raise KafkaError(f"group {self._group}: no partitions assigned yet")

    # Intake.
    async def _take(self, record: ConsumerRecord) -> None:
        """FastStream calls this for one record; whatever else was fetched with it is taken too, for that is cheaper."""
        self._add(TopicPartition(record.topic, record.partition), (record,))
        self._handling.fill()
        try:
            while not self._is_draining:
                fetched = await self._consumer().getmany(timeout_ms=0, max_records=RECORDS_AT_ONCE)
                for partition, records in fetched.items():
                    self._add(partition, records)
                self._handling.fill()
                if sum(map(len, fetched.values())) < RECORDS_AT_ONCE:
                    break
                await asyncio.sleep(0)
        except (KafkaError, ConsumerStoppedError) as error:
            log.warning("fetch_failed", group=self._group, reason=str(error) or type(error).__name__)
        # Only now, when nothing that was fetched is left: aiokafka would throw it away and fetch it again.
        self._regulate()

    def _add(self, partition: TopicPartition, records: Iterable[ConsumerRecord]) -> None:
        held = self._held.get(partition)
        if held is None or self._is_draining:
            return  # not committed, so not lost
        if self._giving_way is not None and partition.topic not in self._patient_topics:
            self._giving_way.somebody_waits()
        for record in records:
            if held.tracker.take(record.offset):
                self._handling.add(self._job(record, held))

    def _job(self, record: ConsumerRecord, held: HeldPartition) -> Job:
        order: Hashable = None
        if self._ordering is Ordering.KEY:
            order = (held, record.key)
        elif self._ordering is Ordering.PARTITION:
            order = (held, None)
        turn, is_urgent = None, False
        try:
            if self._urgent is not None:
                is_urgent = self._urgent(record)
            if self._turn_of is not None:
                turn = self._turn_of(record)
        except Exception as error:  # a record may be anything; the handler will tell what is wrong with it
            log.info(
                "turn_not_told", group=self._group, topic=record.topic, offset=record.offset, reason=repr(error)[:200]
            )
        return Job(
            record=record,
            held=held,
            number=next(self._numbers),
            lane=record.topic,
            turn=turn,
            order=order,
            is_urgent=is_urgent,
            size=len(record.value or b"") + len(record.key or b""),
            crashes=held.suspects.get(record.offset),
        )

    def _regulate(self) -> None:
        for held in self._held.values():
            self._regulate_one(held)

    def _regulate_one(self, held: HeldPartition) -> None:
        """Pause a partition that has used up its share of the buffer, go on with one that has room again."""
        # Half a share: not to switch with every record.
        part = 0.5 if held.is_paused else 1
        is_full = held.waiting > self._share_records * part or held.waiting_bytes > self._share_bytes * part
        pauses = (
            is_full
            or self._is_draining
            or self._giving_up.has_stopped
            or not held.is_ready
            or not held.has_room_for_notes
        )
        if pauses == held.is_paused:
            return
        try:
            (self._consumer().pause if pauses else self._consumer().resume)(held.partition)
        except IllegalStateError:
            return  # it is on its way to another member
        held.is_paused = pauses

    # Rebalances.
    async def on_revoked(self) -> None:
        """Before a rebalance. Most partitions come back, and their work goes on meanwhile; the commit says both."""
        await self._prepare_no_more()
        self._committer.is_clean = True
        await self._commit_in_time("commit_before_rebalance_failed")

    async def on_assigned(self, assigned: set[TopicPartition]) -> None:
        """After a rebalance: work on partitions that went to another member is cancelled and settles nothing.

        Returns at once, for the heartbeats wait for it.
        """
        # Nothing may come before it is known where to begin; aiokafka fetches while this listener runs.
        self._consumer().pause(*assigned)
        await self._prepare_no_more()
        self._lose([held for partition, held in self._held.items() if partition not in assigned])
        for held in self._held.values():
            held.is_paused, held.is_ready = True, False
        self._preparing = asyncio.create_task(self._prepare(assigned), name=f"prepare {self._group}")

    def _lose(self, lost: list[HeldPartition]) -> None:
        for held in lost:
            held.is_lost = True
            self._held.pop(held.partition)
        self._handling.lose(set(lost))

    async def _prepare_no_more(self) -> None:
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.gather(self._preparing, return_exceptions=True)
            self._preparing = None

    async def _prepare(self, assigned: set[TopicPartition]) -> None:
        """Find out where to begin, say that this member is at work, let the records come."""
        attempt = 0
        while not await self._try_to_prepare(assigned):
            attempt += 1
            await asyncio.sleep(backoff.seconds(attempt))
        self._regulate()
        self.assigned.set()
        log.info("partitions_assigned", group=self._group, partitions=len(assigned))

    async def _try_to_prepare(self, assigned: set[TopicPartition]) -> bool:
        consumer = self._consumer()
        try:
            beginnings = await self._taking_over.begin(consumer, assigned, self._held)
            self._lose([held for beginning in beginnings if (held := beginning.replaces) is not None])
            for beginning in beginnings:
                self._held[beginning.held.partition] = beginning.held
            self._committer.is_clean = False
            # That this process is at work must be known before its first record can kill it.
            if not await self._committer.commit():
                return False
            for beginning in beginnings:
                consumer.seek(beginning.held.partition, beginning.reads_from)
                beginning.held.is_ready = True
        except Exception as error:  # of any part that is away; it must not end the consumer
            log.warning("start_postponed", group=self._group, exc_info=error)
            return False
        self._share_records = max(1, self._buffer_records // max(1, len(assigned)))
        self._share_bytes = max(1, self._buffer_bytes // max(1, len(assigned)))
        return True
