"""Whether an upload may begin: the same limits as for a form, and what is on its way counts as stored."""

from assay.shared.database import Transaction
from assay.upload.admission.service import Admission
from assay.upload.domain import Options
from assay.upload.errors import EmptyFileError, FileTooLargeError
from assay.upload.outages import storage_errors
from assay.upload.resumable.repository import UploadRepository

AGAIN = "The database does not answer. Nothing was begun; ask again in a minute."


class Gate:
    """Says no before a byte is sent."""

    def __init__(self, *, transaction: Transaction, admission: Admission, max_file_bytes: int) -> None:
        self._transaction = transaction
        self._admission = admission
        self._max_file_bytes = max_file_bytes

    async def pace(self, owner_id: str) -> None:
        """Count a request that brings work. Raises RateLimitedError."""
        await self._admission.pace(owner_id)

    async def admit(self, owner_id: str, size: int, options: Options) -> None:
        """Look whether an upload of so many bytes may begin.

        Raises EmptyFileError, FileTooLargeError, or a NotNowError.
        """
        if size == 0:
            raise EmptyFileError
        if size > self._max_file_bytes:
            raise FileTooLargeError(
                f"A file may have {self._max_file_bytes} bytes; this one has {size}.",
                max_file_bytes=self._max_file_bytes,
            )
        with storage_errors(AGAIN):
            async with self._transaction() as session:
                on_their_way = await UploadRepository(session).bytes_on_their_way(owner_id)
        await self._admission.admit_file(owner_id, on_their_way + size, lane=options.lane)
