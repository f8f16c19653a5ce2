"""How old the queue is: now minus the time of the oldest record that some analyzer's group has not finished.

That is the record at the group's committed offset. It is measured in the background, every few seconds and for all
lanes and groups together; a request only looks at what was found. An analyzer nobody works for any more, while others
are at work, is left out: it is to be retired, and holds up nobody else's files. Where no group has a member, the
workers are down and all groups count: work is still taken in, until it has waited for too long.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from functools import partial

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from assay.contracts.topics import FILES, FILES_BULK, LANES
from assay.shared.kafka import connection
from assay.shared.settings import KafkaSettings
from assay.shared.tasks import end
from assay.upload import metrics
from assay.upload.admission.errors import QueueTooOldError

log = structlog.get_logger(__name__)

EVERY_S = 3.0
# A measurement older than this says nothing any more: Kafka is away, and the outbox keeps what is taken in.
VALID_S = 60.0
READ_S = 5.0
FETCH_BYTES = 4 * 1024
RETRY_AFTER_S = 30.0
GROUP = "assay.inference."
PARTITIONS = tuple(TopicPartition(lane.name, number) for lane in LANES for number in range(lane.partitions))

Offsets = dict[TopicPartition, int]


class Queue:
    """The lanes, as the groups of the analyzers stand in them."""

    def __init__(
        self, settings: KafkaSettings, *, analyzers: Callable[[], Iterable[str]], limits: dict[str, timedelta]
    ) -> None:
        """analyzers: those registered. limits: by lane, how old a record may be; zero: any age."""
        self._settings = settings
        self._analyzers = analyzers
        self._limits = {lane: limit.total_seconds() for lane, limit in limits.items()}
        self._oldest: dict[str, float] = {}
        self._measured_at = 0.0
        self._times: dict[tuple[TopicPartition, int], float] = {}
        self._task: asyncio.Task[None] | None = None
        for lane in LANES:
            metrics.QUEUE_AGE.labels(topic=lane.name).set_function(partial(self._shown, lane.name))

    async def start(self) -> None:
        """Measure from now on."""
        self._task = asyncio.create_task(self._measure_for_ever(), name="queue age")

    async def stop(self) -> None:
        """Measure no more."""
        await end(self._task)

    def age_s(self, lane: str) -> float | None:
        """Of the oldest record waiting in a lane, 0 where none waits; None where that is not known."""
        if time.monotonic() - self._measured_at > VALID_S or not self._measured_at:
            return None
        since = self._oldest.get(lane)
        return 0.0 if since is None else max(0.0, time.time() - since)

    def _shown(self, lane: str) -> float:
        return self.age_s(lane) or 0.0

    def limit_s(self, lane: str) -> float | None:
        """How old a record of a lane may be; None: any age."""
        return self._limits[lane] or None

    def check(self, lane: str) -> None:
        """Raises QueueTooOldError."""
        limit, age = self.limit_s(lane), self.age_s(lane)
        if limit is not None and age is not None and age > limit:
            waits = "Work that can wait" if lane == FILES_BULK.name else "Work"
            raise QueueTooOldError(
                f"{waits} is examined too slowly at the moment: the oldest has waited for {age:.0f} s, and the limit "
                f"is {limit:.0f} s. Nothing more is taken in until that is done. Try again later.",
                retry_after_s=RETRY_AFTER_S,
                age_s=round(age, 1),
                limit_s=limit,
            )

    async def _measure_for_ever(self) -> None:
        while True:
            try:
                await self._measure_connected()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # Kafka is away
                log.warning("queue_not_measured", reason=str(error) or type(error).__name__)
                await asyncio.sleep(EVERY_S)

    async def _measure_connected(self) -> None:
        async with AsyncExitStack() as stack:
            admin = AIOKafkaAdminClient(**connection(self._settings), client_id="assay-upload-queue")
            stack.push_async_callback(admin.close)
            await admin.start()
            reader = AIOKafkaConsumer(
                **connection(self._settings),
                client_id="assay-upload-queue",
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_partition_fetch_bytes=FETCH_BYTES,
            )
            stack.push_async_callback(reader.stop)
            await reader.start()
            while True:
                await self._measure(admin, reader)
                await asyncio.sleep(EVERY_S)

    async def _measure(self, admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer) -> None:
        # The ends first: what a group commits meanwhile only makes less of the queue.
        ends: Offsets = await reader.end_offsets(list(PARTITIONS))
        groups = [GROUP + name for name in self._analyzers()]
        waiting: set[tuple[TopicPartition, int]] = set()
        for group in await _working(admin, groups):
            committed = await admin.list_consumer_group_offsets(group, partitions=list(PARTITIONS))
            waiting |= {
                (partition, commit.offset)
                for partition, commit in committed.items()
                if 0 <= commit.offset < ends[partition]
            }
        # Of each partition the lowest offset: no other one there can be older.
        lowest: Offsets = {}
        for partition, offset in waiting:
            lowest[partition] = min(offset, lowest.get(partition, offset))
        known = {each: self._times[each] for each in lowest.items() if each in self._times}
        self._times = known | await _times_of(reader, dict(lowest.items() - known.keys()))
        oldest: dict[str, float] = {}
        for (partition, _), moment in self._times.items():
            oldest[partition.topic] = min(moment, oldest.get(partition.topic, moment))
        self._oldest = oldest
        self._measured_at = time.monotonic()


async def _working(admin: AIOKafkaAdminClient, groups: list[str]) -> list[str]:
    """Those of these groups that have a member; all of them where none has."""
    staffed = []
    for group in groups:
        # One at a time: aiokafka reads an answer about several of them wrongly, from the second on.
        (answer,) = await admin.describe_consumer_groups([group])
        (described,) = answer.groups
        *_, members = described[:6]
        if members:
            staffed.append(group)
    return staffed or groups


async def _times_of(reader: AIOKafkaConsumer, wanted: Offsets) -> dict[tuple[TopicPartition, int], float]:
    """When the records at these offsets were written, in seconds since 1970; of the next one where it is gone."""
    found: dict[tuple[TopicPartition, int], float] = {}
    if not wanted:
        return found
    reader.assign(list(wanted))
    for partition, offset in wanted.items():
        reader.seek(partition, offset)
    left = dict(wanted)
    with suppress(TimeoutError):
        async with asyncio.timeout(READ_S):
            while left:
                for partition, records in (await reader.getmany(timeout_ms=1000, max_records=len(left))).items():
                    if partition in left:
                        found[partition, left.pop(partition)] = records[0].timestamp / 1000
                        reader.pause(partition)
    reader.unsubscribe()
    return found


def limits_of(interactive: timedelta, bulk: timedelta) -> dict[str, timedelta]:
    """By lane."""
    return {FILES.name: interactive, FILES_BULK.name: bulk}
