"""Queries of the use cases that write, but for those about files: see `ledger`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from assay.contracts import AnalyzerManifest
from assay.results.errors import PositionTakenError
from assay.results.tables import Position, RegisteredAnalyzer, Run


class Repository:
    """Reads and writes within one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def advance(self, topic: str, partition: int, topic_id: UUID, first: int, last: int) -> int:
        """Say that the tables reflect the records from `first` to `last`. Returns the first one that is new to them.

        Raises PositionTakenError where all are in the tables already, or where the topic is another one than we read.
        """
        mine = (Position.topic == topic, Position.partition == partition, Position.topic_id == topic_id)
        moved = update(Position).where(*mine, Position.next_offset <= first).values(next_offset=last + 1)
        if cast("CursorResult[object]", await self.session.execute(moved)).rowcount == 1:
            return first
        # Another member has written some of them, or all. It is locked now, so nobody else moves it meanwhile.
        stands = await self.session.scalar(select(Position.next_offset).where(*mine).with_for_update())
        if stands is None or stands > last:
            raise PositionTakenError(f"{topic}/{partition}/{first}-{last}")
        await self.session.execute(update(Position).where(*mine).values(next_offset=last + 1))
        return stands

    async def register(self, manifest: AnalyzerManifest, at: datetime) -> None:
        """Note what an analyzer says of itself; the time is that of this version's registration."""
        values = {"manifest": manifest.model_dump(mode="json"), "registered_at": at}
        await self.session.execute(
            insert(RegisteredAnalyzer)
            .values(name=manifest.name, **values)
            .on_conflict_do_update(index_elements=[RegisteredAnalyzer.name], set_=values)
        )

    async def retire(self, name: str) -> None:
        await self.session.execute(delete(RegisteredAnalyzer).where(RegisteredAnalyzer.name == name))

    async def due(self, now: datetime, *, again_after: timedelta, limit: int) -> Sequence[tuple[UUID, UUID]]:
        """(run, file) of runs past their deadline that nobody has swept lately."""
        found = await self.session.execute(
            select(Run.run_id, Run.file_id)
            .where(Run.completed_at.is_(None), Run.deadline <= now)
            .where((Run.swept_at.is_(None)) | (Run.swept_at < now - again_after))
            .order_by(Run.deadline)
            .limit(limit)
        )
        return [(run_id, file_id) for run_id, file_id in found]
