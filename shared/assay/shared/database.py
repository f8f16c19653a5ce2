"""PostgreSQL: one schema and role per service; one use case is one transaction."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

import asyncpg
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.util import greenlet_spawn

from assay.shared.settings import DatabaseSettings

MIGRATION_LOCK = 0x_A55A_0001
# A connection that rested for longer is asked whether it is still there, before it is used again.
RESTED_S = 2.0

Sessions = async_sessionmaker[AsyncSession]
Transaction = Callable[[], AbstractAsyncContextManager[AsyncSession]]
Driver: TypeAlias = asyncpg.Connection
"""The driver's connection, for statements that run for every record."""
DriverTransaction = Callable[[], AbstractAsyncContextManager[Driver]]


def build_engine(settings: DatabaseSettings, *, schema: str, wait_s: float = 30.0) -> AsyncEngine:
    """An engine whose connections see `schema` first. wait_s: how long to wait for one where all are in use."""
    engine = create_async_engine(
        settings.url.get_secret_value(),
        pool_size=settings.pool_size,
        # The one used last: its server process has the statements prepared and its memory warm.
        pool_use_lifo=True,
        max_overflow=0,
        pool_timeout=wait_s,
        connect_args={"server_settings": {"search_path": schema, "application_name": f"assay-{schema}"}},
    )
    _ask_the_rested(engine.sync_engine)
    return engine


def _ask_the_rested(engine: Engine) -> None:
    """Replace connections that are gone, as `pool_pre_ping` does, but do not ask those that were just in use.

    Asking takes three exchanges with the server, more than many a transaction has. A connection that broke within
    these seconds fails the transaction that takes it, as one does that breaks meanwhile.
    """

    @event.listens_for(engine, "checkin")
    def returned(_: Any, record: Any) -> None:
        record.info["returned_at"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def taken(connection: Any, record: Any, _: Any) -> None:
        if connection.driver_connection.is_closed():
            raise InvalidatePoolError
        returned_at = record.info.get("returned_at")
        if returned_at is None or time.monotonic() - returned_at <= RESTED_S:
            return
        try:
            connection.ping()
        except (DBAPIError, connection.dbapi.Error, OSError) as error:
            raise InvalidatePoolError from error


def transactions(engine: AsyncEngine) -> Transaction:
    """Opens sessions that commit on a clean exit and roll back on an exception.

    Commit before you answer: a FastAPI yield-dependency exits after the response has begun.
    """
    sessions: Sessions = async_sessionmaker(engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction() -> AsyncIterator[AsyncSession]:
        async with sessions() as session, session.begin():
            yield session

    return transaction


async def driver_of(session: AsyncSession) -> Driver:
    """The driver's connection of a session whose transaction has begun."""
    driver = (await (await session.connection()).get_raw_connection()).driver_connection
    assert driver is not None
    assert driver.is_in_transaction()
    return driver


def driver_transactions(
    engine: AsyncEngine,
    *,
    isolation: Literal["read_committed", "repeatable_read"] = "read_committed",
    readonly: bool = False,
) -> DriverTransaction:
    """Opens transactions on the driver's own connections, taken from the engine's pool.

    For statements that run for every record: building one with SQLAlchemy takes longer than its answer.
    """
    connected = driver_connections(engine)

    @asynccontextmanager
    async def transaction() -> AsyncIterator[Driver]:
        async with connected() as driver:
            try:
                async with driver.transaction(isolation=isolation, readonly=readonly):
                    yield driver
            finally:
                # Who answers a client that left is cancelled at each wait, the one for ROLLBACK included. Nobody may
                # get a connection whose transaction is still open; the pool replaces one that is closed.
                if not driver.is_closed() and driver.is_in_transaction():
                    driver.terminate()

    return transaction


def driver_connections(engine: AsyncEngine) -> DriverTransaction:
    """Opens the driver's own connections, taken from the engine's pool, without a transaction.

    For use cases that are one statement, which sees one moment by itself: it saves BEGIN and COMMIT.
    """

    @asynccontextmanager
    async def connected() -> AsyncIterator[Driver]:
        # Without `engine.connect()`, whose objects take as long as a short query.
        try:
            leased = await greenlet_spawn(engine.sync_engine.raw_connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise error.__cause__ or error from None  # as the driver said it
        try:
            driver = leased.driver_connection
            assert driver is not None
            yield driver
        finally:
            # Nothing is waited for here: there is no transaction that SQLAlchemy knows of.
            await greenlet_spawn(leased.close)

    return connected


async def migrate(engine: AsyncEngine, *, schema: str, scripts: Path) -> None:
    """Bring the schema to the newest revision. Replicas that start at once wait for each other.

    scripts: the service's `migrations` folder, with `env.py` and `versions/<revision>_<what>.py`.
    """
    newest = max(path.name.partition("_")[0] for path in (scripts / "versions").glob("[0-9]*_*.py"))
    async with engine.begin() as connection:
        await connection.execute(
            text("SELECT pg_advisory_xact_lock(:lock, hashtext(:schema))").bindparams(
                lock=MIGRATION_LOCK & 0x7FFFFFFF, schema=schema
            )
        )
        if await connection.scalar(text("SELECT to_regclass(:table)").bindparams(table=f'"{schema}".alembic_version')):
            present = await connection.scalar(text(f'SELECT version_num FROM "{schema}".alembic_version'))  # noqa: S608
            if present == newest:
                return
        # The service's role may make a schema only where it owns the database.
        elif not await connection.scalar(text("SELECT to_regnamespace(:schema)").bindparams(schema=f'"{schema}"')):
            await connection.execute(text(f'CREATE SCHEMA "{schema}"'))
        # Alembic takes half a second to import, and most starts find everything done.
        from assay.shared.upgrading import upgrade

        await connection.run_sync(upgrade, schema, scripts)


# Classes of SQLSTATE: connection, transaction rollback (deadlock), resources, operator intervention, system, locks.
_OUTAGE_CLASSES = ("08", "40", "53", "55", "57", "58")


def is_outage(error: BaseException) -> bool:
    """True for errors of PostgreSQL that say nothing against what was to be written: the same may work later."""
    if isinstance(error, PoolTimeoutError | OSError | TimeoutError):
        return True
    if isinstance(error, InterfaceError | asyncpg.InterfaceError) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    ):
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    return (getattr(cause, "sqlstate", None) or "").startswith(_OUTAGE_CLASSES)


async def check(engine: AsyncEngine) -> None:
    """Raise where PostgreSQL does not answer; for `/readyz`."""
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
