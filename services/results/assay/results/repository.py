"""Queries of the use cases that write. Whoever changes anything about a file holds its lock."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import CursorResult, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from assay.contracts import AnalyzerManifest
from assay.results.errors import PositionTakenError
from assay.results.tables import Analysis, DeletedFile, File, Position, RegisteredAnalyzer, Run


def _lock_number(file_id: UUID) -> int:
    """64 bits with sign, from the random end of the id. Two files that share them wait for each other, no more."""
    return int.from_bytes(file_id.bytes[8:], "big", signed=True)


class Repository:
    """Reads and writes within one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def advance(self, topic: str, partition: int, topic_id: UUID, offset: int) -> None:
        """Say that the tables reflect this record.

        Raises PositionTakenError where they do already, or where the topic is another one than we read.
        """
        result = await self.session.execute(
            update(Position)
            .where(
                Position.topic == topic,
                Position.partition == partition,
                Position.topic_id == topic_id,
                Position.next_offset <= offset,
            )
            .values(next_offset=offset + 1)
        )
        if cast("CursorResult[object]", result).rowcount != 1:
            raise PositionTakenError(f"{topic}/{partition}/{offset}")

    async def lock_file(self, file_id: UUID) -> None:
        """Wait until nobody else changes anything about this file; held until the transaction ends.

        An advisory lock, because it must hold for files that have no row yet, or no longer.
        """
        await self.session.execute(select(func.pg_advisory_xact_lock(_lock_number(file_id))))

    async def is_deleted(self, file_id: UUID) -> bool:
        return await self.session.get(DeletedFile, file_id) is not None

    async def file(self, file_id: UUID, owner_id: str) -> File:
        """The file's row, made where it is missing."""
        file = await self.session.get(File, file_id)
        if file is None:
            file = File(file_id=file_id, owner_id=owner_id, status="queued")
            self.session.add(file)
        return file

    async def run(self, run_id: UUID, file_id: UUID, owner_id: str) -> Run:
        """The run's row, locked; made where it is missing."""
        run = await self.session.get(Run, run_id, with_for_update=True)
        if run is None:
            run = Run(run_id=run_id, file_id=file_id, owner_id=owner_id, status="queued")
            self.session.add(run)
        return run

    async def analysis(self, run: Run, analyzer: str) -> Analysis:
        """The analysis' row, made where it is missing."""
        analysis = await self.session.get(Analysis, (run.run_id, analyzer))
        if analysis is None:
            analysis = Analysis(
                run_id=run.run_id,
                analyzer=analyzer,
                file_id=run.file_id,
                owner_id=run.owner_id,
                status="queued",
                attempt=0,
                sequence=0,
                fraction=0.0,
                artifacts_follow=False,
            )
            self.session.add(analysis)
        return analysis

    async def known_analysis(self, run_id: UUID, analyzer: str) -> Analysis | None:
        """The analysis' row; None where nothing was heard of it."""
        return await self.session.get(Analysis, (run_id, analyzer))

    async def analyses(self, run_id: UUID) -> Sequence[Analysis]:
        """All of a run, by analyzer."""
        await self.session.flush()
        found = await self.session.scalars(
            select(Analysis).where(Analysis.run_id == run_id).order_by(Analysis.analyzer.collate("C"))
        )
        return found.all()

    async def newest_run(self, file_id: UUID) -> Run | None:
        """The run with the highest number; one whose request we have not read comes after all others."""
        await self.session.flush()
        found = await self.session.scalars(
            select(Run)
            .where(Run.file_id == file_id)
            .order_by(Run.run_number.desc().nulls_last(), Run.run_id.desc())
            .limit(1)
        )
        return found.first()

    async def open_runs(self, file_id: UUID) -> Sequence[Run]:
        """The runs of a file that have no report yet, locked and as they are now; by id."""
        await self.session.flush()
        found = await self.session.scalars(
            select(Run)
            .where(Run.file_id == file_id, Run.completed_at.is_(None))
            .order_by(Run.run_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        return found.all()

    async def unfinished(self, file_ids: Sequence[UUID]) -> set[UUID]:
        """Those of these derived files that are not examined to the end and not deleted, or unknown."""
        if not file_ids:
            return set()
        done = await self.session.scalars(
            select(File.file_id)
            .join(Run, Run.run_id == File.derived_run_id)
            .where(File.file_id.in_(file_ids), Run.completed_at.is_not(None))
        )
        deleted = await self.session.scalars(select(DeletedFile.file_id).where(DeletedFile.file_id.in_(file_ids)))
        return set(file_ids) - set(done) - set(deleted)

    async def examined(self, file_ids: Sequence[UUID]) -> Sequence[tuple[File, Run]]:
        """These derived files with the run that their finding asked for, where it has a report; by id."""
        if not file_ids:
            return []
        found = await self.session.execute(
            select(File, Run)
            .join(Run, Run.run_id == File.derived_run_id)
            .where(File.file_id.in_(file_ids), Run.report.is_not(None))
            .order_by(File.file_id)
        )
        return [(file, run) for file, run in found]

    async def derived_ids(self, file_id: UUID) -> Sequence[UUID]:
        """Files found inside this one, as far as they were announced."""
        return (await self.session.scalars(select(File.file_id).where(File.parent_file_id == file_id))).all()

    async def forget(self, file_id: UUID) -> None:
        """Leave of a file nothing but the mark that it was deleted."""
        await self.session.flush()
        for table in (Analysis, Run, File):
            await self.session.execute(delete(table).where(table.file_id == file_id))
        await self.session.execute(insert(DeletedFile).values(file_id=file_id).on_conflict_do_nothing())

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

    async def take_due(self, run_id: UUID, now: datetime, *, again_after: timedelta) -> Run | None:
        """The run's row, locked; None where it has ended or another replica has it."""
        found = await self.session.scalars(
            select(Run)
            .where(Run.run_id == run_id, Run.completed_at.is_(None))
            .where((Run.swept_at.is_(None)) | (Run.swept_at < now - again_after))
            .with_for_update(skip_locked=True)
        )
        return found.first()
