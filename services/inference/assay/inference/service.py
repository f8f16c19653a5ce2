"""The use cases of one analyzer: examine a file, give up on it, forget it."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from assay.contracts import (
    AnalysisCompleted,
    AnalysisFailed,
    AnalysisProgressed,
    AnalysisStarted,
    FileDeleted,
    Verdict,
)
from assay.inference import metrics, verdicts
from assay.inference.artifacts import ArtifactStore
from assay.inference.attempts import Attempts
from assay.inference.cache import FileCache
from assay.inference.domain import Analysis, Deletions, Request
from assay.inference.engine import Engine, Place
from assay.inference.errors import (
    AnalysisError,
    FileDeletedError,
    FileMissingError,
    FileTooLargeError,
    TimedOutError,
    described,
    is_transient,
)
from assay.inference.progress import Progress
from assay.sdk import AnalyzerError, NotApplicableError
from assay.shared import tracing
from assay.shared.clock import now
from assay.shared.kafka import Publisher

log = structlog.get_logger(__name__)

STAGES = ("fetch", "prepare", "infer", "explain")
BACKSTOP_S = 2.0
"""The sandbox's own limit is a little later than the analysis': it counts where the event loop does not get to it."""


def _about(analysis: Analysis) -> dict[str, Any]:
    """What every event of an analysis says: when, and which one."""
    return {
        "occurred_at": now(),
        "file_id": analysis.file_id,
        "owner_id": analysis.owner_id,
        "run_id": analysis.run_id,
        "analyzer": analysis.analyzer,
    }


class _RunOverError(Exception):
    """The run's deadline passed while the analysis waited for its turn: results has said its end."""


@dataclass(slots=True)
class _Trial:
    """One attempt at an analysis: its number, 0 before it was started, when that was by `time.monotonic()`, and
    `said`, which ends once Kafka has the event that says so.
    """

    attempt: int = 0
    started: float = 0.0
    said: "asyncio.Future[None] | None" = None

    def elapsed_s(self) -> float:
        return time.monotonic() - self.started if self.attempt else 0.0


