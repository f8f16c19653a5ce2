"""Who may write to an upload: one request at a time, in whichever process.

A lease is a row's number and time. It is renewed while its request lives, and runs out where the process died. A holder
that was thought dead and wakes up has an old number, and PostgreSQL refuses what it writes. No transaction stays open.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import structlog

from assay.shared.database import Transaction
from assay.shared.tasks import end
from assay.upload.resumable.domain import Upload
from assay.upload.resumable.errors import UploadBusyError
from assay.upload.resumable.repository import UploadRepository

log = structlog.get_logger(__name__)

ASK_AGAIN_S = 0.2


class UploadEndedError(Exception):
    """There is nothing to hold: the upload has become a file, or nothing."""

    def __init__(self, upload: Upload) -> None:
        super().__init__(upload.status)
        self.upload = upload


class Hold:
    """One request's hold on an upload."""

    def __init__(self, upload: Upload) -> None:
        self.upload = upload
        self.is_lost = False
        self.is_wanted = False
        """Another request waits for it: one that hears nothing from its own client gives way."""


class Leases:
    """Takes uploads for the requests of this process."""

    def __init__(self, *, transaction: Transaction, lease: timedelta, wait: timedelta) -> None:
        """lease: how long a silent process is believed to live. wait: how long a request waits for another one."""
        self._transaction = transaction
        self._lease = lease
        self._wait = wait.total_seconds()

    @asynccontextmanager
    async def held(self, upload_id: UUID) -> AsyncIterator[Hold]:
        """Hold an upload for the block. Raises UploadBusyError, and UploadEndedError where there is nothing to hold."""
        hold = Hold(await self._take(upload_id))
        renewing = asyncio.create_task(self._renew(hold), name=f"renew {upload_id}")
        try:
            yield hold
        finally:
            await end(renewing)
            await asyncio.shield(asyncio.create_task(self._release(hold.upload)))

    async def _take(self, upload_id: UUID) -> Upload:
        until = asyncio.get_running_loop().time() + self._wait
        while True:
            async with self._transaction() as session:
                uploads = UploadRepository(session)
                upload = await uploads.take(upload_id, self._lease)
                if upload is not None:
                    return upload
                found = await uploads.find(upload_id)
                if found is not None and found.status == "receiving":
                    await uploads.want(upload_id)
            if found is None or found.status != "receiving":
                raise UploadEndedError(found) if found is not None else _busy()
            if asyncio.get_running_loop().time() > until:
                raise _busy()
            await asyncio.sleep(ASK_AGAIN_S)

    async def _renew(self, hold: Hold) -> None:
        while not hold.is_lost:
            await asyncio.sleep(self._lease.total_seconds() / 5)
            try:
                async with self._transaction() as session:
                    wanted = await UploadRepository(session).renew(
                        hold.upload.upload_id, hold.upload.fence, self._lease
                    )
            except Exception as error:  # PostgreSQL is away: nobody else can take it either
                log.warning("upload_lease_not_renewed", reason=str(error) or type(error).__name__)
                continue
            hold.is_lost = wanted is None
            hold.is_wanted = bool(wanted)

    async def _release(self, upload: Upload) -> None:
        try:
            async with self._transaction() as session:
                await UploadRepository(session).release(upload.upload_id, upload.fence)
        except Exception as error:  # it runs out by itself
            log.warning("upload_lease_not_released", reason=str(error) or type(error).__name__)


def _busy() -> UploadBusyError:
    return UploadBusyError(
        "Another request is sending to this upload. Wait for its end, or try again in a few seconds.",
        headers={"Retry-After": "2"},
    )
