"""Queries of erasing. Times of leases are PostgreSQL's own, so that replicas with different clocks agree."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import TableClause, column, delete, func, insert, select, table, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from assay.upload.erasing.domain import DoomedFile, DueErasure, Erasure, Holdings, owner_digest
from assay.upload.erasing.tables import ErasureRow
from assay.upload.resumable.tables import UploadRow
from assay.upload.tables import FileRow, IntentRow, OutboxTable, RunRow

# Asked of the database, not of the classes: whoever adds a table cannot forget that files and owners leave it.
TABLES_WITH = text(
    """
    SELECT columns.table_name FROM information_schema.columns JOIN information_schema.tables
        USING (table_schema, table_name)
    WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' AND column_name = :name
        AND table_name <> :marks
    ORDER BY columns.table_name
    """
)


class ErasureRepository:
    """Files to be erased, and the marks of those that were."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    # Which files.
    async def share(self, file_id: UUID) -> None:
        """Until the transaction ends, nobody erases this file, if it is there. Who is at it already is waited for."""
        await self._session.execute(
            select(FileRow.file_id).where(FileRow.file_id == file_id).with_for_update(read=True)
        )

    async def owner_of(self, file_id: UUID) -> tuple[str, UUID | None] | None:
        """Whose file it is, and the file that it was found in; None where there is no such file."""
        found = await self._session.execute(
            select(FileRow.owner_id, FileRow.parent_file_id).where(FileRow.file_id == file_id)
        )
        row = found.first()
        return None if row is None else (row.owner_id, row.parent_file_id)

    async def next_of(self, owner_id: str, limit: int) -> list[UUID]:
        """The owner's oldest files, without those found inside others, as long as nobody else erases them just now."""
        return list(
            await self._session.scalars(
                select(FileRow.file_id)
                .where(FileRow.owner_id == owner_id, FileRow.parent_file_id.is_(None))
                .order_by(FileRow.file_id)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
        )

    async def next_older_than(self, age: timedelta, limit: int) -> list[UUID]:
        """The oldest files that came longer ago than this, without those found inside others, and likewise."""
        return list(
            await self._session.scalars(
                select(FileRow.file_id)
                .where(FileRow.created_at < func.now() - age, FileRow.parent_file_id.is_(None))
                .order_by(FileRow.created_at)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
        )

    async def found_in(self, file_id: UUID) -> list[UUID]:
        """Files found inside this one."""
        return list(await self._session.scalars(select(FileRow.file_id).where(FileRow.parent_file_id == file_id)))

    async def lock_trees(self, file_ids: Collection[UUID]) -> list[DoomedFile]:
        """Lock these files and all that was found inside them, at any depth; nobody writes events of them any more."""
        locked: set[UUID] = set()
        while missing := await self._trees(file_ids) - locked:
            # In the order of the ids, as everybody who locks several.
            locked.update(
                await self._session.scalars(
                    select(FileRow.file_id)
                    .where(FileRow.file_id.in_(missing))
                    .order_by(FileRow.file_id)
                    .with_for_update()
                )
            )
            if not missing <= locked:
                break  # some are gone: somebody else has just erased them
        rows = await self._session.execute(
            select(
                FileRow.file_id,
                FileRow.owner_id,
                FileRow.parent_file_id,
                select(func.array_agg(RunRow.lane.distinct()))
                .where(RunRow.file_id == FileRow.file_id)
                .scalar_subquery()
                .label("lanes"),
            ).where(FileRow.file_id.in_(locked))
        )
        return [
            DoomedFile(row.file_id, row.owner_id, row.parent_file_id, tuple(sorted(row.lanes or ()))) for row in rows
        ]

    async def _trees(self, file_ids: Collection[UUID]) -> set[UUID]:
        tree = select(FileRow.file_id).where(FileRow.file_id.in_(file_ids)).cte("tree", recursive=True)
        inside = aliased(FileRow)
        tree = tree.union(select(inside.file_id).join(tree, inside.parent_file_id == tree.c.file_id))
        return set(await self._session.scalars(select(tree.c.file_id)))

    # Erasing.
    async def clear(self, file_ids: Collection[UUID]) -> None:
        """Remove every row about these files, events that were not sent yet included."""
        keys = [str(each) for each in file_ids]
        # What was sent again, and is not cleared away yet, is so by its row; that shall not tell of the file.
        await self._session.execute(
            update(UploadRow)
            .where(UploadRow.file_id.in_(file_ids), UploadRow.upload_id != UploadRow.file_id, ~UploadRow.is_cleared)
            .values(file_id=None, run_id=None, is_known=False, sha256=None)
        )
        await self._session.execute(delete(OutboxTable).where(OutboxTable.key.in_(keys)))
        for each in await self._tables_with("file_id"):
            await self._session.execute(delete(each).where(each.c.file_id.in_(file_ids)))

    async def clear_owner(self, owner_id: str) -> None:
        """Remove what else is known of an owner. To files and unfinished uploads there is more than their rows."""
        kept = {each.__tablename__ for each in (FileRow, IntentRow, UploadRow)}
        for each in await self._tables_with("owner_id"):
            if each.name not in kept:
                await self._session.execute(delete(each).where(each.c.owner_id == owner_id))

    async def _tables_with(self, name: str) -> list[TableClause]:
        """The tables of this service whose rows name a file, or an owner, in this column; not the marks."""
        found = await self._session.scalars(TABLES_WITH, {"name": name, "marks": ErasureRow.__tablename__})
        return [table(each, column(name)) for each in found]

    async def mark(self, files: Iterable[DoomedFile], moment: datetime, log_ends_at: datetime) -> None:
        """Leave a mark of each. Their folders are due at once."""
        rows = [
            {
                "file_id": each.file_id,
                "owner_digest": owner_digest(each.file_id, each.owner_id),
                "erased_at": moment,
                "log_ends_at": log_ends_at,
            }
            for each in files
        ]
        await self._session.execute(insert(ErasureRow).values(due_at=func.now()), rows)

    async def marked(self, file_id: UUID, owner_id: str | None = None) -> Erasure | None:
        """The mark of an erased file; of this owner only, where one is named."""
        row = await self._session.get(ErasureRow, file_id)
        if row is None or (owner_id is not None and row.owner_digest != owner_digest(file_id, owner_id)):
            return None
        return Erasure(row.file_id, row.erased_at, row.log_ends_at)

    # Sweeping.
    async def claim_due(self, limit: int, lease: timedelta) -> list[DueErasure]:
        """Erased files whose folder is to be swept now. Other replicas leave them alone for the length of the lease."""
        due = (
            select(ErasureRow.file_id)
            .where(ErasureRow.due_at <= func.now())
            .order_by(ErasureRow.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        rows = await self._session.execute(
            update(ErasureRow)
            .where(ErasureRow.file_id.in_(due.scalar_subquery()))
            .values(due_at=func.now() + lease)
            .returning(ErasureRow.file_id, ErasureRow.erased_at, ErasureRow.sweeps)
        )
        return [DueErasure(row.file_id, row.erased_at, row.sweeps) for row in rows]

    async def swept(self, due: DueErasure) -> None:
        """Note that a folder was swept, and when it is the next time."""
        await self._session.execute(
            update(ErasureRow)
            .where(ErasureRow.file_id == due.file_id, ErasureRow.sweeps == due.sweeps)
            .values(sweeps=due.sweeps + 1, due_at=due.next_due_at)
        )

    # Owners.
    async def holdings(self, owner_id: str) -> Holdings:
        """How much an owner has."""
        is_derived = FileRow.parent_file_id.is_not(None)
        files = (
            await self._session.execute(
                select(
                    func.count().filter(~is_derived),
                    func.count().filter(is_derived),
                    func.coalesce(func.sum(FileRow.size), 0),
                ).where(FileRow.owner_id == owner_id)
            )
        ).one()
        unfinished = await self._session.scalar(select(func.count()).where(IntentRow.owner_id == owner_id))
        return Holdings(files[0], files[1], int(files[2]), unfinished or 0)

    async def unfinished(self, owner_id: str, limit: int) -> list[UUID]:
        """Uploads of an owner that have begun and are not announced."""
        return list(
            await self._session.scalars(
                select(IntentRow.file_id).where(IntentRow.owner_id == owner_id).order_by(IntentRow.file_id).limit(limit)
            )
        )
