"""Several replicas: each record is written once, whoever else has it, and whoever dies."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.services import ServiceProcess, free_port, running_service

from assay.contracts import RunCompleted, decode
from assay.contracts.topics import VERDICTS
from assay.results.arrivals import Arrivals
from assay.results.recording import Read, Slice
from assay.results.service import RunService
from assay.results.settings import Settings
from assay.results.tables import SCHEMA
from assay.shared import outbox as outboxes
from assay.shared.database import driver_transactions
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher, connection
from results.story import Client, Story, eventually


async def reports(settings: Settings, owner: str) -> list[str]:
    """The files of an owner that a report was published for, once for each time."""
    consumer = AIOKafkaConsumer(
        VERDICTS.name, **connection(settings.kafka), auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        found = []
        while any([await consumer.position(each) < end for each, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                events = [decode(record.value, record.headers) for record in batch]
                found += [str(e.file_id) for e in events if isinstance(e, RunCompleted) and e.owner_id == owner]
        return sorted(found)
    finally:
        await consumer.stop()


async def test_a_member_that_lost_its_partition_writes_nothing(
    results: ServiceProcess, publisher: Publisher, engine: AsyncEngine
) -> None:
    """The service is only needed for its tables; the records are of a topic of this test's own."""
    transaction = driver_transactions(engine)
    outbox = outboxes.Outbox(engine, publisher, schema=SCHEMA, source="/assay/tests")
    service = RunService(transaction=transaction, outbox=outbox, arrivals=Arrivals())
    topic, topic_id = f"test-{uuid4()}", new_id()
    story = Story(publisher, "nobody")
    async with engine.begin() as session:
        insert = text("INSERT INTO positions VALUES (:topic, 0, :id, 5), (:topic, 1, :id, 0)")
        await session.execute(insert.bindparams(topic=topic, id=topic_id))

    def slice_of(*offsets: int, partition: int = 0, of: UUID = topic_id) -> Slice:
        reads = [Read(offset, story.started(f"{partition}-at-{offset}")) for offset in offsets]
        return Slice(topic, partition, of, reads)

    assert await service.record([slice_of(5)]) == [0]
    assert await service.record([slice_of(7)]) == [0]  # an offset may hold no record
    for late in (4, 5, 6, 7):
        assert await service.record([slice_of(late)]) == [1]
    assert await service.record([slice_of(8, of=new_id())]) == [1]
    # Of a batch that overlaps what is written, only the rest is written; so of each partition.
    assert await service.record([slice_of(*range(5, 11))]) == [3]
    assert await service.record([slice_of(*range(5, 11))]) == [6]
    assert await service.record([slice_of(10, 11), slice_of(0, 1, partition=1)]) == [1, 0]
    assert await service.record([slice_of(11), slice_of(0, partition=1, of=new_id())]) == [1, 1]
    assert await service.record([slice_of(10, 11), slice_of(1, 2, partition=1)]) == [2, 1]
    async with engine.begin() as session:
        query = text("SELECT analyzer FROM analyses WHERE file_id = :id ORDER BY 1").bindparams(id=story.file_id)
        written = {f"0-at-{offset}" for offset in (5, 7, 8, 9, 10, 11)} | {f"1-at-{offset}" for offset in (0, 1, 2)}
        assert set(await session.scalars(query)) == written
        query = text("SELECT partition, next_offset FROM positions WHERE topic = :topic ORDER BY 1")
        assert (await session.execute(query.bindparams(topic=topic))).all() == [(0, 12), (1, 3)]
        for statement in ("DELETE FROM positions WHERE topic = :topic", "DELETE FROM outbox WHERE topic = :topic"):
            await session.execute(text(statement).bindparams(topic=topic))


@pytest.mark.timeout(240)
async def test_a_replica_that_is_killed_loses_and_doubles_nothing(
    client: Client,
    publisher: Publisher,
    settings: Settings,
    results_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    environment = {**results_environment, "ASSAY_SLOT": "1", "ASSAY_HTTP__PORT": str(free_port())}
    stories = [Story(publisher, client.owner) for _ in range(40)]
    with running_service("results", environment, tmp_path) as second:
        for number, story in enumerate(stories):
            await story.say(story.uploaded(), story.requested("a-one", "a-two"), story.started("a-one"))
            await story.say(story.completed("a-one"))
            if number == 20:
                second.kill()
            await story.say(story.completed("a-two"))

        async def all_have_reports() -> bool:
            items = (await client.http.get("/api/v1/files", params={"status": "analyzed", "limit": 100})).json()[
                "items"
            ]
            return len(items) == len(stories)

        # The other takes over once the session of the killed one has ended, after 15 s.
        await eventually(all_have_reports, "every file has its report", limit_s=90)

    async def all_published() -> list[str] | None:
        found = await reports(settings, client.owner)
        return found if len(found) >= len(stories) else None

    assert await eventually(all_published, "every report") == sorted(str(each.file_id) for each in stories)
