"""What is told of an upload: how far it is, and what became of it."""

from dataclasses import dataclass
from uuid import UUID

from assay.shared.database import Transaction
from assay.shared.problems import of_body
from assay.upload.domain import AcceptedFile
from assay.upload.resumable.domain import Upload
from assay.upload.resumable.errors import UnknownUploadError, UploadFinishedError, UploadGoneError
from assay.upload.resumable.repository import UploadRepository


@dataclass(frozen=True, slots=True)
class Progress:
    """An upload, and the file that it became. `finished` without a file: that was deleted since."""

    upload: Upload
    accepted: AcceptedFile | None = None


class Outcomes:
    """Reads what PostgreSQL knows."""

    def __init__(self, *, transaction: Transaction) -> None:
        self._transaction = transaction

    async def of(self, upload_id: UUID, owner_id: str) -> Progress:
        """An upload of this owner. Raises UnknownUploadError."""
        async with self._transaction() as session:
            uploads = UploadRepository(session)
            upload = await uploads.find(upload_id, owner_id)
            if upload is None:
                raise UnknownUploadError("There is no such upload, or it is not yours, or it ended long ago.")
            if upload.file_id is None or upload.run_id is None:
                return Progress(upload)
            return Progress(upload, await uploads.accepted(upload))


def check_open(upload: Upload) -> None:
    """Raises the problem that says why nothing can be added to an upload that has ended."""
    if upload.status == "finished":
        raise UploadFinishedError(
            f"The upload has become the file {upload.file_id}; there is nothing to add.", file_id=str(upload.file_id)
        )
    if upload.problem is not None:
        raise of_body(upload.problem)
    if upload.status != "receiving":
        raise UploadGoneError(f"The upload is {upload.status}, and what had arrived was thrown away. Begin a new one.")
