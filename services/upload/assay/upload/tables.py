"""Tables of the schema `upload`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, DateTime, ForeignKey, Index, Integer, Text, UniqueConstraint, false, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from assay.shared.outbox import OutboxRow


class Base(DeclarativeBase):
    """All tables of this service."""


class IntentRow(Base):
    """An upload that has begun and is not announced. While its process lives it moves `expires_at` on."""

    __tablename__ = "intents"
    __table_args__ = (Index("intents_expires_at", "expires_at"),)

    file_id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    object_key: Mapped[str] = mapped_column(Text)
    multipart_id: Mapped[str | None] = mapped_column(Text)
    abandoned: Mapped[bool] = mapped_column(Boolean, server_default=false())
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class FileRow(Base):
    """A file that was announced."""

    __tablename__ = "files"
    __table_args__ = (
        Index("files_owner_id_sha256", "owner_id", "sha256"),
        Index(
            "files_known_bytes",
            "owner_id",
            "sha256",
            unique=True,
            postgresql_where=text("NOT forced AND parent_file_id IS NULL"),
        ),
        Index("files_created_at", "created_at", postgresql_where=text("parent_file_id IS NULL")),
        Index("files_parent_file_id", "parent_file_id", postgresql_where=text("parent_file_id IS NOT NULL")),
    )

    file_id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str] = mapped_column(Text)
    declared_media_type: Mapped[str | None] = mapped_column(Text)
    filename: Mapped[str] = mapped_column(Text)
    object_key: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    # The file in which an analyzer found it; null for what somebody uploaded.
    parent_file_id: Mapped[UUID | None]
    # A file of its own although its owner had the same bytes already.
    forced: Mapped[bool] = mapped_column(Boolean, server_default=false())


class RunRow(Base):
    """A run that was requested."""

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("file_id", "run_number", name="runs_file_id_run_number"),
        UniqueConstraint("request_id", name="runs_request_id"),
        Index("runs_in_flight", "asked_by", postgresql_where=text("status IS NULL AND asked_by IS NOT NULL")),
    )

    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    file_id: Mapped[UUID] = mapped_column(ForeignKey("files.file_id", name="runs_file_id", ondelete="CASCADE"))
    run_number: Mapped[int] = mapped_column(Integer)
    plan: Mapped[list[str]] = mapped_column(ARRAY(Text))
    lane: Mapped[str] = mapped_column(Text)
    requested_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    deadline: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    # `name/version` of each analyzer of the plan, as the catalog had it; null in rows older than this column.
    versions: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    # What asked for the run, where asking again must not make another one.
    request_id: Mapped[UUID | None]
    # How it has ended; null as long as that is not heard.
    status: Mapped[str | None] = mapped_column(Text)
    # The owner, where the run counts as one that the owner has asked for; null for those of operators and analyzers.
    asked_by: Mapped[str | None] = mapped_column(Text)


class OutboxTable(OutboxRow, Base):
    """Events that are not sent yet."""
