"""Follows the lanes and `assay.analyses`: all partitions, without a group, so that every replica sees every event."""

import asyncio
import time
from collections.abc import Mapping

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from assay.contracts import FileDeleted, MalformedEventError, event_type
from assay.contracts.topics import LANES
from assay.notify import metrics
from assay.notify.domain import Audience, parse
from assay.notify.errors import StreamNotReadyError
from assay.notify.fanout import Fanout
from assay.notify.position import TOPICS, Layout
from assay.notify.reader import End
from assay.notify.ring import Ring
from assay.notify.settings import RingSettings
from assay.shared.kafka import connection
from assay.shared.settings import KafkaSettings
from assay.shared.tasks import end
from assay.shared.topic_ids import topic_ids

log = structlog.get_logger(__name__)

POLL_MS = 500
BATCH = 500
# Events times readers that are written before the event loop turns: what a reader gets within a turn goes out in one
# system call, and nobody waits longer than some 50 ms for a backlog of others.
AT_ONCE = 20_000
RETRY_S = 1.0
# How often the topics' ids are asked for. Who opens a stream sees sooner that a topic was made anew.
CHECK_S = 60.0
# A request that comes while the ring is being filled waits so long.
PATIENCE_S = 10.0


class Tailer:
    """Fills the ring and feeds the fan-out. Outlives the broker: it connects again and goes on where it was."""

    def __init__(self, kafka: KafkaSettings, settings: RingSettings, ring: Ring, fanout: Fanout) -> None:
        self._kafka = kafka
        self._settings = settings
        self._ring = ring
        self._fanout = fanout
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None
        self._caught_up = asyncio.Event()
        self._doubted = False
        self._lost = False
        self._written = 0
        self._moved_at = time.monotonic()

    async def start(self) -> None:
        """Begin to read. `caught_up` tells when the ring is filled."""
        self._task = asyncio.create_task(self._follow_for_ever(), name="tailer")

    async def stop(self) -> None:
        """Read no more."""
        await end(self._task)

    async def caught_up(self) -> None:
        """Wait until everything that was in Kafka at the start was read. Raises StreamNotReadyError after 10 s."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._caught_up.wait()
        except TimeoutError as error:
            raise StreamNotReadyError("Events are still being read from Kafka. Try again in a few seconds.") from error

    async def check(self) -> None:
        """Raise where the ring is not filled yet or the broker does not answer; for `/readyz`."""
        if not self._caught_up.is_set() or self._consumer is None:
            raise KafkaError("not caught up with the topics yet")
        await self._consumer.end_offsets([self._ring.layout.partitions[0]])

    def seconds_stalled(self) -> float:
        """How long it was neither reading nor trying to; for `/healthz`."""
        return time.monotonic() - self._moved_at

    def doubt(self) -> None:
        """Somebody saw other topic ids: connect again and ask for them."""
        self._doubted = True

    async def _follow_for_ever(self) -> None:
        while True:
            try:
                await self._follow()
            except OffsetOutOfRangeError as error:
                # Retention overtook us, or the log lost its end. Readers go on by id, or by a new snapshot.
                log.warning("ring_lost", reason=str(error))
                self._caught_up.clear()
                self._lost = True
            except (KafkaError, TimeoutError, OSError) as error:
                log.warning("tailer_postponed", reason=str(error) or type(error).__name__)
            except Exception as error:  # a bug here must not silence every stream
                log.error("tailer_failed", exc_info=error)
            self._moved_at = time.monotonic()
            await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        self._doubted = False
        layout = await self._layout()
        consumer = AIOKafkaConsumer(
            **connection(self._kafka),
            client_id="assay-notify",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
        )
        try:
            await consumer.start()
            consumer.assign(list(layout.partitions))
            if self._lost or not self._ring.is_begun or self._ring.layout != layout:
                self._caught_up.clear()
                self._lost = False
                starts = await self._starts(consumer, layout)
                self._ring.reset(layout, starts)
                self._fanout.end_all(End.RESET)
                await self._recall_deletions(consumer, layout, starts)
                consumer.assign(list(layout.partitions))
            for partition, position in zip(layout.partitions, self._ring.high, strict=True):
                consumer.seek(partition, position)
            self._consumer = consumer
            await self._read(consumer, layout)
        finally:
            self._consumer = None
            await consumer.stop()

    async def _layout(self) -> Layout:
        ids = await topic_ids(self._kafka, [topic.name for topic in TOPICS])
        return Layout(tuple(ids[topic.name] for topic in TOPICS))

    async def _starts(self, consumer: AIOKafkaConsumer, layout: Layout) -> list[int]:
        """Where to begin: at most so many minutes and events back, the events shared out by how many there are."""
        ends = await consumer.end_offsets(list(layout.partitions))
        starts = await _back(consumer, ends, self._settings.minutes * 60, self._settings.max_events)
        log.info("ring_begins", records=sum(ends.values()) - sum(starts.values()))
        return [starts[partition] for partition in layout.partitions]

    async def _recall_deletions(self, consumer: AIOKafkaConsumer, layout: Layout, starts: list[int]) -> None:
        """Tell the ring which files were deleted before it begins: what comes late of them is nobody's."""
        lanes = {topic.name for topic in LANES}
        ends = {each: starts[slot] for slot, each in enumerate(layout.partitions) if each.topic in lanes}
        firsts = await _back(consumer, ends, self._settings.deletions_hours * 3600, self._settings.deletions_records)
        todo = {partition: end for partition, end in ends.items() if firsts[partition] < end}
        if not todo:
            return
        consumer.assign(list(todo))
        for partition in todo:
            consumer.seek(partition, firsts[partition])
        count = 0
        while todo:
            for partition, records in (await consumer.getmany(*todo, timeout_ms=POLL_MS, max_records=BATCH)).items():
                for record in records:
                    if record.offset < ends[partition] and event_type(record.headers) == FileDeleted.type:
                        count += self._learn(layout.slots[partition], record)
            self._moved_at = time.monotonic()
            todo = {each: end for each, end in todo.items() if await consumer.position(each) < end}
        log.info("deletions_recalled", records=sum(ends.values()) - sum(firsts.values()), deletions=count)

    def _learn(self, slot: int, record: ConsumerRecord) -> bool:
        try:
            event = parse(slot, record.offset, record.timestamp, record.value, tuple(record.headers))
        except MalformedEventError:
            return False
        if event is None:
            return False
        self._ring.learn_deleted(Audience.of(event)[0])
        return True

    async def _read(self, consumer: AIOKafkaConsumer, layout: Layout) -> None:
        ends = await consumer.end_offsets(list(layout.partitions))
        checked_at = time.monotonic()
        while not self._doubted:
            if time.monotonic() - checked_at > CHECK_S:
                checked_at = time.monotonic()
                if await self._layout() != layout:
                    log.warning("topics_made_anew")
                    return
            batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH)
            self._moved_at = time.monotonic()
            self._written = 0
            for partition, records in batches.items():
                await self._take(layout.slots[partition], partition, records)
            if not batches:
                # What is no record of ours (a transaction's mark, say) moves the position too.
                for slot, partition in enumerate(layout.partitions):
                    self._ring.advance(slot, await consumer.position(partition))
            if not self._caught_up.is_set() and all(
                high >= ends[partition] for high, partition in zip(self._ring.high, layout.partitions, strict=True)
            ):
                self._caught_up.set()
                log.info("ring_filled")

    async def _take(self, slot: int, partition: TopicPartition, records: list[ConsumerRecord]) -> None:
        for record in records:
            try:
                event = parse(slot, record.offset, record.timestamp, record.value, tuple(record.headers))
            except MalformedEventError as error:
                log.warning(
                    "event_malformed",
                    topic=partition.topic,
                    partition=partition.partition,
                    offset=record.offset,
                    reason=str(error),
                )
                event = None
            if event is None:
                metrics.SKIPPED.labels(topic=partition.topic).inc()
                self._ring.advance(slot, record.offset + 1)
            else:
                self._written += self._fanout.publish(event)
                if self._written >= AT_ONCE:
                    self._written = 0
                    await asyncio.sleep(0)


async def _back(
    consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int], seconds: float, most: int
) -> dict[TopicPartition, int]:
    """Where to begin in order to read at most so many seconds and records before `ends`.

    The records are shared out by how many there are.
    """
    partitions = list(ends)
    begins = await consumer.beginning_offsets(partitions)
    young = await consumer.offsets_for_times(dict.fromkeys(partitions, int((time.time() - seconds) * 1000)))
    firsts = {
        each: min(ends[each], max(begins[each], found.offset if (found := young.get(each)) else ends[each]))
        for each in partitions
    }
    count = sum(ends[each] - firsts[each] for each in partitions)
    share = min(1.0, most / count) if count else 1.0
    return {each: ends[each] - int((ends[each] - firsts[each]) * share) for each in partitions}
