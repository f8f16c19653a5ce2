"""Reads `assay.dead-letters` for operators: the newest records, straight from the topic."""

import asyncio
from contextlib import suppress
from datetime import datetime

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from assay.contracts.cloudevents import event_type, header
from assay.contracts.dead_letters import AT_HEADER, ATTEMPTS_HEADER, ERROR_HEADER, GROUP_HEADER, ORIGIN_HEADER
from assay.contracts.topics import DEAD_LETTERS
from assay.results.schemas import DeadLetterList, DeadLetterView
from assay.shared.kafka import connection
from assay.shared.problems import UnavailableError
from assay.shared.settings import KafkaSettings

SCAN_PER_PARTITION = 500
TIMEOUT_S = 15.0


class DeadLetters:
    """The topic, read without a group."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    async def newest(self, limit: int) -> DeadLetterList:
        """The newest `limit` of the last 500 records of each partition. Raises UnavailableError after 15 s."""
        consumer = AIOKafkaConsumer(
            **connection(self._settings),
            client_id="assay-dead-letters",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await consumer.start()
                records = await self._read(consumer)
        except TimeoutError as error:
            raise UnavailableError("Kafka did not answer in time. Try again in a minute.") from error
        finally:
            await consumer.stop()
        records.sort(key=lambda record: (record.timestamp, record.partition, record.offset), reverse=True)
        return DeadLetterList(items=[_view(record) for record in records[:limit]], scanned=len(records))

    async def _read(self, consumer: AIOKafkaConsumer) -> list[ConsumerRecord]:
        partitions = [TopicPartition(DEAD_LETTERS.name, number) for number in range(DEAD_LETTERS.partitions)]
        consumer.assign(partitions)
        beginnings = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        for each in partitions:
            consumer.seek(each, max(beginnings[each], ends[each] - SCAN_PER_PARTITION))
        records: list[ConsumerRecord] = []
        # Positions, not records, say when the end is reached: the last offsets may hold none.
        while any([await consumer.position(each) < ends[each] for each in partitions]):
            batches = await consumer.getmany(timeout_ms=200)
            records += [record for each, batch in batches.items() for record in batch if record.offset < ends[each]]
        return records


def _view(record: ConsumerRecord) -> DeadLetterView:
    attempts = header(record.headers, ATTEMPTS_HEADER)
    at: datetime | None = None
    with suppress(ValueError):  # somebody else's record in this topic may carry anything
        at = datetime.fromisoformat(header(record.headers, AT_HEADER) or "")
    return DeadLetterView(
        partition=record.partition,
        offset=record.offset,
        group=header(record.headers, GROUP_HEADER),
        error=header(record.headers, ERROR_HEADER),
        attempts=int(attempts) if attempts is not None and attempts.isdecimal() else None,
        origin=header(record.headers, ORIGIN_HEADER),
        at=at,
        type=event_type(record.headers),
        key=(record.key or b"").decode("utf-8", errors="replace"),
    )
