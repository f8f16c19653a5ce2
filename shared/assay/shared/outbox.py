"""Events that leave if and only if their transaction commits, rows of one key in order.

A row is written in the transaction that makes it true. A sender owns shards of keys by advisory lock and sends the rows
of a key in id order, batch after batch, each once the one before it was acknowledged; a commit only wakes it.
Whoever writes a row holds a lock on what the key stands for (the file row), so that ids of one key are in the order of
their commits.
"""

import asyncio
import json
import zlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog
from sqlalchemy import BigInteger, Identity, Index, LargeBinary, SmallInteger, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from assay.contracts import Event, encode
from assay.contracts.topics import FILES_BULK
from assay.shared import metrics, tracing
from assay.shared.database import Driver
from assay.shared.kafka import Publisher
from assay.shared.tasks import end

log = structlog.get_logger(__name__)

SHARDS = 8
BATCH = 50
URGENT = 200
# What goes here can wait; everything else is sent ahead of a queue of it.
PATIENT = FILES_BULK.name
POLL_S = 1.0
RETRY_S = 1.0
DRAIN_S = 5.0
LOCK_SPACE = 0x_0A55

Row = tuple[int, str, str, bytes | None, str]
"""Shard, topic, key, value and headers (JSON) of a row to be."""

# Ids are given in the order of the rows. The commit wakes whoever sends them.
WRITE = """
    WITH written AS (
        INSERT INTO outbox (shard, topic, key, value, headers)
        SELECT shard, topic, key, value, headers
        FROM unnest($1::smallint[], $2::text[], $3::text[], $4::bytea[], $5::jsonb[])
            WITH ORDINALITY AS row (shard, topic, key, value, headers, number)
        ORDER BY number
    )
    SELECT pg_notify($6, '')
"""
CLAIM = "SELECT pg_try_advisory_lock($1, hashtext(name)) FROM unnest($2::text[]) AS name"
_COLUMNS = "SELECT id, topic, key, value, headers FROM outbox WHERE shard = ANY($1::smallint[])"
OLDEST = f"{_COLUMNS} ORDER BY id LIMIT $2"
OLDEST_URGENT = f"{_COLUMNS} AND id > $2 AND topic <> $3 ORDER BY id LIMIT $4"
BEFORE = f"{_COLUMNS} AND id > $2 AND topic = $3 AND id < $4 AND key = ANY($5::text[])"
DELETE = "DELETE FROM outbox WHERE id = ANY($1::bigint[])"


