"""Queries of the use cases that write, but for those about files: see `ledger`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from assay.contracts import AnalyzerManifest
from assay.results.errors import PositionTakenError
from assay.shared.database import Driver

_ADVANCE = """
    UPDATE positions SET next_offset = $4
    WHERE topic = $1 AND partition = $2 AND topic_id = $3 AND next_offset <= $5
    RETURNING next_offset
"""
_STANDS = "SELECT next_offset FROM positions WHERE topic = $1 AND partition = $2 AND topic_id = $3 FOR UPDATE"
_SET = "UPDATE positions SET next_offset = $4 WHERE topic = $1 AND partition = $2 AND topic_id = $3"
_REGISTER = """
    INSERT INTO analyzers (name, manifest, registered_at) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET manifest = excluded.manifest, registered_at = excluded.registered_at
"""
_RETIRE = "DELETE FROM analyzers WHERE name = $1"
_DUE = """
    SELECT run_id, file_id FROM runs
    WHERE completed_at IS NULL AND deadline <= $1 AND (swept_at IS NULL OR swept_at < $2)
    ORDER BY deadline LIMIT $3
"""


class Repository:
    """Reads and writes within the driver's transaction."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def advance(self, topic: str, partition: int, topic_id: UUID, first: int, last: int) -> int:
        """Say that the tables reflect the records from `first` to `last`. Returns the first one that is new to them.

        Raises PositionTakenError where all are in the tables already, or where the topic is another one than we read.
        """
        mine = (topic, partition, topic_id)
        if await self._driver.fetchval(_ADVANCE, *mine, last + 1, first) is not None:
            return first
        # Another member has written some of them, or all. It is locked now, so nobody else moves it meanwhile.
        stands: int | None = await self._driver.fetchval(_STANDS, *mine)
        if stands is None or stands > last:
            raise PositionTakenError(f"{topic}/{partition}/{first}-{last}")
        await self._driver.execute(_SET, *mine, last + 1)
        return stands

    async def register(self, manifest: AnalyzerManifest, at: datetime) -> None:
        """Note what an analyzer says of itself; the time is that of this version's registration."""
        await self._driver.execute(_REGISTER, manifest.name, manifest.model_dump_json(), at)

    async def retire(self, name: str) -> None:
        await self._driver.execute(_RETIRE, name)

    async def due(self, now: datetime, *, again_after: timedelta, limit: int) -> Sequence[tuple[UUID, UUID]]:
        """(run, file) of runs past their deadline that nobody has swept lately."""
        return [(run_id, file_id) for run_id, file_id in await self._driver.fetch(_DUE, now, now - again_after, limit)]
