"""Queries. A write counts only where the fence is still the writer's; times are PostgreSQL's own."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from assay.upload.domain import AcceptedFile
from assay.upload.repository import stored_file
from assay.upload.resumable.domain import Part, Segment, Upload
from assay.upload.resumable.tables import PartRow, SegmentRow, UploadRow
from assay.upload.tables import FileRow, RunRow


class UploadRepository:
    """Uploads, their parts and the pieces of their tails."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, upload: Upload, keep: timedelta) -> Upload:
        """A new upload; keep: how long it may be silent. Returns it with the time at which it expires."""
        row = (
            await self._session.execute(
                insert(UploadRow)
                .values(
                    upload_id=upload.upload_id,
                    owner_id=upload.owner_id,
                    kind=upload.kind,
                    status=upload.status,
                    length=upload.length,
                    part_bytes=upload.part_bytes,
                    filename=upload.filename,
                    declared_media_type=upload.declared_media_type,
                    analyzers=list(upload.analyzers),
                    metadata_=upload.metadata,
                    priority=upload.priority,
                    force=upload.force,
                    sha256=upload.sha256,
                    raw_metadata=upload.raw_metadata,
                    created_at=func.now(),
                    expires_at=func.now() + keep,
                )
                .returning(UploadRow)
            )
        ).scalar_one()
        return _upload(row)

    async def find(self, upload_id: UUID, owner_id: str | None = None) -> Upload | None:
        """An upload; of this owner, where one is named."""
        query = select(UploadRow).where(UploadRow.upload_id == upload_id)
        if owner_id is not None:
            query = query.where(UploadRow.owner_id == owner_id)
        row = (await self._session.scalars(query)).first()
        return None if row is None else _upload(row)

    async def take(self, upload_id: UUID, lease: timedelta) -> Upload | None:
        """Become its holder; None where somebody else is, or it is not `receiving` any more."""
        row = (
            await self._session.execute(
                update(UploadRow)
                .where(
                    UploadRow.upload_id == upload_id,
                    UploadRow.status == "receiving",
                    or_(UploadRow.held_until.is_(None), UploadRow.held_until < func.now()),
                )
                .values(fence=UploadRow.fence + 1, held_until=func.now() + lease, is_wanted=False)
                .returning(UploadRow)
            )
        ).scalar_one_or_none()
        return None if row is None else _upload(row)

    async def want(self, upload_id: UUID) -> None:
        """Tell the holder that somebody waits."""
        await self._session.execute(
            update(UploadRow).where(UploadRow.upload_id == upload_id, ~UploadRow.is_wanted).values(is_wanted=True)
        )

    async def renew(self, upload_id: UUID, fence: int, lease: timedelta) -> bool | None:
        """Go on holding it; True where somebody waits for it, None where somebody else has it."""
        return await self._session.scalar(
            update(UploadRow)
            .where(UploadRow.upload_id == upload_id, UploadRow.fence == fence)
            .values(held_until=func.now() + lease)
            .returning(UploadRow.is_wanted)
        )

    async def release(self, upload_id: UUID, fence: int) -> None:
        """Hold it no longer."""
        await self._write(upload_id, fence, held_until=None)

    async def note_multipart(self, upload_id: UUID, fence: int, multipart_id: str) -> bool:
        """Record the id of S3's multipart upload. False for a writer who is not the holder any more."""
        return await self._write(upload_id, fence, multipart_id=multipart_id)

    async def note_type(self, upload_id: UUID, fence: int) -> bool:
        """Record that the beginning is of a type that is taken."""
        return await self._write(upload_id, fence, is_typed=True)

    async def reserve_part(self, upload_id: UUID, fence: int) -> int | None:
        """A part number that nobody else ever writes under; None for a writer who is not the holder any more."""
        number: int | None = await self._session.scalar(
            update(UploadRow)
            .where(UploadRow.upload_id == upload_id, UploadRow.fence == fence, UploadRow.status == "receiving")
            .values(next_part=UploadRow.next_part + 1)
            .returning(UploadRow.next_part - 1)
        )
        return number

    async def advance(
        self,
        upload_id: UUID,
        fence: int,
        *,
        offset: int,
        keep: timedelta,
        parts: Sequence[Part],
        tail: Sequence[Segment],
    ) -> Upload | None:
        """Accept bytes up to `offset`: further parts, and this tail instead of the one before.

        None for a writer who is not the holder any more; then nothing is written.
        """
        row = (
            await self._session.execute(
                update(UploadRow)
                .where(UploadRow.upload_id == upload_id, UploadRow.fence == fence, UploadRow.status == "receiving")
                .values(offset=offset, expires_at=func.now() + keep)
                .returning(UploadRow)
            )
        ).scalar_one_or_none()
        if row is None:
            return None
        await self._add(PartRow, upload_id, parts)
        await self._session.execute(delete(SegmentRow).where(SegmentRow.upload_id == upload_id))
        await self._add(SegmentRow, upload_id, tail)
        return _upload(row)

    async def parts(self, upload_id: UUID) -> list[Part]:
        """The parts that count, in their order."""
        rows = await self._session.scalars(
            select(PartRow).where(PartRow.upload_id == upload_id).order_by(PartRow.number)
        )
        return [Part(row.number, row.etag, row.size) for row in rows]

    async def replace_parts(self, upload_id: UUID, fence: int, parts: Sequence[Part], offset: int) -> bool:
        """Record the parts that a client says it has sent. False for a writer who is not the holder any more."""
        if not await self._write(upload_id, fence, offset=offset):
            return False
        await self._session.execute(delete(PartRow).where(PartRow.upload_id == upload_id))
        await self._add(PartRow, upload_id, parts)
        return True

    async def tail(self, upload_id: UUID) -> list[Segment]:
        """The pieces of the tail, in their order."""
        rows = await self._session.scalars(
            select(SegmentRow).where(SegmentRow.upload_id == upload_id).order_by(SegmentRow.offset)
        )
        return [Segment(row.offset, row.size, row.object_key) for row in rows]

    async def end(self, upload_id: UUID, fence: int, status: str, keep: timedelta, **outcome: Any) -> bool:
        """Write what became of it; names and words of the client are forgotten. keep: how long this is told.

        False for a writer who is not the holder any more, and where it has ended already.
        """
        ended = await self._session.scalar(
            update(UploadRow)
            .where(UploadRow.upload_id == upload_id, UploadRow.fence == fence, UploadRow.status == "receiving")
            .values(
                status=status,
                held_until=None,
                filename="",
                declared_media_type=None,
                metadata_={},
                raw_metadata="",
                expires_at=func.now() + keep,
                **outcome,
            )
            .returning(UploadRow.upload_id)
        )
        if ended is None:
            return False
        await self._session.execute(delete(PartRow).where(PartRow.upload_id == upload_id))
        await self._session.execute(delete(SegmentRow).where(SegmentRow.upload_id == upload_id))
        return True

    async def bytes_on_their_way(self, owner_id: str) -> int:
        """Bytes that the unfinished uploads of an owner will have."""
        found = await self._session.scalar(
            select(func.sum(UploadRow.length)).where(UploadRow.owner_id == owner_id, UploadRow.status == "receiving")
        )
        return int(found or 0)

    async def left_whole(self, limit: int) -> list[UUID]:
        """Uploads that have all their bytes and nobody who announces them."""
        rows = await self._session.scalars(
            select(UploadRow.upload_id)
            .where(
                UploadRow.status == "receiving",
                UploadRow.offset == UploadRow.length,
                or_(UploadRow.held_until.is_(None), UploadRow.held_until < func.now()),
            )
            .order_by(UploadRow.expires_at)
            .limit(limit)
        )
        return list(rows)

    async def too_old(self, limit: int) -> list[Upload]:
        """Uploads whose time is over and that nobody holds, whatever became of them."""
        rows = await self._session.scalars(
            select(UploadRow)
            .where(
                UploadRow.expires_at < func.now(),
                or_(UploadRow.held_until.is_(None), UploadRow.held_until < func.now()),
            )
            .order_by(UploadRow.expires_at)
            .limit(limit)
        )
        return [_upload(row) for row in rows]

    async def uncleared(self, limit: int) -> list[Upload]:
        """Uploads that have ended, of which something may still lie in S3."""
        rows = await self._session.scalars(
            select(UploadRow).where(UploadRow.status != "receiving", ~UploadRow.is_cleared).limit(limit)
        )
        return [_upload(row) for row in rows]

    async def note_cleared(self, upload_id: UUID) -> None:
        """Record that nothing is left of it in S3."""
        await self._session.execute(
            update(UploadRow)
            .where(UploadRow.upload_id == upload_id, UploadRow.status != "receiving")
            .values(is_cleared=True)
        )

    async def accepted(self, upload: Upload) -> AcceptedFile | None:
        """The file that an upload became, as it was answered; None where it was deleted."""
        found = (
            await self._session.execute(
                select(FileRow, RunRow.plan)
                .join(RunRow, RunRow.file_id == FileRow.file_id)
                .where(FileRow.file_id == upload.file_id, RunRow.run_id == upload.run_id)
            )
        ).first()
        if found is None:
            return None
        row, plan = found
        assert upload.run_id is not None
        return AcceptedFile(stored_file(row), upload.run_id, tuple(plan), is_known=upload.is_known)

    async def remove(self, upload_id: UUID) -> None:
        """Forget an upload that has ended."""
        await self._session.execute(
            delete(UploadRow).where(UploadRow.upload_id == upload_id, UploadRow.status != "receiving")
        )

    async def count_of(self, owner_id: str) -> int:
        """Uploads of an owner, whatever became of them."""
        return await self._session.scalar(select(func.count()).where(UploadRow.owner_id == owner_id)) or 0

    async def some_of(self, owner_id: str, limit: int) -> list[UUID]:
        """Some of these."""
        query = select(UploadRow.upload_id).where(UploadRow.owner_id == owner_id).limit(limit)
        return list(await self._session.scalars(query))

    async def _add(self, table: type[PartRow | SegmentRow], upload_id: UUID, pieces: Sequence[Part | Segment]) -> None:
        if pieces:
            rows = [{"upload_id": upload_id, **asdict(each)} for each in pieces]
            await self._session.execute(insert(table), rows)

    async def _write(self, upload_id: UUID, fence: int, **values: Any) -> bool:
        written = await self._session.scalar(
            update(UploadRow)
            .where(UploadRow.upload_id == upload_id, UploadRow.fence == fence, UploadRow.status == "receiving")
            .values(**values)
            .returning(UploadRow.upload_id)
        )
        return written is not None


def _upload(row: UploadRow) -> Upload:
    return Upload(
        upload_id=row.upload_id,
        owner_id=row.owner_id,
        kind=row.kind,  # type: ignore[arg-type]
        status=row.status,  # type: ignore[arg-type]
        length=row.length,
        offset=row.offset,
        fence=row.fence,
        expires_at=row.expires_at,
        multipart_id=row.multipart_id,
        part_bytes=row.part_bytes,
        is_typed=row.is_typed,
        filename=row.filename,
        declared_media_type=row.declared_media_type,
        analyzers=tuple(row.analyzers),
        metadata=row.metadata_,
        priority=row.priority,  # type: ignore[arg-type]
        force=row.force,
        sha256=row.sha256,
        raw_metadata=row.raw_metadata,
        file_id=row.file_id,
        run_id=row.run_id,
        is_known=row.is_known,
        problem=row.problem,
    )
