"""Use cases that write: record what events say, conclude runs, give up at deadlines."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from assay.contracts import (
    AnalysisCompleted,
    AnalysisExplained,
    AnalysisFailed,
    AnalysisProgressed,
    AnalysisStarted,
    AnalyzerRegistered,
    Event,
    FileDeleted,
    FileDerived,
    FileUploaded,
    Report,
    RunCompleted,
    RunRequested,
    Verdict,
)
from assay.contracts.analyses import AnalysisEvent
from assay.contracts.base import FileEvent
from assay.contracts.topics import ANALYZERS, VERDICTS
from assay.results import fusion, metrics
from assay.results.domain import TERMINAL, TIMED_OUT, final_status, is_news, latest, storable
from assay.results.inside import DerivedReport, Inside, Unfinished
from assay.results.repository import Repository
from assay.results.tables import Analysis, File, Run
from assay.shared.database import Transaction
from assay.shared.outbox import Outbox

log = structlog.get_logger(__name__)

SWEEP_AGAIN_AFTER = timedelta(seconds=60)
SWEEP_BATCH = 100
TIMED_OUT_TEXT = "No verdict came before the run's deadline. Request a new run once the analyzer is at work."


class RunService:
    """Keeps the tables true to the log."""

    def __init__(self, *, transaction: Transaction, outbox: Outbox) -> None:
        self._transaction = transaction
        self._outbox = outbox

    async def record(
        self, event: Event | None, *, topic: str, partition: int, offset: int, topic_id: UUID, key: str, tombstone: bool
    ) -> None:
        """Write what one record says, and that it was read, in one transaction.

        event: None for a tombstone and for types that we do not know, which move the position only.
        Raises PositionTakenError where another member has done so; nothing is written then.
        """
        async with self._transaction() as session:
            repository = Repository(session)
            await repository.advance(topic, partition, topic_id, offset)
            if topic == ANALYZERS.name:
                await self._record_analyzer(repository, event, key, tombstone)
            elif isinstance(event, FileEvent):
                await self._record_file_event(repository, event)

    async def _record_analyzer(self, repository: Repository, event: Event | None, key: str, tombstone: bool) -> None:
        if isinstance(event, AnalyzerRegistered):
            await repository.register(event.manifest, event.occurred_at)
        elif tombstone:
            await repository.retire(key)

    async def _record_file_event(self, repository: Repository, event: FileEvent) -> None:
        # A report's own event, and feedback, change no row here.
        if not isinstance(event, FileUploaded | FileDerived | RunRequested | FileDeleted | AnalysisEvent):
            return
        await repository.lock_file(event.file_id)
        if await repository.is_deleted(event.file_id):
            if isinstance(event, FileDerived):  # deleted before it was announced: a parent may wait for it in vain
                await self._settle_parent(repository, event.parent_file_id)
            return
        match event:
            case FileDeleted():
                await self._delete(repository, event.file_id)
            case FileUploaded():
                await self._upload(repository, event)
            case FileDerived():
                await self._derive(repository, event)
            case RunRequested():
                await self._request(repository, event)
            case AnalysisExplained():
                await self._explain(repository, event)
            case AnalysisEvent():
                await self._analysis(repository, event)

    async def _upload(self, repository: Repository, event: FileUploaded) -> None:
        file = await repository.file(event.file_id, event.owner_id)
        file.filename = storable(event.filename)
        file.media_type = event.media_type
        file.size = event.size
        file.sha256 = event.sha256
        file.created_at = event.occurred_at
        file.user_metadata = storable(event.metadata)

    async def _derive(self, repository: Repository, event: FileDerived) -> None:
        # So that who deletes the parent meanwhile either sees this file, or is seen here.
        await repository.lock_file(event.parent_file_id)
        if await repository.is_deleted(event.parent_file_id):
            await self._delete(repository, event.file_id)
            return
        file = await repository.file(event.file_id, event.owner_id)
        if file.derived_run_id not in (None, event.run_id):
            log.warning("derived_twice", file_id=str(event.file_id), run_id=str(event.run_id))
            return
        file.derived_run_id = event.run_id
        file.parent_file_id = event.parent_file_id
        file.parent_run_id = event.parent_run_id
        file.derived_by = event.derived_by
        file.depth = event.depth
        file.created_at = min(file.created_at or event.occurred_at, event.occurred_at)
        await self._plan(repository, event, run_number=1)

    async def _request(self, repository: Repository, event: RunRequested) -> None:
        await self._plan(repository, event, run_number=event.run_number)

    async def _plan(self, repository: Repository, event: RunRequested | FileDerived, *, run_number: int) -> None:
        file = await repository.file(event.file_id, event.owner_id)
        file.media_type, file.size, file.sha256 = event.media_type, event.size, event.sha256
        run = await repository.run(event.run_id, event.file_id, event.owner_id)
        # A request may come twice, by either lane. The earlier one counts, in whatever order they are read.
        if run.requested_at is None or event.occurred_at < run.requested_at:
            run.run_number = run_number
            run.plan = list(event.plan)
            run.requested_at = event.occurred_at
            run.deadline = event.deadline
            for name in event.plan:
                analysis = await repository.analysis(run, name)
                analysis.queued_at = event.occurred_at
        await self._settle(repository, run)

    async def _delete(self, repository: Repository, file_id: UUID) -> None:
        """Clear a file and all that was found inside it; a parent that waits for it need not wait any longer."""
        file = await repository.session.get(File, file_id)
        parent_id = file.parent_file_id if file is not None else None
        pending = [file_id]
        while pending:
            each = pending.pop()
            await repository.lock_file(each)
            pending.extend(await repository.derived_ids(each))
            await repository.forget(each)
            # From here, and not from upload: only so it follows every report that is still in this outbox.
            await self._outbox.add_tombstone(repository.session, VERDICTS.name, str(each))
        repository.session.expunge_all()
        await self._settle_parent(repository, parent_id)

    async def _analysis(self, repository: Repository, event: AnalysisEvent) -> None:
        file = await repository.file(event.file_id, event.owner_id)
        run = await repository.run(event.run_id, event.file_id, event.owner_id)
        analysis = await repository.analysis(run, event.analyzer)
        if analysis.status in TERMINAL:
            return
        match event:
            case AnalysisStarted():
                _start(analysis, event)
            case AnalysisProgressed():
                _progress(analysis, event)
            case AnalysisCompleted():
                _complete(analysis, event)
            case AnalysisFailed():
                _fail(analysis, event)
        if analysis.status in TERMINAL:
            await self._settle(repository, run)
        elif run.status == "queued":
            run.status = "running"
            await self._show_newest_run(repository, file)

    async def _explain(self, repository: Repository, event: AnalysisExplained) -> None:
        """The artifacts of a verdict that did not wait for them. No run and no report depends on it.

        It makes no row: where its `completed` was not read, or came second, there is no verdict that lacks them.
        """
        analysis = await repository.known_analysis(event.run_id, event.analyzer)
        if analysis is not None and analysis.artifacts_follow:
            _explain(analysis, event)

    async def _settle(self, repository: Repository, run: Run) -> None:
        """After any news of a run: conclude it if everything was heard, and let its file show where it stands."""
        if run.completed_at is None:
            analyses = await repository.analyses(run.run_id)
            if not await self._conclude_if_complete(repository, run, analyses):
                run.status = "running" if any(each.status != "queued" for each in analyses) else "queued"
        file = await repository.file(run.file_id, run.owner_id)
        await self._show_newest_run(repository, file)
        if run.completed_at is not None:
            await self._settle_parent(repository, file.parent_file_id)

    async def _conclude_if_complete(self, repository: Repository, run: Run, analyses: Sequence[Analysis]) -> bool:
        if run.plan is None or run.requested_at is None or run.run_number is None:
            return False
        planned = [each for each in analyses if each.analyzer in run.plan]
        if any(each.status not in TERMINAL for each in planned):
            return False
        derived = list(dict.fromkeys(child for child, _ in _finders(planned)))
        unfinished = await repository.unfinished(derived)
        # Past its deadline a run waits for nothing: what is not finished is said to be missing.
        if unfinished and run.swept_at is None:
            return False
        await self._conclude(repository, run, planned, derived, unfinished)
        return True

    async def _conclude(
        self,
        repository: Repository,
        run: Run,
        planned: Sequence[Analysis],
        derived: Sequence[UUID],
        unfinished: set[UUID],
    ) -> None:
        assert run.plan is not None and run.requested_at is not None and run.run_number is not None
        children = await repository.examined(derived)
        inside = _inside(children, {each: name for each, name in _finders(planned) if each in unfinished})
        report = fusion.fuse([_outcome(each) for each in planned], inside=inside)
        all_inside = not inside.unfinished and not inside.incomplete
        status = final_status((each.status for each in planned), all_inside=all_inside)
        run.status = status
        run.label, run.score = report.label, report.score
        run.report = storable(report.model_dump(mode="json"))
        times = [*(each.completed_at for each in planned), *(child.completed_at for _, child in children)]
        if unfinished:
            times.append(run.deadline)
        run.completed_at = latest(times, default=run.requested_at)
        file = await repository.file(run.file_id, run.owner_id)
        await self._outbox.add(
            repository.session,
            RunCompleted(
                file_id=run.file_id,
                owner_id=run.owner_id,
                occurred_at=run.completed_at,
                run_id=run.run_id,
                run_number=run.run_number,
                status=status,
                parent_file_id=file.parent_file_id,
                sha256=file.sha256,
                media_type=file.media_type,
                plan=tuple(run.plan),
                report=report,
            ),
        )
        metrics.RUNS_CONCLUDED.labels(status=status, label=report.label).inc()
        metrics.RUN_SECONDS.observe(max(0.0, (run.completed_at - run.requested_at).total_seconds()))
        log.info("run_concluded", file_id=str(run.file_id), run_id=str(run.run_id), status=status, label=report.label)

    async def _settle_parent(self, repository: Repository, parent_id: UUID | None) -> None:
        """A run may wait for the files found in it. Locks are taken from the found file up, never down.

        Any open run of the parent may name the file, not only the one that found it: a verdict may be reused.
        """
        if parent_id is None:
            return
        await repository.lock_file(parent_id)
        if await repository.is_deleted(parent_id):
            return
        for run in await repository.open_runs(parent_id):
            await self._settle(repository, run)

    async def _show_newest_run(self, repository: Repository, file: File) -> None:
        newest = await repository.newest_run(file.file_id)
        if newest is not None:
            file.run_id, file.status, file.label = newest.run_id, newest.status, newest.label

    async def sweep(self, now: datetime) -> int:
        """Give up on what is missing in runs past their deadline; returns how many runs that were.

        What is given up is published and comes back through the log: only there is it decided which end of an analysis
        is the first, for us as for every other reader.
        """
        async with self._transaction() as session:
            due = await Repository(session).due(now, again_after=SWEEP_AGAIN_AFTER, limit=SWEEP_BATCH)
        swept = 0
        for run_id, file_id in due:
            async with self._transaction() as session:
                repository = Repository(session)
                await repository.lock_file(file_id)
                run = await repository.take_due(run_id, now, again_after=SWEEP_AGAIN_AFTER)
                if run is not None:
                    await self._give_up(repository, run, now)
                    swept += 1
        return swept

    async def _give_up(self, repository: Repository, run: Run, now: datetime) -> None:
        assert run.plan is not None and run.deadline is not None
        run.swept_at = now
        known = {each.analyzer: each for each in await repository.analyses(run.run_id)}
        missing = [name for name in run.plan if known[name].status not in TERMINAL]
        for name in missing:
            await self._outbox.add(
                repository.session,
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
                ),
            )
            metrics.ANALYSES_TIMED_OUT.labels(analyzer=name).inc()
        log.info("run_past_deadline", run_id=str(run.run_id), missing=missing)
        if not missing:
            await self._settle(repository, run)


def _finders(analyses: Sequence[Analysis]) -> list[tuple[UUID, str]]:
    """Each file found inside, with the analyzer that names it."""
    return [(each, analysis.analyzer) for analysis in analyses for each in analysis.derived or ()]


def _inside(children: Sequence[tuple[File, Run]], unfinished: Mapping[UUID, str]) -> Inside:
    """children: the derived files that were examined. unfinished: the others, with the analyzer that names each."""
    return Inside(
        reports=[
            DerivedReport(
                file_id=file.file_id,
                media_type=file.media_type or "unknown type",
                derived_by=file.derived_by or "an analyzer",
                report=Report.model_validate(run.report),
                status=run.status,
                examined=bool(run.plan),
            )
            for file, run in children
        ],
        unfinished=[Unfinished(file_id, analyzer) for file_id, analyzer in unfinished.items()],
    )


def _outcome(analysis: Analysis) -> fusion.Outcome:
    verdict = Verdict.model_validate(analysis.verdict) if analysis.verdict is not None else None
    return fusion.Outcome(analysis.analyzer, verdict, analysis.error_code)


def _start(analysis: Analysis, event: AnalysisStarted) -> None:
    if event.attempt < analysis.attempt:
        return
    if event.attempt > analysis.attempt:
        analysis.stage, analysis.fraction, analysis.sequence = None, 0.0, 0
        analysis.started_at = None
    analysis.status = "running"
    analysis.attempt = event.attempt
    analysis.version = event.version
    analysis.device = event.device
    analysis.started_at = analysis.started_at or event.occurred_at


def _progress(analysis: Analysis, event: AnalysisProgressed) -> None:
    if not is_news(event.attempt, event.sequence, known_attempt=analysis.attempt, known_sequence=analysis.sequence):
        return
    if event.attempt > analysis.attempt:
        analysis.fraction, analysis.started_at = 0.0, None
    analysis.status = "running"
    analysis.attempt, analysis.sequence = event.attempt, event.sequence
    analysis.stage = storable(event.stage)
    analysis.fraction = max(analysis.fraction, event.fraction)


def _complete(analysis: Analysis, event: AnalysisCompleted) -> None:
    verdict = event.verdict
    analysis.status = "completed"
    analysis.version = event.version
    analysis.attempt = event.attempt
    analysis.stage, analysis.fraction = None, 1.0
    analysis.device = event.device
    analysis.completed_at = event.occurred_at
    analysis.duration_ms = event.duration_ms
    analysis.label, analysis.claim = verdict.label, verdict.claim
    analysis.score, analysis.confidence = verdict.score, verdict.confidence
    analysis.verdict = storable(verdict.model_dump(mode="json"))
    analysis.artifacts_follow = event.artifacts_follow
    analysis.derived = list(event.derived)


def _explain(analysis: Analysis, event: AnalysisExplained) -> None:
    named = {each.name for each in event.artifacts}
    verdict = Verdict.model_validate(analysis.verdict)
    kept = [each for each in verdict.artifacts if each.name not in named]
    whole = verdict.model_copy(update={"artifacts": (*kept, *event.artifacts)})
    analysis.verdict = storable(whole.model_dump(mode="json"))
    analysis.artifacts_follow = False


def _fail(analysis: Analysis, event: AnalysisFailed) -> None:
    analysis.status = "failed"
    analysis.version = event.version or analysis.version
    analysis.attempt = max(event.attempt, analysis.attempt)
    analysis.completed_at = event.occurred_at
    analysis.error_code = storable(event.code)
    analysis.error_message = storable(event.message)
