"""Taking the files of a form in: each is stored, then announced, and the request is answered once."""

from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from assay.shared.database import Transaction
from assay.shared.problems import Problem
from assay.upload.admission.service import Admission
from assay.upload.announcing import Announcer
from assay.upload.domain import AcceptedFile, Options, Outcome, StoredFile
from assay.upload.forms import FormReader
from assay.upload.idempotency.domain import Claim, Finished
from assay.upload.idempotency.errors import KeyReusedError
from assay.upload.idempotency.headers import Fingerprint
from assay.upload.idempotency.keys import IdempotencyKeys
from assay.upload.multipart import Form
from assay.upload.outages import storage_errors
from assay.upload.repository import FileRepository, IntentRepository
from assay.upload.sweeper import Sweeper

OTHER_REQUEST = (
    "This key was sent with another request. Send the same request again, or this one with a key of its own."
)

Announce = Callable[[int, StoredFile, Options], Awaitable[Outcome]]
"""Ends what stands at this position of a form: announced, known or thrown away."""
Note = Callable[[AsyncSession, AcceptedFile], Awaitable[None]]
"""Writes down what came of a file, in the transaction that announces it."""


class UploadService:
    """Use cases of uploading by a form."""

    def __init__(
        self,
        *,
        transaction: Transaction,
        announcer: Announcer,
        reader: FormReader,
        sweeper: Sweeper,
        keys: IdempotencyKeys,
        admission: Admission,
    ) -> None:
        self._transaction = transaction
        self._announcer = announcer
        self._reader = reader
        self._sweeper = sweeper
        self._keys = keys
        self._admission = admission

    async def receive(self, owner_id: str, form: Form, size: int) -> list[Outcome]:
        """Take in the files of one form; each has an outcome of its own, in the order of the form.

        size: bytes that the files have together at least. Raises Problem where the request as a whole is refused.
        Then, as for each refused file, nothing stays stored.
        """

        async def announce(_: int, file: StoredFile, options: Options) -> Outcome:
            return await self._announce_or_discard(file, options)

        return await self._take_in(owner_id, form, size, announce)

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

        async def announce(position: int, file: StoredFile, options: Options) -> Outcome:
            return await self._announce_once(file, options, claim, position)

        try:
            outcomes = await self._take_in(owner_id, form, size, announce)
        except BaseException:
            await self._keys.give_up(claim)
            raise
        if any(isinstance(each, AcceptedFile) for each in outcomes):
            await self._keys.finish(claim, fingerprint.hexdigest(), outcomes)
        else:
            await self._keys.give_up(claim)
        return outcomes

    async def _take_in(self, owner_id: str, form: Form, size: int, announce: Announce) -> list[Outcome]:
        """Store the files of a form, then announce them in order.

        Raises what `announce` raises; what is not announced by then is thrown away.
        """
        await self._admission.admit_file(owner_id, size)
        received, options = await self._reader.read(owner_id, form)
        outcomes: list[Outcome] = []
        try:
            for position, each in enumerate(received):
                outcomes.append(each if isinstance(each, Problem) else await announce(position, each, options))
        except BaseException:
            await self._reader.discard(received[len(outcomes) :])
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

    async def _announce_or_discard(self, file: StoredFile, options: Options, note: Note | None = None) -> Outcome:
        async def fulfil(session: AsyncSession, outcome: AcceptedFile) -> bool:
            if note is not None:
                await note(session, outcome)
            # Where the bytes are known, the intent stays: the object is cleared away by it.
            return outcome.is_known or await IntentRepository(session).fulfil(file.file_id)

        with structlog.contextvars.bound_contextvars(file_id=str(file.file_id)):
            try:
                with storage_errors():
                    planned = await self._announcer.plan(file, options)
                    outcome = await self._announcer.announce(planned, options, fulfil)
            except Problem as problem:
                if not await self._sweeper.discard(file.file_id) and await self._is_announced(file):
                    return planned
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
