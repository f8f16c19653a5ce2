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
from assay.results.recording import InTrace, Read, Recording, Slice, is_news, wanted
from assay.results.repository import Repository
from assay.results.rows import RunRow
from assay.results.settling import Settling
from assay.shared.database import Driver, DriverTransaction
from assay.shared.outbox import Outbox, Outgoing

log = structlog.get_logger(__name__)

SWEEP_AGAIN_AFTER = timedelta(seconds=60)
SWEEP_BATCH = 100
NAMED_IN_LOG = 8
TIMED_OUT_TEXT = "No verdict came before the run's deadline. Request a new run once the analyzer is at work."


class RunService:
    """Keeps the tables true to the log."""

    def __init__(self, *, transaction: DriverTransaction, outbox: Outbox, arrivals: Arrivals) -> None:
        self._transaction = transaction
        self._outbox = outbox
        self._arrivals = arrivals

    async def record(self, slices: Sequence[Slice]) -> Sequence[int]:
        """Write what records say, those of a partition in their order, and that they were read, in one transaction.

        slices: of several partitions of one topic. Returns how many of each another member had written before: of these
        nothing is written again.
        """
        new: Sequence[Sequence[Read]] = ()
        concluded: Sequence[tuple[RunRow, InTrace]] = ()

        async def work(driver: Driver, more: frozenset[UUID]) -> None:
            nonlocal new, concluded
            repository = Repository(driver)
            new = await repository.advance(slices)
            reads = [read for each in new for read in each]
            if slices[0].topic == ANALYZERS.name:
                await self._record_analyzers(repository, reads)
                return
            news = [(each.event, each.in_trace) for each in reads if is_news(each.event)]
            if not news:
                return
            ledger = await Ledger.open(driver, wanted(event for event, _ in news), more)
            outgoing = self._outbox.outgoing()
            recording = Recording(ledger, outgoing)
            for event, in_trace in news:
                recording.record(event, in_trace)
            settling = Settling(ledger, outgoing)
            await settling.settle(recording.concerned)
            await ledger.write()
            await outgoing.write(driver)
            concluded = settling.concluded

        await self._locking(work)
        _log(concluded)
        self._arrivals.written(read.event.file_id for reads in new for read in reads if is_news(read.event))
        return [len(each.reads) - len(reads) for each, reads in zip(slices, new, strict=True)]

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

    async def _give_up(self, ledger: Ledger, outgoing: Outgoing, run: RunRow, now: datetime) -> None:
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
            settling = Settling(ledger, outgoing)
            await settling.settle({run.run_id: nullcontext})
            _log(settling.concluded)


def _log(concluded: Sequence[tuple[RunRow, InTrace]]) -> None:
    """Say which runs have a report now; where a backlog is written down, how many."""
    if len(concluded) > NAMED_IN_LOG:
        log.info("runs_concluded", runs=len(concluded))
        return
    for run, in_trace in concluded:
        run_id, file_id = str(run.run_id), str(run.file_id)
        with in_trace():
            log.info("run_concluded", file_id=file_id, run_id=run_id, status=run.status, label=run.label)
