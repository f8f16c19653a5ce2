"""Parts that a client sends straight to S3, at addresses that are signed for it."""

import math
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog

from assay.shared.clock import now
from assay.shared.database import Transaction
from assay.shared.objects import ObjectStore
from assay.shared.problems import UnavailableError
from assay.upload.domain import Options, shown_name
from assay.upload.outages import storage_errors
from assay.upload.resumable import metrics
from assay.upload.resumable.domain import (
    MAX_PRESIGNED_PARTS,
    PRESIGNED_PART_BYTES,
    Part,
    PartOnItsWay,
    Upload,
    part_bytes_for,
    sizes_of_parts,
)
from assay.upload.resumable.errors import IncompletePartsError, UnknownUploadError
from assay.upload.resumable.finishing import Finisher
from assay.upload.resumable.gate import Gate
from assay.upload.resumable.leases import Leases, UploadEndedError
from assay.upload.resumable.outcomes import Outcomes, Progress, check_open
from assay.upload.resumable.repository import UploadRepository
from assay.upload.storing import STORED_AS

log = structlog.get_logger(__name__)

AWAY = "The storage does not answer. Ask again in a minute; parts that were sent stay where they are."
# S3 signs for no longer.
MAX_LINK_SECONDS = 7 * 24 * 60 * 60


class PresignedUploads:
    """Use cases of sending parts straight to S3."""

    def __init__(
        self,
        *,
        transaction: Transaction,
        store: ObjectStore,
        gate: Gate,
        finisher: Finisher,
        leases: Leases,
        outcomes: Outcomes,
        keep: timedelta,
    ) -> None:
        """keep: how long after its beginning an upload may be completed."""
        self._transaction = transaction
        self._store = store
        self._gate = gate
        self._finisher = finisher
        self._leases = leases
        self._outcomes = outcomes
        self._keep = keep

    async def presign(
        self,
        upload_id: UUID,
        owner_id: str,
        *,
        size: int,
        filename: str,
        media_type: str | None,
        sha256: str | None,
        options: Options,
    ) -> Upload:
        """Begin an upload. Raises what `Gate` raises."""
        await self._gate.pace(owner_id)
        await self._gate.admit(owner_id, size, options)
        upload = Upload(
            upload_id=upload_id,
            owner_id=owner_id,
            kind="presigned",
            length=size,
            part_bytes=part_bytes_for(size, least=PRESIGNED_PART_BYTES, at_most=MAX_PRESIGNED_PARTS),
            filename=shown_name(filename),
            declared_media_type=media_type,
            analyzers=options.analyzers,
            metadata=options.metadata,
            priority=options.priority,
            force=options.force,
            sha256=sha256,
        )
        with storage_errors(AWAY):
            async with self._transaction() as session:
                upload = await UploadRepository(session).add(upload, self._keep)
            multipart_id = await self._store.begin(upload.key, media_type=STORED_AS)
            async with self._transaction() as session:
                if not await UploadRepository(session).note_multipart(upload_id, upload.fence, multipart_id):
                    raise UnavailableError("The upload took too long to begin and was given up. Begin a new one.")
        metrics.CREATED.labels(kind="presigned").inc()
        log.info("upload_presigned", upload_id=str(upload_id), length=size)
        return upload.having(multipart_id=multipart_id)

    def links(self, upload: Upload) -> list[tuple[int, int, str]]:
        """Number, size and address of each part."""
        return [
            (number, size, self._link(upload, number, size))
            for number, size in enumerate(sizes_of_parts(upload.length, upload.part_bytes), 1)
        ]

    def _link(self, upload: Upload, number: int, size: int) -> str:
        assert upload.multipart_id is not None
        seconds = min(max(math.ceil((upload.expires_at - now()).total_seconds()), 1), MAX_LINK_SECONDS)
        return self._store.part_link(upload.key, upload.multipart_id, number, size=size, seconds=seconds)

    async def parts(self, upload: Upload) -> list[PartOnItsWay] | None:
        """What is there of an upload, and new addresses for what is not; None where nothing can be sent to it."""
        if upload.kind != "presigned" or upload.status != "receiving" or upload.multipart_id is None:
            return None
        with storage_errors(AWAY):
            there = await self._store.parts(upload.key, upload.multipart_id)
        found = []
        for number, size in enumerate(sizes_of_parts(upload.length, upload.part_bytes), 1):
            etag, stored = there.get(number, (None, 0))
            if stored != size:
                etag = None
            url = self._link(upload, number, size) if etag is None else None
            found.append(PartOnItsWay(number, size, etag, url))
        return found

    async def complete(self, upload_id: UUID, owner_id: str, etags: Sequence[tuple[int, str]]) -> Progress:
        """Make a file of the parts. Asked again: the same answer.

        Raises IncompletePartsError where some are missing, which may then still be sent; the problems of a form's file,
        and WrongContentError, where the whole is refused.
        """
        with storage_errors(AWAY):
            progress = await self._outcomes.of(upload_id, owner_id)
            if progress.upload.kind != "presigned":
                raise UnknownUploadError("This upload was not begun at /api/v1/files:presign.")
            if progress.upload.status == "finished":
                return progress
            check_open(progress.upload)
            parts = _parts(progress.upload, etags)
            try:
                async with self._leases.held(upload_id) as hold:
                    return await self._complete(hold.upload, parts)
            except UploadEndedError:
                return await self._outcomes.of(upload_id, owner_id)

    async def _complete(self, upload: Upload, parts: list[Part]) -> Progress:
        async with self._transaction() as session:
            if not await UploadRepository(session).replace_parts(upload.upload_id, upload.fence, parts, upload.length):
                raise UnavailableError("The upload is being completed by another request. Ask again in a minute.")
        try:
            accepted = await self._finisher.finish(upload.having(offset=upload.length))
        except IncompletePartsError:
            async with self._transaction() as session:
                await UploadRepository(session).replace_parts(upload.upload_id, upload.fence, [], 0)
            raise
        return Progress(upload.having(status="finished"), accepted)


def _parts(upload: Upload, etags: Sequence[tuple[int, str]]) -> list[Part]:
    sizes = sizes_of_parts(upload.length, upload.part_bytes)
    given = dict(etags)
    missing = [number for number in range(1, len(sizes) + 1) if number not in given]
    if missing or len(given) != len(sizes) or len(etags) != len(sizes):
        shown = ", ".join(str(number) for number in missing[:8])
        raise IncompletePartsError(
            f"The upload has {len(sizes)} parts; list each once with its ETag."
            + (f" Missing: {shown}{' …' if len(missing) > 8 else ''}." if missing else ""),
            parts=len(sizes),
        )
    return [Part(number, given[number], size) for number, size in enumerate(sizes, 1)]
