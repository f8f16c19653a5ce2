"""Tables of resumable uploads, in the schema `upload`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, DateTime, ForeignKey, Index, Integer, Text, false, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from assay.upload.tables import Base


class UploadRow(Base):
    """An upload that may take many requests. Its row is committed before anything of it lies in S3."""

    __tablename__ = "uploads"
    __table_args__ = (Index("uploads_expires_at", "expires_at"), Index("uploads_owner_id", "owner_id"))

    upload_id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    length: Mapped[int] = mapped_column(BigInteger)
    offset: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    # Who writes: the number rises with every holder, and only the last one's writes count.
    fence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    held_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # Somebody else waits for it.
    is_wanted: Mapped[bool] = mapped_column(Boolean, server_default=false())
    multipart_id: Mapped[str | None] = mapped_column(Text)
    next_part: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    part_bytes: Mapped[int] = mapped_column(BigInteger)
    # The beginning was looked at and not refused.
    is_typed: Mapped[bool] = mapped_column(Boolean, server_default=false())
    filename: Mapped[str] = mapped_column(Text)
    declared_media_type: Mapped[str | None] = mapped_column(Text)
    analyzers: Mapped[list[str]] = mapped_column(ARRAY(Text))
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB)
    priority: Mapped[str] = mapped_column(Text)
    force: Mapped[bool] = mapped_column(Boolean, server_default=false())
    # What the client says that the bytes are.
    sha256: Mapped[str | None] = mapped_column(Text)
    # `Upload-Metadata` as it was sent; a HEAD gives it back.
    raw_metadata: Mapped[str] = mapped_column(Text)
    # What became of it.
    file_id: Mapped[UUID | None]
    run_id: Mapped[UUID | None]
    # It has become a file that its owner had before.
    is_known: Mapped[bool] = mapped_column(Boolean, server_default=false())
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    # It has ended, and nothing of it lies in S3 that should not.
    is_cleared: Mapped[bool] = mapped_column(Boolean, server_default=false())
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class PartRow(Base):
    """A part that lies in S3 and counts."""

    __tablename__ = "upload_parts"

    upload_id: Mapped[UUID] = mapped_column(
        ForeignKey("uploads.upload_id", name="upload_parts_upload_id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    etag: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)


class SegmentRow(Base):
    """A piece of the tail: bytes behind the last part, in an object of their own."""

    __tablename__ = "upload_segments"

    upload_id: Mapped[UUID] = mapped_column(
        ForeignKey("uploads.upload_id", name="upload_segments_upload_id", ondelete="CASCADE"), primary_key=True
    )
    offset: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    object_key: Mapped[str] = mapped_column(Text)
