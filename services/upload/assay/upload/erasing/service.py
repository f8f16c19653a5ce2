"""Erasing files: rows and the events that say so, in one transaction; then what lies in S3, at once and again later.

A mark says when its file's folder in S3 is due to be swept. Whoever claims it moves that on by a lease; should he die,
another one comes to it.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from assay.contracts import FileDeleted
from assay.contracts.topics import LANES
from assay.shared.clock import now
from assay.shared.database import Transaction
from assay.shared.objects import ObjectStore
from assay.shared.outbox import Outbox
from assay.shared.problems import UnknownFileError
from assay.upload import metrics
from assay.upload.domain import object_key
from assay.upload.erasing.domain import LOG_KEPT, DoomedFile, DueErasure, Erasure, Holdings, folder_of, parents_first
from assay.upload.erasing.errors import DerivedFileError
from assay.upload.erasing.repository import ErasureRepository
from assay.upload.outages import storage_errors
from assay.upload.resumable.owners import OwnersUploads
from assay.upload.sweeper import Sweeper

log = structlog.get_logger(__name__)

AGAIN = "The database does not answer. Nothing was erased by this request; send it again in a minute."
TOGETHER = 20
FOLDERS = 16
UNFINISHED = 200


@dataclass(frozen=True, slots=True)
class OwnerErasure:
    """What came of one step of erasing all that an owner has. `more`: there is something left, or comes meanwhile."""

    files: int
    derived: int
    unfinished: int
    more: bool
    log_ends_at: datetime


class Erasing:
    """Use cases of erasing. A file goes with all that was found inside it."""

    def __init__(
        self,
        *,
        transaction: Transaction,
        outbox: Outbox,
        store: ObjectStore,
        forms: Sweeper,
        resumable: OwnersUploads,
        lease: timedelta,
    ) -> None:
        """forms, resumable: end uploads that are not announced.

        lease: how long others leave a folder alone that a process has begun to sweep.
        """
        self._transaction = transaction
        self._outbox = outbox
        self._store = store
        self._forms = forms
        self._resumable = resumable
        self._lease = lease
        self.news = asyncio.Event()
        """Set when folders became due."""

    async def erase(self, file_id: UUID, owner_id: str) -> Erasure:
        """Erase an owner's file; again, and it says the same.

        Raises UnknownFileError, and DerivedFileError for a file found inside another one: its bytes are in that one.
        """
        with storage_errors(AGAIN):
            async with self._transaction() as session:
                erasures = ErasureRepository(session)
                found = await erasures.owner_of(file_id)
                if found is not None and found[0] == owner_id:
                    if found[1] is not None:
                        raise DerivedFileError(
                            f"It was found inside {found[1]}, and its bytes are a part of that one. Delete that file.",
                            parent_file_id=str(found[1]),
                        )
                    await self.erase_in(session, [file_id])
                erasure = await erasures.marked(file_id, owner_id)
        if erasure is None:
            raise UnknownFileError
        self.news.set()
        return erasure

    async def holdings(self, owner_id: str) -> Holdings:
        """How much an owner has."""
        with storage_errors(AGAIN):
            async with self._transaction() as session:
                held = await ErasureRepository(session).holdings(owner_id)
            return replace(held, unfinished=held.unfinished + await self._resumable.count(owner_id))

    async def erase_owner(self, owner_id: str, *, by: str) -> OwnerErasure:
        """Erase some of what an owner has; to be called until nothing is left. by: who wants it.

        Uploads first: what has ended them cannot become a file any more.
        """
        doomed: list[DoomedFile] = []
        with storage_errors(AGAIN):
            unfinished = await self._resumable.end(owner_id)
            async with self._transaction() as session:
                begun = await ErasureRepository(session).unfinished(owner_id, UNFINISHED)
            for each in begun:
                unfinished += await self._forms.discard(each)
            async with self._transaction() as session:
                file_ids = await ErasureRepository(session).next_of(owner_id, TOGETHER)
                doomed = await self.erase_in(session, file_ids)
            self.news.set()
            left = await self.holdings(owner_id)
            more = bool(left.files or left.derived or left.unfinished)
            if not more:
                async with self._transaction() as session:
                    await ErasureRepository(session).clear_owner(owner_id)
        derived = sum(each.parent_file_id is not None for each in doomed)
        log.info("owner_erased", files=len(doomed) - derived, derived=derived, unfinished=unfinished, by=by)
        return OwnerErasure(len(doomed) - derived, derived, unfinished, more, now() + LOG_KEPT)

    async def erase_older_than(self, age: timedelta) -> int:
        """Erase some files that came longer ago; returns how many, those found inside them not counted."""
        async with self._transaction() as session:
            file_ids = await ErasureRepository(session).next_older_than(age, TOGETHER)
            await self.erase_in(session, file_ids)
        self.news.set()
        return len(file_ids)

    async def sweep(self) -> bool:
        """Clear the folders in S3 that are due; False where none was."""
        async with self._transaction() as session:
            due = await ErasureRepository(session).claim_due(FOLDERS, self._lease)
        outcomes = await asyncio.gather(*(self._sweep(each) for each in due), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return bool(due)

    async def _sweep(self, due: DueErasure) -> None:
        async with self._transaction() as session:
            # Files that were found inside and recorded behind the back of the deletion.
            await self.erase_in(session, await ErasureRepository(session).found_in(due.file_id))
        count = await self._store.erase(folder_of(due.file_id), begun=[object_key(due.file_id)])
        metrics.ERASED_OBJECTS.inc(count)
        if count and due.sweeps:
            log.info("late_objects_erased", file_id=str(due.file_id), objects=count)
        async with self._transaction() as session:
            await ErasureRepository(session).swept(due)

    async def erase_in(self, session: AsyncSession, file_ids: Collection[UUID]) -> list[DoomedFile]:
        """Erase these files in the caller's transaction; `news` is to be set when that is committed.

        The rows are locked, and whoever writes an event locks its file: nothing follows. Returns those that were there,
        and what was found inside them.
        """
        if not file_ids:
            return []
        erasures = ErasureRepository(session)
        doomed = parents_first(await erasures.lock_trees(file_ids))
        if not doomed:
            return []
        moment = now()
        await erasures.clear([each.file_id for each in doomed])
        await erasures.mark(doomed, moment, moment + LOG_KEPT)
        outgoing = self._outbox.outgoing()
        for each in doomed:
            event = FileDeleted(occurred_at=moment, file_id=each.file_id, owner_id=each.owner_id)
            # To the workers that have a request of it, or will: they read it where they read that.
            outgoing.add(event, topics=each.lanes or tuple(lane.name for lane in LANES))
        await outgoing.write(session)
        metrics.ERASED.inc(len(doomed))
        log.info("files_erased", file_ids=[str(each.file_id) for each in doomed])
        return doomed
