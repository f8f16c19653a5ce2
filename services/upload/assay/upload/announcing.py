"""Making a stored file known: file, run and events in one transaction; or the earlier file, where the owner has one.

The same bytes of an owner are one file, unless it is forced: a unique index says so, so that of two uploads at once
exactly one makes the file and the other one is answered with it. Only the owner's own files are ever looked at: neither
the answer nor the time that it takes tells that somebody else has the same bytes.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from assay.contracts import FileUploaded
from assay.shared.clock import now
from assay.shared.database import Transaction, driver_of
from assay.shared.ids import new_id
from assay.shared.outbox import Outbox
from assay.shared.problems import UnavailableError
from assay.upload import metrics
from assay.upload.admission.quotas import Quotas
from assay.upload.catalog import Catalog
from assay.upload.domain import AcceptedFile, Options, Run, StoredFile, plan_for, versioned
from assay.upload.repository import FileRepository

log = structlog.get_logger(__name__)

Fulfil = Callable[[AsyncSession, AcceptedFile], Awaitable[bool]]
"""Ends what stands for an unfinished upload, in the transaction that announces its file; False where it was given up.

Where the file is known, it is given the earlier one: the object just stored is then still to be cleared away.
"""


class Announcer:
    """Announces files, in whatever way their bytes came."""

    def __init__(
        self,
        *,
        transaction: Transaction,
        outbox: Outbox,
        catalog: Catalog,
        quotas: Quotas,
        run_deadline: timedelta,
    ) -> None:
        self._transaction = transaction
        self._quotas = quotas
        self._outbox = outbox
        self._catalog = catalog
        self._run_deadline = run_deadline

    async def plan(self, file: StoredFile, options: Options) -> AcceptedFile:
        """The file with a first run by today's plan, not announced. Raises RefusedFileError where nobody takes it."""
        plan = plan_for(await self._catalog.analyzers(), file.media_type, file.size, options.analyzers)
        return AcceptedFile(file, new_id(), plan)

    async def announce(self, accepted: AcceptedFile, options: Options, fulfil: Fulfil) -> AcceptedFile:
        """Announce a planned file; returns it, or the earlier file of these bytes with its newest run.

        Raises UnavailableError where the upload was given up meanwhile, a NotNowError beyond a quota. Clearing away
        what was stored, also where the file was known, is the caller's.
        """
        moment = now()
        async with self._transaction() as session:
            # First of all locks, so that nobody waits for it who holds what its holder waits for.
            await self._quotas.lock(session, accepted.file.owner_id)
            files = FileRepository(session)
            outcome = accepted
            while not await files.add(accepted.file, moment, forced=options.force):
                known = await files.lock_known(accepted.file.owner_id, accepted.file.sha256)
                if known is not None:  # else it was deleted in between
                    outcome = await self._examine_again(session, known, accepted, options, moment)
                    break
            else:
                await self._examine(session, accepted, options, moment)
            if not await fulfil(session, outcome):
                raise UnavailableError("The upload was silent for too long and was given up. Send it again.")
        _count(outcome, options)
        return outcome

    async def _examine(self, session: AsyncSession, accepted: AcceptedFile, options: Options, moment: datetime) -> None:
        """Write the first run of a new file, and both events."""
        file = accepted.file
        await self._quotas.check_file(session, file.owner_id, file.size)
        files = FileRepository(session)
        uploaded = FileUploaded(
            occurred_at=moment,
            file_id=file.file_id,
            owner_id=file.owner_id,
            filename=file.filename,
            declared_media_type=file.declared_media_type,
            media_type=file.media_type,
            size=file.size,
            sha256=file.sha256,
            object_key=file.object_key,
            metadata=options.metadata,
        )
        run = self._run(accepted, options, moment, number=1)
        same_bytes = await files.same_bytes(file)
        await files.add_runs([(file.file_id, run)])
        outgoing = self._outbox.outgoing()
        outgoing.add(uploaded, topics=(options.lane,))
        outgoing.add(run.requested(file, same_bytes), topics=(options.lane,))
        await outgoing.write(await driver_of(session))

    async def _examine_again(
        self, session: AsyncSession, known: StoredFile, accepted: AcceptedFile, options: Options, moment: datetime
    ) -> AcceptedFile:
        """The earlier file; with a further run where today's plan or a version in it differs from the newest's."""
        files = FileRepository(session)
        newest = await files.newest_run(known.file_id)
        run = self._run(accepted, options, moment, number=newest.run_number + 1 if newest else 1)
        if newest is not None and (newest.plan, newest.versions) == (run.plan, run.versions):
            return AcceptedFile(known, newest.run_id, newest.plan, is_known=True, status=newest.status)
        await self._quotas.check_run(session, known.owner_id)
        await files.add_runs([(known.file_id, run)])
        await self._outbox.add(session, run.requested(known, await files.same_bytes(known)), topics=(run.lane,))
        return AcceptedFile(known, run.run_id, run.plan, is_known=True)

    def _run(self, accepted: AcceptedFile, options: Options, moment: datetime, *, number: int) -> Run:
        known = self._catalog.known
        return Run(
            run_id=accepted.run_id,
            run_number=number,
            plan=accepted.plan,
            versions=tuple(versioned(known[name]) for name in accepted.plan if name in known),
            lane=options.lane,
            requested_at=moment,
            deadline=moment + self._run_deadline,
            asked_by=accepted.file.owner_id,
        )


def _count(accepted: AcceptedFile, options: Options) -> None:
    file = accepted.file
    noted = {"file_id": str(file.file_id), "run_id": str(accepted.run_id), "size": file.size}
    if not accepted.is_known:
        metrics.UPLOADS.labels(topic=options.lane).inc()
        metrics.UPLOAD_BYTES.inc(file.size)
        log.info("file_uploaded", media_type=file.media_type, **noted)
        return
    metrics.KNOWN.inc()
    if accepted.is_requested:
        metrics.RUNS.labels(topic=options.lane).inc()
    log.info("known_bytes_uploaded", is_requested=accepted.is_requested, **noted)
