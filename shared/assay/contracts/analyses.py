"""What workers say while they examine a file, and what people say of the verdicts."""

from typing import ClassVar
from uuid import UUID, uuid5

from pydantic import Field

from assay.contracts.base import FileEvent
from assay.contracts.verdicts import Artifact, Verdict


class AnalysisEvent(FileEvent):
    """An event of one analysis: one analyzer's work in one run."""

    topics: ClassVar[tuple[str, ...]] = ("assay.analyses",)

    run_id: UUID
    analyzer: str = Field(examples=["jpeg-forensics"])


class AnalysisStarted(AnalysisEvent):
    """A worker has taken up the analysis."""

    type: ClassVar[str] = "assay.analysis.started.v1"

    version: str = Field(description="The analyzer's version")
    attempt: int = Field(ge=1, description="2 and more after a worker died or a temporary failure")
    device: str = Field(examples=["cuda:0"])

    @property
    def event_id(self) -> UUID:
        return uuid5(self.run_id, f"{self.analyzer}/started/{self.attempt}")


class AnalysisProgressed(AnalysisEvent):
    """How far it is. May be lost or repeated."""

    type: ClassVar[str] = "assay.analysis.progressed.v1"

    attempt: int = Field(ge=1)
    sequence: int = Field(ge=1, description="Counts the progress events of this attempt")
    stage: str = Field(examples=["fetch", "prepare", "infer", "explain"])
    fraction: float = Field(ge=0, le=1, description="Of the whole analysis")

    @property
    def event_id(self) -> UUID:
        return uuid5(self.run_id, f"{self.analyzer}/progressed/{self.attempt}/{self.sequence}")


class AnalysisTerminal(AnalysisEvent):
    """An end of an analysis. Every reader takes the first in the partition and ignores later ones."""

    version: str | None = Field(default=None, description="The analyzer's version; null where none answered")
    attempt: int = Field(default=1, ge=0, description="0 where no worker took it up")

    @property
    def event_id(self) -> UUID:
        """One id for both ends, so that a second end is recognised whatever it says."""
        return uuid5(self.run_id, f"{self.analyzer}/terminal")


class AnalysisCompleted(AnalysisTerminal):
    """The analyzer has reached a verdict."""

    type: ClassVar[str] = "assay.analysis.completed.v1"

    device: str
    duration_ms: int = Field(ge=0, description="From started to this verdict")
    verdict: Verdict
    derived: tuple[UUID, ...] = Field(
        default=(), description="Files that it found inside; the run waits until their runs are complete"
    )
    artifacts_follow: bool = Field(
        default=False, description="True: `explained` will name its artifacts; false: the verdict names them all"
    )


class AnalysisExplained(AnalysisEvent):
    """The artifacts of a verdict are stored. It follows `completed`, which does not wait for them.

    No run waits for it. Where nothing could be made to look at, it names none.
    """

    type: ClassVar[str] = "assay.analysis.explained.v1"

    attempt: int = Field(ge=1, description="The attempt whose `completed` it follows")
    artifacts: tuple[Artifact, ...]

    @property
    def event_id(self) -> UUID:
        return uuid5(self.run_id, f"{self.analyzer}/explained")


class AnalysisFailed(AnalysisTerminal):
    """There will be no verdict from this analyzer in this run."""

    type: ClassVar[str] = "assay.analysis.failed.v1"

    code: str = Field(
        description="Stable; the text is not",
        examples=["timed_out", "file_deleted", "media_unreadable", "analyzer_crashed"],
    )
    message: str = Field(description="For a person: what was wrong and what to do")


class FeedbackRecorded(FileEvent):
    """A person says what the file really is. A later one of the same person about this file replaces it."""

    type: ClassVar[str] = "assay.feedback.recorded.v1"
    topics: ClassVar[tuple[str, ...]] = ("assay.analyses",)

    feedback_id: UUID
    person: str
    label: str
    analyzer: str | None = Field(default=None, description="The verdict it is about; null: the report")
    note: str | None = Field(default=None, max_length=2000)
    run_id: UUID | None = Field(default=None, description="The run whose report or verdict the person had seen")
    run_number: int | None = Field(default=None, ge=1, description="Of that run")

    @property
    def event_id(self) -> UUID:
        return self.feedback_id


class FeedbackWithdrawn(FileEvent):
    """A person takes back what they said about the file."""

    type: ClassVar[str] = "assay.feedback.withdrawn.v1"
    topics: ClassVar[tuple[str, ...]] = ("assay.analyses",)

    feedback_id: UUID = Field(description="Of the `recorded` that counts no more")
    person: str

    @property
    def event_id(self) -> UUID:
        return uuid5(self.feedback_id, "withdrawn")
