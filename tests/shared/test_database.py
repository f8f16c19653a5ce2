"""Connections to PostgreSQL, and which of its errors are an outage, tried on a real one."""

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from support.services import free_port
from support.stacks import RunningParts
from support.uploads import eventually

from assay.shared import database
from assay.shared.database import build_engine, driver_connections, driver_transactions, is_outage
from assay.shared.settings import DatabaseSettings


async def test_an_outage_is_told_from_a_bad_value(stack: RunningParts) -> None:
    url = stack.environment()["ASSAY_DATABASE__URL"]
    engine = build_engine(DatabaseSettings(url=SecretStr(url), pool_size=2), schema="public")
    try:
        with pytest.raises(DBAPIError) as bad:
            async with engine.connect() as connection:
                await connection.execute(text("SELECT CAST('twelve' AS integer)"))
        assert not is_outage(bad.value)
        with pytest.raises(DBAPIError) as cut:
            async with engine.connect() as victim, engine.connect() as other:
                process = await victim.scalar(text("SELECT pg_backend_pid()"))
                await other.execute(text("SELECT pg_terminate_backend(:process)").bindparams(process=process))
                await victim.execute(text("SELECT 1"))
        assert is_outage(cut.value)
    finally:
        await engine.dispose()


async def test_nobody_listening_is_an_outage(stack: RunningParts) -> None:
    url = f"postgresql+asyncpg://somebody:secret@127.0.0.1:{free_port()}/assay"
    engine = build_engine(DatabaseSettings(url=SecretStr(url)), schema="public")
    try:
        with pytest.raises(Exception) as refused:  # the drivers differ in what they raise
            async with engine.connect():
                pass
        assert is_outage(refused.value)
    finally:
        await engine.dispose()


@pytest.mark.parametrize("rested_s", [0.0, 3600.0])
async def test_a_connection_that_was_cut_while_it_rested_is_replaced(
    stack: RunningParts, monkeypatch: pytest.MonkeyPatch, rested_s: float
) -> None:
    monkeypatch.setattr(database, "RESTED_S", rested_s)
    url = SecretStr(stack.environment()["ASSAY_DATABASE__URL"])
    engine = build_engine(DatabaseSettings(url=url, pool_size=1), schema="public")
    other = build_engine(DatabaseSettings(url=url, pool_size=1), schema="public")
    own = text("SELECT pg_backend_pid()")
    try:
        async with engine.connect() as connection:
            before = await connection.scalar(own)
            driver = (await connection.get_raw_connection()).driver_connection
        async with other.connect() as connection:
            await connection.execute(text("SELECT pg_terminate_backend(:process)").bindparams(process=before))
        assert driver is not None
        if rested_s:  # not asked: what tells is that the client has seen the end of the connection

            async def is_seen() -> bool:
                return bool(driver.is_closed())

            await eventually(is_seen)
        async with engine.connect() as connection:
            assert await connection.scalar(own) != before
    finally:
        await engine.dispose()
        await other.dispose()


async def test_a_drivers_transaction_is_whole_or_not_at_all(stack: RunningParts) -> None:
    url = SecretStr(stack.environment()["ASSAY_DATABASE__URL"])
    engine = build_engine(DatabaseSettings(url=url, pool_size=1), schema="public")
    transaction = driver_transactions(engine)
    try:
        async with transaction() as driver:
            await driver.execute("CREATE TABLE whole_or_not (number integer)")
        with pytest.raises(asyncpg.DivisionByZeroError) as bad:
            async with transaction() as driver:
                await driver.execute("INSERT INTO whole_or_not VALUES (1)")
                await driver.execute("SELECT 1 / 0")
        assert not is_outage(bad.value)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)) as cut:
            async with transaction() as driver:
                await driver.execute("INSERT INTO whole_or_not VALUES (2)")
                await driver.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        assert is_outage(cut.value)
        async with transaction() as driver:
            assert await driver.fetch("SELECT number FROM whole_or_not") == []
            await driver.execute("DROP TABLE whole_or_not")
    finally:
        await engine.dispose()


async def test_a_drivers_connection_that_cannot_be_made_says_so_in_the_drivers_words(stack: RunningParts) -> None:
    url = f"{stack.environment()['ASSAY_DATABASE__URL'].rpartition('/')[0]}/nowhere"
    engine = build_engine(DatabaseSettings(url=SecretStr(url)), schema="public")
    try:
        with pytest.raises(asyncpg.InvalidCatalogNameError):
            async with driver_connections(engine)():
                pass
    finally:
        await engine.dispose()
