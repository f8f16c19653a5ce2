"""A database of one test's own, beside those that all tests share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from assay.shared import database
from assay.shared.settings import DatabaseSettings
from support.stacks import RunningParts


@asynccontextmanager
async def own_database(stack: RunningParts, schema: str) -> AsyncIterator[AsyncEngine]:
    """An engine on a new database with this schema, empty; dropped at the end."""
    url = stack.environment()["ASSAY_DATABASE__URL"]
    name = f"own_{uuid4().hex[:12]}"
    server = database.build_engine(DatabaseSettings(url=SecretStr(url)), schema="public")
    async with server.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text(f'CREATE DATABASE "{name}"'))
        engine = database.build_engine(
            DatabaseSettings(url=SecretStr(f"{url.rpartition('/')[0]}/{name}")), schema=schema
        )
        async with engine.begin() as inside:
            await inside.execute(text(f'CREATE SCHEMA "{schema}"'))
        yield engine
        await engine.dispose()
        await connection.execute(text(f'DROP DATABASE "{name}"'))
    await server.dispose()
