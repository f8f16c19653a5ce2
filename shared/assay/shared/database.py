"""PostgreSQL: one schema and role per service; one use case is one transaction."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from assay.shared.settings import DatabaseSettings

MIGRATION_LOCK = 0x_A55A_0001

Sessions = async_sessionmaker[AsyncSession]
Transaction = Callable[[], AbstractAsyncContextManager[AsyncSession]]


def build_engine(settings: DatabaseSettings, *, schema: str) -> AsyncEngine:
    """An engine whose connections see `schema` first."""
    return create_async_engine(
        settings.url.get_secret_value(),
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"server_settings": {"search_path": schema, "application_name": f"assay-{schema}"}},
    )


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


async def migrate(engine: AsyncEngine, *, schema: str, scripts: Path) -> None:
    """Bring the schema to the newest revision. Replicas that start at once wait for each other.

    scripts: the service's `migrations` folder, with `env.py` and `versions/`.
    """
    async with engine.begin() as connection:
        await connection.execute(
            text("SELECT pg_advisory_xact_lock(:lock, hashtext(:schema))").bindparams(
                lock=MIGRATION_LOCK & 0x7FFFFFFF, schema=schema
            )
        )
        present = await connection.scalar(
            text("SELECT count(*) FROM information_schema.schemata WHERE schema_name = :schema").bindparams(
                schema=schema
            )
        )
        if not present:
            await connection.execute(text(f'CREATE SCHEMA "{schema}"'))
        await connection.run_sync(_upgrade, schema, scripts)


def _upgrade(connection: Connection, schema: str, scripts: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.attributes["connection"] = connection
    config.attributes["schema"] = schema
    command.upgrade(config, "head")


# Classes of SQLSTATE: connection, transaction rollback (deadlock), resources, operator intervention, system, locks.
_OUTAGE_CLASSES = ("08", "40", "53", "55", "57", "58")


def is_outage(error: BaseException) -> bool:
    """True for errors of PostgreSQL that say nothing against what was to be written: the same may work later."""
    if isinstance(error, PoolTimeoutError | OSError | TimeoutError):
        return True
    if isinstance(error, InterfaceError) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    return (getattr(cause, "sqlstate", None) or "").startswith(_OUTAGE_CLASSES)


async def check(engine: AsyncEngine) -> None:
    """Raise where PostgreSQL does not answer; for `/readyz`."""
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
