"""What tests of the results service say on Kafka, and how they wait for what it made of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import httpx

from assay.contracts import (
    AnalysisCompleted,
    AnalysisExplained,
    AnalysisFailed,
    AnalysisProgressed,
    AnalysisStarted,
    Artifact,
    Event,
    Evidence,
    FileDeleted,
    FileDerived,
    FileUploaded,
    RunRequested,
    Verdict,
)
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher

T = TypeVar("T")
LIMIT_S = 20.0
SHA256 = "ab" * 32
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


async def eventually(look: Callable[[], Awaitable[T | None]], what: str, limit_s: float = LIMIT_S) -> T:
    """The first answer that is neither None nor False; fails with `what` where none comes in time."""
    until = time.monotonic() + limit_s
    while True:
        found = await look()
        if found is not None and found is not False:
            return found
        assert time.monotonic() < until, f"not in {limit_s:.0f} s: {what}"
        await asyncio.sleep(0.03)


def verdict(label: str = "manipulated", claim: str = "manipulated", score: float | None = 0.93, **more: Any) -> Verdict:
    evidence = more.pop("evidence", (Evidence(text=f"A trace of {label}.", weight=2.5, where={"box": [1, 2, 3, 4]}),))
    return Verdict(
        label=label, claim=claim, score=score, confidence=more.pop("confidence", 0.8), evidence=evidence, **more
    )


class Story:
    """One file of one owner, and all that may be said of it. Every event has a time of its own."""

    def __init__(self, publisher: Publisher, owner: str, *, file_id: UUID | None = None) -> None:
        self._publisher = publisher
        self.owner = owner
        self.file_id = file_id or new_id()
        self.run_id = new_id()
        self.clock = NOON

    def _base(self) -> dict[str, Any]:
        self.clock += timedelta(seconds=1)
        return {"file_id": self.file_id, "owner_id": self.owner, "occurred_at": self.clock}

    @property
    def _facts(self) -> dict[str, Any]:
        return {
            "media_type": "image/jpeg",
            "size": 1234,
            "sha256": SHA256,
            "object_key": f"files/{self.file_id}/content",
        }

    async def say(self, *events: Event, topic: str | None = None) -> None:
        for event in events:
            await self._publisher.publish(event, topics=(topic or event.topics[0],))

    def uploaded(self, filename: str = "photo.jpg", **more: Any) -> FileUploaded:
        return FileUploaded(
            **{**self._base(), **self._facts, "filename": filename, "metadata": {"desk": "news"}, **more}
        )

    def requested(
        self, *plan: str, number: int = 1, deadline: datetime | None = None, run_id: UUID | None = None
    ) -> RunRequested:
        return RunRequested(
            **self._base(),
            **self._facts,
            run_id=run_id or self.run_id,
            run_number=number,
            plan=plan,
            deadline=deadline or datetime.now(UTC) + timedelta(hours=24),
        )

    def derived(
        self, parent: "Story", by: str, *plan: str, deadline: datetime | None = None, **more: Any
    ) -> FileDerived:
        return FileDerived(
            **{
                **self._base(),
                **self._facts,
                "parent_file_id": parent.file_id,
                "parent_run_id": parent.run_id,
                "derived_by": by,
                "depth": 1,
                "run_id": self.run_id,
                "plan": plan,
                "deadline": deadline or datetime.now(UTC) + timedelta(hours=24),
                **more,
            }
        )

    def started(self, analyzer: str, attempt: int = 1) -> AnalysisStarted:
        return AnalysisStarted(
            **self._base(), run_id=self.run_id, analyzer=analyzer, version="1.0.0", attempt=attempt, device="cpu"
        )

    def progressed(
        self, analyzer: str, sequence: int, fraction: float, *, attempt: int = 1, stage: str = "infer"
    ) -> AnalysisProgressed:
        return AnalysisProgressed(
            **self._base(),
            run_id=self.run_id,
            analyzer=analyzer,
            attempt=attempt,
            sequence=sequence,
            stage=stage,
            fraction=fraction,
        )

    def completed(
        self, analyzer: str, said: Verdict | None = None, *, derived: tuple[UUID, ...] = (), **more: Any
    ) -> AnalysisCompleted:
        return AnalysisCompleted(
            **self._base(),
            **{
                "run_id": self.run_id,
                "analyzer": analyzer,
                "version": "1.0.0",
                "device": "cpu",
                "duration_ms": 120,
                "verdict": said or verdict(),
                "derived": derived,
                **more,
            },
        )

    def explained(self, analyzer: str, *artifacts: Artifact, **more: Any) -> AnalysisExplained:
        said = {"run_id": self.run_id, "attempt": 1, **more}
        return AnalysisExplained(**self._base(), analyzer=analyzer, artifacts=artifacts, **said)

    def failed(self, analyzer: str, code: str = "media_unreadable") -> AnalysisFailed:
        return AnalysisFailed(
            **self._base(), run_id=self.run_id, analyzer=analyzer, version="1.0.0", code=code, message="It is damaged."
        )

    def deleted(self) -> FileDeleted:
        return FileDeleted(**self._base())

    def artifact(self, analyzer: str, data: bytes, name: str = "heatmap.png") -> Artifact:
        return Artifact(
            name=name,
            media_type="image/png",
            size=len(data),
            sha256=SHA256,
            key=f"files/{self.file_id}/runs/{self.run_id}/{analyzer}/{name}",
            title="Where it was edited.",
        )


class Client:
    """One owner at the service's HTTP."""

    def __init__(self, url: str, owner: str, token: str) -> None:
        self.owner = owner
        self.token = token
        self.http = httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=20)

    async def file(self, file_id: UUID) -> dict[str, Any]:
        answer = await self.http.get(f"/api/v1/files/{file_id}")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def find(self, file_id: UUID) -> dict[str, Any] | None:
        """The file in the owner's list, which never waits."""
        answer = await self.http.get("/api/v1/files", params={"limit": 100})
        return next((item for item in answer.json()["items"] if item["file_id"] == str(file_id)), None)

    async def file_when(self, file_id: UUID, fact: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
        """The file once `fact` holds for it."""

        async def look() -> dict[str, Any] | None:
            answer = await self.http.get(f"/api/v1/files/{file_id}")
            if answer.status_code != 200:
                return None
            body: dict[str, Any] = answer.json()
            try:
                return body if fact(body) else None
            except (TypeError, IndexError):  # it has no run yet, or no analyses
                return None

        return await eventually(look, what)

    async def report_of(self, file_id: UUID) -> dict[str, Any]:
        """The file once its newest run has a report."""
        return await self.file_when(file_id, lambda body: body["run"] and body["run"]["report"], f"report of {file_id}")


def is_final(body: dict[str, Any]) -> bool:
    return body["status"] in ("analyzed", "partially_analyzed", "failed")
