"""Files that are there before a test begins: uploaded, found inside others, or of long ago."""

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from support.topics import kafka_settings
from support.uploads import ANALYZER, Owner, jpeg

from assay.contracts import FileDerived
from assay.shared.clock import now
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher


async def given_file(owner: Owner, content: bytes | None = None, **fields: str) -> UUID:
    """A picture that was just uploaded."""
    answer = await owner.send(content or jpeg(), **fields)
    assert answer.status_code == 202, answer.text
    return UUID(answer.json()["file_id"])


async def given_files(
    database: "asyncpg.Connection", owner: Owner, count: int, *, media_type: str, uploaded: datetime | None = None
) -> list[UUID]:
    """Rows of files that were uploaded earlier, with a run each of which no version is known."""
    at = uploaded or now()
    ids = [new_id() for _ in range(count)]
    await database.executemany(
        "INSERT INTO files (file_id, owner_id, sha256, size, media_type, filename, object_key, created_at) "
        "VALUES ($1, $2, $3, 1000, $4, 'old.bin', $5, $6)",
        [(each, owner.owner_id, os.urandom(32).hex(), media_type, f"files/{each}/content", at) for each in ids],
    )
    await database.executemany(
        "INSERT INTO runs (run_id, file_id, run_number, plan, lane, requested_at, deadline) "
        "VALUES ($1, $2, 1, '{older}', 'assay.files', $3, $4)",
        [(new_id(), each, at, at + timedelta(hours=24)) for each in ids],
    )
    return ids


async def given_derived(
    environment: dict[str, str],
    owner: Owner,
    parent: UUID,
    file_id: UUID | None = None,
    *,
    lanes: Sequence[str] = ("assay.files.bulk",),
) -> FileDerived:
    """What an analyzer says of a file that it has found inside another one. Its bytes are not stored."""
    file_id = file_id or new_id()
    event = FileDerived(
        occurred_at=now(),
        file_id=file_id,
        owner_id=owner.owner_id,
        parent_file_id=parent,
        parent_run_id=new_id(),
        derived_by="unpacker",
        depth=1,
        media_type="image/png",
        size=10,
        sha256="ab" * 32,
        object_key=f"files/{file_id}/content",
        run_id=new_id(),
        plan=(ANALYZER,),
        deadline=now() + timedelta(hours=1),
    )
    publisher = Publisher(kafka_settings(environment), source="/test")
    await publisher.start()
    try:
        await publisher.publish(event, topics=lanes)
    finally:
        await publisher.stop()
    return event