class OutboxRow:
    """Mix-in of a service's `outbox` table: `class Outbox(OutboxRow, Base)`."""

    __tablename__ = "outbox"

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Index]:
        # An index belongs to one table, so each service's table gets its own.
        return (Index("outbox_shard_id", "shard", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    shard: Mapped[int] = mapped_column(SmallInteger)
    topic: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text)
    value: Mapped[bytes | None] = mapped_column(LargeBinary)
    headers: Mapped[list[list[str]]] = mapped_column(JSONB)


class Outbox:
    """Writes rows and sends them. One per process."""

    def __init__(
        self, engine: AsyncEngine, publisher: Publisher, *, schema: str, source: str, batch: int = BATCH
    ) -> None:
        """engine: its schema has a table made with `OutboxRow`. source: becomes `ce_source`.

        batch: rows sent at once. The default is small, so that what comes meanwhile does not wait long for its turn;
        many together take a third of the time, where nothing goes ahead anyway.
        """
        self._engine = engine
        self._publisher = publisher
        self._schema = schema
        self._source = source
        self._batch = batch
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False

    def outgoing(self) -> "Outgoing":
        """Rows to be, for one transaction."""
        return Outgoing(self)

    async def add(self, session: AsyncSession, event: Event, *, topics: tuple[str, ...] | None = None) -> None:
        """Write an event's rows in the caller's transaction, with the trace that it runs in."""
        await self.add_all(session, [event], topics=topics)

    async def add_all(
        self, session: AsyncSession, events: Sequence[Event], *, topics: tuple[str, ...] | None = None
    ) -> None:
        """Write the rows of many events at once, in their order."""
        outgoing = self.outgoing()
        for event in events:
            outgoing.add(event, topics=topics)
        await outgoing.write(session)

    async def add_tombstone(self, session: AsyncSession, topic: str, key: str) -> None:
        """Write a tombstone: a null value under this key."""
        outgoing = self.outgoing()
        outgoing.add_tombstone(topic, key)
        await outgoing.write(session)

    def rows_of(self, event: Event, topics: tuple[str, ...] | None) -> list[Row]:
        """An event's rows, with the trace that this runs in."""
        record = encode(event, source=self._source, carrier=tracing.carrier())
        headers = json.dumps([(name, value.decode()) for name, value in record.headers])
        shard = _shard(event.key)
        return [(shard, topic, event.key, record.value, headers) for topic in topics or event.topics]

    async def write(self, to: AsyncSession | Driver, rows: list[Row]) -> None:
        """Write rows in the caller's transaction, in their order."""
        if not rows:
            return
        columns = [list(column) for column in zip(*rows, strict=True)]
        if isinstance(to, AsyncSession):
            await (await to.connection()).exec_driver_sql(WRITE, (*columns, self._channel))
        else:
            await to.execute(WRITE, *columns, self._channel)

    @property
    def _channel(self) -> str:
        return f"outbox_{self._schema}"

    async def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self._send_for_ever(), name=f"outbox {self._schema}")

    async def stop(self) -> None:
        """Send what is there, for 5 s at most. What is left is for another replica or the next start."""
        if self._task is not None:
            self._is_stopping = True
            self._wake.set()
            await asyncio.wait({self._task}, timeout=DRAIN_S)
            await end(self._task)

    async def _send_for_ever(self) -> None:
        while not self._is_stopping:
            try:
                await self._own_and_send()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # PostgreSQL or Kafka away: the rows wait, the sender tries again
                log.warning(
                    "outbox_postponed", reason=str(error).splitlines()[0] if str(error) else type(error).__name__
                )
                await asyncio.sleep(RETRY_S)

    async def _own_and_send(self) -> None:
        """Hold a connection: it listens for commits of all replicas and owns the locks of this sender's shards."""
        # Autocommit: session locks need no open transaction, and LISTEN delivers only outside of one.
        async with self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            raw = (await connection.get_raw_connection()).driver_connection
            assert raw is not None
            await raw.add_listener(self._channel, self._on_notify)
            owned: set[int] = set()
            try:
                while True:
                    self._wake.clear()
                    owned |= await self._claim(raw, set(range(SHARDS)) - owned)
                    if owned and await self._send_oldest(raw, owned):
                        continue
                    if self._is_stopping:
                        return
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL_S):
                            await self._wake.wait()
            finally:
                # Closed, not given back: the locks end with the connection, whatever state it is in.
                await connection.invalidate()

    def _on_notify(self, *_: object) -> None:
        self._wake.set()

    async def _claim(self, driver: Driver, shards: set[int]) -> set[int]:
        if not shards:
            return set()
        names = [f"{self._schema}/{shard}" for shard in sorted(shards)]
        got = await driver.fetch(CLAIM, LOCK_SPACE, names)
        return {shard for shard, (is_mine,) in zip(sorted(shards), got, strict=True) if is_mine}

    async def _send_oldest(self, driver: Driver, owned: set[int]) -> bool:
        """Send the oldest rows, and what people wait for; delete what was acknowledged. True if there may be more."""
        rows = await self._oldest(driver, sorted(owned))
        metrics.OUTBOX_PENDING.set(len(rows))
        if not rows:
            return False
        sent: list[int] = []
        try:
            for turn in _turns(rows):
                await self._send(turn, sent)
        finally:
            await driver.execute(DELETE, sent)
        return len(rows) >= self._batch

    async def _send(self, rows: list[Any], sent: list[int]) -> None:
        """Send these rows, those of each partition in their order, and note the ids of those acknowledged."""
        partitions: dict[tuple[str, int], list[Any]] = {}
        for row in rows:
            partition = await self._publisher.partition_of(row["topic"], row["key"].encode())
            partitions.setdefault((row["topic"], partition), []).append(row)
        outcomes = await asyncio.gather(
            *(self._send_in_order(*where, each, sent) for where, each in partitions.items()), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _oldest(self, driver: Driver, owned: list[int]) -> list[Any]:
        """The next rows, by id: the oldest of all, and behind a long queue of what can wait the oldest that cannot.

        Rows of one key stay in order: a row that goes ahead takes with it whatever its key has before it.
        """
        oldest = list(await driver.fetch(OLDEST, owned, self._batch))
        if len(oldest) < self._batch:
            return oldest
        urgent = list(await driver.fetch(OLDEST_URGENT, owned, oldest[-1]["id"], PATIENT, URGENT))
        if not urgent:
            return oldest
        last = {row["key"]: row["id"] for row in urgent}
        ahead = await driver.fetch(BEFORE, owned, oldest[-1]["id"], PATIENT, urgent[-1]["id"], list(last))
        urgent.extend(row for row in ahead if row["id"] < last[row["key"]])
        return [*oldest, *sorted(urgent, key=lambda row: int(row["id"]))]

    async def _send_in_order(self, topic: str, partition: int, rows: list[Any], sent: list[int]) -> None:
        """Send rows of one partition.

        What does not go in one batch goes after it: were two batches sent together, the first might fail for good
        while the second gets through. A repeat of a row, after an acknowledgement got lost, is harmless.
        """
        records = [
            (row["key"].encode(), row["value"], [(name, value.encode()) for name, value in row["headers"]])
            for row in rows
        ]
        done = 0
        while done < len(rows):
            count = await self._publisher.send_batch(topic, partition, records[done:])
            sent.extend(row["id"] for row in rows[done : done + count])
            done += count


def _turns(rows: list[Any]) -> list[list[Any]]:
    """Rows that can be on their way together: where a key goes on in another topic, the next turn begins for it."""
    turns: list[list[Any]] = []
    last: dict[str, tuple[str, int]] = {}
    for row in rows:
        topic, turn = last.get(row["key"], (row["topic"], 0))
        if topic != row["topic"]:
            turn += 1
        last[row["key"]] = row["topic"], turn
        if turn == len(turns):
            turns.append([])
        turns[turn].append(row)
    return turns


class Outgoing:
    """Rows of one transaction, collected in their order and written at once. Each has the trace that it was made in."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._rows: list[Row] = []

    def add(self, event: Event, *, topics: tuple[str, ...] | None = None) -> None:
        """An event, to its topics or to those named."""
        self._rows += self._outbox.rows_of(event, topics)

    def add_tombstone(self, topic: str, key: str) -> None:
        """A null value under this key."""
        headers = json.dumps(list(tracing.carrier().items()))
        self._rows.append((_shard(key), topic, key, None, headers))

    async def write(self, to: AsyncSession | Driver) -> None:
        """Write what was added."""
        rows, self._rows = self._rows, []
        await self._outbox.write(to, rows)


def _shard(key: str) -> int:
    return zlib.crc32(key.encode()) % SHARDS
