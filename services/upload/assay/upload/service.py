"""Taking files in: store the bytes, then announce the file."""

from collections.abc import Awaitable, Callable, Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from assay.shared.database import Transaction
from assay.shared.ids import new_id
from assay.shared.media_types import MediaTypes, Sample
from assay.shared.objects import ObjectStore
from assay.shared.problems import Problem
from assay.upload import fields, metrics
from assay.upload.admission.service import Admission
from assay.upload.announcing import Announcer
from assay.upload.announcing import Claim as UploadClaim
from assay.upload.catalog import Catalog
from assay.upload.domain import AcceptedFile, Options, StoredFile, plan_for, shown_name
from assay.upload.errors import (
    EmptyFileError,
    FileTooLargeError,
    MissingFileError,
    RefusedFileError,
    TooManyFilesError,
)
from assay.upload.fields import Fields
from assay.upload.idempotency.domain import Claim, Finished
from assay.upload.idempotency.errors import KeyReusedError
from assay.upload.idempotency.headers import Fingerprint
from assay.upload.idempotency.keys import IdempotencyKeys
from assay.upload.memory import Memory
from assay.upload.multipart import Form, Part
from assay.upload.outages import storage_errors
from assay.upload.repository import FileRepository, IntentRepository
from assay.upload.settings import LimitsSettings
from assay.upload.storing import ObjectWriter
from assay.upload.sweeper import Sweeper

log = structlog.get_logger(__name__)

FILE_FIELD = "file"
# A file is typed when this much of it has arrived, and refused then if its type is certain and not taken.
FIRST_LOOK_BYTES = 64 * 1024
# So much of a refused file is read over to hear of the other files of its request.
SKIPPED_BYTES = 16 * 1024 * 1024

OTHER_REQUEST = (
    "This key was sent with another request. Send the same request again, or this one with a key of its own."
)

Outcome = AcceptedFile | Problem
Note = Callable[[AsyncSession, AcceptedFile], Awaitable[None]]


