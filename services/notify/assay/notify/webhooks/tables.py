"""Tables of the schema `notify`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, DateTime, ForeignKey, Index, Integer, LargeBinary, Text, text, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA = "notify"
Moment = DateTime(timezone=True)


class Base(DeclarativeBase):
    """All tables of this service."""


class WebhookRow(Base):
    """An address, and which events go there."""

    __tablename__ = "webhooks"
    __table_args__ = (Index("webhooks_owner_id", "owner_id"),)

    webhook_id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text)
    event_types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    description: Mapped[str] = mapped_column(Text)
    # As they are: who signs needs them so. Only this service's role can read them.
    secret: Mapped[str] = mapped_column(Text)
    previous_secret: Mapped[str | None] = mapped_column(Text)
    previous_until: Mapped[datetime | None] = mapped_column(Moment)
    is_enabled: Mapped[bool] = mapped_column(Boolean, server_default=true())
    disabled_code: Mapped[str | None] = mapped_column(Text)
    disabled_reason: Mapped[str | None] = mapped_column(Text)
    disabled_at: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment)
    changed_at: Mapped[datetime] = mapped_column(Moment)
    # The first failure since the last success; null while all goes well.
    failing_since: Mapped[datetime | None] = mapped_column(Moment)
    # The last success, to some seconds.
    delivered_at: Mapped[datetime | None] = mapped_column(Moment)


class DeliveryRow(Base):
    """One event for one webhook."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("deliveries_log", "webhook_id", "created_at", "delivery_id"),
        Index("deliveries_due", "webhook_id", "due_at", postgresql_where=text("status = 'pending'")),
        Index("deliveries_file_id", "file_id"),
        Index("deliveries_created_at", "created_at"),
    )

    # Made of the event's id and the webhook's: a redelivered record makes no second row.
    delivery_id: Mapped[UUID] = mapped_column(primary_key=True)
    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.webhook_id", ondelete="CASCADE"))
    # Null for a test.
    file_id: Mapped[UUID | None]
    event_id: Mapped[str] = mapped_column(Text)
    event_type: Mapped[str] = mapped_column(Text)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    traceparent: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    # All of them, and those since it was begun or replayed.
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    tries: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    # The first of these tries.
    began_at: Mapped[datetime | None] = mapped_column(Moment)
    # When it is to be sent; while it is being sent, when another replica takes it over.
    due_at: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    # What the last attempt met with.
    status_code: Mapped[int | None] = mapped_column(Integer)
    error: Mapped[str | None] = mapped_column(Text)


class AttemptRow(Base):
    """One request, and what came of it."""

    __tablename__ = "attempts"

    delivery_id: Mapped[UUID] = mapped_column(
        ForeignKey("deliveries.delivery_id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    attempted_at: Mapped[datetime] = mapped_column(Moment)
    duration_ms: Mapped[int] = mapped_column(Integer)
    status_code: Mapped[int | None] = mapped_column(Integer)
    error: Mapped[str | None] = mapped_column(Text)
    response: Mapped[str | None] = mapped_column(Text)


class DeletedFileRow(Base):
    """The id of a deleted file: topics have no common order, and nothing may follow its deletion."""

    __tablename__ = "deleted_files"
    __table_args__ = (Index("deleted_files_deleted_at", "deleted_at"),)

    file_id: Mapped[UUID] = mapped_column(primary_key=True)
    deleted_at: Mapped[datetime] = mapped_column(Moment)
