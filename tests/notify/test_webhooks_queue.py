"""Several replicas at one queue, on PostgreSQL alone: in a database of this file's own."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from alembic import command
from alembic.config import Config
from pydantic import SecretStr
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.stacks import RunningParts

from assay.contracts import FileDeleted, RunCompleted
from assay.notify.webhooks import posting, signing
from assay.notify.webhooks.addresses import Addresses
from assay.notify.webhooks.domain import Claim, Message, Outcome, structured
from assay.notify.webhooks.posting import Poster
from assay.notify.webhooks.queue import Queue
from assay.notify.webhooks.recording import Recorder
from assay.notify.webhooks.repository import WebhookRepository
from assay.notify.webhooks.retention import Retention
from assay.notify.webhooks.retrying import Patience
from assay.notify.webhooks.sender import Sender
from assay.notify.webhooks.wiring import MIGRATIONS
from assay.shared import database
from assay.shared.clock import now
from assay.shared.database import DriverTransaction
from assay.shared.ids import new_id
from assay.shared.settings import DatabaseSettings
from notify.receivers import receiving

PATIENCE = Patience(first=timedelta(seconds=5), longest=timedelta(hours=4), give_up_after=timedelta(days=1))
WENT_WELL = Outcome(status_code=200, error=None, duration_ms=1, response="", retry_after_s=None)
FAILED = Outcome(status_code=500, error="answered 500", duration_ms=1, response="no", retry_after_s=None)
WEEK = timedelta(days=7)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def engine(stack: RunningParts) -> AsyncIterator[AsyncEngine]:
    url = stack.environment()["ASSAY_DATABASE__URL"]
    name = f"webhooks_{uuid4().hex[:12]}"
    server = database.build_engine(DatabaseSettings(url=SecretStr(url)), schema="public")
    async with server.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text(f'CREATE DATABASE "{name}"'))
        engine = database.build_engine(
            DatabaseSettings(url=SecretStr(f"{url.rpartition('/')[0]}/{name}"), pool_size=12), schema="notify"
        )
        await database.migrate(engine, schema="notify", scripts=MIGRATIONS)
        yield engine
        await engine.dispose()
        await connection.execute(text(f'DROP DATABASE "{name}"'))
    await server.dispose()


@pytest_asyncio.fixture
async def transaction(engine: AsyncEngine) -> DriverTransaction:
    """With empty tables."""
    transaction = database.driver_transactions(engine)
    async with transaction() as driver:
        await driver.execute("TRUNCATE webhooks, deliveries, attempts, deleted_files")
    return transaction


async def registered(transaction: DriverTransaction, owner: str = "somebody", url: str = "https://x.test/") -> UUID:
    webhook_id = new_id()
    kinds = [RunCompleted.type, FileDeleted.type]
    async with transaction() as driver:
        await WebhookRepository(driver).add(
            webhook_id, owner, url=url, event_types=kinds, description="", secret=signing.new_secret()
        )
    return webhook_id


def message(file_id: UUID | None = None, *, kind: str = RunCompleted.type, owner: str = "somebody") -> Message:
    file_id = file_id or new_id()
    event_id = str(uuid4())
    body = structured(event_id=event_id, kind=kind, source="/t", subject="s", moment=now(), data=b'{"a": 1}')
    return Message(event_id, kind, file_id, owner, now(), body, None)


def queue_of(transaction: DriverTransaction, *, lease_s: float = 60.0, patience: Patience = PATIENCE) -> Queue:
    return Queue(transaction, patience, lease=timedelta(seconds=lease_s))


async def record(transaction: DriverTransaction, messages: Sequence[Message]) -> int:
    return await Recorder(transaction, retention=WEEK).record(messages)


async def column(transaction: DriverTransaction, query: str) -> list[object]:
    async with transaction() as driver:
        return [row[0] for row in await driver.fetch(query)]


async def claim_all(queue: Queue) -> list[Claim]:
    return await queue.claim(1000, per_webhook=1000, busy={})


@asynccontextmanager
async def sending(transaction: DriverTransaction, replicas: int) -> AsyncIterator[None]:
    """So many senders, each with a poster of its own."""

    async def here(host: str, port: int) -> list[str]:
        return [host]

    posters = [
        Poster(
            Addresses(here, is_allowed=lambda each: each.is_loopback),
            context=posting.trust(None),
            timeout_s=5,
            connections=20,
        )
        for _ in range(replicas)
    ]
    senders = [Sender(queue_of(transaction), each, concurrency=20, per_webhook=4) for each in posters]
    for each in senders:
        await each.start()
    yield
    for each in senders:
        await each.stop()
    for poster in posters:
        await poster.close()


async def test_replicas_take_every_delivery_once(transaction: DriverTransaction) -> None:
    async with receiving() as receiver:
        for number in range(3):
            await registered(transaction, f"owner-{number}", receiver.url)
        messages = [message(owner=f"owner-{number % 3}") for number in range(300)]
        assert await record(transaction, messages) == 300
        assert await record(transaction, messages) == 0, "a redelivery makes no second row"
        async with sending(transaction, replicas=3):
            await receiver.wait_for(300)
        async with asyncio.timeout(10):
            while set(await column(transaction, "SELECT status FROM deliveries")) != {"delivered"}:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        counts = Counter(each.headers["webhook-id"] for each in receiver.received)
        assert len(counts) == 300
        assert set(counts.values()) == {1}
        assert set(await column(transaction, "SELECT attempts FROM deliveries")) == {1}


async def test_a_claim_is_fair_and_bounded(transaction: DriverTransaction) -> None:
    busy, failing, quiet = [await registered(transaction, owner) for owner in ("busy", "failing", "quiet")]
    await record(transaction, [message(owner="busy") for _ in range(50)])
    await record(transaction, [message(owner=owner) for owner in ("failing", "failing", "quiet", "quiet")])
    async with transaction() as driver:
        await driver.execute("UPDATE webhooks SET failing_since = now() WHERE webhook_id = $1", failing)
    queue = queue_of(transaction)
    taken = Counter(each.webhook_id for each in await queue.claim(10, per_webhook=4, busy={busy: 1}))
    assert taken == {busy: 3, failing: 1, quiet: 2}
    assert await queue.claim(10, per_webhook=4, busy=dict.fromkeys((busy, failing), 4)) == []
    assert len(await queue.claim(2, per_webhook=4, busy={})) == 2


async def test_a_lease_that_ends_lets_another_replica_have_it_and_the_first_says_nothing_more(
    transaction: DriverTransaction,
) -> None:
    await registered(transaction)
    await record(transaction, [message()])
    (first,) = await claim_all(queue_of(transaction, lease_s=0))
    (second,) = await claim_all(queue_of(transaction))
    assert (first.delivery_id, first.attempt, second.attempt) == (second.delivery_id, 1, 2)
    queue = queue_of(transaction)
    await queue.failed(first, FAILED)
    assert await column(transaction, "SELECT error FROM deliveries") == [None]
    await queue.succeeded(second, WENT_WELL)
    await queue.failed(first, FAILED)
    assert await column(transaction, "SELECT status FROM deliveries") == ["delivered"]


async def test_what_a_replica_gives_back_is_due_at_once_and_was_no_attempt(transaction: DriverTransaction) -> None:
    await registered(transaction)
    await record(transaction, [message()])
    queue = queue_of(transaction)
    (claim,) = await claim_all(queue)
    assert await claim_all(queue) == []
    await queue.give_back([claim])
    (again,) = await claim_all(queue)
    assert (again.attempt, again.tries) == (1, 1)


async def test_failures_beside_each_other_disable_once_and_nobody_waits_for_ever(
    transaction: DriverTransaction,
) -> None:
    await registered(transaction)
    await record(transaction, [message() for _ in range(40)])
    impatient = Patience(PATIENCE.first, PATIENCE.longest, timedelta(0))
    queue = queue_of(transaction, patience=impatient)
    first, *others = await claim_all(queue)
    assert await queue.failed(first, FAILED) is None, "one failure is no day of them"
    async with asyncio.timeout(10):
        codes = await asyncio.gather(*(queue.failed(each, FAILED) for each in others))
    assert Counter(codes)["failing"] == 1
    assert await column(transaction, "SELECT disabled_code FROM webhooks") == ["failing"]
    left = set(await column(transaction, "SELECT status FROM deliveries"))
    assert left <= {"failed", "skipped"}


async def test_a_slow_first_failure_and_a_quick_last_one_are_a_whole_time_of_failure(
    transaction: DriverTransaction,
) -> None:
    await registered(transaction)
    await record(transaction, [message()])
    short = timedelta(seconds=0.3)
    queue = queue_of(transaction, patience=Patience(timedelta(seconds=0.01), timedelta(seconds=0.01), short))
    (claim,) = await claim_all(queue)
    await asyncio.sleep(0.2)  # the receiver takes its time
    code = await queue.failed(claim, FAILED)
    async with asyncio.timeout(10):
        while code is None:
            for each in await claim_all(queue):
                code = await queue.failed(each, FAILED)
            await asyncio.sleep(0.01)
    assert code == "failing"
    assert await column(transaction, "SELECT status FROM deliveries") == ["failed"]


async def test_nothing_of_a_deleted_file_stays_whoever_writes_at_the_same_time(
    transaction: DriverTransaction,
) -> None:
    await registered(transaction)
    for _ in range(10):
        files = [new_id() for _ in range(20)]
        news = [[message(each) for each in files] for _ in range(4)]
        deletions = [message(each, kind=FileDeleted.type) for each in files]
        await asyncio.gather(*(record(transaction, each) for each in (*news[:2], deletions, *news[2:])))
        assert await record(transaction, news[0]) == 0, "late news resurrect nothing"
    kinds = Counter(await column(transaction, "SELECT event_type FROM deliveries"))
    assert kinds == {FileDeleted.type: 200}


async def test_the_log_forgets_what_is_old_and_never_sends_it_anew(
    transaction: DriverTransaction,
) -> None:
    await registered(transaction)
    messages = [message() for _ in range(5)]
    await record(transaction, messages)
    (waits, *done) = await claim_all(queue_of(transaction))
    for each in done:
        await queue_of(transaction).succeeded(each, WENT_WELL)
    async with transaction() as driver:
        await driver.execute("UPDATE deliveries SET created_at = created_at - interval '8 days'")
    retention = Retention(transaction, kept=WEEK)
    assert await retention.sweep() == 4
    assert await column(transaction, "SELECT delivery_id FROM deliveries") == [waits.delivery_id]
    assert await column(transaction, "SELECT count(*) FROM attempts") == [0]
    short = Recorder(transaction, retention=timedelta(microseconds=1))
    assert await short.record(messages) == 0, "a group that is set back makes no rows that retention took"


async def test_a_claim_among_many_reads_what_is_due_by_its_index(transaction: DriverTransaction) -> None:
    owners = [f"owner-{number}" for number in range(20)]
    for each in owners:
        await registered(transaction, each)
    for _ in range(5):
        await record(transaction, [message(owner=each) for each in owners for _ in range(50)])
    async with transaction() as driver:
        await driver.execute("UPDATE deliveries SET status = 'delivered', due_at = NULL WHERE random() < 0.95")
        await driver.execute("ANALYZE deliveries")
        plan = "\n".join(
            row[0]
            for row in await driver.fetch(
                "EXPLAIN SELECT delivery_id FROM deliveries WHERE webhook_id = $1 AND status = 'pending' "
                "AND due_at <= now() ORDER BY due_at LIMIT 4",
                new_id(),
            )
        )
    assert "deliveries_due" in plan, plan
    assert "Seq Scan" not in plan


async def test_tables_go_back_and_come_again(engine: AsyncEngine, transaction: DriverTransaction) -> None:
    def move(connection: Connection, revision: str) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes |= {"connection": connection, "schema": "notify"}
        (command.downgrade if revision == "base" else command.upgrade)(config, revision)

    await registered(transaction)
    await record(transaction, [message()])
    for revision, tables in (("base", 0), ("head", 4)):
        async with engine.begin() as connection:
            await connection.run_sync(move, revision)
            found = await connection.scalar(
                text(
                    "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'notify' "
                    "AND table_name <> 'alembic_version'"
                )
            )
            assert found == tables
    await registered(transaction)
    assert await record(transaction, [message()]) == 1


@pytest.mark.parametrize("table", ["webhooks", "deliveries", "attempts", "deleted_files"])
async def test_the_tables_in_the_code_are_those_of_the_migrations(engine: AsyncEngine, table: str) -> None:
    from assay.notify.webhooks.tables import Base

    async with engine.connect() as connection:
        rows = await connection.execute(
            text(
                "SELECT column_name, is_nullable FROM information_schema.columns "
                "WHERE table_schema = 'notify' AND table_name = :name"
            ),
            {"name": table},
        )
        found = {row[0]: row[1] == "YES" for row in rows}
    assert found == {each.name: bool(each.nullable) for each in Base.metadata.tables[table].columns}
