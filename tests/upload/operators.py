"""Somebody with the scope `operator`, and files that were there before."""

import os
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from support.uploads import Owner

from assay.shared.auth import mint_token
from assay.shared.clock import now
from assay.shared.ids import new_id


class Operator(Owner):
    """Asks for anybody."""

    def __init__(self, url: str, environment: dict[str, str]) -> None:
        super().__init__(url, environment)
        self.token = mint_token(environment["ASSAY_AUTH__SECRET"], self.owner_id, ["user", "operator"])
        self.headers = {"Authorization": f"Bearer {self.token}"}


async def ask(who: Owner, method: str, path: str, **more: Any) -> httpx.Response:
    """One request, in somebody's name."""
    async with httpx.AsyncClient(base_url=who.url, timeout=60, headers=who.headers) as client:
        return await client.request(method, path, **more)


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
