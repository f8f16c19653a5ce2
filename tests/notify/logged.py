"""What Kafka has of an owner, as any client of Kafka reads it."""

import json
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from assay.contracts.topics import ANALYSES, FILES, FILES_BULK
from assay.shared.kafka import connection
from assay.shared.settings import KafkaSettings

PARTITIONS = [TopicPartition(topic.name, each) for topic in (FILES, FILES_BULK, ANALYSES) for each in range(12)]

Key = tuple[str, ...]


def key_of(event: str, data: dict[str, Any]) -> Key:
    """What tells one event of an owner from another."""
    return (event, *(str(data.get(name)) for name in ("file_id", "run_id", "analyzer", "sequence")))


async def ends(kafka: KafkaSettings) -> dict[TopicPartition, int]:
    """Where the log ends now."""
    consumer = AIOKafkaConsumer(**connection(kafka), group_id=None)
    await consumer.start()
    try:
        found: dict[TopicPartition, int] = await consumer.end_offsets(PARTITIONS)
        return found
    finally:
        await consumer.stop()


async def logged(
    kafka: KafkaSettings, begins: dict[TopicPartition, int], owner: str
) -> list[tuple[TopicPartition, Key]]:
    """The owner's events from there on, with their partitions."""
    until = await ends(kafka)
    consumer = AIOKafkaConsumer(**connection(kafka), group_id=None)
    await consumer.start()
    found = []
    try:
        consumer.assign(PARTITIONS)
        for partition, begin in begins.items():
            consumer.seek(partition, begin)
        while any([await consumer.position(each) < until[each] for each in PARTITIONS]):
            for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                for record in records:
                    data = json.loads(record.value)
                    if data["owner_id"] == owner and record.offset < until[partition]:
                        kind = dict(record.headers)["ce_type"].decode()
                        found.append((partition, key_of(kind, data)))
    finally:
        await consumer.stop()
    return found
