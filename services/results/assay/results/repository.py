"""Queries of the use cases that write, but for those about files: see `ledger`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from assay.contracts import AnalyzerManifest
from assay.results.recording import Read, Slice
from assay.shared.database import Driver

_ADVANCE = """
    UPDATE positions SET next_offset = $4
    WHERE topic = $1 AND partition = $2 AND topic_id = $3 AND next_offset <= $5
    RETURNING next_offset
"""
# In one order, so that two members which believe that they hold the same partitions wait for each other in no circle.
_STAND = """
    SELECT topic, partition, next_offset
    FROM positions AS standing
    JOIN unnest($1::text[], $2::int[], $3::uuid[]) AS mine (topic, partition, topic_id)
    USING (topic, partition, topic_id)
    ORDER BY topic, partition FOR UPDATE OF standing
"""
_SET = """
    UPDATE positions SET next_offset = mine.next_offset
    FROM unnest($1::text[], $2::int[], $3::bigint[]) AS mine (topic, partition, next_offset)
    WHERE positions.topic = mine.topic AND positions.partition = mine.partition
"""
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

    async def advance(self, slices: Sequence[Slice]) -> Sequence[Sequence[Read]]:
        """Say that the tables reflect these records. Returns those of each slice that are new to them.

        None of a slice is where another member has written it all, or where the topic is another one than was read.
        """
        if len(slices) == 1:
            [only] = slices
            first, last = only.reads[0].offset, only.reads[-1].offset
            mine = (only.topic, only.partition, only.topic_id)
            if await self._driver.fetchval(_ADVANCE, *mine, last + 1, first) is not None:
                return [only.reads]
        # More than one, or another member has written some. They are locked now, so nobody else moves them meanwhile.
        partitions = [(each.topic, each.partition, each.topic_id) for each in slices]
        found = await self._driver.fetch(_STAND, *zip(*partitions, strict=True))
        stands: dict[tuple[str, int], int] = {(topic, partition): begin for topic, partition, begin in found}
        new: list[Sequence[Read]] = []
        moved: list[tuple[str, int, int]] = []
        for each in slices:
            begin = stands.get((each.topic, each.partition))
            reads = [] if begin is None else [read for read in each.reads if read.offset >= begin]
            new.append(reads)
            if reads:
                moved.append((each.topic, each.partition, reads[-1].offset + 1))
        if moved:
            await self._driver.execute(_SET, *zip(*moved, strict=True))
        return new

    async def register(self, manifest: AnalyzerManifest, at: datetime) -> None:
        """Note what an analyzer says of itself; the time is that of this version's registration."""
        await self._driver.execute(_REGISTER, manifest.name, manifest.model_dump_json(), at)

    async def retire(self, name: str) -> None:
        await self._driver.execute(_RETIRE, name)

    async def due(self, now: datetime, *, again_after: timedelta, limit: int) -> Sequence[tuple[UUID, UUID]]:
        """(run, file) of runs past their deadline that nobody has swept lately."""
        return [(run_id, file_id) for run_id, file_id in await self._driver.fetch(_DUE, now, now - again_after, limit)]
