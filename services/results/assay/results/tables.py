"""ORM classes. Columns for what people filter by, JSONB for what analyzers invent."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Double, Index, Integer, Text, text
from sqlalchemy import Uuid as UuidType
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from assay.shared.outbox import OutboxRow

SCHEMA = "results"


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        # What is not known is null, not the JSON value of that name.
        dict[str, Any]: JSONB(none_as_null=True),
        list[str]: ARRAY(Text),
        list[UUID]: ARRAY(UuidType),
        str: Text,
        float: Double,
    }


class File(Base):
    """A file as far as events have told of it. What is not known yet is null."""

    __tablename__ = "files"

    file_id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str]
    parent_file_id: Mapped[UUID | None]
    parent_run_id: Mapped[UUID | None]
    derived_by: Mapped[str | None]
    # The run that its finding asked for: the one that the parent's run waits for.
    derived_run_id: Mapped[UUID | None]
    depth: Mapped[int | None] = mapped_column(Integer)
    filename: Mapped[str | None]
    media_type: Mapped[str | None]
    size: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None]
    created_at: Mapped[datetime | None]
    # Named so because `metadata` is taken by SQLAlchemy's declarative base.
    user_metadata: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    # Of the newest run, for filters and lists.
    run_id: Mapped[UUID | None]
    status: Mapped[str] = mapped_column(server_default="queued")
    label: Mapped[str | None]
    score: Mapped[float | None]

    __table_args__ = (
        # And those of lists: migration 0007.
        Index("files_owner", "owner_id", text("(parent_file_id IS NULL)"), text("file_id DESC NULLS LAST")),
        Index("files_parent", "parent_file_id", postgresql_where=text("parent_file_id IS NOT NULL")),
    )


class Run(Base):
    """One examination. Number, plan and deadline are null until it was requested, as far as we have read."""

    __tablename__ = "runs"

    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    file_id: Mapped[UUID]
    owner_id: Mapped[str]
    run_number: Mapped[int | None] = mapped_column(Integer)
    plan: Mapped[list[str] | None]
    requested_at: Mapped[datetime | None]
    deadline: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(server_default="queued")
    label: Mapped[str | None]
    score: Mapped[float | None]
    report: Mapped[dict[str, Any] | None]
    swept_at: Mapped[datetime | None]

    __table_args__ = (
        Index("runs_file", "file_id"),
        Index("runs_deadline", "deadline", postgresql_where=text("completed_at IS NULL")),
    )


class Analysis(Base):
    """One analyzer's work in one run."""

    __tablename__ = "analyses"

    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    analyzer: Mapped[str] = mapped_column(primary_key=True)
    file_id: Mapped[UUID]
    owner_id: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="queued")
    version: Mapped[str | None]
    stage: Mapped[str | None]
    fraction: Mapped[float] = mapped_column(server_default="0")
    attempt: Mapped[int] = mapped_column(Integer, server_default="0")
    sequence: Mapped[int] = mapped_column(Integer, server_default="0")
    device: Mapped[str | None]
    queued_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    duration_ms: Mapped[int | None] = mapped_column(BigInteger)
    label: Mapped[str | None]
    claim: Mapped[str | None]
    score: Mapped[float | None]
    confidence: Mapped[float | None]
    verdict: Mapped[dict[str, Any] | None]
    # True from `completed` until `explained`, where the verdict did not wait for its artifacts.
    artifacts_follow: Mapped[bool] = mapped_column(server_default=text("false"))
    derived: Mapped[list[UUID] | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]

    __table_args__ = (
        Index("analyses_file", "file_id"),
        Index("analyses_owner", "owner_id", "analyzer", "status"),
        # By month; see `partitions`.
        {"postgresql_partition_by": "RANGE (run_id)"},
    )


class Feedback(Base):
    """What a person says that a file really is: one per person and file, the latest."""

    __tablename__ = "feedback"

    file_id: Mapped[UUID] = mapped_column(primary_key=True)
    person: Mapped[str] = mapped_column(primary_key=True)
    # Another one each time it is replaced.
    feedback_id: Mapped[UUID]
    owner_id: Mapped[str]
    label: Mapped[str]
    # The verdict that it is about; null: the report.
    analyzer: Mapped[str | None]
    note: Mapped[str | None]
    # What the person had before them: the file's newest run, and what its analyzers said in it, by name.
    run_id: Mapped[UUID | None]
    run_number: Mapped[int | None] = mapped_column(Integer)
    said: Mapped[dict[str, Any]]
    recorded_at: Mapped[datetime]

    __table_args__ = (Index("feedback_recorded", "recorded_at"),)


class DeletedFile(Base):
    """The mark of a deleted file: its id and nothing else. It outlives the log, so that nothing comes back."""

    __tablename__ = "deleted_files"

    file_id: Mapped[UUID] = mapped_column(primary_key=True)


class RegisteredAnalyzer(Base):
    """An analyzer at work, as it describes itself."""

    __tablename__ = "analyzers"

    name: Mapped[str] = mapped_column(primary_key=True)
    manifest: Mapped[dict[str, Any]]
    registered_at: Mapped[datetime]


class Position(Base):
    """The next offset of a partition whose effect is not in the tables yet, and of which topic."""

    __tablename__ = "positions"

    topic: Mapped[str] = mapped_column(primary_key=True)
    partition: Mapped[int] = mapped_column(Integer, primary_key=True)
    topic_id: Mapped[UUID]
    next_offset: Mapped[int] = mapped_column(BigInteger)


class Replay(Base):
    """A dead letter that was replayed, or is: until `claimed_until` by one process alone."""

    __tablename__ = "replays"

    replay_id: Mapped[UUID] = mapped_column(primary_key=True)
    # Where it lay, to show that it was replayed.
    partition: Mapped[int] = mapped_column(Integer)
    offset: Mapped[int] = mapped_column(BigInteger)
    origin: Mapped[str | None]
    replayed_by: Mapped[str]
    claimed_until: Mapped[datetime]
    replayed_at: Mapped[datetime | None]
    # Of the new run, where it was an analysis.
    run_id: Mapped[UUID | None]
    run_number: Mapped[int | None] = mapped_column(Integer)

    __table_args__ = (Index("replays_place", "partition", "offset"),)


class Outbox(OutboxRow, Base):
    """Events to send."""
