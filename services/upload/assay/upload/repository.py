"""Queries. Times of leases are PostgreSQL's own, so that replicas with different clocks agree.

Those that run for every file are text for the driver: building one with SQLAlchemy takes longer than its answer.
"""

from collections.abc import Collection, Iterable
from dataclasses import asdict, astuple, fields
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, func, insert, or_, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from assay.contracts import AnalyzerManifest
from assay.shared.database import driver_of
from assay.upload.domain import FileStatus, Intent, Run, StoredFile
from assay.upload.tables import FileRow, IntentRow, RunRow

SAME_BYTES = 3
# As the index `files_known_bytes` says it.
_KNOWN = "NOT forced AND parent_file_id IS NULL"

_FILE_COLUMNS = [each.name for each in fields(StoredFile)]
_ADD_FILE = f"""
    INSERT INTO files ({", ".join(_FILE_COLUMNS)}, created_at, forced)
    VALUES ({", ".join(f"${number}" for number in range(1, len(_FILE_COLUMNS) + 3))})
    ON CONFLICT (owner_id, sha256) WHERE {_KNOWN} DO NOTHING
    RETURNING file_id
"""  # noqa: S608  # its own columns
_SAME_BYTES = """
    SELECT file_id FROM files WHERE owner_id = $1 AND sha256 = $2 AND file_id <> $3 ORDER BY file_id DESC LIMIT $4
"""
_RUN_COLUMNS = (
    "run_id",
    "run_number",
    "plan",
    "versions",
    "lane",
    "requested_at",
    "deadline",
    "request_id",
    "asked_by",
)
_ADD_RUN = f"""
    INSERT INTO runs (file_id, {", ".join(_RUN_COLUMNS)})
    VALUES ({", ".join(f"${number}" for number in range(1, len(_RUN_COLUMNS) + 2))})
"""  # noqa: S608  # its own columns
_FULFIL = "DELETE FROM intents WHERE file_id = $1 AND NOT abandoned RETURNING file_id"


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
        driver = await driver_of(self._session)
        return await driver.fetchval(_FULFIL, file_id) is not None

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

    async def add(self, file: StoredFile, moment: datetime, *, forced: bool) -> bool:
        """Write a file; False where its owner has these bytes already, and `forced` does not say: all the same.

        Of two at once the second waits for the first one's transaction, so exactly one of them is written.
        """
        # Not the driver's: this may be what begins the transaction.
        connection = await self._session.connection()
        added = await connection.exec_driver_sql(_ADD_FILE, (*astuple(file), moment, forced))
        return added.first() is not None

    async def lock_known(self, owner_id: str, sha256: str) -> StoredFile | None:
        """The file that an owner has of these bytes, locked as by `lock`."""
        row = (
            await self._session.scalars(
                select(FileRow)
                .where(FileRow.owner_id == owner_id, FileRow.sha256 == sha256, text(_KNOWN))
                .with_for_update()
            )
        ).first()
        return None if row is None else stored_file(row)

    async def newest_run(self, file_id: UUID) -> Run | None:
        row = (
            await self._session.scalars(
                select(RunRow).where(RunRow.file_id == file_id).order_by(RunRow.run_number.desc()).limit(1)
            )
        ).first()
        return None if row is None else _run(row)

    async def add_derived(self, file: StoredFile, parent_file_id: UUID, run: Run) -> bool:
        """Write a derived file with its first run; False where it is there already."""
        added = await self._session.execute(
            postgresql.insert(FileRow)
            .values(created_at=run.requested_at, parent_file_id=parent_file_id, **asdict(file))
            .on_conflict_do_nothing()
            .returning(FileRow.file_id)
        )
        if added.first() is None:
            return False
        await self.add_runs([(file.file_id, run)])
        return True

    async def add_runs(self, runs: Iterable[tuple[UUID, Run]]) -> None:
        """Write the runs of these files, given as (file_id, run)."""
        driver = await driver_of(self._session)
        rows = [(file_id, *(getattr(run, name) for name in _RUN_COLUMNS)) for file_id, run in runs]
        await driver.executemany(_ADD_RUN, rows)

    async def exists(self, file_id: UUID) -> bool:
        return await self._session.scalar(select(FileRow.file_id).where(FileRow.file_id == file_id)) is not None

    async def lock(self, file_ids: Collection[UUID]) -> list[StoredFile]:
        """These files, as far as they are there, by id; nobody else writes events of them until the transaction ends.

        Locks are taken in the order of the ids, so that two who want some of the same do not wait for each other.
        """
        rows = await self._session.scalars(
            select(FileRow).where(FileRow.file_id.in_(file_ids)).order_by(FileRow.file_id).with_for_update()
        )
        return [stored_file(row) for row in rows]

    async def last_run_numbers(self, file_ids: Collection[UUID]) -> dict[UUID, int]:
        """The highest run number of each file; one without any run is not in it."""
        rows = await self._session.execute(
            select(RunRow.file_id, func.max(RunRow.run_number))
            .where(RunRow.file_id.in_(file_ids))
            .group_by(RunRow.file_id)
        )
        return {row[0]: row[1] for row in rows}

    async def same_bytes(self, file: StoredFile) -> tuple[UUID, ...]:
        """Earlier files of the owner with these bytes, the newest few, the oldest of them first."""
        driver = await driver_of(self._session)
        found = await driver.fetch(_SAME_BYTES, file.owner_id, file.sha256, file.file_id, SAME_BYTES)
        return tuple(row["file_id"] for row in reversed(found))

    async def run_of_request(self, request_id: UUID) -> Run | None:
        """The run that this request has made."""
        row = (await self._session.scalars(select(RunRow).where(RunRow.request_id == request_id))).first()
        return None if row is None else _run(row)

    async def asked_already(self, file_ids: Collection[UUID], versioned: str) -> set[UUID]:
        """Those of these files that had a run by this version of an analyzer; see `domain.versioned`."""
        found = await self._session.scalars(
            select(RunRow.file_id).where(RunRow.file_id.in_(file_ids), RunRow.versions.contains([versioned])).distinct()
        )
        return set(found)

    async def next_taken(
        self,
        analyzer: AnalyzerManifest,
        *,
        media_type: str | None,
        since: datetime | None,
        after: UUID | None,
        limit: int,
    ) -> list[UUID]:
        """The next files that an analyzer takes, by id.

        media_type: exact, or `image/*`. since: uploaded then or later. after: ids above this one.
        """
        query = select(FileRow.file_id).where(
            or_(*(_has_type(each) for each in analyzer.media_types)), FileRow.size <= analyzer.max_bytes
        )
        if media_type is not None:
            query = query.where(_has_type(media_type))
        if since is not None:
            query = query.where(FileRow.created_at >= since)
        if after is not None:
            query = query.where(FileRow.file_id > after)
        return list(await self._session.scalars(query.order_by(FileRow.file_id).limit(limit)))


def _has_type(pattern: str) -> ColumnElement[bool]:
    main, _, kind = pattern.partition("/")
    if kind == "*":
        return FileRow.media_type.startswith(f"{main}/", autoescape=True)
    return FileRow.media_type == pattern


def stored_file(row: FileRow) -> StoredFile:
    """A row of `files` as what it tells."""
    return StoredFile(
        file_id=row.file_id,
        owner_id=row.owner_id,
        object_key=row.object_key,
        filename=row.filename,
        declared_media_type=row.declared_media_type,
        media_type=row.media_type,
        size=row.size,
        sha256=row.sha256,
    )


def _run(row: RunRow) -> Run:
    return Run(
        run_id=row.run_id,
        run_number=row.run_number,
        plan=tuple(row.plan),
        versions=tuple(row.versions or ()),
        lane=row.lane,
        requested_at=row.requested_at,
        deadline=row.deadline,
        request_id=row.request_id,
        asked_by=row.asked_by,
        status=cast("FileStatus | None", row.status),
    )
