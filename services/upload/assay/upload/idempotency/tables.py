"""Keys that owners sent, and what came of the files of each request."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, DateTime, ForeignKey, ForeignKeyConstraint, Index, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from assay.upload.tables import Base


class IdempotencyKeyRow(Base):
    """A key. While its request runs, the process moves `expires_at` on; after its end the answer is kept until then."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("idempotency_keys_expires_at", "expires_at"),)

    owner_id: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    # Whose request it is: a number that each attempt draws, so that one that was given up writes nothing any more.
    claim: Mapped[UUID]
    # Of the request, once it has ended well: what it said, and how many files it had.
    fingerprint: Mapped[str | None] = mapped_column(Text)
    files: Mapped[int | None] = mapped_column(Integer)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class IdempotencyOutcomeRow(Base):
    """What came of the n-th file of the request: a file and a run, or a problem. Gone once the file is erased."""

    __tablename__ = "idempotency_outcomes"
    __table_args__ = (
        ForeignKeyConstraint(
            ["owner_id", "key"],
            ["idempotency_keys.owner_id", "idempotency_keys.key"],
            name="idempotency_outcomes_key",
            ondelete="CASCADE",
        ),
        Index("idempotency_outcomes_file_id", "file_id"),
    )

    owner_id: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    file_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("files.file_id", name="idempotency_outcomes_file", ondelete="CASCADE")
    )
    run_id: Mapped[UUID | None]
    is_known: Mapped[bool | None] = mapped_column(Boolean)
    status: Mapped[str | None] = mapped_column(Text)
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
