"""The end of a run: its report."""

from typing import ClassVar, Literal
from uuid import UUID, uuid5

from pydantic import Field

from assay.contracts.base import FileEvent
from assay.contracts.verdicts import Report


class RunCompleted(FileEvent):
    """Every analyzer of the plan was heard, or the deadline passed. Published to both topics."""

    type: ClassVar[str] = "assay.run.completed.v1"
    topics: ClassVar[tuple[str, ...]] = ("assay.analyses", "assay.verdicts")

    run_id: UUID
    run_number: int = Field(ge=1)
    status: Literal["analyzed", "partially_analyzed", "failed"]
    parent_file_id: UUID | None = Field(default=None, description="Of a derived file: the file that it was found in")
    sha256: str | None = Field(default=None, description="Of the file's bytes")
    media_type: str | None = None
    plan: tuple[str, ...]
    report: Report

    @property
    def event_id(self) -> UUID:
        return uuid5(self.run_id, "completed")
