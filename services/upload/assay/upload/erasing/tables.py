"""The marks of erased files, in the schema `upload`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, Index, Integer, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from assay.upload.tables import Base


class ErasureRow(Base):
    """The mark of an erased file: its id, and when. It stays, so that nothing follows the deletion."""

    __tablename__ = "erasures"
    __table_args__ = (Index("erasures_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),)

    file_id: Mapped[UUID] = mapped_column(primary_key=True)
    # Of the id and the owner together: whoever asks again can be told from strangers, and nobody is named.
    owner_digest: Mapped[str] = mapped_column(Text)
    erased_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    # When the last copy in Kafka's log ends.
    log_ends_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    # How often its folder in S3 was swept, and when it is the next time; null: never again.
    sweeps: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
