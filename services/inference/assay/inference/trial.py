"""One attempt at an analysis, and everything that is said of it on `assay.analyses`."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from aiokafka.errors import KafkaError

from assay.contracts import (
    AnalysisCompleted,
    AnalysisExplained,
    AnalysisFailed,
    AnalysisProgressed,
    AnalysisStarted,
    AnalyzerManifest,
    Artifact,
    Verdict,
)
from assay.inference import metrics
from assay.inference.attempts import Attempts
from assay.inference.domain import Analysis
from assay.inference.errors import described
from assay.shared.clock import now
from assay.shared.kafka import Publisher

log = structlog.get_logger(__name__)

SAID_AFTER_S = 0.1
"""What is over sooner is said to have started together with its end: in one batch, for whoever stores or reads it."""


class Trial:
    """Counts from `begin`. Says one end, whatever happens after it."""

    def __init__(
        self, analysis: Analysis, manifest: AnalyzerManifest, device: str, *, publisher: Publisher, attempts: Attempts
    ) -> None:
        self._analysis = analysis
        self._manifest = manifest
        self._device = device
        self._publisher = publisher
        self._attempts = attempts
        self._attempt = attempts.of(analysis)
        self._began: float | None = None
        self._started: AnalysisStarted | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._saying: asyncio.Task[asyncio.Future[None]] | None = None
        self.is_over = False
        """True once its end was said."""

    @property
    def elapsed_s(self) -> float:
        """Seconds since it began; 0 before."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    def begin(self) -> None:
        """From now on it has started, and that is said soon. What is said later is stored after this."""
        self._attempt, self._began = self._attempts.begin(self._analysis), time.monotonic()
        self._started = AnalysisStarted(
            **self._about(), version=self._manifest.version, attempt=self._attempt, device=self._device
        )
        self._timer = asyncio.get_running_loop().call_later(SAID_AFTER_S, self._say_started)

    def _say_started(self) -> None:
        if self._started is not None:
            self._saying = asyncio.create_task(self._publisher.hand_over(self._started))
            self._started = None

    async def break_off(self) -> None:
        """Say that it had started: it ended without an end of its own, and is tried again or given up."""
        if self._started is not None:
            event, self._started = self._started, None
            try:
                await self._publisher.publish(event)
            except (KafkaError, TimeoutError) as error:  # why it was broken off matters more
                log.warning("start_not_published", reason=str(error) or type(error).__name__)

    def close(self) -> None:
        """Say nothing more by itself, for instance because its work went elsewhere."""
        if self._timer is not None:
            self._timer.cancel()
        if self._saying is not None:
            self._saying.cancel()

    async def progress(self, sequence: int, stage: str, fraction: float) -> None:
        """Say how far it is."""
        event = AnalysisProgressed(
            **self._about(), attempt=self._attempt, sequence=sequence, stage=stage, fraction=fraction
        )
        await self._publisher.publish(event)

    async def complete(
        self,
        verdict: Verdict,
        *,
        artifacts_follow: bool = False,
        derived: Sequence[UUID] = (),
        device: str | None = None,
    ) -> None:
        """Say the verdict. device: where it was reached, if not here and now."""
        event = AnalysisCompleted(
            **self._about(),
            version=self._manifest.version,
            attempt=self._attempt,
            device=device or self._device,
            duration_ms=round(self.elapsed_s * 1000),
            verdict=verdict,
            derived=tuple(derived),
            artifacts_follow=artifacts_follow,
        )
        await self._end(event)
        metrics.ANALYSES.labels(analyzer=self._analysis.analyzer, outcome="completed").inc()
        log.info(
            "analysis_completed",
            analyzer=self._analysis.analyzer,
            run_id=self._analysis.run_id,
            file_id=self._analysis.file_id,
            label=verdict.label,
            duration_ms=event.duration_ms,
        )

    async def explain(self, artifacts: tuple[Artifact, ...]) -> None:
        """Say what there is to be looked at."""
        await self._publisher.publish(
            AnalysisExplained(**self._about(), attempt=max(1, self._attempt), artifacts=artifacts)
        )

    async def fail(self, error: BaseException) -> None:
        """Say that there is no verdict, and why."""
        code, message = described(error)
        event = AnalysisFailed(
            **self._about(), version=self._manifest.version, attempt=self._attempt, code=code, message=message
        )
        await self._end(event)
        metrics.ANALYSES.labels(analyzer=self._analysis.analyzer, outcome=code).inc()
        log.warning(
            "analysis_failed",
            analyzer=self._analysis.analyzer,
            run_id=self._analysis.run_id,
            file_id=self._analysis.file_id,
            code=code,
        )

    async def _end(self, event: AnalysisCompleted | AnalysisFailed) -> None:
        """Publish the end, once it is sure that the beginning is stored, which is in front of it."""
        self.is_over = True
        begin: asyncio.Future[None] | None = None
        if self._saying is not None:
            begin = await self._saying
        elif self._started is not None:
            begin = await self._publisher.hand_over(self._started)
            self._started = None
        end = await self._publisher.hand_over(event)
        if begin is not None:
            await begin
        await end
        self._attempts.end(self._analysis)

    def _about(self) -> dict[str, Any]:
        """What every event of an analysis says: when, and which one."""
        return {
            "occurred_at": now(),
            "file_id": self._analysis.file_id,
            "owner_id": self._analysis.owner_id,
            "run_id": self._analysis.run_id,
            "analyzer": self._analysis.analyzer,
        }
