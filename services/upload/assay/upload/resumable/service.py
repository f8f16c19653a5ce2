"""What tus asks for: create, append, tell, terminate."""

from datetime import timedelta
from uuid import UUID

import structlog

from assay.shared.database import Transaction
from assay.shared.media_types import Sample
from assay.shared.objects import ObjectStore
from assay.shared.problems import InvalidRequestError
from assay.upload import metrics
from assay.upload.catalog import Catalog
from assay.upload.errors import FileTooLargeError, RefusedFileError
from assay.upload.first_look import FirstLook
from assay.upload.memory import Memory
from assay.upload.outages import storage_errors
from assay.upload.resumable import headers
from assay.upload.resumable import metrics as counts
from assay.upload.resumable.body import Chunks
from assay.upload.resumable.domain import Upload, part_bytes_for
from assay.upload.resumable.errors import OffsetMismatchError, UnknownUploadError, UploadFinishedError
from assay.upload.resumable.finishing import Finisher
from assay.upload.resumable.gate import Gate
from assay.upload.resumable.headers import Checksum
from assay.upload.resumable.leases import Hold, Leases, UploadEndedError
from assay.upload.resumable.outcomes import Outcomes, Progress, check_open
from assay.upload.resumable.receiving import Receiver
from assay.upload.resumable.repository import UploadRepository
from assay.upload.resumable.trails import Trails
from assay.upload.settings import LimitsSettings

log = structlog.get_logger(__name__)

AWAY = "The storage does not answer. What was accepted is safe: ask for the offset in a minute, and go on from there."


