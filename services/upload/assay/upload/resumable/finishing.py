"""From stored bytes to an announced file; every step may be done again by another process.

The object is made of its parts, hashed and typed unless that was done on the way, and announced under the same rules as
a file that came in a form. A refusal is written down, so that it is the answer again, and nothing stays stored.
"""

import asyncio
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from assay.shared.database import Transaction
from assay.shared.media_types import MediaTypes
from assay.shared.objects import ObjectStore, PartMissingError, UploadMissingError
from assay.shared.problems import Problem, UnavailableError, as_body
from assay.upload.admission.errors import NotNowError
from assay.upload.announcing import Announcer
from assay.upload.domain import AcceptedFile, StoredFile
from assay.upload.resumable import metrics
from assay.upload.resumable.domain import Status, Upload
from assay.upload.resumable.errors import IncompletePartsError, WrongContentError
from assay.upload.resumable.repository import UploadRepository
from assay.upload.resumable.trails import Trail

log = structlog.get_logger(__name__)

SERVER_ERROR = 500


class Finisher:
    """Ends uploads, this way or that. The caller holds them."""

    def __init__(
        self,
        *,
        transaction: Transaction,
        store: ObjectStore,
        announcer: Announcer,
        media_types: MediaTypes,
        keep: timedelta,
    ) -> None:
        """keep: how long it is told what became of an upload."""
        self._transaction = transaction
        self._store = store
        self._announcer = announcer
        self._media_types = media_types
        self._keep = keep
        self._clearing: set[asyncio.Task[None]] = set()

    async def finish(self, upload: Upload, trail: Trail | None = None) -> AcceptedFile:
        """Announce an upload that is whole. trail: of all its bytes; they are read again where it is missing.

        Raises Problem where the file is refused; then nothing stays stored. Where a part of Assay is away, or a quota
        is used up, the upload stays whole and is finished later.
        """
        try:
            await self._assemble(upload)
            if trail is None or trail.offset != upload.length:
                trail = await self._read(upload)
            file = await self._stored(upload, trail)
            return await self._announce(upload, file)
        except Problem as problem:
            if problem.status < SERVER_ERROR and not isinstance(problem, IncompletePartsError | NotNowError):
                await self.refuse(upload, problem)
            raise

    async def _announce(self, upload: Upload, file: StoredFile) -> AcceptedFile:
        async def fulfil(session: AsyncSession, accepted: AcceptedFile) -> bool:
            return await UploadRepository(session).end(
                upload.upload_id,
                upload.fence,
                "finished",
                self._keep,
                file_id=accepted.file.file_id,
                run_id=accepted.run_id,
                is_known=accepted.is_known,
            )

        planned = await self._announcer.plan(file, upload.options)
        accepted = await self._announcer.announce(planned, upload.options, fulfil)
        metrics.ENDED.labels(status="finished").inc()
        self._clear_soon(upload.having(status="finished", file_id=accepted.file.file_id))
        return accepted

    async def refuse(self, upload: Upload, problem: Problem) -> None:
        """Write the refusal down and throw the bytes away."""
        await self.end(upload, "refused", problem=as_body(problem))

    async def end(self, upload: Upload, status: Status, *, problem: dict[str, object] | None = None) -> bool:
        """End an upload without a file. False where somebody else holds it by now."""
        async with self._transaction() as session:
            ended = await UploadRepository(session).end(
                upload.upload_id, upload.fence, status, self._keep, problem=problem
            )
        if ended:
            metrics.ENDED.labels(status=status).inc()
            log.info("upload_ended", upload_id=str(upload.upload_id), status=status)
            await asyncio.shield(self._clear_soon(upload.having(status=status)))
        return ended

    def _clear_soon(self, upload: Upload) -> "asyncio.Task[None]":
        """Clear away, whatever becomes of the request; what cannot be cleared now is swept later."""
        task = asyncio.create_task(self._try_to_clear(upload), name=f"clear {upload.upload_id}")
        self._clearing.add(task)
        task.add_done_callback(self._clearing.discard)
        return task

    async def _try_to_clear(self, upload: Upload) -> None:
        try:
            await self.clear(upload)
        except Exception as error:
            log.warning(
                "clearing_postponed", upload_id=str(upload.upload_id), reason=str(error) or type(error).__name__
            )

    async def clear(self, upload: Upload) -> None:
        """Throw away what lies in S3 of an upload that has ended; of one that became a file, what was in its way."""
        if upload.status == "finished" and upload.file_id == upload.upload_id:
            await self._store.erase(f"{upload.prefix}tail/")
        else:
            if upload.multipart_id is not None:
                await self._store.abort(upload.key, upload.multipart_id)
            await self._store.erase(upload.prefix)
        async with self._transaction() as session:
            await UploadRepository(session).note_cleared(upload.upload_id)

    async def stop(self) -> None:
        """Wait a little for what is being cleared away."""
        if self._clearing:
            await asyncio.wait(self._clearing, timeout=5)

    async def _assemble(self, upload: Upload) -> None:
        """Make the object of the parts; it may be there already, where a process died after it had made it."""
        async with self._transaction() as session:
            parts = await UploadRepository(session).parts(upload.upload_id)
        assert upload.multipart_id is not None
        try:
            await self._store.assemble(upload.key, upload.multipart_id, [(each.number, each.etag) for each in parts])
        except (UploadMissingError, PartMissingError) as error:
            if await self._store.size_of(upload.key) is not None:
                return
            if upload.kind == "presigned" and isinstance(error, PartMissingError):
                raise IncompletePartsError(
                    "The store does not have the parts with these etags. Send the missing ones to their addresses, and "
                    "list each with the ETag that was answered."
                ) from error
            raise UnavailableError("The store has lost a part of the upload. Begin a new one.") from error

    async def _read(self, upload: Upload) -> Trail:
        """Read the object through once."""
        trail = Trail()
        gone = asyncio.Event()
        try:
            await self._store.scan(upload.key, trail.add, lambda: not gone.is_set())
        finally:
            gone.set()
        metrics.READ_AGAIN.inc()
        return trail

    async def _stored(self, upload: Upload, trail: Trail) -> StoredFile:
        sha256 = trail.digest.hexdigest()
        if trail.offset != upload.length:
            raise WrongContentError(
                f"The parts have {trail.offset} bytes together; {upload.length} were announced. Begin a new upload.",
                size=trail.offset,
            )
        if upload.sha256 not in (None, sha256):
            raise WrongContentError(
                f"The bytes have the SHA-256 {sha256}; {upload.sha256} was announced. Begin a new upload.",
                sha256=sha256,
            )
        return StoredFile(
            file_id=upload.upload_id,
            owner_id=upload.owner_id,
            object_key=upload.key,
            filename=upload.filename,
            declared_media_type=upload.declared_media_type,
            media_type=(await self._media_types.of(trail.sample)).name,
            size=upload.length,
            sha256=sha256,
        )
