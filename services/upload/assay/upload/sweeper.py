"""Removes what unfinished uploads left in S3, found by their intent rows; the bucket is never listed.

An intent lives as long as its process says so. `abandoned` decides the race between announcing a file and sweeping it:
an intent is either fulfilled, in the transaction that announces its file, or abandoned, and then only cleared away.
"""

import asyncio
from datetime import timedelta
from uuid import UUID

import structlog

from assay.shared.database import Transaction
from assay.shared.objects import ObjectStore
from assay.shared.tasks import end
from assay.upload import metrics
from assay.upload.domain import Intent
from assay.upload.repository import IntentRepository

log = structlog.get_logger(__name__)

BATCH = 50


class Sweeper:
    """Holds the leases of this process' uploads, clears away what is given up, and sweeps after dead processes."""

    def __init__(self, *, transaction: Transaction, store: ObjectStore, lease: timedelta) -> None:
        self._transaction = transaction
        self._store = store
        self._lease = lease
        self._held: set[UUID] = set()
        self._clearing: set[asyncio.Task[bool]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Sweep at once, then again and again."""
        self._tasks = [
            asyncio.create_task(self._renew_for_ever(), name="renew leases"),
            asyncio.create_task(self._sweep_for_ever(), name="sweep"),
        ]

    async def stop(self) -> None:
        """Finish clearing what was given up; what cannot be cleared now is swept later."""
        if self._clearing:
            await asyncio.wait(self._clearing, timeout=5)
        await end(*self._tasks)

    async def hold(self, intent: Intent, owner_id: str) -> None:
        """Write down that something is about to be stored, and keep it from being swept."""
        async with self._transaction() as session:
            await IntentRepository(session).add(intent, owner_id, self._lease)
        self._held.add(intent.file_id)

    def release(self, file_id: UUID) -> None:
        """The upload has ended, this way or that: no longer renew its lease."""
        self._held.discard(file_id)

    async def discard(self, file_id: UUID) -> bool:
        """Give an upload up and clear it away, also while the caller is being cancelled.

        False where there is no such intent, as when the file was announced. Never raises for S3 or PostgreSQL being
        away: then the row stays, its lease runs out, and a sweeper comes to it.
        """
        task = asyncio.create_task(self._discard(file_id), name=f"discard {file_id}")
        self._clearing.add(task)
        task.add_done_callback(self._clearing.discard)
        return await asyncio.shield(task)

    async def _discard(self, file_id: UUID) -> bool:
        self.release(file_id)
        try:
            async with self._transaction() as session:
                intent = await IntentRepository(session).abandon(file_id, self._lease)
            if intent is None:
                return False
            await self._clear(intent)
        except Exception as error:
            log.warning("clearing_postponed", file_id=str(file_id), reason=str(error) or type(error).__name__)
        return True

    async def sweep(self) -> int:
        """Clear away what processes left that are silent for longer than a lease; returns how many uploads."""
        count = 0
        while True:
            async with self._transaction() as session:
                # Marked with a new lease: should this process die now, another one comes back to them.
                intents = await IntentRepository(session).abandon_expired(BATCH, self._lease)
            for intent in intents:
                await self._clear(intent)
                metrics.SWEPT.inc()
                log.info("upload_swept", file_id=str(intent.file_id))
            count += len(intents)
            if len(intents) < BATCH:
                return count

    async def _clear(self, intent: Intent) -> None:
        for upload_id in await self._unfinished(intent):
            await self._store.abort(intent.object_key, upload_id)
        await self._store.delete(intent.object_key)
        async with self._transaction() as session:
            await IntentRepository(session).remove(intent.file_id)

    async def _unfinished(self, intent: Intent) -> set[str]:
        # The id may be unwritten where the process died right after S3 had answered. S3 is asked for this one key.
        found = set(await self._store.unfinished(intent.object_key))
        return found | {intent.multipart_id} if intent.multipart_id else found

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 4)
            if not self._held:
                continue
            try:
                async with self._transaction() as session:
                    await IntentRepository(session).renew(self._held, self._lease)
            except Exception as error:  # PostgreSQL is away: nobody can sweep either
                log.warning("lease_not_renewed", reason=str(error) or type(error).__name__)

    async def _sweep_for_ever(self) -> None:
        while True:
            try:
                await self.sweep()
            except Exception as error:
                log.warning("sweep_postponed", reason=str(error) or type(error).__name__)
            await asyncio.sleep(self._lease.total_seconds() / 2)
