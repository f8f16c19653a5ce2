"""HTTP bodies of resumable uploads."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from assay.upload.domain import Priority
from assay.upload.resumable.domain import Kind, PartOnItsWay, Status, Upload
from assay.upload.resumable.outcomes import Progress
from assay.upload.schemas import AnalyzerName, UploadedFile

ETag = Annotated[str, Field(min_length=1, max_length=256, pattern=r'^"?[\x21\x23-\x7e]+"?$')]


class UploadPart(BaseModel):
    """One part of an upload that goes straight to storage."""

    number: int
    size: int
    etag: str | None = Field(description="Of the part as it lies in storage; null where it is still to be sent")
    url: str | None = Field(
        description="Where it goes: PUT exactly `size` bytes, until `expires_at`; null where it is there"
    )


class UploadState(BaseModel):
    """How far an upload is, and what became of it."""

    upload_id: UUID
    kind: Kind
    status: Status
    offset: int = Field(description="Bytes accepted; nothing of them gets lost")
    length: int = Field(description="Bytes of the whole file")
    expires_at: datetime = Field(
        description="Where nothing more comes, it is thrown away then; the row is, if it ended"
    )
    file: UploadedFile | None = Field(description="What it became; null before, and where the file was deleted since")
    problem: dict[str, Any] | None = Field(description="Why it was refused: a problem (RFC 9457)")
    parts: list[UploadPart] | None = Field(
        description="Of an upload straight to storage that is not complete: its parts, there or with an address"
    )

    @classmethod
    def of(cls, progress: Progress, parts: Sequence[PartOnItsWay] | None, public_url: str) -> "UploadState":
        """parts: of an upload straight to storage. public_url: the origin that people use."""
        upload = progress.upload
        return cls(
            upload_id=upload.upload_id,
            kind=upload.kind,
            status=upload.status,
            offset=upload.offset,
            length=upload.length,
            expires_at=upload.expires_at,
            file=UploadedFile.of(progress.accepted, public_url) if progress.accepted else None,
            problem=upload.problem,
            parts=None
            if parts is None
            else [UploadPart(number=each.number, size=each.size, etag=each.etag, url=each.url) for each in parts],
        )


class PresignRequest(BaseModel):
    """A file that is about to be sent straight to storage."""

    model_config = ConfigDict(extra="forbid")

    filename: str = Field(default="", max_length=4096, description="Recorded as sent, and never used as a path")
    size: int = Field(ge=0, le=2**62, description="Bytes of the file, exactly")
    sha256: str | None = Field(
        default=None, pattern="^[0-9a-fA-F]{64}$", description="Of the file, where you know it; other bytes are refused"
    )
    media_type: str | None = Field(default=None, max_length=255, description="Recorded, and not believed")
    analyzers: tuple[AnalyzerName, ...] = Field(
        default=(), max_length=100, description="Only these, by name; all that take the file where there are none"
    )
    metadata: dict[str, Any] = Field(default_factory=dict, description="An object of your own, kept with the file")
    priority: Priority = Field(default="interactive", description="`bulk` for what can wait")
    force: bool = Field(default=False, description="A file of its own, also where you have the same bytes already")


class PartLink(BaseModel):
    """Where one part goes: PUT exactly `size` bytes, and keep the ETag of the answer."""

    number: int
    size: int
    url: str


class PresignedLinks(BaseModel):
    """What to do next."""

    complete: str = Field(description="POST `{upload_id, parts}` here when all parts are sent")
    self: str = Field(description="GET tells how far it is; DELETE gives it up")


class PresignedUpload(BaseModel):
    """Addresses to send the parts of a file to. They work without a token until `expires_at`: keep them to yourself."""

    upload_id: UUID
    part_bytes: int = Field(description="Every part has so many bytes, but for the last")
    expires_at: datetime
    parts: list[PartLink]
    links: PresignedLinks

    @classmethod
    def of(cls, upload: Upload, parts: list[tuple[int, int, str]], public_url: str) -> "PresignedUpload":
        """public_url: the origin that people use."""
        return cls(
            upload_id=upload.upload_id,
            part_bytes=upload.part_bytes,
            expires_at=upload.expires_at,
            parts=[PartLink(number=number, size=size, url=url) for number, size, url in parts],
            links=PresignedLinks(
                complete=f"{public_url}/api/v1/files:complete", self=f"{public_url}/api/v1/uploads/{upload.upload_id}"
            ),
        )


class SentPart(BaseModel):
    """A part that storage has taken."""

    number: int = Field(ge=1, le=10_000)
    etag: ETag = Field(description="The header `ETag` of storage's answer")


class CompleteRequest(BaseModel):
    """All parts are sent."""

    model_config = ConfigDict(extra="forbid")

    upload_id: UUID
    parts: tuple[SentPart, ...] = Field(max_length=10_000)
