"""Two members at the same records, and two that sweep at the same time: everything happens once."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.services import ServiceProcess

from assay.contracts import AnalysisFailed, Event, RunCompleted, decode
from assay.contracts.topics import ANALYSES
from assay.results.arrivals import Arrivals
from assay.results.recording import Read, Slice
from assay.results.service import RunService
from assay.results.settings import Settings
from assay.results.tables import SCHEMA
from assay.shared import outbox as outboxes
from assay.shared.clock import now
from assay.shared.database import driver_transactions
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher, connection
from results.recorder import Recorder
from results.story import Story, eventually

PARTITIONS = 3
Members = tuple[RunService, RunService]


@pytest.fixture
async def members(results: ServiceProcess, publisher: Publisher, engine: AsyncEngine) -> Members:
    """Two more, on the running service's tables; it sends what lies in the outbox."""

    def member() -> RunService:
        outbox = outboxes.Outbox(engine, publisher, schema=SCHEMA, source="/assay/tests")
        return RunService(transaction=driver_transactions(engine), outbox=outbox, arrivals=Arrivals())

    return member(), member()


@pytest.fixture
async def topic(engine: AsyncEngine) -> AsyncIterator[Slice]:
    """A topic of this test's own; its partitions stand at the beginning."""
    made = Slice(f"test-{uuid4()}", 0, new_id(), ())
    async with engine.begin() as session:
        for partition in range(PARTITIONS):
            row = text("INSERT INTO positions VALUES (:topic, :partition, :id, 0)")
            await session.execute(row.bindparams(topic=made.topic, partition=partition, id=made.topic_id))
    yield made
    async with engine.begin() as session:
        await session.execute(text("DELETE FROM positions WHERE topic = :topic").bindparams(topic=made.topic))


async def published(settings: Settings, owner: str) -> Counter[tuple[str, str]]:
    """How often something was said of each file of an owner by results: (type, file)."""
    consumer = AIOKafkaConsumer(
        ANALYSES.name, **connection(settings.kafka), auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        found: Counter[tuple[str, str]] = Counter()
        while any([await consumer.position(each) < end for each, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                for event in (decode(record.value, record.headers) for record in batch):
                    if isinstance(event, RunCompleted | AnalysisFailed) and event.owner_id == owner:
                        found[event.type, str(event.file_id)] += 1
        return found
    finally:
        await consumer.stop()


def _log(stories: Sequence[Story]) -> list[list[Event]]:
    """What the partitions hold: all of a file in one of them, analyses before the request."""
    partitions: list[list[Event]] = [[] for _ in range(PARTITIONS)]
    for number, each in enumerate(stories):
        said = [each.started("a-one"), each.completed("a-one"), each.progressed("a-two", 1, 0.5)]
        partitions[number % PARTITIONS] += [*said, each.completed("a-two"), each.requested("a-one", "a-two")]
    return partitions


@pytest.mark.parametrize("seed", range(3))
async def test_two_members_hold_the_same_partitions_for_a_while(
    seed: int, members: Members, topic: Slice, publisher: Publisher, engine: AsyncEngine, settings: Settings
) -> None:
    owner = f"owner-{new_id()}"
    stories = [Story(publisher, owner) for _ in range(24)]
    log = _log(stories)

    async def reads_all(member: RunService, chance: random.Random) -> int:
        """Batches of its own making, of one partition or several; as after a rebalance that it did not hear of."""
        at, late = [0] * PARTITIONS, 0
        while any(position < len(events) for position, events in zip(at, log, strict=True)):
            slices = []
            for partition in chance.sample(range(PARTITIONS), chance.randint(1, PARTITIONS)):
                begin = at[partition]
                at[partition] = min(len(log[partition]), begin + chance.randint(1, 12))
                some = log[partition][begin : at[partition]]
                if some:
                    reads = [Read(begin + number, event) for number, event in enumerate(some)]
                    slices.append(Slice(topic.topic, partition, topic.topic_id, reads))
            if slices:
                late += sum(await member.record(slices))
        return late

    async with asyncio.timeout(60):  # else they wait for each other
        late = await asyncio.gather(*(reads_all(each, random.Random(seed + n)) for n, each in enumerate(members)))
    assert sum(late) == sum(map(len, log)), "each record was written by one of them"
    async with engine.connect() as session:
        query = text("SELECT partition, next_offset FROM positions WHERE topic = :topic ORDER BY 1")
        stands = (await session.execute(query.bindparams(topic=topic.topic))).all()
        assert stands == [(number, len(events)) for number, events in enumerate(log)]
        query = text("SELECT status, count(*) FROM analyses WHERE owner_id = :owner GROUP BY 1")
        assert (await session.execute(query.bindparams(owner=owner))).all() == [("completed", 2 * len(stories))]
        query = text("SELECT status, count(*) FROM runs WHERE owner_id = :owner GROUP BY 1")
        assert (await session.execute(query.bindparams(owner=owner))).all() == [("analyzed", len(stories))]

    async def all_published() -> Counter[tuple[str, str]] | None:
        found = await published(settings, owner)
        return found if len(found) >= len(stories) else None

    said = await eventually(all_published, "every report")
    assert said == Counter({(RunCompleted.type, str(each.file_id)): 1 for each in stories})


async def test_two_that_sweep_at_the_same_time_give_up_each_analysis_once(
    members: Members, publisher: Publisher, engine: AsyncEngine, settings: Settings
) -> None:
    """The running service sweeps as well, so they are three."""
    owner = f"owner-{new_id()}"
    stories = [Story(publisher, owner) for _ in range(20)]
    recorder = Recorder(members[0], engine)
    await recorder.start(partitions=1)
    past = now() - timedelta(minutes=1)
    await recorder.record(
        *(
            event
            for each in stories
            for event in (each.completed("a-one"), each.requested("a-one", "late", deadline=past))
        ),
        at_once=40,
    )
    swept = await asyncio.gather(*(each.sweep(now()) for each in (*members, *members)))
    await recorder.stop()
    assert sum(swept) <= len(stories)

    async def all_published() -> Counter[tuple[str, str]] | None:
        found = await published(settings, owner)
        return found if len(found) >= 2 * len(stories) else None

    said = await eventually(all_published, "every end")
    assert said == Counter(
        {(kind, str(each.file_id)): 1 for each in stories for kind in (AnalysisFailed.type, RunCompleted.type)}
    )
    async with engine.connect() as session:
        query = text("SELECT status, count(*) FROM runs WHERE owner_id = :owner GROUP BY 1")
        assert (await session.execute(query.bindparams(owner=owner))).all() == [("partially_analyzed", len(stories))]
