"""HTTP bodies, with exactly the names of the public API."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from assay.contracts import AnalyzerManifest, ClaimScore, Evidence, MissingAnalysis
from assay.contracts.analyzers import ANALYZER_NAME

Status = Literal["queued", "running", "analyzed", "partially_analyzed", "failed"]


class Schema(BaseModel):
    model_config = ConfigDict(frozen=True)


class SelfLink(Schema):
    self: str


class FileLinks(Schema):
    self: str
    events: str = Field(description="Server-sent events of this file")
    web: str = Field(description="The page that shows it")


class ArtifactView(Schema):
    name: str
    media_type: str
    title: str | None
    size: int = Field(description="Bytes")
    links: SelfLink


class VerdictView(Schema):
    label: str
    score: float | None = Field(description="Calibrated probability that the claim is true")
    confidence: float
    claim: str
    evidence: list[Evidence]
    artifacts: list[ArtifactView]
    artifacts_follow: bool = Field(
        description="True: more artifacts are being made; `assay.analysis.explained.v1` tells when they are there. "
        "False at the run's deadline at the latest"
    )
    details: dict[str, Any]
    weights_sha256: str | None
    reused_from: UUID | None


class ErrorView(Schema):
    code: str
    message: str


class AnalysisView(Schema):
    analyzer: str
    version: str | None
    status: Literal["queued", "running", "completed", "failed"]
    stage: str | None
    fraction: float
    attempt: int
    queued_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    duration_ms: int | None
    device: str | None
    verdict: VerdictView | None
    error: ErrorView | None


class ReportView(Schema):
    label: str
    claim: str | None
    score: float | None
    confidence: float
    claims: list[ClaimScore] = Field(description="Each claim that a verdict was about; empty in old reports")
    summary: str
    evidence: list[Evidence]
    missing: list[MissingAnalysis]


class RunView(Schema):
    run_id: UUID
    run_number: int | None = Field(description="Null until its request is read")
    status: Status
    deadline: datetime | None
    requested_at: datetime | None
    completed_at: datetime | None
    analyses: list[AnalysisView]
    report: ReportView | None


class RunBrief(Schema):
    """A run in short; its own address has the rest."""

    run_id: UUID
    run_number: int | None
    status: Status
    requested_at: datetime | None
    completed_at: datetime | None
    label: str | None = Field(description="Of its report")
    score: float | None = Field(description="Of its report")


class RunList(Schema):
    items: list[RunBrief] = Field(description="The newest first, 100 at most")


class AnalysisBrief(Schema):
    """What one analyzer said in one run."""

    version: str | None
    status: Literal["queued", "running", "completed", "failed"]
    label: str | None
    score: float | None
    confidence: float | None
    claim: str | None
    error: ErrorView | None


class AnalysisChange(Schema):
    """What one analyzer says otherwise."""

    analyzer: str
    change: Literal["added", "removed", "changed", "same"] = Field(
        description="`added`: only in the later plan; `removed`: only in the earlier one"
    )
    changed: list[str] = Field(description="Which of the fields of `before` and `after` differ")
    before: AnalysisBrief | None
    after: AnalysisBrief | None
    score_change: float | None = Field(description="After less before; null where one has no score")
    evidence_gained: list[str]
    evidence_lost: list[str]


class ReportChange(Schema):
    """What the later report says otherwise."""

    changed: list[str] = Field(description="Of status, label, claim, score, confidence, summary")
    score_change: float | None
    evidence_gained: list[str]
    evidence_lost: list[str]
    missing_before: list[str] = Field(description="Analyzers without a verdict")
    missing_after: list[str]


class RunChanges(Schema):
    """Two runs of a file, compared."""

    before: RunBrief
    after: RunBrief
    same: bool = Field(description="True: both say the same, in every word")
    report: ReportChange
    analyses: list[AnalysisChange] = Field(description="By analyzer, those that are the same included")


class DerivedView(Schema):
    """A file that was found inside another, in short; its own address has the rest."""

    file_id: UUID
    derived_by: str | None = Field(description="The analyzer that found it")
    depth: int | None = Field(description="1 for a file found in an uploaded one")
    media_type: str | None
    size: int | None
    sha256: str | None
    status: Status
    label: str | None
    score: float | None
    links: FileLinks


class FeedbackBody(Schema):
    """What a person says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$",
        description="What the file really is: a label as analyzers give them, such as `manipulated` or `authentic`",
        examples=["authentic"],
    )
    analyzer: str | None = Field(
        default=None, pattern=ANALYZER_NAME, max_length=64, description="Whose verdict it is about; null: the report"
    )
    note: str | None = Field(default=None, max_length=2000, pattern=r"^[^\x00]*$", description="For a person to read")
    run_number: int | None = Field(
        default=None, ge=1, le=2**31 - 1, description="The run that was looked at; null: the newest"
    )


class FeedbackView(Schema):
    """What stands of a person's about a file."""

    feedback_id: UUID
    person: str
    label: str
    analyzer: str | None = Field(description="Whose verdict it is about; null: the report")
    note: str | None
    run_number: int | None = Field(description="The run that was looked at")
    recorded_at: datetime


class ConfusionCell(Schema):
    said: str = Field(description="By the analyzer, or the report")
    given: str = Field(description="By the person")
    number: int


class ConfusionTable(Schema):
    analyzer: str | None = Field(description="Null: the reports")
    feedback: int = Field(description="How much there is to compare")
    agreed: int = Field(description="How often both said the same")
    cells: list[ConfusionCell]


