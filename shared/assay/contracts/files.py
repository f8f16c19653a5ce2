"""What happens on the two lanes: files arrive, runs are requested, files are deleted."""

from typing import Any, ClassVar
from uuid import UUID, uuid5

from pydantic import AwareDatetime, Field

from assay.contracts.base import FileEvent

LANES = ("assay.files", "assay.files.bulk")


class FileUploaded(FileEvent):
    """Somebody's file is in object storage. The only event with the file's name and the user's metadata."""

    type: ClassVar[str] = "assay.file.uploaded.v1"
    topics: ClassVar[tuple[str, ...]] = LANES

    filename: str = Field(max_length=1024, description="As the client sent it: shown, never used as a path")
    declared_media_type: str | None = Field(default=None, description="What the client said; recorded, not believed")
    media_type: str = Field(description="Read from the content", examples=["image/jpeg"])
    size: int = Field(ge=1, description="Bytes")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    object_key: str = Field(description="S3 key of the bytes in Assay's bucket")
    metadata: dict[str, Any] = Field(default_factory=dict, description="The user's own, as sent with the upload")

    @property
    def event_id(self) -> UUID:
        return uuid5(self.file_id, "uploaded")


class FileDerived(FileEvent):
    """An analyzer found a file inside another. It is judged like any other; its report is part of the parent's."""

    type: ClassVar[str] = "assay.file.derived.v1"
    topics: ClassVar[tuple[str, ...]] = LANES

    parent_file_id: UUID
    parent_run_id: UUID
    derived_by: str = Field(description="The analyzer that found it")
    depth: int = Field(ge=1, description="1 for a file found in an uploaded one")
    media_type: str
    size: int = Field(ge=1, description="Bytes")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    object_key: str
    run_id: UUID = Field(description="Its first run, requested by this event")
    plan: tuple[str, ...] = Field(
        description="The analyzers, by name, that the run must hear from; empty where none takes such a file, and "
        "then the run is complete at once"
    )
    deadline: AwareDatetime
    room_files: int | None = Field(
        default=None,
        ge=0,
        description="How many files may be found inside it, at all depths together: its share of what the uploaded "
        "file had; null: as of an uploaded file",
    )
    room_bytes: int | None = Field(default=None, ge=0, description="The bytes of all these files together, likewise")

    @property
    def event_id(self) -> UUID:
        return uuid5(self.file_id, "derived")


class RunRequested(FileEvent):
    """A file is to be examined by the analyzers of the plan. Carries all that a worker needs."""

    type: ClassVar[str] = "assay.run.requested.v1"
    topics: ClassVar[tuple[str, ...]] = LANES

    run_id: UUID
    run_number: int = Field(ge=1)
    plan: tuple[str, ...] = Field(min_length=1, description="The analyzers, by name, that the run must hear from")
    deadline: AwareDatetime = Field(description="When results gives up on analyses that are missing; waiting counts")
    media_type: str
    size: int = Field(ge=1, description="Bytes")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    object_key: str
    same_bytes: tuple[UUID, ...] = Field(
        default=(),
        description="Files of this owner with these bytes that were examined before, this one from its second run on: "
        "a verdict of the same analyzer version may be taken over",
    )

    @property
    def event_id(self) -> UUID:
        return uuid5(self.run_id, "requested")


class FileDeleted(FileEvent):
    """The file is gone from storage and from every answer. Late verdicts resurrect nothing."""

    type: ClassVar[str] = "assay.file.deleted.v1"
    topics: ClassVar[tuple[str, ...]] = LANES

    @property
    def event_id(self) -> UUID:
        return uuid5(self.file_id, "deleted")
