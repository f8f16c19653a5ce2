"""Reads old stretches of the log for readers whose position the ring does not reach back to.

A few Kafka consumers are shared by all who need one, and a stretch has limits: beyond them a new snapshot is cheaper.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from assay.contracts import MalformedEventError
from assay.notify import metrics
from assay.notify.domain import Audience, LoggedEvent, parse
from assay.notify.errors import ReplayRefusedError
from assay.notify.position import Layout
from assay.notify.settings import ReplaySettings
from assay.shared.kafka import connection
from assay.shared.settings import KafkaSettings

log = structlog.get_logger(__name__)

POLL_MS = 500
BATCH = 1000

# For each slot: the first offset to read and the one to stop before.
Stretch = dict[int, tuple[int, int]]


class Replay:
    """A pool of consumers without a group."""

    def __init__(self, kafka: KafkaSettings, settings: ReplaySettings) -> None:
        self._kafka = kafka
        self._settings = settings
        self._free: asyncio.Queue[AIOKafkaConsumer | None] = asyncio.Queue()
        for _ in range(settings.readers):
            self._free.put_nowait(None)

    async def stop(self) -> None:
        """Disconnect those that nobody uses."""
        while not self._free.empty():
            consumer = self._free.get_nowait()
            if consumer is not None:
                await consumer.stop()

    async def read(self, layout: Layout, stretch: Stretch, audience: Audience, *, clamp: bool) -> list[LoggedEvent]:
        """The events for an audience in a stretch: each partition in its order, all of them about by time.

        clamp: a stretch may begin before the log does. What the log has lost, the snapshot has seen.
        Raises ReplayRefusedError where a limit is passed or the log begins later.
        """
        outcome = "refused"
        try:
            async with asyncio.timeout(self._settings.timeout), self._consumer() as consumer:
                events = await self._read(consumer, layout, stretch, audience, clamp=clamp)
            outcome = "read"
            return events
        except (TimeoutError, KafkaError) as error:
            outcome = "failed"
            raise ReplayRefusedError(f"Kafka: {error or type(error).__name__}") from error
        finally:
            metrics.REPLAYS.labels(outcome=outcome).inc()

    async def ends(self, layout: Layout, slots: Iterable[int]) -> dict[int, int]:
        """The end of the log in each slot, as the broker says it now. Raises ReplayRefusedError."""
        partitions = [layout.partitions[slot] for slot in slots]
        try:
            async with asyncio.timeout(self._settings.timeout), self._consumer() as consumer:
                found = await consumer.end_offsets(partitions)
        except (TimeoutError, KafkaError) as error:
            raise ReplayRefusedError(f"Kafka: {error or type(error).__name__}") from error
        return {layout.slots[partition]: end for partition, end in found.items()}

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = await self._free.get()
        try:
            if consumer is None:
                consumer = AIOKafkaConsumer(
                    **connection(self._kafka),
                    client_id="assay-notify-replay",
                    group_id=None,
                    enable_auto_commit=False,
                    auto_offset_reset="none",
                )
                await consumer.start()
            yield consumer
            # Without this it would go on fetching what nobody asks for.
            consumer.unsubscribe()
        except BaseException:
            if consumer is not None:
                await asyncio.shield(consumer.stop())
            consumer = None
            raise
        finally:
            self._free.put_nowait(consumer)

    async def _read(
        self, consumer: AIOKafkaConsumer, layout: Layout, stretch: Stretch, audience: Audience, *, clamp: bool
    ) -> list[LoggedEvent]:
        begins = await consumer.beginning_offsets([layout.partitions[slot] for slot in stretch])
        todo: dict[TopicPartition, tuple[int, int]] = {}
        for slot, (first, end) in stretch.items():
            partition = layout.partitions[slot]
            begin = begins[partition]
            if first < begin and not clamp:
                raise ReplayRefusedError(f"{partition.topic}/{partition.partition} begins at {begin}, not {first}")
            if max(first, begin) < end:
                todo[partition] = (max(first, begin), end)
        records = sum(end - first for first, end in todo.values())
        if records > self._settings.max_records:
            raise ReplayRefusedError(f"{records} records to look at, {self._settings.max_records} are allowed")
        if not todo:
            return []
        consumer.assign(list(todo))
        for partition, (first, _) in todo.items():
            consumer.seek(partition, first)
        found: dict[int, list[LoggedEvent]] = {}
        size = 0
        open_ends = {partition: end for partition, (_, end) in todo.items()}
        while open_ends:
            batches = await consumer.getmany(*open_ends, timeout_ms=POLL_MS, max_records=BATCH)
            for partition, batch in batches.items():
                metrics.REPLAYED.inc(len(batch))
                slot = layout.slots[partition]
                for event in _events(slot, batch, open_ends[partition], audience):
                    size += len(event.block)
                    found.setdefault(slot, []).append(event)
            if size > self._settings.max_bytes:
                raise ReplayRefusedError(f"more than {self._settings.max_bytes} bytes of events")
            for partition, end in list(open_ends.items()):
                if await consumer.position(partition) >= end:
                    del open_ends[partition]
        return list(heapq.merge(*found.values(), key=lambda event: event.time_ms))


def _events(slot: int, records: Iterable[ConsumerRecord], end: int, audience: Audience) -> Iterable[LoggedEvent]:
    for record in records:
        if record.offset >= end:
            return
        try:
            event = parse(slot, record.offset, record.timestamp, record.value, tuple(record.headers))
        except MalformedEventError:
            # The tailer has told of it when it came.
            continue
        if event is not None and audience.hears(event):
            yield event
