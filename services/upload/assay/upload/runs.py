"""Further runs of files that are here: asked for by their owner, or made for operators."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from assay.contracts import AnalyzerManifest
from assay.shared.clock import now
from assay.shared.database import Transaction
from assay.shared.ids import new_id
from assay.shared.outbox import Outbox
from assay.shared.problems import UnknownFileError
from assay.upload import metrics
from assay.upload.admission.quotas import Quotas
from assay.upload.admission.service import Admission
from assay.upload.catalog import Catalog
from assay.upload.domain import LANES, Priority, Run, StoredFile, plan_for, versioned
from assay.upload.errors import UnknownAnalyzersError
from assay.upload.outages import storage_errors
from assay.upload.repository import FileRepository

log = structlog.get_logger(__name__)

AGAIN = "The database does not answer. Nothing was requested; ask again in a minute."


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a run. No analyzers: all that take the file.

    request_id: what asks; the same again gets the run that there is.
    """

    file_id: UUID
    analyzers: tuple[str, ...] = ()
    priority: Priority = "interactive"
    request_id: UUID | None = None


class RunService:
    """Requests runs n+1."""

    def __init__(
        self,
        *,
        transaction: Transaction,
        outbox: Outbox,
        catalog: Catalog,
        admission: Admission,
        quotas: Quotas,
        run_deadline: timedelta,
    ) -> None:
        self._transaction = transaction
        self._admission = admission
        self._quotas = quotas
        self._outbox = outbox
        self._catalog = catalog
        self._run_deadline = run_deadline

    async def request(self, wish: Wish, *, owner_id: str | None) -> tuple[StoredFile, Run]:
        """Request a run; whoever asks for it, it is one of the file's owner.

        owner_id: whose file it must be; None for an operator. Raises UnknownFileError, UnknownAnalyzersError,
        UnsupportedMediaTypeError or FileTooLargeError where no analyzer of those wished takes it, a NotNowError where
        the owner asks for too much.
        """
        if owner_id is not None:
            await self._admission.pace(owner_id)
            await self._admission.admit_run(owner_id, LANES[wish.priority])
        analyzers = await self._catalog.analyzers()
        with storage_errors(AGAIN):
            return await self._request(wish, owner_id, analyzers)

    async def _request(
        self, wish: Wish, owner_id: str | None, analyzers: Mapping[str, AnalyzerManifest]
    ) -> tuple[StoredFile, Run]:
        async with self._transaction() as session:
            if owner_id is not None:
                await self._quotas.lock(session, owner_id)
            files = FileRepository(session)
            found = await files.lock([wish.file_id])
            if not found or owner_id not in (None, found[0].owner_id):
                raise UnknownFileError
            (file,) = found
            if wish.request_id is not None and (earlier := await files.run_of_request(wish.request_id)) is not None:
                return file, earlier
            _check_known(wish.analyzers, analyzers)
            plan = plan_for(analyzers, file.media_type, file.size, wish.analyzers)
            if owner_id is not None:
                await self._quotas.check_run(session, owner_id)
            numbers = await files.last_run_numbers([file.file_id])
            moment = now()
            run = Run(
                run_id=new_id(),
                run_number=numbers.get(file.file_id, 0) + 1,
                plan=plan,
                versions=tuple(versioned(analyzers[name]) for name in plan),
                lane=LANES[wish.priority],
                requested_at=moment,
                deadline=moment + self._run_deadline,
                request_id=wish.request_id,
                asked_by=owner_id,
            )
            await files.add_runs([(file.file_id, run)])
            await self._outbox.add(session, run.requested(file, await files.same_bytes(file)), topics=(run.lane,))
        metrics.RUNS.labels(topic=run.lane).inc()
        log.info("run_requested", file_id=str(file.file_id), run_id=str(run.run_id), run_number=run.run_number)
        return file, run


def _check_known(wished: tuple[str, ...], known: Mapping[str, AnalyzerManifest]) -> None:
    unknown = sorted(set(wished).difference(known))
    if unknown:
        raise UnknownAnalyzersError(
            f"There is no analyzer {', '.join(unknown)}. There are: {', '.join(sorted(known))}.",
            analyzers=sorted(known),
        )
