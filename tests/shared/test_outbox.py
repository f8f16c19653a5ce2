"""The outbox on real Kafka and PostgreSQL: nothing lost, rows of one key in order, whoever dies."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import DeclarativeBase
from support.stacks import RunningParts
from support.topics import Received, kafka_settings, reading

from assay.contracts import RunRequested
from assay.contracts.topics import Topic
from assay.embedded.stack import Stack
from assay.shared import outbox as outbox_module
from assay.shared.clock import now
from assay.shared.database import Transaction, build_engine, transactions
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher, ensure_topics
from assay.shared.outbox import Outbox, OutboxRow
from assay.shared.settings import DatabaseSettings

TESTS = Path(__file__).parents[1]


class Base(DeclarativeBase):
    pass


class Rows(OutboxRow, Base):
    pass


@dataclass
class Bench:
    """A schema with an outbox table, and a topic, of one test's own."""

    environment: dict[str, str]
    schema: str
    topic: str
    engine: AsyncEngine
    transaction: Transaction
    publisher: Publisher
    outbox: Outbox

    async def write(self, file_id: UUID, number: int) -> None:
        """Commit one event of a file."""
        async with self.transaction() as session:
            await self.outbox.add(session, event(file_id, number), topics=(self.topic,))

    async def pending(self) -> int:
        async with self.transaction() as session:
            return await session.scalar(select(func.count()).select_from(Rows)) or 0

    async def wait_sent(self, seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while True:
                if not await self.pending():
                    return
                await asyncio.sleep(0.02)


def event(file_id: UUID, number: int) -> RunRequested:
    return RunRequested(
        occurred_at=now(),
        file_id=file_id,
        owner_id="outbox",
        run_id=new_id(),
        run_number=number,
        plan=("none",),
        deadline=now() + timedelta(hours=1),
        media_type="image/png",
        size=1,
        sha256="0" * 64,
        object_key="none",
    )


@asynccontextmanager
async def bench(environment: dict[str, str]) -> AsyncIterator[Bench]:
    name = f"test_{uuid4().hex[:12]}"
    topic = Topic(name, "for a test", 3, {})
    settings = kafka_settings(environment)
    await ensure_topics(settings, [topic])
    engine = build_engine(DatabaseSettings(url=SecretStr(environment["ASSAY_DATABASE__URL"])), schema=name)
    async with engine.begin() as connection:
        await connection.execute(text(f"CREATE SCHEMA {name}"))
        await connection.run_sync(Base.metadata.create_all)
    publisher = Publisher(settings, source="/test")
    await publisher.start()
    outbox = Outbox(engine, publisher, schema=name, source="/test")
    try:
        yield Bench(environment, name, name, engine, transactions(engine), publisher, outbox)
    finally:
        await outbox.stop()
        await publisher.stop()
        async with engine.begin() as connection:
            await connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
        await engine.dispose()


@asynccontextmanager
async def sender(bench: Bench) -> AsyncIterator[asyncio.subprocess.Process]:
    """A sender in a process of its own, so that it can be killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(TESTS / "shared" / "outbox_sender.py"),
        bench.schema,
        env={**os.environ, **bench.environment, "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)])},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert (await process.stdout.readline()).strip() == b"sending"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def numbers_by_key(records: list[Received]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for record in records:
        assert record.key is not None
        assert record.value is not None
        number = RunRequested.model_validate_json(record.value).run_number
        found.setdefault(record.key.decode(), []).append(number)
    return found


def assert_in_order(numbers: list[int], count: int) -> None:
    """Each number is preceded by all that are smaller; repeats are allowed."""
    highest = 0
    for number in numbers:
        assert number <= highest + 1, f"{number} came before {highest + 1}: {numbers}"
        highest = max(highest, number)
    assert highest == count


def has_all(records: list[Received], keys: int, count: int) -> bool:
    found = numbers_by_key(records)
    return len(found) == keys and all(set(range(1, count + 1)) <= set(numbers) for numbers in found.values())


async def test_a_commit_wakes_the_sender_at_once(stack: RunningParts, monkeypatch: pytest.MonkeyPatch) -> None:
    # With a poll this rare, only the wake-up can bring the event in time.
    monkeypatch.setattr(outbox_module, "POLL_S", 3600.0)
    async with bench(stack.environment()) as it, reading(it.environment, it.topic) as reader:
        await it.outbox.start()
        first = uuid4()
        await it.write(first, 1)
        await reader.of_key(str(first), 1)
        second = uuid4()
        await it.write(second, 1)
        began = asyncio.get_running_loop().time()
        await reader.of_key(str(second), 1)
        assert asyncio.get_running_loop().time() - began < 1.0
        await it.wait_sent()


async def test_what_rolls_back_is_not_sent(stack: RunningParts) -> None:
    async with bench(stack.environment()) as it, reading(it.environment, it.topic) as reader:
        await it.outbox.start()
        dropped, kept = uuid4(), uuid4()
        with pytest.raises(RuntimeError, match="changed my mind"):
            async with it.transaction() as session:
                await it.outbox.add(session, event(dropped, 1), topics=(it.topic,))
                raise RuntimeError("changed my mind")
        await it.write(kept, 1)
        records = await reader.of_key(str(kept), 1)
        assert [record.key for record in records] == [str(kept).encode()]
        assert not [record for record in reader.records if record.key == str(dropped).encode()]


async def test_a_tombstone_is_a_null_after_what_came_before(stack: RunningParts) -> None:
    async with bench(stack.environment()) as it, reading(it.environment, it.topic) as reader:
        file_id = uuid4()
        await it.write(file_id, 1)
        async with it.transaction() as session:
            await it.outbox.add_tombstone(session, it.topic, str(file_id))
        await it.outbox.start()
        records = await reader.of_key(str(file_id), 2)
        assert [record.value is None for record in records] == [False, True]
        assert ("ce_type", b"assay.run.requested.v1") in records[0].headers


async def test_two_senders_keep_the_order_when_one_is_killed(stack: RunningParts) -> None:
    keys, count = [uuid4() for _ in range(20)], 25
    async with bench(stack.environment()) as it, reading(it.environment, it.topic) as reader:

        async def write_all() -> None:
            for number in range(1, count + 1):
                async with it.transaction() as session:
                    for key in keys:
                        await it.outbox.add(session, event(key, number), topics=(it.topic,))

        # The first to start owns the shards; the one of this process has to take over what it leaves.
        async with sender(it) as first:
            await it.outbox.start()
            writing = asyncio.create_task(write_all())
            await reader.wait_until(lambda records: len(records) > 100)
            first.kill()
            await writing
            records = await reader.wait_until(lambda records: has_all(records, len(keys), count))
            await it.wait_sent()
        for numbers in numbers_by_key(records).values():
            assert_in_order(numbers, count)


async def test_rows_survive_a_broker_that_is_killed(tmp_path: Path) -> None:
    keys, count = [uuid4() for _ in range(6)], 10
    # A broker of its own: it is killed, and other tests need theirs.
    with Stack(tmp_path / "stack") as own:
        async with bench(own.environment()) as it:
            await it.outbox.start()

            async def write(numbers: range) -> None:
                for number in numbers:
                    for key in keys:
                        await it.write(key, number)

            writing = asyncio.create_task(write(range(1, count // 2 + 1)))
            async with reading(it.environment, it.topic) as reader:
                await reader.wait_until(lambda records: len(records) > len(keys))
            kafka = next(part for part in own.parts if part.name == "kafka")
            own.processes["kafka"].clear()  # SIGKILL
            await writing
            await write(range(count // 2 + 1, count + 1))
            assert await it.pending() > 0
            await asyncio.to_thread(own.run, kafka.program())
            await asyncio.to_thread(own.wait_ready, kafka)
            await it.wait_sent(seconds=60)
            async with reading(it.environment, it.topic, from_beginning=True) as reader:
                records = await reader.wait_until(lambda records: has_all(records, len(keys), count))
            for numbers in numbers_by_key(records).values():
                assert_in_order(numbers, count)


async def test_what_people_wait_for_overtakes_what_can_wait(
    stack: RunningParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(stack.environment()) as it:
        patient = Topic(f"{it.topic}_patient", "for a test", 3, {})
        await ensure_topics(kafka_settings(it.environment), [patient])
        monkeypatch.setattr(outbox_module, "PATIENT", patient.name)
        queued, hurried = [uuid4() for _ in range(600)], uuid4()
        async with it.transaction() as session:
            await it.outbox.add_all(session, [event(each, 1) for each in queued], topics=(patient.name,))
        async with it.transaction() as session:
            # Behind the queue: one row that can wait, one of the same key that cannot, and one that can again.
            await it.outbox.add(session, event(hurried, 1), topics=(patient.name,))
            await it.outbox.add(session, event(hurried, 2), topics=(it.topic,))
            await it.outbox.add(session, event(hurried, 3), topics=(patient.name,))
        async with reading(it.environment, it.topic, patient.name, from_beginning=True) as reader:
            await it.outbox.start()
            records = await reader.wait_until(lambda records: len(records) >= len(queued) + 3)
        mine = sorted((each for each in records if each.key == str(hurried).encode()), key=lambda each: each.timestamp)
        assert numbers_by_key(mine)[str(hurried)] == [1, 2, 3]
        assert len({each.key for each in records}) == len(queued) + 1
        # With the first batch, or the second where the first was on its way; 600 rows are 12 of them.
        earlier = [each for each in records if each.timestamp < mine[1].timestamp]
        assert len(earlier) <= 150, len(earlier)


async def test_a_lost_database_connection_is_made_again(stack: RunningParts) -> None:
    async with bench(stack.environment()) as it, reading(it.environment, it.topic) as reader:
        await it.outbox.start()
        before, after = uuid4(), uuid4()
        await it.write(before, 1)
        await reader.of_key(str(before), 1)
        async with it.transaction() as session:
            ended = await session.scalars(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = :name AND pid <> pg_backend_pid()"
                ).bindparams(name=f"assay-{it.schema}")
            )
            # All of them, the sender's own among them, which holds the locks and listens.
            answers = ended.all()
            assert answers
            assert all(answers)
        await it.write(after, 1)
        await reader.of_key(str(after), 1)
