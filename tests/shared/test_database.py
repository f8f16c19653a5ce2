"""Which errors of PostgreSQL are an outage, tried on a real one."""

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from support.services import free_port
from support.stacks import RunningParts

from assay.shared.database import build_engine, is_outage
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
