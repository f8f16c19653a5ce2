"""Plays upload and the workers: publishes what they would, to the real broker. results and notify are the real ones."""

from datetime import timedelta
from uuid import UUID

from assay.contracts import (
    AnalysisCompleted,
    AnalysisExplained,
    AnalysisProgressed,
    AnalysisStarted,
    Artifact,
    Event,
    FileDeleted,
    FileDerived,
    FileUploaded,
    RunRequested,
    Verdict,
)
from assay.shared.clock import now
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher

SHA256 = "0" * 64
RUN_COMPLETED = "assay.run.completed.v1"


class PlayedFile:
    """A file of one owner, whose life the test decides."""

    def __init__(self, publisher: Publisher, owner: str, *, plan: tuple[str, ...] = ("noise",), bulk: bool = False):
        self.file_id: UUID = new_id()
        self.owner = owner
        self.plan = plan
        self.run_number = 0
        self.run_id: UUID = new_id()
        self.sent: list[str] = []
        self._lane = "assay.files.bulk" if bulk else "assay.files"
        self._publisher = publisher

    @property
    def path(self) -> str:
        return f"/api/v1/files/{self.file_id}/events"

    async def _send(self, event: Event, *topics: str) -> None:
        await self._publisher.publish(event, topics=topics or event.topics)
        self.sent.append(event.type)

    async def upload(self, filename: str = "photo.jpg") -> None:
        """The file, and its first run."""
        uploaded = FileUploaded(
            occurred_at=now(), file_id=self.file_id, owner_id=self.owner, filename=filename, media_type="image/jpeg",
            size=1, sha256=SHA256, object_key=f"files/{self.file_id}/content",
        )  # fmt: skip
        await self._send(uploaded, self._lane)
        await self.request_run()

    async def request_run(self, lane: str | None = None) -> None:
        """A run, the next one."""
        self.run_number += 1
        self.run_id = new_id()
        requested = RunRequested(
            occurred_at=now(), file_id=self.file_id, owner_id=self.owner, run_id=self.run_id,
            run_number=self.run_number, plan=self.plan, deadline=now() + timedelta(hours=1), media_type="image/jpeg",
            size=1, sha256=SHA256, object_key=f"files/{self.file_id}/content",
        )  # fmt: skip
        await self._send(requested, lane or self._lane)

    async def start(self, analyzer: str = "noise") -> None:
        """A worker takes the analysis up."""
        started = AnalysisStarted(
            occurred_at=now(), file_id=self.file_id, owner_id=self.owner, run_id=self.run_id, analyzer=analyzer,
            version="1.0.0", attempt=1, device="cpu",
        )  # fmt: skip
        await self._send(started)

    async def progress(self, sequence: int, analyzer: str = "noise", stage: str = "infer") -> None:
        """It gets on."""
        progressed = AnalysisProgressed(
            occurred_at=now(), file_id=self.file_id, owner_id=self.owner, run_id=self.run_id, analyzer=analyzer,
            attempt=1, sequence=sequence, stage=stage, fraction=min(1.0, sequence / 100),
        )  # fmt: skip
        await self._send(progressed)

    async def derive(self, parent: "PlayedFile", by: str = "noise", *, plan: tuple[str, ...] = ("noise",)) -> None:
        """A worker finds it inside another file."""
        derived = FileDerived(
            occurred_at=now(), file_id=self.file_id, owner_id=self.owner, parent_file_id=parent.file_id,
            parent_run_id=parent.run_id, derived_by=by, depth=1, run_id=self.run_id, plan=plan,
            deadline=now() + timedelta(hours=1), media_type="image/jpeg", size=1, sha256=SHA256,
            object_key=f"files/{self.file_id}/content",
        )  # fmt: skip
        await self._send(derived, self._lane)

    async def complete(
        self, analyzer: str = "noise", *, derived: tuple[UUID, ...] = (), artifacts_follow: bool = False
    ) -> None:
        """It ends; with the last of the plan, and all that was found inside, results completes the run."""
        completed = AnalysisCompleted(
            occurred_at=now(), file_id=self.file_id, owner_id=self.owner, run_id=self.run_id, analyzer=analyzer,
            version="1.0.0", device="cpu", duration_ms=1, derived=derived,
            verdict=Verdict(label="no_findings", claim="manipulated", score=0.1, confidence=0.9),
            artifacts_follow=artifacts_follow,
        )  # fmt: skip
        await self._send(completed)

    async def explain(self, analyzer: str = "noise") -> None:
        """Its heat map is stored."""
        key = f"files/{self.file_id}/runs/{self.run_id}/{analyzer}/heatmap.png"
        artifact = Artifact(name="heatmap.png", media_type="image/png", size=1, sha256=SHA256, key=key)
        explained = AnalysisExplained(
            occurred_at=now(), file_id=self.file_id, owner_id=self.owner, run_id=self.run_id, analyzer=analyzer,
            attempt=1, artifacts=(artifact,),
        )  # fmt: skip
        await self._send(explained)

    async def delete(self) -> None:
        """The owner deletes it."""
        await self.delete_in(self._lane)

    async def delete_in(self, lane: str) -> None:
        """The same is said in a lane."""
        await self._send(FileDeleted(occurred_at=now(), file_id=self.file_id, owner_id=self.owner), lane)
