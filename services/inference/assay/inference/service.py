"""The use cases of one analyzer: examine a file, give up on it, forget it."""

import asyncio
import dataclasses
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import structlog

from assay.contracts import AnalyzerManifest, Artifact, FileDeleted
from assay.inference import metrics, verdicts
from assay.inference.artifacts import ArtifactStore
from assay.inference.attempts import Attempts
from assay.inference.cache import FileCache
from assay.inference.derived import Derivations
from assay.inference.domain import Analysis, Deletions, Request
from assay.inference.engine import Engine, Place
from assay.inference.errors import (
    AnalysisError,
    FileDeletedError,
    FileMissingError,
    FileTooLargeError,
    TimedOutError,
    is_transient,
)
from assay.inference.progress import Progress
from assay.inference.reuse import EarlierVerdicts
from assay.inference.trial import Trial
from assay.sdk import AnalyzerError, Finding, NotApplicableError, Rendering
from assay.shared import tracing
from assay.shared.clock import now
from assay.shared.kafka import Publisher

log = structlog.get_logger(__name__)

STAGES = ("fetch", "prepare", "infer", "explain")
BACKSTOP_S = 2.0
"""The sandbox's own limit is a little later than the analysis': it counts where the event loop does not get to it."""


class _RunOverError(Exception):
    """The run's deadline passed while the analysis waited for its turn: results has said its end."""