class UploadService:
    """Use cases of uploading."""

    def __init__(
        self,
        *,
        transaction: Transaction,
        store: ObjectStore,
        announcer: Announcer,
        catalog: Catalog,
        media_types: MediaTypes,
        sweeper: Sweeper,
        keys: IdempotencyKeys,
        admission: Admission,
        memory: Memory,
        limits: LimitsSettings,
    ) -> None:
        self._transaction = transaction
        self._store = store
        self._announcer = announcer
        self._catalog = catalog
        self._media_types = media_types
        self._sweeper = sweeper
        self._keys = keys
        self._admission = admission
        self._memory = memory
        self._limits = limits

    async def receive(self, owner_id: str, form: Form, size: int) -> list[Outcome]:
        """Take in the files of one form; each has an outcome of its own, in the order of the form.

        size: bytes that the files have together at least. Raises Problem where the request as a whole is refused.
        Then, as for each refused file, nothing stays stored.
        """
        await self._admission.admit_file(owner_id, size)
        received, options = await self._store_files(owner_id, form)

        async def announce(_: int, file: StoredFile) -> Outcome:
            return await self._announce_or_discard(file, options)

        return await self._announce_each(received, announce)

    async def receive_once(self, owner_id: str, form: Form, size: int, key: str) -> list[Outcome]:
        """As `receive`; sent again with the same key, the request has no further effect and the same outcomes.

        Raises KeyInUseError while another request with this key is worked on, KeyReusedError where another request was
        sent with it.
        """
        claim = await self._keys.claim(owner_id, key)
        fingerprint = Fingerprint()
        form.witness = fingerprint.add
        if isinstance(claim, Finished):
            async for _ in form.parts():
                pass
            if fingerprint.hexdigest() != claim.fingerprint:
                raise KeyReusedError(OTHER_REQUEST)
            return claim.outcomes
        try:
            await self._admission.admit_file(owner_id, size)
            received, options = await self._store_files(owner_id, form)

            async def announce(position: int, file: StoredFile) -> Outcome:
                return await self._announce_once(file, options, claim, position)

            outcomes = await self._announce_each(received, announce)
        except BaseException:
            await self._keys.give_up(claim)
            raise
        if any(isinstance(each, AcceptedFile) for each in outcomes):
            await self._keys.finish(claim, fingerprint.hexdigest(), outcomes)
        else:
            await self._keys.give_up(claim)
        return outcomes

    async def _announce_each(
        self,
        received: Sequence[StoredFile | RefusedFileError],
        announce: Callable[[int, StoredFile], Awaitable[Outcome]],
    ) -> list[Outcome]:
        """Announce what was stored, in order. Raises what `announce` raises; the others are then thrown away."""
        outcomes: list[Outcome] = []
        try:
            for position, each in enumerate(received):
                outcomes.append(each if isinstance(each, Problem) else await announce(position, each))
        except BaseException:
            for each in received[len(outcomes) :]:
                if isinstance(each, StoredFile):
                    await self._sweeper.discard(each.file_id)
            raise
        return outcomes

    async def _announce_once(self, file: StoredFile, options: Options, claim: Claim, position: int) -> Outcome:
        earlier = claim.earlier.get(position)
        if earlier is None:

            async def note(session: AsyncSession, outcome: AcceptedFile) -> None:
                await self._keys.note(session, claim, position, outcome)

            return await self._announce_or_discard(file, options, note)
        # An attempt that died had come so far.
        await self._sweeper.discard(file.file_id)
        if (earlier.file.sha256, earlier.file.size) != (file.sha256, file.size):
            raise KeyReusedError(OTHER_REQUEST)
        return earlier

    async def _store_files(self, owner_id: str, form: Form) -> tuple[list[StoredFile | RefusedFileError], Options]:
        analyzers = await self._catalog.analyzers()
        asked = Fields()
        received: list[StoredFile | RefusedFileError] = []
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
                        await self._skip(part, received)
                        continue
                    if file is not None:
                        received.append(file)
                if not received:
                    raise MissingFileError(
                        f"Send the file in the field `{FILE_FIELD}`, with its name: curl -F {FILE_FIELD}=@photo.jpg …"
                    )
            except BaseException:
                for each in received:
                    if isinstance(each, StoredFile):
                        await self._sweeper.discard(each.file_id)
                raise
        return received, asked.options

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
                        limit = min(limit, await self.look(sample, options))
                    await writer.write(chunk)
                if sample.size == 0:
                    if not part.filename:
                        return None
                    raise EmptyFileError("The file is empty: it has 0 bytes. Was it saved, or copied to its end?")
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

    async def look(self, sample: Sample, options: Options) -> int:
        """Refuse a file by its beginning, where that leaves no doubt; returns how many bytes it may have."""
        media_type = await self._media_types.of(sample)
        if not media_type.certain:
            return self._limits.max_file_bytes
        analyzers = await self._catalog.analyzers()
        plan = plan_for(analyzers, media_type.name, sample.size, options.analyzers)
        return max(analyzers[name].max_bytes for name in plan)

    async def _skip(self, part: Part, received: list[StoredFile | RefusedFileError]) -> None:
        """Read over the rest of a refused file. Raises its refusal at once where much is left and nothing is lost."""
        skipped = 0
        async for chunk in part.chunks():
            skipped += len(chunk)
            if skipped > SKIPPED_BYTES and not any(isinstance(each, StoredFile) for each in received):
                first = received[0]
                assert isinstance(first, RefusedFileError)
                raise first

    async def _announce_or_discard(self, file: StoredFile, options: Options, note: Note | None = None) -> Outcome:
        async def fulfil(session: AsyncSession, outcome: AcceptedFile) -> bool:
            if note is not None:
                await note(session, outcome)
            # Where the bytes are known, the intent stays: the object is cleared away by it.
            return outcome.is_known or await IntentRepository(session).fulfil(file.file_id)

        with structlog.contextvars.bound_contextvars(file_id=str(file.file_id)):
            try:
                with storage_errors():
                    accepted = await self._planned(file, options)
                    outcome = await self._announcer.announce(accepted, options, fulfil)
            except Problem as problem:
                if not await self._sweeper.discard(file.file_id) and await self._is_announced(file):
                    return accepted
                return problem
            except BaseException:
                await self._sweeper.discard(file.file_id)
                raise
            if outcome.is_known:
                await self._sweeper.discard(file.file_id)
            else:
                self._sweeper.release(file.file_id)
            return outcome

    async def _is_announced(self, file: StoredFile) -> bool:
        """True if the commit took place although its acknowledgement got lost."""
        with storage_errors():
            async with self._transaction() as session:
                return await FileRepository(session).exists(file.file_id)

    async def announce(self, file: StoredFile, options: Options, claim: UploadClaim) -> AcceptedFile:
        """Announce a file that was stored by other ways than a form, under the same rules.

        claim: ends the upload in the same transaction. The outcome is an earlier file where the owner has these bytes
        already; what was stored is then to be cleared away. Raises Problem where the file is refused, UnavailableError
        where it was given up; clearing away is the caller's.
        """
        return await self._announcer.announce(await self._planned(file, options), options, claim)

    async def _planned(self, file: StoredFile, options: Options) -> AcceptedFile:
        plan = plan_for(await self._catalog.analyzers(), file.media_type, file.size, options.analyzers)
        return AcceptedFile(file, new_id(), plan)
