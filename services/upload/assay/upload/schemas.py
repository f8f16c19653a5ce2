"""HTTP bodies."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from assay.contracts.analyzers import ANALYZER_NAME
from assay.shared.problems import Problem, as_body
from assay.upload.domain import AcceptedFile, FileStatus, Outcome, Priority, Run, StoredFile

AnalyzerName = Annotated[str, Field(pattern=ANALYZER_NAME, max_length=64)]


class Links(BaseModel):
    """Absolute addresses of one file."""

    self: str = Field(description="The file with its run and report")
    events: str = Field(description="What happens to it, live (server-sent events)")
    web: str = Field(description="Its page")


class UploadedFile(BaseModel):
    """A file that was taken in, with its newest run."""

    file_id: UUID
    run_id: UUID
    status: FileStatus | None = Field(
        description="`queued`: this request has requested the run. Of known content: how its newest run has ended; "
        "null where that one is still in work, and `links.self` tells how far it is"
    )
    known: bool = Field(description="You had uploaded these bytes before; this is that file, with its name of then")
    filename: str = Field(description="As sent; control characters replaced, cut at 1024 characters")
    size: int = Field(description="Bytes")
    sha256: str
    media_type: str = Field(description="Read from the content")
    plan: list[str] = Field(description="The analyzers that will examine it")
    links: Links

    @classmethod
    def of(cls, accepted: AcceptedFile, public_url: str) -> "UploadedFile":
        """public_url: the origin that people use."""
        file = accepted.file
        self_link = f"{public_url}/api/v1/files/{file.file_id}"
        return cls(
            file_id=file.file_id,
            run_id=accepted.run_id,
            status=accepted.status,
            known=accepted.is_known,
            filename=file.filename,
            size=file.size,
            sha256=file.sha256,
            media_type=file.media_type,
            plan=list(accepted.plan),
            links=Links(self=self_link, events=f"{self_link}/events", web=f"{public_url}/files/{file.file_id}"),
        )


class UploadedFiles(BaseModel):
    """The outcome of each file of a request with several, in their order: an uploaded file, or a problem (RFC 9457)."""

    files: list[UploadedFile | dict[str, Any]]


class RunRequest(BaseModel):
    """What a further run is to be."""

    model_config = ConfigDict(extra="forbid")

    analyzers: tuple[AnalyzerName, ...] = Field(
        default=(), max_length=100, description="Only these, by name; all that take the file where there are none"
    )
    priority: Priority = Field(default="interactive", description="`bulk` for what can wait")


class InternalRunRequest(RunRequest):
    """As above, asked by another service for an operator."""

    file_id: UUID
    request_id: UUID = Field(description="What asks; the same again gets the run that it has made")


class RequestedRun(BaseModel):
    """A run that is on its way."""

    file_id: UUID
    run_id: UUID
    run_number: int
    status: Literal["queued"] = "queued"
    plan: list[str] = Field(description="The analyzers that will examine the file")
    deadline: datetime
    links: Links = Field(description="`self` is the run")

    @classmethod
    def of(cls, file: StoredFile, run: Run, public_url: str) -> "RequestedRun":
        """public_url: the origin that people use."""
        file_link = f"{public_url}/api/v1/files/{file.file_id}"
        return cls(
            file_id=file.file_id,
            run_id=run.run_id,
            run_number=run.run_number,
            plan=list(run.plan),
            deadline=run.deadline,
            links=Links(
                self=f"{file_link}/runs/{run.run_number}",
                events=f"{file_link}/events",
                web=f"{public_url}/files/{file.file_id}",
            ),
        )


class BackfillPage(BaseModel):
    """What came of one page of a backfill."""

    analyzer: str
    version: str
    requested: int = Field(description="Runs requested now; in a dry run, those that would be")
    skipped: int = Field(description="Files that had a run by this version of the analyzer")
    next_cursor: UUID | None = Field(description="Send it as `cursor` for the next page; null at the end")


class RetiredAnalyzer(BaseModel):
    """An analyzer that new plans do not name any more."""

    name: str
    version: str


def outcome_body(outcome: Outcome, public_url: str) -> UploadedFile | dict[str, Any]:
    """What a list of outcomes says of one file."""
    return as_body(outcome) if isinstance(outcome, Problem) else UploadedFile.of(outcome, public_url)