class AnalysisService:
    """Examines files with one analyzer and says on `assay.analyses` what comes of it."""

    def __init__(
        self,
        *,
        engine: Engine,
        files: FileCache,
        artifacts: ArtifactStore,
        publisher: Publisher,
        deletions: Deletions,
        attempts: Attempts,
    ) -> None:
        self._engine = engine
        self._files = files
        self._artifacts = artifacts
        self._publisher = publisher
        self._deletions = deletions
        self._attempts = attempts
        self._manifest = engine.manifest
        self._seconds = {
            stage: metrics.STAGE_SECONDS.labels(analyzer=engine.manifest.name, stage=stage) for stage in STAGES
        }

    async def examine(self, request: Request, *, urgent: bool) -> None:
        """Do what a request asks of this analyzer, if its plan names it and its deadline is ahead.

        urgent: a person waits for it.
        Returns when the end is published. Raises what may pass (`errors.is_transient`) and defects.
        """
        if self._manifest.name not in request.plan:
            return
        analysis = Analysis.of(request, self._manifest.name, urgent=urgent)
        if analysis.deadline <= now():
            log.info("run_past_deadline", analyzer=analysis.analyzer, run_id=analysis.run_id)
            return
        trial = _Trial()
        try:
            verdict = await self._judge(analysis, trial)
        except NotApplicableError as reason:
            verdict = verdicts.not_applicable(self._manifest, str(reason))
        except (AnalysisError, AnalyzerError) as error:
            if is_transient(error):
                raise
            await self._fail(analysis, trial, error)
            return
        except _RunOverError:
            log.info("run_past_deadline", analyzer=analysis.analyzer, run_id=analysis.run_id)
            return
        await self._complete(analysis, verdict, trial)

    async def give_up(self, request: Request, error: BaseException) -> None:
        """Say the end of an analysis that nothing helps, before its record becomes a dead letter."""
        if self._manifest.name in request.plan:
            analysis = Analysis.of(request, self._manifest.name)
            await self._fail(analysis, _Trial(self._attempts.of(analysis)), error)

    async def forget(self, event: FileDeleted) -> None:
        """End what runs on a deleted file, and remove its local copy."""
        self._deletions.note(event.file_id)
        await self._files.forget(event.file_id)

    async def _judge(self, analysis: Analysis, trial: _Trial) -> Verdict:
        try:
            async with asyncio.timeout(None) as limit:
                with self._deletions.ending(analysis.file_id, limit):
                    if analysis.file_id in self._deletions:
                        raise FileDeletedError
                    if analysis.size > self._manifest.max_bytes:
                        raise FileTooLargeError(analysis.size, self._manifest.max_bytes)
                    return await self._examined(analysis, trial, limit)
        except (TimeoutError, FileMissingError) as error:
            if analysis.file_id in self._deletions:
                await self._files.forget(analysis.file_id)
                raise FileDeletedError from error
            if isinstance(error, TimeoutError) and limit.expired():
                raise TimedOutError(self._manifest.time_limit_s) from error
            raise

    async def _examined(self, analysis: Analysis, trial: _Trial, limit: asyncio.Timeout) -> Verdict:
        async with (
            self._engine.place(urgent=analysis.urgent) as place,
            Progress(partial(self._tell, analysis, trial)) as progress,
        ):
            prepared = await self._prepared(analysis, trial, limit, place, progress)
            with self._stage(progress, "infer"):
                finding = await place.infer(prepared)
            with self._stage(progress, "explain"):
                renderings = await self._engine.explain(prepared, finding)
                details, whole = verdicts.bounded(finding)
                artifacts = await self._artifacts.put(analysis, [*renderings, *whole])
            return verdicts.conclude(self._manifest, finding, details, artifacts)

    async def _prepared(
        self, analysis: Analysis, trial: _Trial, limit: asyncio.Timeout, place: Place, progress: Progress
    ) -> Any:
        async with AsyncExitStack() as until_prepared:
            # Neither the download nor the wait for a child counts: another file may hold up all of them.
            with self._stage(None, "fetch"):
                media = await until_prepared.enter_async_context(self._files.lease(analysis))
            child = await until_prepared.enter_async_context(place.child())
            if analysis.deadline <= now():
                raise _RunOverError
            trial.attempt, trial.started = self._attempts.begin(analysis), time.monotonic()
            trial.said = await self._publisher.hand_over(self._started(analysis, trial.attempt))
            if analysis.file_id in self._deletions:
                raise FileDeletedError
            limit.reschedule(asyncio.get_running_loop().time() + self._manifest.time_limit_s)
            with self._stage(progress, "prepare"):
                return await place.prepare(child, media, self._manifest.time_limit_s + BACKSTOP_S)

    @contextmanager
    def _stage(self, progress: Progress | None, name: str) -> Iterator[None]:
        if progress is not None:
            progress.reach(name)
        with tracing.step(name), self._seconds[name].time():
            yield

    def _started(self, analysis: Analysis, attempt: int) -> AnalysisStarted:
        return AnalysisStarted(
            **_about(analysis),
            version=self._manifest.version,
            attempt=attempt,
            device=self._engine.device,
        )

    async def _tell(self, analysis: Analysis, trial: _Trial, sequence: int, stage: str, fraction: float) -> None:
        event = AnalysisProgressed(
            **_about(analysis),
            attempt=trial.attempt,
            sequence=sequence,
            stage=stage,
            fraction=fraction,
        )
        await self._publisher.publish(event)

    async def _complete(self, analysis: Analysis, verdict: Verdict, trial: _Trial) -> None:
        event = AnalysisCompleted(
            **_about(analysis),
            version=self._manifest.version,
            attempt=trial.attempt,
            device=self._engine.device,
            duration_ms=round(trial.elapsed_s() * 1000),
            verdict=verdict,
        )
        await self._end(analysis, event, trial)
        log.info(
            "analysis_completed",
            analyzer=analysis.analyzer,
            run_id=analysis.run_id,
            file_id=analysis.file_id,
            label=verdict.label,
            duration_ms=event.duration_ms,
        )

    async def _fail(self, analysis: Analysis, trial: _Trial, error: BaseException) -> None:
        code, message = described(error)
        event = AnalysisFailed(
            **_about(analysis),
            version=self._manifest.version,
            attempt=trial.attempt,
            code=code,
            message=message,
        )
        await self._end(analysis, event, trial)
        log.warning(
            "analysis_failed", analyzer=analysis.analyzer, run_id=analysis.run_id, file_id=analysis.file_id, code=code
        )

    async def _end(self, analysis: Analysis, event: AnalysisCompleted | AnalysisFailed, trial: _Trial) -> None:
        """Publish the end, once it is sure that the beginning is stored, which is in front of it."""
        stored = await self._publisher.hand_over(event)
        if trial.said is not None:
            await trial.said
        await stored
        self._attempts.end(analysis)
        outcome = event.code if isinstance(event, AnalysisFailed) else "completed"
        metrics.ANALYSES.labels(analyzer=analysis.analyzer, outcome=outcome).inc()
