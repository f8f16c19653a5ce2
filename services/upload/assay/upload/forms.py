"""The parts of one form: fields become options, files become objects in S3, each by itself stored or refused."""

from collections.abc import Sequence

import structlog

from assay.shared.database import Transaction
from assay.shared.ids import new_id
from assay.shared.media_types import MediaTypes, Sample
from assay.shared.objects import ObjectStore
from assay.upload import fields, metrics
from assay.upload.admission.service import Admission
from assay.upload.catalog import Catalog
from assay.upload.domain import Options, StoredFile, plan_for, shown_name
from assay.upload.errors import (
    EmptyFileError,
    FileTooLargeError,
    MissingFileError,
    RefusedFileError,
    TooManyFilesError,
)
from assay.upload.fields import Fields
from assay.upload.first_look import FIRST_LOOK_BYTES, FirstLook
from assay.upload.memory import Memory
from assay.upload.multipart import Form, Part
from assay.upload.outages import storage_errors
from assay.upload.settings import LimitsSettings
from assay.upload.storing import ObjectWriter
from assay.upload.sweeper import Sweeper

FILE_FIELD = "file"
# So much of a refused file is read over to hear of the other files of its request.
SKIPPED_BYTES = 16 * 1024 * 1024

Received = StoredFile | RefusedFileError
"""A file of a form: stored and not announced, or refused and gone."""


class FormReader:
    """Brings the files of forms into S3."""

    def __init__(
        self,
        *,
        transaction: Transaction,
        store: ObjectStore,
        catalog: Catalog,
        media_types: MediaTypes,
        first_look: FirstLook,
        sweeper: Sweeper,
        admission: Admission,
        memory: Memory,
        limits: LimitsSettings,
    ) -> None:
        self._transaction = transaction
        self._store = store
        self._catalog = catalog
        self._media_types = media_types
        self._first_look = first_look
        self._sweeper = sweeper
        self._admission = admission
        self._memory = memory
        self._limits = limits

    async def read(self, owner_id: str, form: Form) -> tuple[list[Received], Options]:
        """Read a form to its end; returns what came of its files, in their order, and what it says besides.

        Raises Problem where the request as a whole is refused; then nothing stays stored.
        """
        analyzers = await self._catalog.analyzers()
        asked = Fields()
        received: list[Received] = []
        with metrics.RECEIVING.track_inprogress():
            try:
                async for part in form.parts():
                    if part.filename is None:
                        await self._read_field(part, asked, frozenset(analyzers))
                        continue
                    self._check_file_part(part, len(received))
                    try:
                        file = await self._store_file(part, owner_id, asked.options, form.length)
                    except RefusedFileError as refusal:
                        received.append(refusal)
                        await _skip(part, received)
                        continue
                    if file is not None:
                        received.append(file)
                if not received:
                    raise MissingFileError(
                        f"Send the file in the field `{FILE_FIELD}`, with its name: curl -F {FILE_FIELD}=@photo.jpg …"
                    )
            except BaseException:
                await self.discard(received)
                raise
        return received, asked.options

    async def discard(self, received: Sequence[Received]) -> None:
        """Throw away what was stored of these."""
        for each in received:
            if isinstance(each, StoredFile):
                await self._sweeper.discard(each.file_id)

    async def _read_field(self, part: Part, asked: Fields, known: frozenset[str]) -> None:
        if part.name == FILE_FIELD:
            raise MissingFileError(
                f"The field `{FILE_FIELD}` is text without a file name. "
                f"With curl, write an @ before the path: -F {FILE_FIELD}=@photo.jpg"
            )
        limit = fields.limit_of(part.name, self._limits.max_metadata_bytes)
        raw = await part.read(limit)
        if raw is None:
            raise fields.too_long(part.name, limit)
        asked.add(part.name, raw, known)
        self._admission.check_lane(asked.options.lane)

    def _check_file_part(self, part: Part, count: int) -> None:
        if part.name != FILE_FIELD:
            raise MissingFileError(f"The file is in the field `{part.name[:64]}`; send it in the field `{FILE_FIELD}`.")
        if count >= self._limits.max_files_per_request:
            raise TooManyFilesError(
                f"One request takes {self._limits.max_files_per_request} files. Send the others in another one.",
                max_files_per_request=self._limits.max_files_per_request,
            )

    async def _store_file(self, part: Part, owner_id: str, options: Options, at_most: int | None) -> StoredFile | None:
        """Bring one file into S3; None for a form's file field in which no file was chosen."""
        file_id = new_id()
        with structlog.contextvars.bound_contextvars(file_id=str(file_id)), storage_errors():
            writer = ObjectWriter(
                file_id,
                owner_id,
                transaction=self._transaction,
                store=self._store,
                sweeper=self._sweeper,
                memory=self._memory,
                at_most=at_most,
            )
            try:
                sample = Sample()
                limit = self._limits.max_file_bytes
                was_seen = False
                async for chunk in part.chunks():
                    sample.add(chunk)
                    if sample.size > limit:
                        raise FileTooLargeError(
                            f"Files of this type may have {limit} bytes; this one is larger.", max_file_bytes=limit
                        )
                    if not was_seen and sample.size >= FIRST_LOOK_BYTES:
                        was_seen = True
                        limit = await self._first_look.limit(sample, options)
                    await writer.write(chunk)
                if sample.size == 0:
                    if not part.filename:
                        return None
                    raise EmptyFileError
                media_type = (await self._media_types.of(sample)).name
                plan_for(await self._catalog.analyzers(), media_type, sample.size, options.analyzers)
                sha256 = await writer.finish()
            except BaseException:
                await writer.discard()
                raise
        return StoredFile(
            file_id=file_id,
            owner_id=owner_id,
            object_key=writer.key,
            filename=shown_name(part.filename or ""),
            declared_media_type=part.media_type,
            media_type=media_type,
            size=sample.size,
            sha256=sha256,
        )


async def _skip(part: Part, received: Sequence[Received]) -> None:
    """Read over the rest of a refused file. Raises the first refusal at once where much is left and nothing is lost."""
    skipped = 0
    async for chunk in part.chunks():
        skipped += len(chunk)
        if skipped > SKIPPED_BYTES and not any(isinstance(each, StoredFile) for each in received):
            first = received[0]
            assert isinstance(first, RefusedFileError)
            raise first
