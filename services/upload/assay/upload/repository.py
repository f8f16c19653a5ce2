"""Queries. Times of leases are PostgreSQL's own, so that replicas with different clocks agree."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from assay.upload.domain import AcceptedFile, Intent, StoredFile
from assay.upload.tables import FileRow, IntentRow, RunRow


class IntentRepository:
    """Uploads that have begun and are not announced."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, intent: Intent, owner_id: str, lease: timedelta) -> None:
        await self._session.execute(
            insert(IntentRow).values(
                file_id=intent.file_id,
                owner_id=owner_id,
                object_key=intent.object_key,
                multipart_id=intent.multipart_id,
                created_at=func.now(),
                expires_at=func.now() + lease,
            )
        )

    async def note_multipart(self, file_id: UUID, multipart_id: str) -> bool:
        """Record the id of the multipart upload; False where the intent is no longer ours."""
        noted = await self._session.execute(
            update(IntentRow)
            .where(IntentRow.file_id == file_id, ~IntentRow.abandoned)
            .values(multipart_id=multipart_id)
            .returning(IntentRow.file_id)
        )
        return noted.first() is not None

    async def renew(self, file_ids: Iterable[UUID], lease: timedelta) -> None:
        """Say that the process of these uploads is alive."""
        await self._session.execute(
            update(IntentRow)
            .where(IntentRow.file_id.in_(list(file_ids)), ~IntentRow.abandoned)
            .values(expires_at=func.now() + lease)
        )

    async def fulfil(self, file_id: UUID) -> bool:
        """Remove the intent in the transaction that announces its file; False where it was given up meanwhile."""
        removed = await self._session.execute(
            delete(IntentRow).where(IntentRow.file_id == file_id, ~IntentRow.abandoned).returning(IntentRow.file_id)
        )
        return removed.first() is not None

    async def abandon(self, file_id: UUID, lease: timedelta) -> Intent | None:
        """Mark an upload as given up, so that it cannot be announced; None where there is no such intent."""
        rows = await self._give_up(select(IntentRow.file_id).where(IntentRow.file_id == file_id), lease)
        return rows[0] if rows else None

    async def abandon_expired(self, limit: int, lease: timedelta) -> list[Intent]:
        """Mark uploads of dead processes as given up. Rows that another replica is at are left to it."""
        expired = (
            select(IntentRow.file_id)
            .where(IntentRow.expires_at < func.now())
            .order_by(IntentRow.expires_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return await self._give_up(expired, lease)

    async def _give_up(self, file_ids: Select[UUID], lease: timedelta) -> list[Intent]:
        rows = await self._session.execute(
            update(IntentRow)
            .where(IntentRow.file_id.in_(file_ids.scalar_subquery()))
            .values(abandoned=True, expires_at=func.now() + lease)
            .returning(IntentRow.file_id, IntentRow.object_key, IntentRow.multipart_id)
        )
        return [Intent(row.file_id, row.object_key, row.multipart_id) for row in rows]

    async def remove(self, file_id: UUID) -> None:
        """Forget an upload that was given up and cleared away."""
        await self._session.execute(delete(IntentRow).where(IntentRow.file_id == file_id, IntentRow.abandoned))


class FileRepository:
    """Files that were announced, and their runs."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, file: StoredFile, moment: datetime) -> None:
        await self._session.execute(
            insert(FileRow).values(
                file_id=file.file_id,
                owner_id=file.owner_id,
                sha256=file.sha256,
                size=file.size,
                media_type=file.media_type,
                declared_media_type=file.declared_media_type,
                filename=file.filename,
                object_key=file.object_key,
                created_at=moment,
            )
        )

    async def add_run(
        self, accepted: AcceptedFile, run_number: int, lane: str, moment: datetime, deadline: datetime
    ) -> None:
        await self._session.execute(
            insert(RunRow).values(
                run_id=accepted.run_id,
                file_id=accepted.file.file_id,
                run_number=run_number,
                plan=list(accepted.plan),
                lane=lane,
                requested_at=moment,
                deadline=deadline,
            )
        )

    async def exists(self, file_id: UUID) -> bool:
        return await self._session.scalar(select(FileRow.file_id).where(FileRow.file_id == file_id)) is not None
