"""Everything that one owner has begun and may go on with: counted, and ended."""

from assay.shared.database import Transaction
from assay.upload.resumable.errors import UploadBusyError
from assay.upload.resumable.finishing import Finisher
from assay.upload.resumable.leases import Leases, UploadEndedError
from assay.upload.resumable.repository import UploadRepository

TOGETHER = 50


class OwnersUploads:
    """Ends an owner's uploads; what has become a file is not touched."""

    def __init__(self, *, transaction: Transaction, finisher: Finisher, leases: Leases) -> None:
        self._transaction = transaction
        self._finisher = finisher
        self._leases = leases

    async def count(self, owner_id: str) -> int:
        """Uploads of an owner, ended ones included: they are remembered for a while."""
        async with self._transaction() as session:
            return await UploadRepository(session).count_of(owner_id)

    async def end(self, owner_id: str) -> int:
        """End and forget some of an owner's uploads; returns how many. One that a request is at is left for later."""
        async with self._transaction() as session:
            ids = await UploadRepository(session).some_of(owner_id, TOGETHER)
        ended = 0
        for upload_id in ids:
            try:
                async with self._leases.held(upload_id) as hold:
                    await self._finisher.end(hold.upload, "terminated")
            except UploadBusyError:
                continue
            except UploadEndedError as over:
                # Whatever became of it.
                await self._finisher.clear(over.upload)
            async with self._transaction() as session:
                await UploadRepository(session).remove(upload_id)
            ended += 1
        return ended
