"""Tables with rows in them are changed forward and back, and the rows stay; months come and go."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.own_database import own_database
from support.stacks import RunningParts

from assay.results.main import MIGRATIONS
from assay.results.months import Month
from assay.results.partitions import Partitions
from assay.shared import database
from assay.shared.clock import now

PRESENT = Month.of(now())
MAY = datetime(2031, 5, 17, 12, tzinfo=UTC)


@pytest.fixture
async def engine(stack: RunningParts) -> AsyncIterator[AsyncEngine]:
    """A database of this test's own, with an empty schema `results`."""
    async with own_database(stack, "results") as engine:
        yield engine


async def move(engine: AsyncEngine, revision: str) -> None:
    """To this revision, forward or back."""

    def to(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes |= {"connection": connection, "schema": "results"}
        known = connection.scalar(text("SELECT to_regclass('results.alembic_version')"))
        present = connection.scalar(text("SELECT version_num FROM alembic_version")) if known else None
        back = revision == "base" or (revision != "head" and present is not None and present > revision)
        (command.downgrade if back else command.upgrade)(config, revision)

    async with engine.begin() as connection:
        await connection.run_sync(to)


async def add(engine: AsyncEngine, run_id: UUID, analyzer: str = "a-one") -> None:
    row = text(
        "INSERT INTO analyses (run_id, analyzer, file_id, owner_id, status, score, verdict, derived) VALUES "
        "(:run, :analyzer, :file, 'alice', 'completed', 0.5, '{\"label\": \"manipulated\"}', ARRAY[:file]::uuid[])"
    )
    async with engine.begin() as connection:
        await connection.execute(row.bindparams(run=run_id, analyzer=analyzer, file=uuid4()))


def id_of(moment: datetime) -> UUID:
    """A UUIDv7 made at a moment."""
    return UUID(int=int(moment.timestamp() * 1000) << 80 | 7 << 76 | uuid4().int & (1 << 76) - 1)


async def rows(engine: AsyncEngine, table: str) -> list[Any]:
    async with engine.connect() as connection:
        return list(await connection.scalars(text(f"SELECT to_jsonb(t)::text FROM {table} t ORDER BY 1")))  # noqa: S608


async def lies_in(engine: AsyncEngine, run_id: UUID) -> str | None:
    async with engine.connect() as connection:
        query = text("SELECT tableoid::regclass::text FROM analyses WHERE run_id = :id").bindparams(id=run_id)
        found: str | None = await connection.scalar(query)
        return found


async def partitions_of(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        query = text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'analyses'::regclass")
        return set(await connection.scalars(query))


def partitions(engine: AsyncEngine, keep_months: int | None = None) -> Partitions:
    return Partitions(database.driver_transactions(engine), keep_months=keep_months)


async def test_filled_tables_are_partitioned_and_back_and_no_row_changes(engine: AsyncEngine) -> None:
    await move(engine, "0005")
    this_month, last_year, next_year = (id_of(now() + timedelta(days=days)) for days in (0, -365, 365))
    odd = uuid4()
    for run_id in (this_month, last_year, next_year, odd):
        await add(engine, run_id)
        await add(engine, run_id, "a-two")
    async with engine.begin() as connection:
        # As many as show whether anything is slow, of two years.
        await connection.execute(
            text(
                "INSERT INTO analyses (run_id, analyzer, file_id, owner_id, status) "
                "SELECT (lpad(to_hex((extract(epoch FROM now() - number * interval '30 minutes') * 1000)::bigint), 12,"
                " '0') || '7' || substr(md5(number::text), 1, 19))::uuid, 'a-one', gen_random_uuid(), 'bob', 'queued' "
                "FROM generate_series(1, 35000) AS number"
            )
        )
    before = await rows(engine, "analyses")
    await move(engine, "0006")
    assert await rows(engine, "analyses") == before
    assert [await lies_in(engine, each) for each in (this_month, last_year, next_year)] == [
        "analyses_before",
        "analyses_before",
        "analyses_default",
    ]
    await partitions(engine).tend(now())
    coming = {f"analyses_{PRESENT.later(months)}" for months in (1, 2)}
    assert await partitions_of(engine) == {"analyses_before", "analyses_default"} | coming
    await add(engine, id_of(PRESENT.later(1).begins + timedelta(days=3)))
    before = await rows(engine, "analyses")
    await move(engine, "0005")
    assert await rows(engine, "analyses") == before
    async with engine.connect() as connection:
        kind = await connection.scalar(text("SELECT relkind FROM pg_class WHERE oid = 'analyses'::regclass"))
        assert kind in ("r", b"r")
        query = text("SELECT indexname FROM pg_indexes WHERE tablename = 'analyses' ORDER BY 1")
        assert list(await connection.scalars(query)) == ["analyses_file", "analyses_owner", "analyses_pkey"]
    await move(engine, "head")
    assert await rows(engine, "analyses") == before


async def test_all_the_way_back_and_forth(engine: AsyncEngine) -> None:
    await move(engine, "head")
    await add(engine, id_of(now()))
    first, kept = await _shape(engine), await rows(engine, "analyses")
    await move(engine, "0004")
    await move(engine, "head")
    assert await rows(engine, "analyses") == kept
    async with engine.connect() as connection:
        query = text("SELECT owner_id, day = '-infinity', subject, counts FROM tallies ORDER BY 1, 2")
        counted = [tuple(each) for each in await connection.execute(query)]
    assert counted == [
        (owner, is_whole, "a-one", {"status/completed": 1}) for owner in ("", "alice") for is_whole in (False, True)
    ], "what was there is counted"
    assert await _shape(engine) >= first
    await move(engine, "base")
    async with engine.connect() as connection:
        query = text("SELECT tablename FROM pg_tables WHERE schemaname = 'results'")
        assert list(await connection.scalars(query)) == ["alembic_version"]


async def _shape(engine: AsyncEngine) -> set[tuple[str, str, str]]:
    async with engine.connect() as connection:
        query = text(
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'results'"
        )
        return {(row[0], row[1], row[2]) for row in await connection.execute(query)}


async def test_months_are_made_ahead_once_whoever_makes_them(engine: AsyncEngine) -> None:
    await move(engine, "head")
    early, later = id_of(MAY), id_of(MAY + timedelta(days=300))
    await add(engine, early)
    await add(engine, later)
    assert await lies_in(engine, early) == "analyses_default", "no event is refused before its month is made"
    await asyncio.gather(*(partitions(engine).tend(MAY) for _ in range(4)))
    assert await partitions_of(engine) == {"analyses_default", *(f"analyses_2031_0{month}" for month in (5, 6, 7))}
    assert await lies_in(engine, early) == "analyses_2031_05", "what came before its month was made moves there"
    assert await lies_in(engine, later) == "analyses_default"
    await add(engine, last := id_of(MAY.replace(month=7, day=31, hour=23, minute=59, second=59)))
    assert await lies_in(engine, last) == "analyses_2031_07"
    await add(engine, after := id_of(MAY.replace(month=8, day=1, hour=0)))
    assert await lies_in(engine, after) == "analyses_default"
    with pytest.raises(asyncpg.UniqueViolationError):
        async with database.driver_transactions(engine)() as driver:
            await driver.execute(
                "INSERT INTO analyses (run_id, analyzer, file_id, owner_id) VALUES ($1, 'a-one', $1, '')", early
            )


async def test_whole_months_are_dropped_and_only_those(engine: AsyncEngine) -> None:
    await move(engine, "head")
    for months in range(-4, 1):
        await partitions(engine).make(Month.of(MAY).later(months))
    ids = {month: id_of(MAY.replace(month=month)) for month in (1, 2, 3, 4, 5)}
    for each in ids.values():
        await add(engine, each)
    old, odd = id_of(MAY - timedelta(days=400)), UUID(int=(1 << 128) - 1)
    await add(engine, old)
    await add(engine, odd)
    await partitions(engine).tend(MAY)
    assert len(await rows(engine, "analyses")) == 7, "without the setting everything is kept"
    await partitions(engine, keep_months=2).tend(MAY)
    assert [month for month, each in ids.items() if await lies_in(engine, each)] == [3, 4, 5]
    assert await lies_in(engine, old) is None
    assert await lies_in(engine, odd) == "analyses_default", "an id that tells no time is kept"
    await add(engine, old)
    assert await lies_in(engine, old) == "analyses_default", "late news of a dropped month is not refused"
