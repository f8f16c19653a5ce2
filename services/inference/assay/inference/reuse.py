"""Verdicts that were reached before: the same bytes of the same owner need not be judged twice.

files/{file_id}/verdicts/{analyzer}/{version}-{settings}.json    under the file, so it goes when the file goes

A request says which of its owner's files had the same bytes, so nothing is looked up for new content. A verdict that is
taken over is kept under the new file too, with copies of its artifacts: either file may be deleted.
"""

import asyncio
import hashlib
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from assay.contracts import AnalyzerManifest, Artifact, Verdict
from assay.inference import metrics, verdicts
from assay.inference.domain import Analysis, Deletions
from assay.shared.objects import ObjectMissingError, ObjectStore, StorageError
from assay.shared.tasks import end

log = structlog.get_logger(__name__)

LOOKED_AT = 4
MAX_BYTES = 1024 * 1024
WAITING = 10_000
REST = 20
"""While analyses wait for their turn, a verdict is written, then nothing for twenty times as long."""


class Kept(BaseModel):
    """A verdict as it lies in storage, with the run and the device that reached it."""

    model_config = ConfigDict(frozen=True)

    run_id: UUID
    device: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class _Order:
    """A verdict to be kept, as JSON."""

    file_id: UUID
    key: str
    data: bytes


class Keeper:
    """Writes verdicts to storage when there is time for it; what does not come to that is judged anew."""

    def __init__(self, store: ObjectStore, deletions: Deletions, *, is_busy: Callable[[], bool]) -> None:
        self._store = store
        self._deletions = deletions
        self._is_busy = is_busy
        # The oldest go where too many wait.
        self._orders: deque[_Order] = deque(maxlen=WAITING)
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._write_for_ever(), name="keep verdicts")

    async def stop(self) -> None:
        """Write no more."""
        await end(self._task)

    def offer(self, file_id: UUID, key: str, kept: Kept) -> None:
        """Keep this verdict when there is time."""
        self._orders.append(_Order(file_id, key, kept.model_dump_json().encode()))
        self._news.set()

    async def _write_for_ever(self) -> None:
        while True:
            while not self._orders:
                self._news.clear()
                await self._news.wait()
            order = self._orders.popleft()
            started = time.monotonic()
            if order.file_id not in self._deletions:
                try:
                    await self._store.put(order.key, order.data, media_type="application/json")
                except (*StorageError, OSError) as error:
                    log.warning("verdict_not_kept", key=order.key, reason=str(error) or type(error).__name__)
            if self._is_busy():
                await asyncio.sleep(REST * (time.monotonic() - started))


class EarlierVerdicts:
    """The earlier verdicts of one analyzer."""

    def __init__(
        self,
        manifest: Callable[[], AnalyzerManifest],
        settings: BaseModel | None,
        store: ObjectStore,
        keeper: Keeper,
    ) -> None:
        """manifest: asked each time, for optional weights show only when the analyzer is opened.

        settings: the analyzer's own; a verdict under other ones, or with other weights, is another verdict.
        """
        self._manifest = manifest
        self._said = json.dumps(
            None if settings is None else settings.model_dump(mode="json"), sort_keys=True, default=str
        )
        self._store = store
        self._keeper = keeper

    async def find(self, analysis: Analysis) -> Kept | None:
        """An earlier verdict on these bytes, as this analysis' own; None where there is none, or storage is away."""
        for file_id in analysis.same_bytes[-LOOKED_AT:][::-1]:
            try:
                data = await self._store.read(self._key(file_id), at_most=MAX_BYTES)
                kept = Kept.model_validate_json(data)
                verdict = await self._own(analysis, kept.verdict)
            except ObjectMissingError:
                continue
            except (*StorageError, OSError, ValidationError) as error:
                log.warning("earlier_verdict_not_read", file_id=file_id, reason=str(error) or type(error).__name__)
                continue
            metrics.REUSED.labels(analyzer=self._manifest().name).inc()
            return kept.model_copy(update={"verdict": verdict.model_copy(update={"reused_from": kept.run_id})})
        return None

    def keep(self, analysis: Analysis, verdict: Verdict, *, run_id: UUID, device: str) -> None:
        """Keep a verdict for later, with all of its artifacts. run_id: the run that reached it."""
        kept = Kept(run_id=run_id, device=device, verdict=verdict.model_copy(update={"reused_from": None}))
        self._keeper.offer(analysis.file_id, self._key(analysis.file_id), kept)

    async def _own(self, analysis: Analysis, verdict: Verdict) -> Verdict:
        """The verdict with artifacts that belong to this file: those of another are copied."""
        artifacts: list[Artifact] = []
        for artifact in verdict.artifacts:
            key = artifact.key
            if not key.startswith(f"files/{analysis.file_id}/"):
                key = analysis.artifact_key(artifact.name)
                await self._store.copy(artifact.key, key)
            artifacts.append(artifact.model_copy(update={"key": key}))
        return verdict.model_copy(update={"artifacts": tuple(artifacts)})

    def _key(self, file_id: UUID) -> str:
        manifest = self._manifest()
        judged_by = f"{self._said}{verdicts.weights_hash(manifest) or ''}"
        under = f"{manifest.version}-{hashlib.sha256(judged_by.encode()).hexdigest()[:16]}"
        return f"files/{file_id}/verdicts/{manifest.name}/{under}.json"
