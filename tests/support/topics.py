"""Reading topics as any Kafka client would."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from pydantic import SecretStr

from assay.contracts.topics import Topic
from assay.shared.kafka import connection, ensure_topics
from assay.shared.settings import KafkaSettings

Received = ConsumerRecord[bytes, bytes | None]


def kafka_settings(environment: dict[str, str]) -> KafkaSettings:
    """The settings that ASSAY_KAFKA__… lines stand for."""
    prefix = "ASSAY_KAFKA__"
    values: dict[str, Any] = {
        name.removeprefix(prefix).lower(): value for name, value in environment.items() if name.startswith(prefix)
    }
    if "sasl_password" in values:
        values["sasl_password"] = SecretStr(values["sasl_password"])
    return KafkaSettings(**values)


async def make_again(kafka: KafkaSettings, topics: Sequence[Topic]) -> None:
    """Delete topics and make them anew, once the broker has forgotten the old ones."""
    names = {topic.name for topic in topics}
    admin = AIOKafkaAdminClient(**connection(kafka))
    await admin.start()
    try:
        await admin.delete_topics(list(names))
        async with asyncio.timeout(20):
            there = names
            while there:
                await asyncio.sleep(0.05)
                there = names & set(await admin.list_topics())
    finally:
        await admin.close()
    await ensure_topics(kafka, topics)


class TopicReader:
    """Reads all partitions without a group and keeps what came."""

    def __init__(self, consumer: "AIOKafkaConsumer") -> None:
        self._consumer = consumer
        self.records: list[Received] = []

    async def wait_until(self, condition: Callable[[list[Received]], bool], seconds: float = 20.0) -> list[Received]:
        """Read on until the records so far meet the condition. Raises TimeoutError with what came instead."""
        try:
            async with asyncio.timeout(seconds):
                while not condition(self.records):
                    for records in (await self._consumer.getmany(timeout_ms=200)).values():
                        self.records.extend(records)
        except TimeoutError:
            keys = [(record.topic, record.key, dict(record.headers).get("ce_type")) for record in self.records[-20:]]
            raise TimeoutError(f"{len(self.records)} records came, the last: {keys}") from None
        return self.records

    async def of_key(self, key: str, count: int, seconds: float = 20.0) -> list[Received]:
        """The first `count` records or more of one key."""
        await self.wait_until(lambda records: sum(each.key == key.encode() for each in records) >= count, seconds)
        return [each for each in self.records if each.key == key.encode()]


async def _partitions(environment: dict[str, str], topics: tuple[str, ...]) -> dict[str, list[int]]:
    admin = AIOKafkaAdminClient(**connection(kafka_settings(environment)))
    await admin.start()
    try:
        return {
            each["topic"]: sorted(partition["partition"] for partition in each["partitions"])
            for each in await admin.describe_topics(list(topics))
        }
    finally:
        await admin.close()


@asynccontextmanager
async def reading(
    environment: dict[str, str], *topics: str, from_beginning: bool = False
) -> AsyncIterator[TopicReader]:
    """A reader of topics that exist; of what is written from now on, or of all."""
    consumer = AIOKafkaConsumer(
        **connection(kafka_settings(environment)),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=500,
    )
    await consumer.start()
    try:
        partitions: list[TopicPartition] = []
        described = await _partitions(environment, topics)
        for topic in topics:
            found = described[topic]
            assert found, f"there is no topic {topic}"
            partitions += [TopicPartition(topic, number) for number in found]
        consumer.assign(partitions)
        if from_beginning:
            await consumer.seek_to_beginning(*partitions)
        else:
            ends = await consumer.end_offsets(partitions)
            for partition, end in ends.items():
                consumer.seek(partition, end)
        yield TopicReader(consumer)
    finally:
        await consumer.stop()
