"""A topic and a group of one test's own, and members that run in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import OffsetAndMetadata

from assay.shared.consuming import Delivery, Handler, ParallelConsumer
from assay.shared.kafka import Publisher, build_broker, connection
from support.topics import kafka_settings

LIMIT_S = 30.0


async def eventually(fact: Callable[[], object], what: str, limit_s: float = LIMIT_S) -> None:
    """Wait until the fact is there."""
    try:
        async with asyncio.timeout(limit_s):
            while not fact():  # noqa: ASYNC110  # facts of any kind, not events of ours
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not in {limit_s:.0f} s: {what}") from None


def text_of(delivery: Delivery) -> str:
    """The record's value, for people."""
    return (delivery.value or b"").decode()


class Bench:
    """A topic and a group of one test's own."""

    def __init__(self, environment: dict[str, str], publisher: Publisher) -> None:
        self.settings = kafka_settings(environment)
        self.environment = environment
        self.publisher = publisher
        self.topic = f"test.{uuid4()}"
        self.group = f"test-{uuid4()}"

    async def send(self, *values: str, key: str = "k", headers: list[tuple[str, bytes | None]] | None = None) -> None:
        """One record after the other, of one key."""
        for value in values:
            await self.publisher.send(self.topic, key.encode(), value.encode(), headers or [])

    async def send_many(self, count: int, *, topic: str | None = None, padding: int = 0) -> None:
        """Records `0`, `1`, … with keys of their own."""
        for start in range(0, count, 1000):
            numbers = range(start, min(start + 1000, count))
            sent = [
                await self.publisher.enqueue(
                    topic or self.topic, f"key-{number}".encode(), f"{number}".encode() + b" " * padding, []
                )
                for number in numbers
            ]
            await asyncio.gather(*sent)

    @asynccontextmanager
    async def member(self, handler: Handler | None = None, **options: object) -> AsyncIterator[ParallelConsumer]:
        """A running member of the group; drained at the end."""
        broker = build_broker(self.settings, client_id="test")
        given = {"topics": (self.topic,), "group": self.group, "publisher": self.publisher, **options}
        consumer = ParallelConsumer(broker, handler=handler, **given)  # type: ignore[arg-type]
        await consumer.start()
        await broker.start()
        try:
            yield consumer
        finally:
            await consumer.stop(timeout_s=5)
            await broker.stop()

    async def commits(self) -> dict[TopicPartition, OffsetAndMetadata]:
        """What the group has committed, with its metadata."""
        admin = AIOKafkaAdminClient(**connection(self.settings))
        await admin.start()
        try:
            found: dict[TopicPartition, OffsetAndMetadata] = await admin.list_consumer_group_offsets(self.group)
            return found
        finally:
            await admin.close()

    async def committed(self) -> dict[int, int]:
        """What the group has committed, by partition."""
        return {
            each.partition: found.offset for each, found in (await self.commits()).items() if each.topic == self.topic
        }

    async def committed_sum(self) -> int:
        """As many records as are done."""
        return sum((await self.committed()).values())
