"""Looks after uploads that nobody looks after: finishes what is whole, ends what is too old, clears what has ended."""

import asyncio
from datetime import timedelta
from uuid import UUID

import structlog

from assay.shared.database import Transaction
from assay.shared.objects import StorageError, is_outage
from assay.shared.problems import Problem
from assay.shared.tasks import end
from assay.upload import metrics
from assay.upload.resumable.domain import Upload
from assay.upload.resumable.errors import UploadBusyError
from assay.upload.resumable.finishing import Finisher
from assay.upload.resumable.leases import Leases, UploadEndedError
from assay.upload.resumable.repository import UploadRepository

log = structlog.get_logger(__name__)

BATCH = 50
# Until what could not be finished is tried again, here; its client may ask at any time.
POSTPONED_S = 60.0


class UploadSweeper:
    """Runs in every replica; leases keep them from doing the same twice."""

    def __init__(self, *, transaction: Transaction, finisher: Finisher, leases: Leases, every: timedelta) -> None:
        self._transaction = transaction
        self._finisher = finisher
        self._leases = leases
        self._every = every.total_seconds()
        self._postponed: dict[UUID, float] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Sweep at once, then again and again."""
        self._task = asyncio.create_task(self._sweep_for_ever(), name="sweep uploads")

    async def stop(self) -> None:
        """End; what is half done is done by the next sweep, in whichever process."""
        await end(self._task)
        await self._finisher.stop()

    async def sweep(self) -> None:
        """Look through all uploads once."""
        await self._finish_whole()
        await self._end_old()
        await self._clear_ended()

    async def _finish_whole(self) -> None:
        async with self._transaction() as session:
            left = await UploadRepository(session).left_whole(BATCH)
        moment = asyncio.get_running_loop().time()
        self._postponed = {each: until for each, until in self._postponed.items() if until > moment}
        for upload_id in left:
            if upload_id in self._postponed:
                continue
            # Whatever becomes of it: an object of gigabytes is not read again every few seconds.
            self._postponed[upload_id] = moment + POSTPONED_S
            try:
                async with self._leases.held(upload_id) as hold:
                    if hold.upload.is_whole:
                        await self._finisher.finish(hold.upload)
            except (UploadEndedError, UploadBusyError):
                continue
            except Problem as problem:
                log.info("upload_not_finished", upload_id=str(upload_id), code=problem.code)

    async def _end_old(self) -> None:
        async with self._transaction() as session:
            old = await UploadRepository(session).too_old(BATCH)
        for upload in old:
            if upload.status == "receiving":
                try:
                    async with self._leases.held(upload.upload_id) as hold:
                        if hold.upload.offset == upload.offset:
                            await self._finisher.end(hold.upload, "expired")
                            metrics.SWEPT.inc()
                except (UploadEndedError, UploadBusyError):
                    continue
            # Once more before it is forgotten: a request that was slow to die may have stored something since.
            elif await self._clear(upload):
                async with self._transaction() as session:
                    await UploadRepository(session).remove(upload.upload_id)

    async def _clear_ended(self) -> None:
        async with self._transaction() as session:
            ended = await UploadRepository(session).uncleared(BATCH)
        for upload in ended:
            await self._clear(upload)

    async def _clear(self, upload: Upload) -> bool:
        """Clear away what one has left. False where the store refuses: those behind it are not to wait for that."""
        try:
            await self._finisher.clear(upload)
        except StorageError as error:
            if is_outage(error):
                raise
            log.warning("upload_not_cleared", upload_id=str(upload.upload_id), reason=str(error))
            return False
        return True

    async def _sweep_for_ever(self) -> None:
        while True:
            try:
                await self.sweep()
            except Exception as error:
                log.warning("upload_sweep_postponed", reason=str(error) or type(error).__name__)
            await asyncio.sleep(self._every)