class Confusion(Schema):
    since: datetime
    until: datetime
    feedback: int = Field(description="Given in this time, whatever it is about")
    report: ConfusionTable
    analyzers: list[ConfusionTable] = Field(
        description="Feedback on a report counts for each analyzer that can say that label, on a verdict for its own"
    )


class FileView(Schema):
    file_id: UUID
    parent_file_id: UUID | None
    filename: str | None
    size: int | None = Field(description="Bytes")
    sha256: str | None
    media_type: str | None
    created_at: datetime | None
    status: Status
    metadata: dict[str, Any]
    run: RunView | None = Field(description="The newest run")
    derived: list[DerivedView] = Field(
        description="What was found inside, the first 100; `GET /api/v1/files?parent=` lists all"
    )
    feedback: list[FeedbackView] = Field(description="What people say that it really is")
    links: FileLinks


class FilePage(Schema):
    items: list[FileView]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null at the end")


class SparseFile(Schema):
    """A file of which only some fields were asked for: those of a file, and none but `file_id` for certain."""

    model_config = ConfigDict(frozen=True, extra="allow")

    file_id: UUID


class SparseFilePage(Schema):
    items: list[SparseFile]
    next_cursor: str | None


class AnalyzerHealth(Schema):
    """How an analyzer stands, as Kafka knows its consumer group; some seconds old at most."""

    status: Literal["working", "no_workers", "unknown"] = Field(
        description="`no_workers`: files wait for it; `unknown`: Kafka did not answer in time"
    )
    workers: int | None = Field(description="Members of its group; null: not known")
    lag: dict[str, int] | None = Field(
        description="Records before it, by topic, those for other analyzers included; null: not known"
    )
    as_of: datetime | None


class AnalyzerView(AnalyzerManifest):
    registered_at: datetime
    health: AnalyzerHealth


class AnalyzerList(Schema):
    items: list[AnalyzerView]


class Percentiles(Schema):
    """Milliseconds, right to 5 %."""

    p50: float
    p90: float
    p99: float


class AnalyzerStats(Schema):
    queued: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    mean_duration_ms: float | None = None
    duration_ms: Percentiles | None = Field(
        default=None, description="From started to the verdict; of those that were not taken over from an earlier run"
    )
    failure_rate: float | None = Field(default=None, description="Of those that ended, 0 to 1")
    by_label: dict[str, int] = Field(default_factory=dict, description="Of the verdicts")


class AnalyzerDay(Schema):
    completed: int
    failed: int
    duration_ms: Percentiles | None
    by_label: dict[str, int]


class DayStats(Schema):
    day: date = Field(description="In UTC; a file's is that of its upload, an analysis's that of its run's request")
    files: int
    bytes: int
    analyses: dict[str, AnalyzerDay]


class LastHour(Schema):
    files: int = Field(description="Uploaded, or found inside, in the last 60 minutes")
    analyses: int = Field(description="Asked for in the last 60 minutes")


class Stats(Schema):
    scope: Literal["own", "all"]
    as_of: datetime = Field(description="When it was counted")
    files: int
    bytes: int
    by_status: dict[str, int]
    by_label: dict[str, int]
    by_media_type: dict[str, int]
    analyses: dict[str, AnalyzerStats]
    last_hour: LastHour
    days: list[DayStats] = Field(description="The newest first, 30 at most")


class Who(Schema):
    owner_id: str
    scopes: list[str]


class DeadLetterView(Schema):
    """A record that a consumer gave up on. `partition` and `offset` are those of the dead letter itself."""

    partition: int
    offset: int
    group: str | None
    error: str | None
    attempts: int | None
    origin: str | None = Field(description="topic/partition/offset of the original record")
    at: datetime | None
    type: str | None = Field(description="`ce_type` of the original record")
    key: str
    replayed_at: datetime | None


class DeadLetterList(Schema):
    items: list[DeadLetterView] = Field(description="The newest first")
    scanned: int = Field(description="Records looked at, those of other groups included")
    next_cursor: str | None = Field(
        description="Send it as `cursor` for older ones; null at the end. A page may be empty and have one"
    )


class HeaderView(Schema):
    name: str
    value: str | None = Field(description="Null where it is null, or is no text")
    base64: str | None = Field(default=None, description="The bytes, where they are no text")


class AnalysisOfLetter(Schema):
    """The analysis that ended with it."""

    file_id: UUID
    run_id: UUID
    analyzer: str


class ReplayView(Schema):
    """What a replay did."""

    way: Literal["run", "record"] = Field(
        description="`run`: a new run with that analyzer only; `record`: back into its topic, for its group only"
    )
    group: str
    file_id: UUID | None
    run_id: UUID | None = Field(description="The new run")
    run_number: int | None
    replayed_at: datetime
    repeated: bool = Field(description="It was replayed before; nothing was done now")


class DeadLetterDetail(DeadLetterView):
    """All that is known of a dead letter."""

    headers: list[HeaderView]
    size: int = Field(description="Bytes of the body")
    tombstone: bool
    body: Any | None = Field(description="The body, where it is JSON")
    text: str | None = Field(description="The body where it is not; what is no UTF-8 is replaced")
    file_id: UUID | None = Field(description="The file that it concerns")
    owner_id: str | None
    analysis: AnalysisOfLetter | None
    way: Literal["run", "record"] | None = Field(description="How it would be replayed; null: it cannot be")


class TopicPositions(Schema):
    id: UUID
    positions: dict[str, int] = Field(description="Next offset by partition; all before it is in `files`")


class Snapshot(Schema):
    topics: dict[str, TopicPositions]
    files: list[FileView]
