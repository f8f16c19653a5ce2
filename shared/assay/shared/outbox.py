"""Events that leave if and only if their transaction commits, rows of one key in order.

A row is written in the transaction that makes it true. A sender owns shards of keys by advisory lock and sends the rows
of a key in id order, each after the one before it was acknowledged; a commit only wakes it. Whoever writes a row holds
a lock on what the key stands for (the file row), so that ids of one key are in the order of their commits.
"""

import asyncio
import zlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog
from sqlalchemy import BigInteger, Identity, Index, LargeBinary, SmallInteger, Text, delete, func, insert, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from assay.contracts import Event, encode
from assay.contracts.topics import FILES_BULK
from assay.shared import metrics, tracing
from assay.shared.kafka import Publisher

log = structlog.get_logger(__name__)

SHARDS = 8
# Small, so that what comes meanwhile does not wait long for its turn.
BATCH = 50
URGENT = 200
# What goes here can wait; everything else is sent ahead of a queue of it.
PATIENT = FILES_BULK.name
POLL_S = 1.0
RETRY_S = 1.0
DRAIN_S = 5.0
LOCK_SPACE = 0x_0A55


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
        self, engine: AsyncEngine, table: type[DeclarativeBase], publisher: Publisher, *, schema: str, source: str
    ) -> None:
        """table: the service's class made with `OutboxRow`. source: becomes `ce_source`."""
        self._engine = engine
        self._table: Any = table
        self._publisher = publisher
        self._schema = schema
        self._source = source
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

    def rows_of(self, event: Event, topics: tuple[str, ...] | None) -> list[dict[str, Any]]:
        """An event's rows, with the trace that this runs in."""
        record = encode(event, source=self._source, carrier=tracing.carrier())
        headers = [[name, value.decode()] for name, value in record.headers]
        return [_row(topic, event.key, record.value, headers) for topic in topics or event.topics]

    async def write(self, session: AsyncSession, rows: list[dict[str, Any]]) -> None:
        """Write rows in the caller's transaction, in their order."""
        if not rows:
            return
        # One after the other in one go: ids are given in the order of the rows.
        await session.execute(insert(self._table), rows)
        await session.execute(text("SELECT pg_notify(:channel, '')").bindparams(channel=self._channel))

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
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

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
                    owned |= await self._claim(connection, set(range(SHARDS)) - owned)
                    if owned and await self._send_batch(connection, owned):
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

    async def _claim(self, connection: AsyncConnection, shards: set[int]) -> set[int]:
        claimed = set()
        for shard in sorted(shards):
            got = await connection.scalar(
                select(func.pg_try_advisory_lock(LOCK_SPACE, func.hashtext(f"{self._schema}/{shard}")))
            )
            if got:
                claimed.add(shard)
        return claimed

    async def _send_batch(self, connection: AsyncConnection, owned: set[int]) -> bool:
        """Send the oldest rows, and what people wait for; delete what was acknowledged. True if there may be more."""
        rows = await self._oldest(connection, owned)
        metrics.OUTBOX_PENDING.set(len(rows))
        if not rows:
            return False
        keys: dict[str, list[Any]] = {}
        for row in rows:
            keys.setdefault(row.key, []).append(row)
        sent: list[int] = []
        results = await asyncio.gather(
            *(self._send_in_order(each, sent) for each in keys.values()), return_exceptions=True
        )
        table = self._table
        await connection.execute(delete(table).where(table.id.in_(sent)))
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return len(rows) >= BATCH

    async def _oldest(self, connection: AsyncConnection, owned: set[int]) -> list[Any]:
        """The next rows, by id: the oldest of all, and behind a long queue of what can wait the oldest that cannot.

        Rows of one key stay in order: a row that goes ahead takes with it whatever its key has before it.
        """
        table = self._table
        columns = select(table.id, table.topic, table.key, table.value, table.headers).where(table.shard.in_(owned))
        oldest = list((await connection.execute(columns.order_by(table.id).limit(BATCH))).all())
        if len(oldest) < BATCH:
            return oldest
        later = columns.where(table.id > oldest[-1].id)
        urgent = list(
            (await connection.execute(later.where(table.topic != PATIENT).order_by(table.id).limit(URGENT))).all()
        )
        if not urgent:
            return oldest
        ahead = await connection.execute(
            later.where(table.topic == PATIENT, table.id < urgent[-1].id, table.key.in_({row.key for row in urgent}))
        )
        last = {row.key: row.id for row in urgent}
        urgent.extend(row for row in ahead if row.id < last[row.key])
        return [*oldest, *sorted(urgent, key=lambda row: int(row.id))]

    async def _send_in_order(self, rows: list[Any], sent: list[int]) -> None:
        """Send the rows of one key and note the ids of those acknowledged.

        One after the other: were they sent together, the first might fail for good while the second gets through.
        A repeat of a row, after an acknowledgement got lost, is harmless.
        """
        for row in rows:
            value = None if row.value is None else bytes(row.value)
            headers = [(name, text_value.encode()) for name, text_value in row.headers]
            await self._publisher.send(row.topic, row.key.encode(), value, headers)
            sent.append(row.id)


class Outgoing:
    """Rows of one transaction, collected in their order and written at once. Each has the trace that it was made in."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._rows: list[dict[str, Any]] = []

    def add(self, event: Event, *, topics: tuple[str, ...] | None = None) -> None:
        """An event, to its topics or to those named."""
        self._rows += self._outbox.rows_of(event, topics)

    def add_tombstone(self, topic: str, key: str) -> None:
        """A null value under this key."""
        headers = [[name, value] for name, value in tracing.carrier().items()]
        self._rows.append(_row(topic, key, None, headers))

    async def write(self, session: AsyncSession) -> None:
        """Write what was added."""
        rows, self._rows = self._rows, []
        await self._outbox.write(session, rows)


def _row(topic: str, key: str, value: bytes | None, headers: list[list[str]]) -> dict[str, Any]:
    shard = zlib.crc32(key.encode()) % SHARDS
    return {"shard": shard, "topic": topic, "key": key, "value": value, "headers": headers}
