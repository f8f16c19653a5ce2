"""HTTP entry points of erasing."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query

from assay.shared.auth import Authenticator, Principal
from assay.shared.problems import answers
from assay.upload.erasing.schemas import ErasedFile, OwnersFiles
from assay.upload.erasing.service import Erasing

OwnerName = Annotated[str, Path(min_length=1, max_length=1024, pattern=r"^[^\x00]+$", description="Whose files")]


def build_router(*, erasing: Erasing, authenticator: Authenticator) -> APIRouter:
    """The routes of this package."""
    router = APIRouter(prefix="/api/v1")
    Caller = Annotated[Principal, Depends(authenticator.user)]  # noqa: N806  # a type
    Operator = Annotated[Principal, Depends(authenticator.operator)]  # noqa: N806  # a type

    @router.delete(
        "/files/{file_id}",
        tags=["upload"],
        status_code=202,
        responses=answers(401, 403, 404, 409, 422, 503),
        summary="Erase a file",
    )
    async def erase_file(caller: Caller, file_id: UUID) -> ErasedFile:
        """Its bytes, its verdicts, all that was found inside it, and everything that is told of it.

        Work on it ends, its streams end with `assay.file.deleted.v1`. What stays is a mark with its id, and copies of
        its events in Kafka's log until the date in the answer. Asked again, it answers the same.
        """
        erasure = await erasing.erase(file_id, caller.owner_id)
        return ErasedFile(file_id=erasure.file_id, erased_at=erasure.erased_at, log_ends_at=erasure.log_ends_at)

    @router.delete(
        "/owners/{owner:path}/files",
        tags=["operations"],
        status_code=202,
        responses=answers(401, 403, 422, 503),
        summary="Erase all that an owner has",
    )
    async def erase_owner(
        caller: Operator,
        owner: OwnerName,
        dry_run: Annotated[bool, Query(description="Count only: all that the owner has")] = False,
    ) -> OwnersFiles:
        """A few files with each request; ask again while it says `more`. For operators.

        Uploads that have begun end as well. Broken off, it is begun again: what is gone is gone.
        """
        if dry_run:
            held = await erasing.holdings(owner)
            return OwnersFiles(
                files=held.files,
                derived=held.derived,
                bytes=held.size,
                unfinished=held.unfinished,
                more=bool(held.files or held.derived or held.unfinished),
                log_ends_at=None,
            )
        done = await erasing.erase_owner(owner, by=caller.owner_id)
        return OwnersFiles(
            files=done.files,
            derived=done.derived,
            bytes=0,
            unfinished=done.unfinished,
            more=done.more,
            log_ends_at=done.log_ends_at,
        )

    return router