class AnalysisService:
    """Examines files with one analyzer and says on `assay.analyses` what comes of it."""

    def __init__(
        self,
        *,
        engine: Engine,
        files: FileCache,
        artifacts: ArtifactStore,
        earlier: EarlierVerdicts,
        derivations: Derivations,
        publisher: Publisher,
        deletions: Deletions,
        attempts: Attempts,
    ) -> None:
        self._engine = engine
        self._files = files
        self._artifacts = artifacts
        self._earlier = earlier
        self._derivations = derivations
        self._publisher = publisher
        self._deletions = deletions
        self._attempts = attempts
        self._seconds = {
            stage: metrics.STAGE_SECONDS.labels(analyzer=engine.manifest.name, stage=stage) for stage in STAGES
        }

    @property
    def _manifest(self) -> AnalyzerManifest:
        """Changes once, when the engine is equipped: before the first request."""
        return self._engine.manifest

    async def examine(self, request: Request, *, urgent: bool) -> None:
        """Do what a request asks of this analyzer, if its plan names it and its deadline is ahead.

        urgent: a person waits for it.
        Returns when the end is published. Raises what may pass (`errors.is_transient`) and defects.
        """
        if self._manifest.name not in request.plan:
            return
        analysis = Analysis.of(request, self._manifest.name, urgent=urgent)
        trial = self._trial(analysis)
        try:
            await self._end(analysis, trial)
        except Exception:
            await trial.break_off()
            raise
        finally:
            trial.close()

    async def _end(self, analysis: Analysis, trial: Trial) -> None:
        try:
            if analysis.deadline <= now():
                raise _RunOverError
            if not await self._take_over(analysis, trial):
                await self._judge(analysis, trial)
        except NotApplicableError as reason:
            await trial.complete(verdicts.not_applicable(self._manifest, str(reason)))
        except (AnalysisError, AnalyzerError) as error:
            if is_transient(error):
                raise
            await trial.fail(error)
        except _RunOverError:
            log.info("run_past_deadline", analyzer=analysis.analyzer, run_id=analysis.run_id)

    async def give_up(self, request: Request, error: BaseException) -> None:
        """Say the end of an analysis that nothing helps, before its record becomes a dead letter."""
        if self._manifest.name in request.plan:
            await self._trial(Analysis.of(request, self._manifest.name)).fail(error)

    async def forget(self, event: FileDeleted) -> None:
        """End what runs on a deleted file, and remove its local copy."""
        if self._deletions.note(event.file_id):
            await self._files.forget([event.file_id])

    def _trial(self, analysis: Analysis) -> Trial:
        return Trial(analysis, self._manifest, self._engine.device, publisher=self._publisher, attempts=self._attempts)

    async def _take_over(self, analysis: Analysis, trial: Trial) -> bool:
        """Say an earlier verdict on the same bytes; False where there is none.

        There is none of an analyzer that derives: each run announces its own derived files.
        """
        if self._manifest.derives or not analysis.same_bytes or analysis.file_id in self._deletions:
            return False
        kept = await self._earlier.find(analysis)
        if kept is None:
            return False
        if analysis.file_id in self._deletions:
            raise FileDeletedError
        await trial.complete(kept.verdict, device=kept.device)
        self._earlier.keep(analysis, kept.verdict, run_id=kept.run_id, device=kept.device)
        return True

    async def _judge(self, analysis: Analysis, trial: Trial) -> None:
        try:
            async with asyncio.timeout(None) as limit:
                with self._deletions.ending(analysis.file_id, limit):
                    if analysis.file_id in self._deletions:
                        raise FileDeletedError
                    if analysis.size > self._manifest.max_bytes:
                        raise FileTooLargeError(analysis.size, self._manifest.max_bytes)
                    await self._examined(analysis, trial, limit)
        except (TimeoutError, FileMissingError) as error:
            is_late = isinstance(error, TimeoutError) and limit.expired()
            if analysis.file_id in self._deletions:
                await self._files.forget([analysis.file_id])
                if not trial.is_over:
                    raise FileDeletedError from error
            elif not is_late:
                raise
            elif trial.is_over:
                log.error("analysis_not_explained", analyzer=analysis.analyzer, run_id=analysis.run_id, reason="late")
                await trial.explain(())
            else:
                raise TimedOutError(self._manifest.time_limit_s) from error

    async def _examined(self, analysis: Analysis, trial: Trial, limit: asyncio.Timeout) -> None:
        async with self._engine.place(urgent=analysis.urgent) as place:
            async with Progress(trial.progress) as progress:
                prepared = await self._prepared(analysis, trial, limit, place, progress)
                with self._stage("infer", progress):
                    finding = await place.infer(prepared)
            details, whole = verdicts.bounded(finding)
            verdict = verdicts.conclude(self._manifest, finding, details, ())
            # The verdict is there in time, whatever Kafka takes to store it.
            limit.reschedule(None)
            derived, left_out = await self._derivations.announce(analysis, finding.derived)
            verdict = verdict.model_copy(update={"evidence": (*verdict.evidence, *left_out)})
            follow = bool(whole) or self._engine.explains
            await trial.complete(verdict, artifacts_follow=follow, derived=derived)
            if follow:
                limit.reschedule(asyncio.get_running_loop().time() + self._manifest.time_limit_s)
                with self._stage("explain"):
                    artifacts = await self._explained(analysis, prepared, finding, whole)
                    await trial.explain(artifacts)
                verdict = verdict.model_copy(update={"artifacts": artifacts})
        if not self._manifest.derives:
            self._earlier.keep(analysis, verdict, run_id=analysis.run_id, device=self._engine.device)

    async def _prepared(
        self, analysis: Analysis, trial: Trial, limit: asyncio.Timeout, place: Place, progress: Progress
    ) -> Any:
        async with AsyncExitStack() as until_prepared:
            # Neither the download nor the wait for a child counts: another file may hold up all of them.
            with self._stage("fetch"):
                media = await until_prepared.enter_async_context(self._files.lease(analysis))
            child = await until_prepared.enter_async_context(place.child())
            if analysis.deadline <= now():
                raise _RunOverError
            trial.begin()
            if analysis.file_id in self._deletions:
                raise FileDeletedError
            limit.reschedule(asyncio.get_running_loop().time() + self._manifest.time_limit_s)
            media = dataclasses.replace(media, room=self._derivations.room(analysis))
            with self._stage("prepare", progress):
                return await place.prepare(child, media, self._manifest.time_limit_s + BACKSTOP_S)

    async def _explained(
        self, analysis: Analysis, prepared: Any, finding: Finding, whole: list[Rendering]
    ) -> tuple[Artifact, ...]:
        """Store what there is to look at. A defect there costs the artifacts, never the verdict, which is said."""
        try:
            return await self._artifacts.put(analysis, [*await self._engine.explain(prepared, finding), *whole])
        except Exception as error:
            if is_transient(error):
                raise
            log.error("analysis_not_explained", analyzer=analysis.analyzer, run_id=analysis.run_id, exc_info=error)
            return ()

    @contextmanager
    def _stage(self, name: str, progress: Progress | None = None) -> Iterator[None]:
        if progress is not None:
            progress.reach(name)
        with tracing.step(name), self._seconds[name].time():
            yield
