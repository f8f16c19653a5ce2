"""What was uploaded before an upgrade is counted and known after it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.own_database import own_database
from support.stacks import RunningParts

from assay.shared import database
from assay.shared.clock import now
from assay.shared.ids import new_id
from assay.upload.main import MIGRATIONS

ALICE, BOB = "alice", "bob"


@pytest.fixture
async def engine(stack: RunningParts) -> AsyncIterator[AsyncEngine]:
    """A database of this test's own, with an empty schema `upload`."""
    async with own_database(stack, "upload") as engine:
        yield engine


def upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes |= {"connection": connection, "schema": "upload"}
    command.upgrade(config, revision)


async def test_files_of_before_are_counted_and_the_first_of_the_same_bytes_is_the_known_one(
    engine: AsyncEngine,
) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(upgrade, "0003")
        ids = {name: new_id() for name in ("first", "second", "yesterday", "inside", "another owner's")}

        async def add(
            name: str, owner: str, sha256: str, size: int, *, days: int = 0, parent: UUID | None = None
        ) -> None:
            await connection.execute(
                text(
                    "INSERT INTO files (file_id, owner_id, sha256, size, media_type, filename, object_key, created_at, "
                    "parent_file_id) VALUES (:id, :owner, :sha256, :size, 'image/jpeg', 'a', 'k', :at, :parent)"
                ),
                {
                    "id": ids[name],
                    "owner": owner,
                    "sha256": sha256,
                    "size": size,
                    "at": now() - timedelta(days=days),
                    "parent": parent,
                },
            )

        await add("first", ALICE, "same", 10)
        await add("second", ALICE, "same", 10)
        await add("yesterday", ALICE, "other", 100, days=1)
        await add("inside", ALICE, "same", 10, parent=ids["first"])
        await add("another owner's", BOB, "same", 10)
    await database.migrate(engine, schema="upload", scripts=MIGRATIONS)
    async with engine.begin() as connection:
        forced = await connection.scalars(text("SELECT file_id FROM files WHERE forced"))
        assert set(forced) == {ids["second"]}
        usage = await connection.execute(
            text("SELECT owner_id, files, bytes, files_of_day FROM usage ORDER BY owner_id")
        )
        assert [tuple(row) for row in usage] == [(ALICE, 4, 130, 2), (BOB, 1, 10, 1)]
        await connection.execute(text("DELETE FROM files WHERE file_id = :id"), {"id": ids["yesterday"]})
    async with engine.begin() as connection:
        left = await connection.execute(text("SELECT files, bytes, files_of_day FROM usage WHERE owner_id = 'alice'"))
        assert tuple(left.one()) == (3, 30, 2)