class ResumableUploads:
    """Use cases of tus."""

    def __init__(
        self,
        *,
        transaction: Transaction,
        store: ObjectStore,
        catalog: Catalog,
        first_look: FirstLook,
        gate: Gate,
        finisher: Finisher,
        leases: Leases,
        outcomes: Outcomes,
        memory: Memory,
        limits: LimitsSettings,
        keep: timedelta,
    ) -> None:
        """keep: how long an upload may be silent."""
        self._transaction = transaction
        self._store = store
        self._catalog = catalog
        self._first_look = first_look
        self._gate = gate
        self._finisher = finisher
        self._leases = leases
        self._outcomes = outcomes
        self._memory = memory
        self._limits = limits
        self._keep = keep
        self._trails = Trails()

    async def create(self, upload_id: UUID, owner_id: str, length: int, raw_metadata: str) -> Upload:
        """Begin an upload. Raises Problem where a file of this length, or with these words, is not taken."""
        await self._gate.pace(owner_id)
        known = await self._catalog.analyzers()
        described = headers.described(raw_metadata, frozenset(known), self._limits.max_metadata_bytes)
        await self._gate.admit(owner_id, length, described.options)
        upload = Upload(
            upload_id=upload_id,
            owner_id=owner_id,
            kind="tus",
            length=length,
            part_bytes=part_bytes_for(length),
            filename=described.filename,
            declared_media_type=described.declared_media_type,
            analyzers=described.options.analyzers,
            metadata=described.options.metadata,
            priority=described.options.priority,
            force=described.options.force,
            raw_metadata=described.raw,
        )
        with storage_errors(AWAY):
            async with self._transaction() as session:
                upload = await UploadRepository(session).add(upload, self._keep)
        counts.CREATED.labels(kind="tus").inc()
        log.info("upload_created", upload_id=str(upload_id), length=length)
        return upload

    async def append(
        self, upload_id: UUID, owner_id: str, offset: int, body: Chunks, checksum: Checksum | None
    ) -> Progress:
        """Take bytes in from this offset on; the last ones make it a file.

        Raises OffsetMismatchError where the upload goes on elsewhere, UploadBusyError, ChecksumMismatchError, the
        problems of a form's file where it is refused, and whatever `body` raises; what came before is then kept.
        """
        with storage_errors(AWAY):
            progress = await self._outcomes.of(upload_id, owner_id)
            if progress.upload.kind != "tus":
                raise UnknownUploadError("This upload goes straight to storage: send its parts to their addresses.")
            if progress.accepted is not None and offset == progress.upload.length:
                return progress
            check_open(progress.upload)
            try:
                async with self._leases.held(upload_id) as hold:
                    return await self._append(hold, offset, body, checksum)
            except UploadEndedError:
                return await self._outcomes.of(upload_id, owner_id)

    async def _append(self, hold: Hold, offset: int, body: Chunks, checksum: Checksum | None) -> Progress:
        upload = hold.upload
        if offset != upload.offset:
            raise OffsetMismatchError(
                f"The upload goes on at offset {upload.offset}; this request begins at {offset}. "
                "Ask for the offset with HEAD.",
                offset=upload.offset,
            )
        receiver = Receiver(
            upload,
            store=self._store,
            transaction=self._transaction,
            keep=self._keep,
            look=lambda sample: self._look(upload, sample),
            checksum=checksum,
            memory=self._memory,
        )
        try:
            await receiver.begin(self._trails.take(upload))
            with metrics.RECEIVING.track_inprogress():
                await self._receive(hold, receiver, body)
            if not receiver.upload.is_whole:
                return Progress(receiver.upload)
            accepted = await self._finisher.finish(receiver.upload, receiver.trail)
            return Progress(receiver.upload.having(status="finished"), accepted)
        except RefusedFileError as problem:
            await self._finisher.refuse(receiver.upload, problem)
            raise
        finally:
            receiver.give_back()
            if receiver.trail is not None and receiver.trail.offset == receiver.upload.offset:
                self._trails.keep(receiver.upload, receiver.trail)

    async def _receive(self, hold: Hold, receiver: Receiver, body: Chunks) -> None:
        chunks = body(lambda: hold.is_wanted)
        while True:
            try:
                chunk = await anext(chunks, None)
                if chunk is not None and len(chunk) > receiver.room:
                    raise InvalidRequestError(
                        f"The request has more bytes than the upload: `Upload-Length` is {hold.upload.length}.",
                        place="Upload-Length",
                    )
            except BaseException:
                # The client went away, was silent for too long or sent too much; or this process is told to stop.
                await receiver.break_off()
                raise
            if chunk is None:
                break
            # Where this fails, bytes of the last part are lost, so nothing more is accepted.
            await receiver.write(chunk)
        await receiver.end()

    async def _look(self, upload: Upload, sample: Sample) -> None:
        limit = await self._first_look.limit(sample, upload.options)
        if upload.length > limit:
            raise FileTooLargeError(
                f"Files of this type may have {limit} bytes; this one has {upload.length}.", max_file_bytes=limit
            )

    async def tell(self, upload_id: UUID, owner_id: str) -> Progress:
        """How far an upload is. One that is whole is finished first, where its process died before it could."""
        with storage_errors(AWAY):
            progress = await self._outcomes.of(upload_id, owner_id)
            if progress.upload.status != "receiving" or not progress.upload.is_whole:
                return progress
            return await self.finish(upload_id, owner_id)

    async def finish(self, upload_id: UUID, owner_id: str) -> Progress:
        """Announce an upload that is whole."""
        try:
            async with self._leases.held(upload_id) as hold:
                accepted = await self._finisher.finish(hold.upload, self._trails.take(hold.upload))
                return Progress(hold.upload.having(status="finished"), accepted)
        except UploadEndedError:
            return await self._outcomes.of(upload_id, owner_id)

    async def give_up(self, upload_id: UUID, owner_id: str) -> None:
        """Terminate an upload that nobody will go on with. Never raises: what cannot be ended now will expire."""
        try:
            await self.terminate(upload_id, owner_id)
        except Exception as error:
            log.info("upload_left_to_expire", upload_id=str(upload_id), reason=str(error) or type(error).__name__)

    async def terminate(self, upload_id: UUID, owner_id: str) -> None:
        """Throw an unfinished upload away. Done already: nothing happens. Raises UploadFinishedError for a file."""
        with storage_errors(AWAY):
            progress = await self._outcomes.of(upload_id, owner_id)
            if progress.upload.status == "terminated":
                return
            if progress.upload.status == "finished":
                raise UploadFinishedError(
                    f"The upload has become a file: delete it at /api/v1/files/{progress.upload.file_id}."
                )
            check_open(progress.upload)
            try:
                async with self._leases.held(upload_id) as hold:
                    await self._finisher.end(hold.upload, "terminated")
            except UploadEndedError:
                await self.terminate(upload_id, owner_id)
