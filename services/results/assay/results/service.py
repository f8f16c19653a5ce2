"""Use cases that write: record what events say, conclude runs, give up at deadlines."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from assay.contracts import AnalysisFailed, AnalyzerRegistered
from assay.contracts.topics import ANALYZERS
from assay.results import metrics
from assay.results.arrivals import Arrivals
from assay.results.domain import TERMINAL, TIMED_OUT
from assay.results.ledger import FilesMissingError, Ledger, Wanted
from assay.results.recording import FileNews, Read, Recording, wanted
from assay.results.repository import Repository
from assay.results.settling import Settling
from assay.results.tables import Run
from assay.shared.database import Driver, DriverTransaction
from assay.shared.outbox import Outbox, Outgoing

log = structlog.get_logger(__name__)

SWEEP_AGAIN_AFTER = timedelta(seconds=60)
SWEEP_BATCH = 100
TIMED_OUT_TEXT = "No verdict came before the run's deadline. Request a new run once the analyzer is at work."


class RunService:
    """Keeps the tables true to the log."""

    def __init__(self, *, transaction: DriverTransaction, outbox: Outbox, arrivals: Arrivals) -> None:
        self._transaction = transaction
        self._outbox = outbox
        self._arrivals = arrivals

    async def record(self, reads: Sequence[Read], *, topic: str, partition: int, topic_id: UUID) -> int:
        """Write what records of one partition say, in their order, and that they were read, in one transaction.

        Returns how many of them another member had written before: of these nothing is written again.
        Raises PositionTakenError where it had written them all; nothing is written then.
        """
        late = 0

        async def work(driver: Driver, more: frozenset[UUID]) -> None:
            nonlocal late
            repository = Repository(driver)
            begin = await repository.advance(topic, partition, topic_id, reads[0].offset, reads[-1].offset)
            new = [each for each in reads if each.offset >= begin]
            late = len(reads) - len(new)
            if topic == ANALYZERS.name:
                await self._record_analyzers(repository, new)
                return
            news = [(each.event, each.in_trace) for each in new if isinstance(each.event, FileNews)]
            if not news:
                return
            ledger = await Ledger.open(driver, wanted(event for event, _ in news), more)
            outgoing = self._outbox.outgoing()
            recording = Recording(ledger, outgoing)
            for event, in_trace in news:
                recording.record(event, in_trace)
            await Settling(ledger, outgoing).settle(recording.concerned)
            await ledger.write()
            await outgoing.write(driver)

        await self._locking(work)
        self._arrivals.written(each.event.file_id for each in reads if isinstance(each.event, FileNews))
        return late

    async def _locking(self, work: Callable[[Driver, frozenset[UUID]], Awaitable[None]]) -> None:
        """Run the work in a transaction; in another one where it is about more files than were known before."""
        more: frozenset[UUID] = frozenset()
        while True:
            try:
                async with self._transaction() as driver:
                    await work(driver, more)
                return
            except FilesMissingError as error:
                more = error.file_ids

    async def _record_analyzers(self, repository: Repository, reads: Sequence[Read]) -> None:
        for each in reads:
            if isinstance(each.event, AnalyzerRegistered):
                await repository.register(each.event.manifest, each.event.occurred_at)
            elif each.tombstone:
                await repository.retire(each.key)

    async def sweep(self, now: datetime) -> int:
        """Give up on what is missing in runs past their deadline; returns how many runs that were.

        What is given up is published and comes back through the log: only there is it decided which end of an analysis
        is the first, for us as for every other reader.
        """
        async with self._transaction() as driver:
            due = await Repository(driver).due(now, again_after=SWEEP_AGAIN_AFTER, limit=SWEEP_BATCH)
        swept = 0
        for run_id, file_id in due:

            async def work(
                driver: Driver, more: frozenset[UUID], run_id: UUID = run_id, file_id: UUID = file_id
            ) -> None:
                nonlocal swept
                ledger = await Ledger.open(driver, Wanted(file_ids={file_id}), more)
                run = ledger.known_run(run_id)
                if run is None or run.completed_at is not None:
                    return
                if run.swept_at is not None and run.swept_at >= now - SWEEP_AGAIN_AFTER:
                    return  # another replica did
                outgoing = self._outbox.outgoing()
                await self._give_up(ledger, outgoing, run, now)
                await ledger.write()
                await outgoing.write(driver)
                swept += 1

            await self._locking(work)
        return swept

    async def _give_up(self, ledger: Ledger, outgoing: Outgoing, run: Run, now: datetime) -> None:
        assert run.plan is not None and run.deadline is not None
        run.swept_at = now
        await ledger.read_whole([run])
        known = {each.analyzer: each for each in ledger.analyses(run)}
        missing = [name for name in run.plan if known[name].status not in TERMINAL]
        for name in missing:
            outgoing.add(
                AnalysisFailed(
                    file_id=run.file_id,
                    owner_id=run.owner_id,
                    occurred_at=run.deadline,
                    run_id=run.run_id,
                    analyzer=name,
                    version=known[name].version,
                    attempt=known[name].attempt,
                    code=TIMED_OUT,
                    message=TIMED_OUT_TEXT,
                )
            )
            metrics.ANALYSES_TIMED_OUT.labels(analyzer=name).inc()
        log.info("run_past_deadline", run_id=str(run.run_id), missing=missing)
        if not missing:
            await Settling(ledger, outgoing).settle({run.run_id: nullcontext})
