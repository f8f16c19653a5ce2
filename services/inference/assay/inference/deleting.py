"""Hears of every deleted file, whoever has its partition and however much is queued before it.

The analyzers' groups hear of the files of their own partitions, in turn. But bytes lie in the cache of every host that
ever had them, and work that runs must end within seconds. So each process also reads the ends of both lanes without a
group, and looks at nothing but the type of a record. It goes on where it was when it was stopped: what was deleted
meanwhile leaves its cache too.
"""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from uuid import UUID

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from assay.contracts import FileDeleted, MalformedEventError, decode, event_type
from assay.contracts.topics import LANES
from assay.shared.kafka import connection
from assay.shared.settings import KafkaSettings
from assay.shared.tasks import end
from assay.shared.topic_ids import topic_ids

log = structlog.get_logger(__name__)

# The broker holds an answer back until there is this much, or for so long: a look or two each second, however much
# is uploaded meanwhile.
LOOK_BYTES = 1 << 20
LOOK_MS = 500
RETRY_S = 2.0
NOTED_S = 30.0

Positions = dict[TopicPartition, int]


class DeletionFeed:
    """Calls back with the files that were deleted. One per process."""

    def __init__(
        self,
        kafka: KafkaSettings,
        path: Path,
        *,
        deleted: Callable[[Collection[UUID]], Awaitable[None]],
        lost: Callable[[], Awaitable[None]],
    ) -> None:
        """
        path: where it notes how far it has read; the processes of a host share it, as they share the cache.
        deleted: files of which nothing may be kept.
        lost: called where it cannot be known what was deleted meanwhile.
        """
        self._kafka = kafka
        self._path = path
        self._deleted = deleted
        self._lost = lost
        self._noted_at = 0.0
        self._ids: dict[str, UUID] = {}
        self._positions: Positions | None = None
        """How far this process has heard. Others may have noted more: its own work they did not end."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to read."""
        self._task = asyncio.create_task(self._read_for_ever(), name="hear of deletions")

    async def stop(self) -> None:
        """Read no more."""
        await end(self._task)

    async def _read_for_ever(self) -> None:
        while True:
            try:
                await self._read()
            except OffsetOutOfRangeError as error:
                log.warning("deletions_lost", reason=str(error))
                self._positions = None
                self._path.unlink(missing_ok=True)
            except (KafkaError, TimeoutError, OSError) as error:
                log.warning("deletions_not_read", reason=str(error) or type(error).__name__)
            except Exception as error:  # a defect here must not leave a worker deaf
                log.error("deletions_failed", exc_info=error)
            await asyncio.sleep(RETRY_S)

    async def _read(self) -> None:
        ids = await topic_ids(self._kafka, [lane.name for lane in LANES])
        consumer = AIOKafkaConsumer(
            **connection(self._kafka),
            client_id="assay-inference-deletions",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_min_bytes=LOOK_BYTES,
            fetch_max_wait_ms=LOOK_MS,
        )
        try:
            await consumer.start()
            partitions = [TopicPartition(lane.name, number) for lane in LANES for number in range(lane.partitions)]
            consumer.assign(partitions)
            positions = self._positions if ids == self._ids else None
            if positions is None:
                positions = await asyncio.to_thread(self._noted, ids, partitions)
            if positions is None:
                # From here on all is heard. What came before is in no cache of ours, or nobody knows.
                positions = await consumer.end_offsets(partitions)
                await self._lost()
            self._ids, self._positions = ids, positions
            for partition, position in positions.items():
                consumer.seek(partition, position)
            await self._note(ids, positions)
            while True:
                batches = await consumer.getmany(timeout_ms=LOOK_MS)
                gone = {
                    file_id
                    for records in batches.values()
                    for each in records
                    if (file_id := _deleted_in(each)) is not None
                }
                if gone:
                    await self._deleted(gone)
                for partition, records in batches.items():
                    positions[partition] = records[-1].offset + 1
                if gone or time.monotonic() - self._noted_at > NOTED_S:
                    await self._note(ids, positions)
        finally:
            await consumer.stop()

    async def _note(self, ids: dict[str, UUID], positions: Positions) -> None:
        await asyncio.to_thread(self._write, ids, positions)
        self._noted_at = time.monotonic()

    def _write(self, ids: dict[str, UUID], positions: Positions) -> None:
        said = {
            str(ids[lane.name]): [positions[TopicPartition(lane.name, number)] for number in range(lane.partitions)]
            for lane in LANES
        }
        # Two processes hear of the same deletion, and note it, at the same time.
        fresh = self._path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(said))
        fresh.replace(self._path)

    def _noted(self, ids: dict[str, UUID], partitions: list[TopicPartition]) -> Positions | None:
        """How far it had read; None where that is not known, or was in other topics."""
        try:
            said = json.loads(self._path.read_text())
            return {each: int(said[str(ids[each.topic])][each.partition]) for each in partitions}
        except (FileNotFoundError, ValueError, KeyError, IndexError, TypeError):
            return None


def _deleted_in(record: ConsumerRecord) -> UUID | None:
    if event_type(record.headers) != FileDeleted.type:
        return None
    try:
        event = decode(record.value, record.headers)
    except MalformedEventError:
        return None  # the groups' consumers make a dead letter of it
    return event.file_id if isinstance(event, FileDeleted) else None
